"""Results that are missing, empty, cut off or changed are recognised, made again, and told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from room_on_disk import RoomOnDisk, write_room_on_disk
from typer.testing import CliRunner

from cli import app
from pixal3d_scene import reconstruction
from pixal3d_scene.run_folder import MANIFEST, RunFolder

RESULTS = (
    "scene.glb", "scene.json", "report.json", "report.html", "instances.png", "depth.png", "objects/object_07.glb",
    "crops/object_07.png",
)  # fmt: skip


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    folder = tmp_path_factory.mktemp("rooms") / "room"
    folder.mkdir()
    (folder.parent / "box.toml").write_text('[generate]\ngenerator = "box"\n')
    return write_room_on_disk(folder)


@pytest.fixture(scope="module")
def finished(room: RoomOnDisk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert run(room, out).exit_code == 0
    return out


def run(room: RoomOnDisk, out: Path, *more: str):  # type: ignore[no-untyped-def]
    config = str(room.folder.parent / "box.toml")
    return CliRunner().invoke(app, ["run", str(room.photo), "-o", str(out), *room.given, "--config", config, *more])


def lose(file: Path, how: str) -> None:
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
        return
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    file.write_bytes({"empty": b"", "cut off": data[:middle], "one bit": changed}[how])


@pytest.mark.parametrize("how", ["missing", "empty", "cut off", "one bit"])
def test_lost_results_are_made_again_and_told(room: RoomOnDisk, finished: Path, tmp_path: Path, how: str) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    for name in RESULTS:
        lose(out / name, how)
    stages = {p: p.stat().st_mtime_ns for p in (out / "stages").rglob("*.npz")}
    told = f"Made again, since missing or not as it was written: {', '.join(sorted(RESULTS))}."
    plan = json.loads(run(room, out, "--dry-run", "--json").stdout)
    assert (plan["stages"]["generate"], plan["stages"]["export"]) == ("keep", "run")
    assert told in plan["notes"]
    again = run(room, out)
    assert again.exit_code == 0, again.output
    assert [line for line in again.stderr.splitlines() if "Made again" in line] == [f"note: {told}"]
    assert {p: p.stat().st_mtime_ns for p in (out / "stages").rglob("*.npz")} == stages
    for name in RESULTS:
        if not name.startswith("report"):  # reports tell times
            assert (out / name).read_bytes() == (finished / name).read_bytes(), name
    once_more = run(room, out, "--json")
    facts = json.loads(once_more.stdout)
    assert (facts["resumed"], facts["folder_notes"]) == (True, [])


@pytest.mark.parametrize("name", RESULTS)
def test_each_result_counts(room: RoomOnDisk, finished: Path, tmp_path: Path, name: str) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    lose(out / name, "one bit")
    facts = json.loads(run(room, out, "--json").stdout)
    assert facts["folder_notes"] == [f"Made again, since missing or not as it was written: {name}."]


@pytest.mark.parametrize(
    ("name", "stage"), [("stages/segment.npz", "segment"), ("stages/objects/object_07.npz", "generate")]
)
def test_only_is_not_built_on_lost_stages(
    room: RoomOnDisk, finished: Path, tmp_path: Path, name: str, stage: str
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    lose(out / name, "cut off")
    result = run(room, out, "--only", "object_03")
    assert result.exit_code == 2, result.output
    assert f"those of the stage {stage} are missing or not as they were written;" in result.stderr
    assert run(room, out, "--redo", stage).exit_code == 0
    assert run(room, out, "--only", "object_03").exit_code == 0


def test_a_manifest_without_digests_proves_nothing(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    facts = json.loads((out / MANIFEST).read_text())
    assert sorted(facts["sha256"]) == sorted(
        {*facts["files"], *(f for s in facts["stages"].values() for f in s["files"])}
    )
    del facts["sha256"]
    (out / MANIFEST).write_text(json.dumps(facts))
    assert not RunFolder(out).finished("segment")


@pytest.mark.parametrize("name", ["scene.json", "report.json", "manifest.json"])
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"objects": 3', "\x00"])
def test_inspect_says_which_file_is_damaged(finished: Path, tmp_path: Path, name: str, content: str) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    (out / name).write_text(content)
    result = CliRunner().invoke(app, ["inspect", str(out)])
    assert result.exit_code == 2, result.output
    assert f"{name} is damaged" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def inspected(out: Path) -> list[str]:
    result = CliRunner().invoke(app, ["inspect", str(out)])
    assert result.exit_code == 0, result.output
    facts = json.loads(CliRunner().invoke(app, ["inspect", str(out), "--json"]).stdout)
    assert result.stderr.splitlines() == [f"warning: {warning}" for warning in facts["warnings"]]
    return list(facts["warnings"])


def test_inspect_tells_results_of_an_earlier_run(
    room: RoomOnDisk, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    assert inspected(out) == []

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reconstruction, "build_scene", interrupt)
        assert run(room, out, "--seed", "7").exit_code == 130
    (warning,) = inspected(out)
    assert warning.startswith("The last run of this folder was not finished: these are results of the one before;")
    assert run(room, out, "--seed", "7").exit_code == 0
    assert inspected(out) == []


def test_inspect_tells_lost_results(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    lose(out / "scene.glb", "empty")
    lose(out / "depth.png", "missing")
    (warning,) = inspected(out)
    assert warning.startswith("Missing, or not as the run wrote it: depth.png, scene.glb;")
