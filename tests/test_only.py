"""`--only` with other settings: whose they are is known of each object, and the plain command makes all of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from room_on_disk import RoomOnDisk, write_room_on_disk
from typer.testing import CliRunner

from cli import app
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.generator.lift import Lift

NAMES = ["object_03", "object_07", "object_09"]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    folder = tmp_path_factory.mktemp("rooms") / "room"
    folder.mkdir()
    (folder.parent / "fast.toml").write_text("[generate]\nhidden_sides = false\n")
    return write_room_on_disk(folder)


@pytest.fixture(scope="module")
def finished(room: RoomOnDisk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seed 42; tests that change it copy it first."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert run(room, out).exit_code == 0
    return out


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the objects that are generated."""
    names: list[str] = []
    lift = Lift._lift_or_failure

    def counted(generator: Lift, volume: CropVolume) -> Any:
        names.append(volume.name)
        return lift(generator, volume)

    monkeypatch.setattr(Lift, "_lift_or_failure", counted)
    return names


def run(room: RoomOnDisk, out: Path, *more: str):  # type: ignore[no-untyped-def]
    fast = ("--quality", "draft", "--config", str(room.folder.parent / "fast.toml"))
    return CliRunner().invoke(app, ["run", str(room.photo), "-o", str(out), *room.given, *fast, *more])


def products(out: Path) -> dict[str, bytes]:
    files = [*out.glob("objects/*.glb"), *out.glob("*.png"), out / "scene.glb", out / "scene.json"]
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


@pytest.mark.parametrize(("seed", "remade"), [("42", NAMES[1:2]), ("7", [NAMES[0], NAMES[2]]), ("8", NAMES)])
def test_the_plain_command_makes_again_what_is_of_other_settings(
    room: RoomOnDisk, finished: Path, tmp_path: Path, generated: list[str], seed: str, remade: list[str]
) -> None:
    out, whole = Path(shutil.copytree(finished, tmp_path / "run")), tmp_path / "whole"
    mixed = run(room, out, "--only", NAMES[1], "--seed", "7")
    note = "Of other settings than the rest, since --only kept them: object_03, object_09;"
    assert note in mixed.stderr
    assert note in (out / "report.json").read_text()
    generated.clear()
    planned = json.loads(run(room, out, "--seed", seed, "--dry-run", "--json").stdout)["stages"]
    assert [planned[stage] for stage in ("depth", "generate", "place", "export")] == ["keep", "run", "run", "run"]
    plain = run(room, out, "--seed", seed)
    assert (plain.exit_code, generated) == (0, remade)
    told = f"Made again, since --only had mixed the settings of this folder's objects: {', '.join(remade)};"
    assert (told in plain.stderr) == (seed != "8")
    assert "--only" not in (out / "report.json").read_text()
    assert run(room, whole, "--seed", seed).exit_code == 0
    assert products(out) == products(whole)
    assert "up to date" in run(room, out, "--seed", seed).stdout


def test_only_of_the_same_settings_leaves_the_run_up_to_date(
    room: RoomOnDisk, finished: Path, tmp_path: Path, generated: list[str]
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    again = run(room, out, "--only", NAMES[1])
    assert generated == NAMES[1:2]
    assert "Of other settings" not in again.stderr
    assert "up to date" in run(room, out).stdout


def test_every_object_keeps_its_own_settings(
    room: RoomOnDisk, finished: Path, tmp_path: Path, generated: list[str]
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    assert run(room, out, "--only", NAMES[1], "--seed", "7").exit_code == 0
    third = run(room, out, "--only", NAMES[2], "--seed", "8")
    assert "since --only kept them: object_03, object_07;" in third.stderr
    generated.clear()
    assert run(room, out, "--seed", "7").exit_code == 0
    assert generated == [NAMES[0], NAMES[2]]


def test_once_all_are_of_one_setting_the_run_is_up_to_date(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    for name in NAMES:
        assert run(room, out, "--only", name, "--seed", "7").exit_code == 0
    assert "up to date" in run(room, out, "--seed", "7").stdout


def test_a_dry_run_knows_what_only_does(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*")}
    command = ("--only", NAMES[1], "--seed", "7", "--dry-run")
    plan = json.loads(run(room, finished, *command, "--json").stdout)
    assert plan["stages"] == {"segment": "keep", "depth": "keep", "generate": "run", "place": "run", "export": "run"}
    assert plan["only"] == NAMES[1:2]
    assert "generate: run, place: run, export: run (only object_07)" in run(room, finished, *command).stdout
    for more, told in (
        (("--only", "sofa_99"), "There is no object sofa_99; the run has: object_03, object_07, object_09."),
        (("--only", NAMES[1], "--redo", "depth"), "--redo makes a stage again for all objects and --only for some"),
    ):
        for dry in ((), ("--dry-run",)):
            refused = run(room, finished, *more, *dry)
            assert (refused.exit_code, told in refused.stderr) == (2, True), refused.output
    nothing = run(room, tmp_path / "none", *command)
    assert nothing.exit_code == 2
    assert "--only needs a finished run" in nothing.stderr
    assert {p: p.stat().st_mtime_ns for p in finished.rglob("*")} == before
    assert list(tmp_path.iterdir()) == []


def test_only_tells_results_that_were_lost(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    (out / "scene.json").write_text("{")
    done = run(room, out, "--only", NAMES[1])
    assert done.exit_code == 0, done.output
    assert "note: Made again, since missing or not as it was written: scene.json." in done.stderr
