"""Run folders against rooms with ground truth, by one named protocol over a whole set.

    rooms/room00/{camera.json, depth.png, instances.png, scene.json, truth.npz[, truth.glb]}   the truth
    runs/room00/{scene.json, scene.glb, instances.png, depth.png[, manifest.json, stages/]}   what was made of its photo

Every room of the truth counts. One without a usable run counts as failed, with the reason. Beside the runs, the truth
itself and what other methods of placement would have made of the same runs can be scored in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pixal3d_scene.errors import InputError
from pixal3d_scene.review.layout_baselines import BASELINES
from pixal3d_scene.review.protocol import EvaluationProtocol, Score
from pixal3d_scene.review.protocol_gen3dsr import Gen3dsrProtocol
from pixal3d_scene.review.protocol_midi import MidiProtocol
from pixal3d_scene.review.protocol_physics import PhysicsProtocol
from pixal3d_scene.review.protocol_room import RoomProtocol
from pixal3d_scene.review.protocol_scenegen import SceneGenProtocol
from pixal3d_scene.review.room_files import TrueRoom, is_true_room, read_run, read_true_room, run_of_truth
from pixal3d_scene.review.run_baselines import placed_by, read_kept_stages

ROOM = RoomProtocol()
PROTOCOLS: tuple[EvaluationProtocol, ...] = (
    ROOM,
    MidiProtocol(),
    SceneGenProtocol(),
    Gen3dsrProtocol(),
    PhysicsProtocol(),
)
TRUTH = "truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomResult:
    """One room: its score, or the reason why there is none."""

    name: str
    score: Score | None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All rooms of a set, in the order of their names. beside: the same rooms as others would have made them."""

    protocol: EvaluationProtocol
    rooms: tuple[RoomResult, ...]
    beside: Mapping[str, Evaluation] = field(default_factory=dict)

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every figure over the rooms, or objects, that have it. Read it together with `failed`."""
        scores = [room.score for room in self.rooms if room.score is not None]
        means = {}
        for key in self.protocol.meanings:
            having = [score for score in scores if key in score.figures]
            weights = [score.weights.get(key, 1) for score in having]
            if sum(weights):
                means[key] = float(np.average([score.figures[key] for score in having], weights=weights))
        return means

    @property
    def failed(self) -> int:
        """Number of rooms without a usable run; the means leave them out."""
        return sum(room.score is None for room in self.rooms)


def find_protocol(name: str) -> EvaluationProtocol:
    """The protocol of a name, upper or lower case; raises InputError if there is none."""
    found = next((protocol for protocol in PROTOCOLS if protocol.name.lower() == name.lower()), None)
    if found is None:
        known = ", ".join(protocol.name for protocol in PROTOCOLS)
        raise InputError(f"There is no protocol {name!r}; choose one of: {known}.")
    return found


def evaluate(
    truth_dir: Path,
    runs_dir: Path,
    protocol: EvaluationProtocol = ROOM,
    *,
    with_truth: bool = False,
    layout_baselines: bool = False,
) -> Evaluation:
    """Score `runs_dir/ROOM` against `truth_dir/ROOM` for every room of the truth.

    with_truth: beside it the truth as if it were a run. layout_baselines: beside it the runs' own objects where other
    methods would have placed them. Raises InputError if `truth_dir` holds no room, a room's truth is damaged or
    `runs_dir` does not exist.
    """
    folders = sorted(folder for folder in truth_dir.glob("*/") if is_true_room(folder))
    if not folders:
        raise InputError(f"{truth_dir} holds no folder with a truth.npz; name the folder that contains the rooms.")
    if not runs_dir.is_dir():
        raise InputError(f"{runs_dir} is not a folder; name the folder that contains one run per room.")
    results: dict[str, list[RoomResult]] = {}
    for folder in folders:
        for method, result in _evaluate_room(folder, runs_dir / folder.name, protocol, with_truth, layout_baselines):
            results.setdefault(method, []).append(result)
    rooms = tuple(results.pop(""))
    beside = {method: Evaluation(protocol=protocol, rooms=tuple(others)) for method, others in results.items()}
    return Evaluation(protocol=protocol, rooms=rooms, beside=beside)


def _evaluate_room(
    truth_folder: Path, run_folder: Path, protocol: EvaluationProtocol, with_truth: bool, layout_baselines: bool
) -> list[tuple[str, RoomResult]]:
    """The run, under an empty name, and whatever else is asked for."""
    truth = read_true_room(truth_folder)
    results = [("", _attempt(truth, lambda: protocol.score(truth, read_run(run_folder, truth=truth))))]
    if with_truth:
        results.append((TRUTH, _attempt(truth, lambda: protocol.score(truth, run_of_truth(truth)))))
    if layout_baselines:
        for name, method in BASELINES.items():

            def score_placed(method: Any = method) -> Score:
                run = read_run(run_folder, truth=truth)
                return protocol.score(truth, placed_by(method, read_kept_stages(run_folder), run))

            results.append((name, _attempt(truth, score_placed)))
    return results


def _attempt(truth: TrueRoom, score: Callable[[], Score]) -> RoomResult:
    """Whatever is wrong with a run makes it failed, not skipped."""
    try:
        return RoomResult(name=truth.name, score=score())
    except Exception as error:
        return RoomResult(name=truth.name, score=None, failure=f"{type(error).__name__}: {error}")


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as plain values for a JSON file."""
    protocol = evaluation.protocol
    facts = {"protocol": protocol.name, "parameters": protocol.parameters, **_results(evaluation)}
    if evaluation.beside:
        facts["beside"] = {method: _results(others) for method, others in evaluation.beside.items()}
    return facts


def _results(evaluation: Evaluation) -> dict[str, Any]:
    rooms: dict[str, Any] = {}
    for room in evaluation.rooms:
        if room.score is None:
            rooms[room.name] = {"error": room.failure}
            continue
        matched = {} if room.score.matched_objects is None else {"matched": room.score.matched_objects}
        notes = {"notes": list(room.score.notes)} if room.score.notes else {}
        rooms[room.name] = {"objects_true": room.score.true_objects, **matched, **room.score.figures, **notes}
    return {"rooms": rooms, "mean": {**evaluation.mean, "failed": evaluation.failed}}


def table_rows(evaluation: Evaluation, keys: tuple[str, ...] | None = None) -> list[tuple[str, ...]]:
    """A header, one row per room, the mean, and the means of whatever else was scored, as text.

    Columns: room, matched objects, then the figures `keys` (all without). A failed room shows its reason in place of
    figures.
    """
    keys = keys or tuple(evaluation.protocol.meanings)
    rows = [("room", "matched", *keys)]
    for room in evaluation.rooms:
        if room.score is None:
            rows.append((room.name, "failed", str(room.failure), *[""] * (len(keys) - 1)))
        else:
            found = room.score.matched_objects
            matched = "-" if found is None else f"{found}/{room.score.true_objects}"
            rows.append((room.name, matched, *_cells(room.score.figures, keys)))
    for name, others in (("mean", evaluation), *((f"mean, {m}", e) for m, e in evaluation.beside.items())):
        rows.append((name, f"{others.failed} failed", *_cells(others.mean, keys)))
    return rows


def remarks(evaluation: Evaluation) -> list[str]:
    """What a reader has to know beside the table, one line each."""
    lines = []
    for method, part in (("", evaluation), *evaluation.beside.items()):
        for room in part.rooms:
            where = f"{room.name}, {method}" if method else room.name
            lines += [f"{where}: {note}" for note in room.score.notes] if room.score is not None else []
            if method and room.failure:
                lines.append(f"{where}: failed, {room.failure}")
    return lines


def _cells(figures: Mapping[str, float], keys: tuple[str, ...]) -> list[str]:
    return [_cell(figures[key]) if key in figures else "-" for key in keys]


def _cell(value: float) -> str:
    """Three decimals, or three digits where these would be lost."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.1 else f"{value:.3g}"
