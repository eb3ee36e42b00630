"""Protocols by name: none mixed with another, each with its parameters beside its figures."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

import pytest
from protocol_cases import block, run_of, true_room
from room_doubles import perfect_run, write_block_room
from typer.testing import CliRunner

import cli
from pipelines.evaluate import PROTOCOLS, Evaluation, RoomResult, as_json, evaluate, find_protocol, remarks, table_rows
from pixal3d_scene.errors import InputError
from pixal3d_scene.review.protocol import EvaluationProtocol, Score
from pixal3d_scene.review.protocol_gen3dsr import Gen3dsrProtocol
from pixal3d_scene.review.protocol_midi import MidiProtocol
from pixal3d_scene.review.protocol_scenegen import SceneGenProtocol

PUBLISHED = {
    "P-Room": {"points_per_object": 4000, "tau": 0.1, "tau_m": 0.05, "icp_steps": 50, "contact_m": 0.02},
    "P-MIDI": {"points_per_object": 20_480, "tau": 0.1, "icp_steps": 50, "icp_relative_change": 1e-5},
    "P-SceneGen": {"points_per_object": 10_240, "tau": 0.1, "filterreg_steps": 200, "filterreg_tolerance": 1e-4},
    "P-Gen3DSR": {"points_per_scene": 1_000_000, "taus_m": (0.1, 0.01, 0.001), "alignment": "none"},
    "P-Physics": {"voxels_a_side": 64, "contact_m": 0.005},
}


@pytest.fixture
def rooms_and_runs(tmp_path: Path) -> tuple[Path, Path]:
    write_block_room(tmp_path / "rooms" / "blocks")
    perfect_run(tmp_path / "rooms" / "blocks").write(tmp_path / "runs" / "blocks")
    return tmp_path / "rooms", tmp_path / "runs"


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_the_published_numbers_are_what_is_used_and_printed(protocol: EvaluationProtocol) -> None:
    parameters = protocol.parameters
    assert parameters.items() >= PUBLISHED[protocol.name].items()
    assert parameters.keys() >= {"alignment", "frame", "pairing"}
    assert json.loads(json.dumps(parameters)).keys() == parameters.keys()


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_no_protocol_takes_a_number_from_another_or_from_what_they_share(protocol: EvaluationProtocol) -> None:
    """A protocol's module imports functions and types of its neighbours, never a constant, and no other protocol."""
    tree = ast.parse(Path(inspect.getfile(type(protocol))).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            assert not (node.module or "").startswith("protocol_"), node.module
            assert [alias.name for alias in node.names if alias.name.isupper()] == []


def test_what_tells_the_protocols_apart() -> None:
    by_name = {p.name: p.parameters for p in PROTOCOLS}
    assert by_name["P-MIDI"]["chamfer"] == by_name["P-SceneGen"]["chamfer"] == "squared, both directions summed"
    assert by_name["P-Gen3DSR"]["chamfer"] == "unsquared, mean of both directions"
    assert "before" in by_name["P-MIDI"]["alignment"]
    assert "after" in by_name["P-SceneGen"]["alignment"]
    # One and the same run: a box half a metre off, 1 m wide.
    chest, other = block((1, 1, 1), (-1.5, 0, 5)), block((1, 1, 1), (1.5, 0, 5))
    truth = true_room({1: chest, 2: other})
    run = run_of(
        truth, {1: chest.copy().apply_translation([0, 0, 0.5]), 2: other.copy().apply_translation([0, 0, 0.5])}
    )
    midi = MidiProtocol(points_per_object=3000).score(truth, run).figures
    scenegen = SceneGenProtocol(points_per_object=3000, filterreg_steps=10).score(truth, run).figures
    gen3dsr = Gen3dsrProtocol(points_per_scene=20_000).score(truth, run).figures
    assert midi["IoU-B"] == pytest.approx(1 / 3, abs=0.02)
    assert scenegen["IoU-B"] > 0.95
    assert midi["F-S"] == pytest.approx(100, abs=0.5)
    assert gen3dsr["F@0.1"] < 70


def test_names_are_found_in_any_case_and_unknown_ones_refused() -> None:
    assert find_protocol("p-midi").name == find_protocol("P-MIDI").name == "P-MIDI"
    with pytest.raises(InputError, match=r"no protocol 'P-DPA'; choose one of: P-Room, P-MIDI, .*P-Physics"):
        find_protocol("P-DPA")


def test_means_over_objects_weigh_rooms_by_their_objects() -> None:
    def room(name: str, true_objects: int, found: int, value: float) -> RoomResult:
        weights = {"F-O": true_objects, "CD-O": found}
        figures = {"F-S": value, "F-O": value, **({"CD-O": value} if found else {})}
        score = Score(true_objects=true_objects, matched_objects=found, figures=figures, weights=weights)
        return RoomResult(name=name, score=score)

    rooms = (room("a", 1, 1, 10.0), room("b", 3, 0, 50.0), RoomResult(name="c", score=None, failure="gone"))
    evaluation = Evaluation(protocol=MidiProtocol(), rooms=rooms)
    assert evaluation.mean == {"F-S": 30.0, "F-O": 40.0, "CD-O": 10.0}
    assert evaluation.failed == 1


@pytest.mark.parametrize(
    ("protocol", "perfect"),
    [
        (MidiProtocol(points_per_object=3000), {"F-S": 100, "F-O": 100, "IoU-B": 1}),
        (SceneGenProtocol(points_per_object=3000, filterreg_steps=10), {"F-S": 100, "F-O": 100, "IoU-B": 1}),
        (Gen3dsrProtocol(points_per_scene=20_000), {"F@0.1": 100, "CD": 0}),
        (find_protocol("P-Physics"), {"penetration": 0, "contact_5mm": 1, "open": 0}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_perfect_run_and_the_truth_itself(
    protocol: EvaluationProtocol, perfect: dict[str, float], rooms_and_runs: tuple[Path, Path]
) -> None:
    evaluation = evaluate(*rooms_and_runs, protocol, with_truth=True)
    assert evaluation.failed == evaluation.beside["truth"].failed == 0, evaluation.rooms[0].failure
    for mean in (evaluation.mean, evaluation.beside["truth"].mean):
        for key, value in perfect.items():
            assert mean[key] == pytest.approx(value, rel=0.03, abs=0.02), key
    rows = table_rows(evaluation)
    assert [row[0] for row in rows] == ["room", "blocks", "mean", "mean, truth"]
    facts = as_json(evaluation)
    assert (facts["protocol"], facts["parameters"]) == (protocol.name, protocol.parameters)
    assert facts["beside"]["truth"]["mean"]["failed"] == 0


def test_small_figures_keep_their_digits() -> None:
    score = Score(true_objects=1, matched_objects=None, figures={"CD-S": 0.000123456, "F-S": 97.25}, notes=("a note",))
    evaluation = Evaluation(protocol=MidiProtocol(), rooms=(RoomResult(name="a", score=score),))
    assert table_rows(evaluation, keys=("CD-S", "F-S"))[1] == ("a", "-", "0.000123", "97.250")
    assert remarks(evaluation) == ["a: a note"]
    assert as_json(evaluation)["rooms"]["a"] == {"objects_true": 1, **score.figures, "notes": ["a note"]}


def test_a_run_without_kept_stages_has_no_layout_baselines(rooms_and_runs: tuple[Path, Path]) -> None:
    evaluation = evaluate(*rooms_and_runs, layout_baselines=True)
    assert evaluation.failed == 0
    assert {method: e.failed for method, e in evaluation.beside.items()} == {
        "variance_ratio": 1, "umeyama": 1, "icp": 1, "ransac_5dof": 1
    }  # fmt: skip
    assert all("does not keep what other layouts would start from" in line for line in remarks(evaluation))
    assert len(remarks(evaluation)) == 4


def test_the_command_line(rooms_and_runs: tuple[Path, Path]) -> None:
    arguments = ["evaluate", *map(str, rooms_and_runs)]
    done = CliRunner().invoke(cli.app, [*arguments, "--protocol", "p-physics", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["protocol"] == "P-Physics"
    assert facts["parameters"]["voxels_a_side"] == 64
    table = CliRunner().invoke(cli.app, [*arguments, "--protocol", "P-Physics", "--with-truth"])
    header, room, mean, truth = table.stdout.splitlines()
    assert header.split()[:3] == ["room", "matched", "penetration"]
    assert [line.split()[0] for line in (room, mean, truth)] == ["blocks", "mean", "mean,"]
    unknown = CliRunner().invoke(cli.app, [*arguments, "--protocol", "P-DPA"])
    assert unknown.exit_code == 2
    assert "P-MIDI" in unknown.stderr
