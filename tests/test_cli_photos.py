"""Which photos a command is about, where their runs go, and what is said on stdout where one fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from room_on_disk import RoomOnDisk, write_room_on_disk
from typer.testing import CliRunner

from cli import app


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    return write_room_on_disk(tmp_path_factory.mktemp("room"))


@pytest.fixture
def fast(tmp_path: Path) -> list[str]:
    (tmp_path / "box.toml").write_text('[generate]\ngenerator = "box"\n')
    return ["--quality", "draft", "--config", str(tmp_path / "box.toml")]


@pytest.fixture
def photos(room: RoomOnDisk, tmp_path: Path) -> Path:
    """A folder of one photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "room.png").write_bytes(room.photo.read_bytes())
    return folder


def invoke(*arguments: object):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_folder_of_one_photo_is_a_folder_of_photos(photos: Path, tmp_path: Path, fast: list[str]) -> None:
    out = tmp_path / "out"
    (plan,) = json.loads(invoke("run", photos, "-o", out, *fast, "--dry-run", "--json").stdout)
    assert Path(plan["out"]) == out / "room"
    (checked,) = json.loads(invoke("check", photos, "--json").stdout)
    assert Path(checked["photo"]) == photos / "room.png"
    done = json.loads(invoke("run", photos, "-o", out, *fast, "--json").stdout)
    assert ([Path(run["folder"]) for run in done["runs"]], done["failed"]) == ([out / "room"], [])
    assert (out / "room" / "scene.glb").is_file()
    assert not (out / "scene.glb").exists()
    (out / "room" / "scene.glb").write_bytes(b"")
    again = invoke("run", photos, "-o", out, *fast)
    told = f"{out / 'room'}: Made again, since missing or not as it was written: scene.glb."
    assert told in again.stderr.splitlines()  # which one of many


def test_a_run_folder_is_no_folder_of_photos(photos: Path, tmp_path: Path, fast: list[str]) -> None:
    out = tmp_path / "run"
    assert invoke("run", photos / "room.png", "-o", out, *fast).exit_code == 0
    for command in (["run", out, "-o", tmp_path / "other"], ["run", out, "--dry-run"], ["check", out]):
        result = invoke(*command)
        assert result.exit_code == 2, result.output
        assert f"{out} is a run folder, whose pictures are results; give photos by their names" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("command", [("run", "--dry-run"), ("check",)])
def test_folders_that_are_not_searched_are_told(photos: Path, command: tuple[str, ...]) -> None:
    (photos / "2024" / "may").mkdir(parents=True)
    (photos / "2024" / "may" / "kitchen.png").write_bytes((photos / "room.png").read_bytes())
    for other in (".trash", "texts"):
        (photos / other).mkdir()
    (photos / ".trash" / "old.png").write_bytes(b"")
    (photos / "texts" / "note.txt").write_text("no photo")
    result = invoke(*command, photos)
    assert result.exit_code == 0, result.output
    told = f"warning: {photos / '2024'} is left out: folders in a folder are not searched; name it too."
    assert [line for line in result.stderr.splitlines() if line.startswith("warning: ")] == [told]
    (photos / "room.png").unlink()
    result = invoke(*command, photos)
    assert result.exit_code == 2
    assert f"The folder {photos} has photos in folders only, which are not searched; give {photos / '2024'}." in (
        result.stderr
    )


def test_the_results_of_a_folder_are_no_photos_that_were_left_out(
    photos: Path, fast: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    for _ in range(2):
        result = invoke("run", ".", *fast)
        assert result.exit_code == 0, result.output
        assert "left out" not in result.stderr
    assert Path("runs/room/scene.glb").is_file()


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_one_failing_photo_has_its_document(tmp_path: Path, more: tuple[str, ...]) -> None:
    photo = tmp_path / "text.jpg"
    photo.write_text("just text")
    for command in (["run", photo, "-o", tmp_path / "out", *more], ["check", photo]):
        result = invoke(*command, "--json")
        document = json.loads(result.stdout)
        assert (result.exit_code, document["photo"]) == (2, str(photo))
        assert result.stderr.splitlines() == [f"error: {document['error']}"]
        assert "is not a picture" in document["error"]
    several = json.loads(invoke("run", photo, tmp_path / "none.jpg", "-o", tmp_path / "out", "--json").stdout)
    assert [Path(failed["photo"]).name for failed in several["failed"]] == ["text.jpg", "none.jpg"]


@pytest.mark.parametrize(
    "command",
    [
        ("run", "photo.jpg", "--preset", "imaginary"), ("run", "empty"), ("check", "empty"), ("inspect", "empty"),
        ("models", "check", "imaginary"), ("evaluate", "empty", "empty"),
    ],
)  # fmt: skip
def test_whatever_fails_says_so_in_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    result = invoke(*command, "--json")
    assert result.exit_code != 0
    assert result.stderr.splitlines()[-1] == f"error: {json.loads(result.stdout)['error']}"


def test_an_interrupted_run_says_so_in_json(room: RoomOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pixal3d_scene import reconstruction

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reconstruction, "build_scene", interrupt)
    result = invoke("run", room.photo, "-o", tmp_path / "run", *room.given, "--quality", "draft", "--json")
    assert result.exit_code == 130
    assert json.loads(result.stdout)["error"].startswith("interrupted; finished stages and objects are kept")


def test_a_photo_named_in_a_list_is_one(room: RoomOnDisk, tmp_path: Path) -> None:
    Image.open(room.photo).save(tmp_path / "a.png")
    Image.open(room.photo).save(tmp_path / "b.png")
    assert isinstance(json.loads(invoke("check", tmp_path / "a.png", "--json").stdout), dict)
    assert len(json.loads(invoke("check", tmp_path / "a.png", tmp_path / "b.png", "--json").stdout)) == 2
