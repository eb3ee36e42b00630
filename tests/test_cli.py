"""The command line as a user types it: what lands on disk, on stdout, and in the exit code."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import trimesh
from PIL import Image
from room_on_disk import RoomOnDisk, write_room_on_disk
from typer.testing import CliRunner

from cli import app
from pixal3d_scene import __version__
from pixal3d_scene.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]
DRAFT = ["--quality", "draft"]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    return write_room_on_disk(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def finished(room: RoomOnDisk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of `room`; tests that change it copy it first."""
    out = tmp_path_factory.mktemp("runs") / "run"
    result = invoke("run", str(room.photo), "-o", str(out), *room.given, *DRAFT)
    assert result.exit_code == 0, result.output
    return out


def invoke(*arguments: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, list(arguments))


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time of change."""
    return {
        str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    }


def test_run_folder_holds_what_the_contract_names(finished: Path, room: RoomOnDisk) -> None:
    names = ("object_03", "object_07", "object_09")
    expected = {
        "manifest.json", "scene.glb", "scene.json", "instances.png", "depth.png", "report.html", "report.json",
        *(f"objects/{n}.glb" for n in names), *(f"crops/{n}.png" for n in names),
    }  # fmt: skip
    found = {name for name in contents(finished) if not name.startswith("stages/")}
    assert found == expected
    np.testing.assert_array_equal(np.array(Image.open(finished / "instances.png")), room.scene.instances.label_map)
    depth_mm = np.array(Image.open(finished / "depth.png"))
    np.testing.assert_allclose(depth_mm / 1000, room.scene.depth.z_m, atol=6e-4)


def test_scene_json_follows_its_schema(finished: Path) -> None:
    schema = json.loads((ROOT / "docs" / "scene.schema.json").read_text())
    facts = json.loads((finished / "scene.json").read_text())
    jsonschema.validate(facts, schema)
    assert [o["mask_value"] for o in facts["objects"]] == [3, 7, 9]
    for item in facts["objects"]:
        assert (finished / item["mesh"]).is_file()


def test_objects_stand_where_the_room_has_them(finished: Path, room: RoomOnDisk) -> None:
    facts = {o["mask_value"]: o for o in json.loads((finished / "scene.json").read_text())["objects"]}
    assert facts[7]["parent"] == facts[3]["name"]
    assert facts[3]["parent"] == facts[9]["parent"] == "floor"
    scene = trimesh.load(finished / "scene.glb", force="scene")
    for mask_value, mesh in room.scene.meshes_world.items():
        low, high = mesh.bounds
        matrix, geometry = scene.graph[facts[mask_value]["name"]]
        placed = scene.geometry[geometry].copy().apply_transform(matrix)
        # A draft of 64 voxels, half of it guessed: the box is found within 15 % of its size.
        np.testing.assert_allclose(placed.bounds, [low, high], atol=0.15 * float((high - low).max()))
        # Texture seams double vertices; the surface is closed once they are merged by position.
        assert trimesh.Trimesh(placed.vertices, placed.faces).is_watertight
        assert abs(np.array(facts[mask_value]["T_world_from_node"])[1, 3] - low[1]) < 0.02


def test_without_out_every_photo_has_a_folder_of_its_own(
    room: RoomOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = json.loads(invoke("run", str(room.photo), *room.given, "--dry-run", "--json").stdout)
    assert Path(plan["out"]) == Path("runs") / room.photo.stem
    assert list(tmp_path.iterdir()) == []


def test_second_run_does_nothing(finished: Path, room: RoomOnDisk) -> None:
    before = contents(finished)
    result = invoke("run", str(room.photo), "-o", str(finished), *room.given, *DRAFT)
    assert result.exit_code == 0
    assert "up to date" in result.stdout
    assert contents(finished) == before


@pytest.mark.slow
def test_changed_setting_redoes_its_stage_and_those_after_it(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = contents(out)
    config = tmp_path / "settings.toml"
    config.write_text("[generate]\nvoxels = 32\n")
    result = invoke("run", str(room.photo), "-o", str(out), *room.given, *DRAFT, "--config", str(config))
    assert result.exit_code == 0
    after = contents(out)
    changed = {name for name in after if after[name] != before.get(name)}
    assert "stages/segment.npz" not in changed
    assert "stages/depth.npz" not in changed
    assert {"stages/objects/object_03.npz", "scene.glb", "scene.json"} <= changed


@pytest.mark.slow
def test_redo_and_only(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    command = ("run", str(room.photo), "-o", str(out), *room.given, *DRAFT)
    before = contents(out)
    assert invoke(*command, "--only", "object_07").exit_code == 0
    after = contents(out)
    assert after["stages/objects/object_07.npz"] != before["stages/objects/object_07.npz"]
    assert after["stages/objects/object_03.npz"] == before["stages/objects/object_03.npz"]
    assert invoke(*command, "--redo", "depth").exit_code == 0
    redone = contents(out)
    assert redone["stages/depth.npz"] != after["stages/depth.npz"]
    assert redone["stages/segment.npz"] == after["stages/segment.npz"]
    unknown = invoke(*command, "--only", "sofa_99")
    assert unknown.exit_code == 2
    assert "object_03" in unknown.stderr


def test_only_with_another_setting_changes_that_object_alone(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    config = tmp_path / "box.toml"
    config.write_text('[generate]\ngenerator = "box"\n')
    command = ("run", str(room.photo), "-o", str(out), *room.given, *DRAFT)
    result = invoke(*command, "--only", "object_07", "--config", str(config))
    assert result.exit_code == 5, result.output  # one scene, two generators: the others are not what was asked for
    for name in ("object_03", "object_09"):
        kept = (out / "stages" / "objects" / f"{name}.npz").read_bytes()
        assert kept == (finished / "stages" / "objects" / f"{name}.npz").read_bytes()
    made_by = {o["name"]: o["generator"] for o in json.loads((out / "scene.json").read_text())["objects"]}
    assert made_by == {"object_03": "lift", "object_07": "box", "object_09": "lift"}


def test_only_needs_a_finished_run(room: RoomOnDisk, tmp_path: Path) -> None:
    result = invoke("run", str(room.photo), "-o", str(tmp_path / "run"), *room.given, "--only", "object_03")
    assert result.exit_code == 2
    assert "finished run" in result.stderr
    assert not (tmp_path / "run").exists()


def test_same_seed_same_bytes(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    assert invoke("run", str(room.photo), "-o", str(out), *room.given, *DRAFT).exit_code == 0
    for name in ("scene.glb", "scene.json", "instances.png", "depth.png", "objects/object_09.glb"):
        assert (out / name).read_bytes() == (finished / name).read_bytes(), name


@pytest.mark.slow
def test_other_masks_leave_no_stale_objects(room: RoomOnDisk, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    (out / "notes.txt").write_text("the user's own file")
    fewer = np.array(Image.open(room.masks))
    fewer[fewer == 9] = 0
    Image.fromarray(fewer).save(tmp_path / "fewer.png")
    given = ["--masks", str(tmp_path / "fewer.png"), "--depth", str(room.depth), "--camera", str(room.camera)]
    assert invoke("run", str(room.photo), "-o", str(out), *given, *DRAFT).exit_code == 0
    assert not (out / "objects" / "object_09.glb").exists()
    assert not (out / "crops" / "object_09.png").exists()
    assert (out / "notes.txt").exists()


def test_json_is_one_document_and_nothing_else(room: RoomOnDisk, finished: Path) -> None:
    result = invoke("run", str(room.photo), "-o", str(finished), *room.given, *DRAFT, "--json")
    facts = json.loads(result.stdout)
    assert facts["resumed"] is True
    assert len(facts["objects"]) == 3
    inspected = json.loads(invoke("inspect", str(finished), "--json").stdout)
    assert inspected["objects"] == facts["objects"]


def test_dry_run_writes_nothing(room: RoomOnDisk, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = invoke("run", str(room.photo), "-o", str(out), *room.given, "--dry-run", "--json")
    assert result.exit_code == 0
    plan = json.loads(result.stdout)
    assert set(plan["stages"].values()) == {"run"}
    assert plan["generator"] == "lift"
    assert not out.exists()


@pytest.mark.slow
def test_several_photos_and_a_bad_one(room: RoomOnDisk, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "bad.jpg").write_text("not a picture")
    Image.open(room.photo).save(photos / "good.png")
    out = tmp_path / "out"
    result = invoke("run", str(photos), "-o", str(out), *DRAFT)
    assert result.exit_code == 2
    assert "bad.jpg" in result.stderr
    assert (out / "good" / "scene.glb").is_file()
    assert not (out / "bad").exists()


def test_pictures_that_are_not_read_are_named(room: RoomOnDisk, tmp_path: Path) -> None:
    Image.open(room.photo).save(tmp_path / "good.png")
    (tmp_path / "camera.NEF").write_bytes(b"")
    result = invoke("run", str(tmp_path), "-o", str(tmp_path / "out"), *DRAFT, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert [plan["photo"] for plan in json.loads(result.stdout)] == ["good.png"]
    assert "camera.NEF" in result.stderr
    assert "JPEG" in result.stderr


def test_inspect_refuses_what_is_no_run(tmp_path: Path) -> None:
    result = invoke("inspect", str(tmp_path))
    assert result.exit_code == 2
    assert "not a finished run" in result.stderr


def test_doctor_says_what_is_there() -> None:
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.output
    checks = {c["name"]: c["state"] for c in json.loads(result.stdout)}
    assert checks["numpy"] == checks["embreex"] == "ok"


def test_version_is_light() -> None:
    arguments = [sys.executable, "-X", "importtime", str(ROOT / "cli.py"), "--version"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"pixal3d-scene {__version__} (Python {platform.python_version()})\n")
    assert not re.search(r"\b(torch|trimesh|numpy|PIL)\b", done.stderr)


def test_help_is_fast_and_light() -> None:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-X", "importtime", str(ROOT / "cli.py"), "--help"], capture_output=True, text=True
        )
        seconds.append(time.perf_counter() - started)
        assert done.returncode == 0
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert not loaded & {"torch", "trimesh", "numpy", "scipy", "skimage", "PIL"}
    # Half a second on an idle machine; loaded ones get some room.
    assert min(seconds) < 2.0


@pytest.mark.slow
def test_interrupt_leaves_no_half_file(room: RoomOnDisk, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # The stage that is interrupted waits, so that a slow or a fast machine cannot miss it.
    code = (
        f"import signal, sys, time; sys.path.insert(0, {str(ROOT)!r}); import cli, pixal3d_scene.reconstruction as r; "
        # A shell's background jobs, and so the tests in one, ignore the signal.
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "r.solve_layout = lambda *a, **k: time.sleep(120); cli.main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", str(room.photo), "-o", str(out), *room.given, *DRAFT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not RunFolder(out).finished("generate") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr.decode()
    assert b"again" in stderr
    assert not (out / "scene.glb").exists()
    assert list(out.rglob(".*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", ["segment", "generate", "build_scene"])
def test_an_interrupted_run_goes_on(
    room: RoomOnDisk, finished: Path, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixal3d_scene import reconstruction
    from pixal3d_scene.frontend.given import GivenMasks

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    command = ("run", str(room.photo), "-o", str(out), *room.given, *DRAFT)
    with monkeypatch.context() as patch:
        patch.setattr(GivenMasks if where == "segment" else reconstruction, where, interrupt)
        assert invoke(*command).exit_code == 130
    assert not (out / "scene.glb").exists()
    assert list(out.rglob(".*")) == []
    assert invoke(*command).exit_code == 0
    assert (out / "scene.glb").read_bytes() == (finished / "scene.glb").read_bytes()


@pytest.mark.slow
def test_full_disk_is_said_and_the_folder_is_consistent(room: RoomOnDisk, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # The kernel refuses every file above 60 kB: the same path as a full disk, and it holds for root.
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        f"sys.path.insert(0, {str(ROOT)!r}); import cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(room.photo), "-o", str(out), *room.given, *DRAFT],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4, done.stderr
    assert "disk is full" in done.stderr
    assert not (out / "scene.glb").exists()
    assert list(out.rglob(".*")) == []
    again = invoke("run", str(room.photo), "-o", str(out), *room.given, *DRAFT)
    assert again.exit_code == 0
    assert (out / "scene.glb").exists()


@pytest.mark.parametrize("out", ["file", "file/below", "/proc/nowhere"])
def test_output_that_cannot_be_written(room: RoomOnDisk, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("in the way")
    target = out if out.startswith("/") else str(tmp_path / out)
    result = invoke("run", str(room.photo), "-o", target, *room.given, *DRAFT)
    assert result.exit_code == 4, result.output
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_users_own_files_survive_a_run_into_their_folder(room: RoomOnDisk, tmp_path: Path) -> None:
    (tmp_path / "room.png").write_bytes(room.photo.read_bytes())
    (tmp_path / "instances.png").write_bytes(room.masks.read_bytes())
    masks = tmp_path / "instances.png"
    result = invoke("run", str(tmp_path / "room.png"), "-o", str(tmp_path), "--masks", str(masks), *DRAFT)
    assert result.exit_code == 2, result.output
    assert "instances.png" in result.stderr
    assert masks.read_bytes() == room.masks.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["instances.png", "room.png"]


def test_only_and_redo_exclude_each_other(room: RoomOnDisk, finished: Path) -> None:
    result = invoke("run", str(room.photo), "-o", str(finished), *room.given, *DRAFT, "--only", "a", "--redo", "depth")
    assert result.exit_code == 2
    assert "--only" in result.stderr


def test_dry_run_knows_what_redo_does(room: RoomOnDisk, finished: Path) -> None:
    command = ("run", str(room.photo), "-o", str(finished), *room.given, *DRAFT, "--dry-run", "--json")
    assert set(json.loads(invoke(*command).stdout)["stages"].values()) == {"keep"}
    plan = json.loads(invoke(*command, "--redo", "generate").stdout)["stages"]
    assert plan == {"segment": "keep", "depth": "keep", "generate": "run", "place": "run", "export": "run"}


@pytest.mark.slow
def test_the_worst_of_several_errors_decides_the_exit_code(room: RoomOnDisk, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("not a picture")
    Image.new("RGB", (64, 48)).save(tmp_path / "black.png")  # nothing to segment: a stage fails
    arguments = [str(tmp_path / "bad.jpg"), str(tmp_path / "black.png"), "-o", str(tmp_path / "out")]
    result = invoke("run", *arguments, *DRAFT)
    assert result.exit_code == 4, result.output


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["| true", ">&-", "2>&-"])
def test_a_reader_that_left_does_not_end_the_job(room: RoomOnDisk, tmp_path: Path, redirection: str) -> None:
    photos = [tmp_path / "a.png", tmp_path / "b.png"]
    for photo in photos:
        photo.write_bytes(room.photo.read_bytes())
    config = tmp_path / "fast.toml"
    config.write_text('[generate]\ngenerator = "box"\n')
    arguments = [sys.executable, ROOT / "cli.py", "run", *photos, "-o", tmp_path / "out", *DRAFT, "--config", config]
    line = f"{shlex.join(map(str, arguments))} {redirection}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "a" / "scene.glb").exists()
    assert (tmp_path / "out" / "b" / "scene.glb").exists()
