"""Run folders against rooms with ground truth: protocol P-Room over a whole set.

    rooms/room00/{camera.json, depth.png, instances.png, scene.json, truth.npz}      the truth
    runs/room00/{scene.json, scene.glb, instances.png, depth.png}                    what was made of its photo

Every room of the truth counts. One without a usable run counts as failed, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixal3d_scene.errors import InputError
from pixal3d_scene.review.room_files import is_true_room, read_run, read_true_room
from pixal3d_scene.review.room_protocol import FIGURE_FIELDS, RoomScore, score_room

PROTOCOL = "P-Room"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomResult:
    """One room: its score, or the reason why there is none."""

    name: str
    score: RoomScore | None
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All rooms of a set, in the order of their names."""

    rooms: tuple[RoomResult, ...]

    @property
    def mean(self) -> dict[str, float]:
        """Mean of every figure over the rooms that have it. Read it together with `failed`."""
        scores = [room.score.figures for room in self.rooms if room.score is not None]
        by_key = {key: [figures[key] for figures in scores if key in figures] for key in FIGURE_FIELDS}
        return {key: float(np.mean(values)) for key, values in by_key.items() if values}

    @property
    def failed(self) -> int:
        """Number of rooms without a usable run; the means leave them out."""
        return sum(room.score is None for room in self.rooms)


def evaluate(truth_dir: Path, runs_dir: Path) -> Evaluation:
    """Score `runs_dir/ROOM` against `truth_dir/ROOM` for every room of the truth.

    Raises InputError if `truth_dir` holds no room, a room's truth is damaged or `runs_dir` does not exist.
    """
    rooms = sorted(folder for folder in truth_dir.glob("*/") if is_true_room(folder))
    if not rooms:
        raise InputError(f"{truth_dir} holds no folder with a truth.npz; name the folder that contains the rooms.")
    if not runs_dir.is_dir():
        raise InputError(f"{runs_dir} is not a folder; name the folder that contains one run per room.")
    return Evaluation(rooms=tuple(evaluate_room(room, runs_dir / room.name) for room in rooms))


def evaluate_room(truth_folder: Path, run_folder: Path) -> RoomResult:
    """Score one run folder; whatever is wrong with the run makes it failed, not skipped."""
    truth = read_true_room(truth_folder)
    try:
        score = score_room(truth, read_run(run_folder, truth=truth))
    except Exception as error:
        return RoomResult(name=truth.name, score=None, failure=f"{type(error).__name__}: {error}")
    return RoomResult(name=truth.name, score=score)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as plain values for a JSON file."""
    rooms: dict[str, Any] = {}
    for room in evaluation.rooms:
        if room.score is None:
            rooms[room.name] = {"error": room.failure}
        else:
            counts = {"objects_true": room.score.true_objects, "matched": room.score.matched_objects}
            rooms[room.name] = {**counts, **room.score.figures}
    return {"protocol": PROTOCOL, "rooms": rooms, "mean": {**evaluation.mean, "failed": evaluation.failed}}


def table_rows(evaluation: Evaluation, keys: tuple[str, ...] = tuple(FIGURE_FIELDS)) -> list[tuple[str, ...]]:
    """A header, one row per room and the mean, as text: room, matched objects, then the figures `keys`.

    A failed room shows its reason in place of figures.
    """
    rows = [("room", "matched", *keys)]
    for room in evaluation.rooms:
        if room.score is None:
            rows.append((room.name, "failed", str(room.failure), *[""] * (len(keys) - 1)))
        else:
            matched = f"{room.score.matched_objects}/{room.score.true_objects}"
            rows.append((room.name, matched, *_cells(room.score.figures, keys)))
    rows.append(("mean", f"{evaluation.failed} failed", *_cells(evaluation.mean, keys)))
    return rows


def _cells(figures: dict[str, float], keys: tuple[str, ...]) -> list[str]:
    return [f"{figures[key]:.3f}" if key in figures else "-" for key in keys]
