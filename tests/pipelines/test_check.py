"""`pixal3d-scene check` as a user types it: one photo, several, a folder, and photos that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from room_on_disk import RoomOnDisk, write_room_on_disk
from typer.testing import CliRunner

from cli import app
from pixal3d_scene.review.readiness import RULES


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    return write_room_on_disk(tmp_path_factory.mktemp("room"))


def check(*arguments: object):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, ["check", *map(str, arguments)], env={"COLUMNS": "200"})


def test_one_photo_gives_one_object_with_its_score(room: RoomOnDisk) -> None:
    done = check(room.photo, "--masks", room.masks, "--camera", room.camera, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert 0 <= document["score"] <= 100
    assert [part["name"] for part in document["parts"]] == [rule.name for rule in RULES]
    known = {part["name"] for part in document["parts"] if part["measured"] is not None}
    assert {"object resolution", "cut off", "hidden", "field of view"} <= known
    for part in document["parts"]:
        assert part["unit"]
        assert part["condition"]
        assert part["advice"].endswith(".")


def test_a_low_score_is_no_failure(room: RoomOnDisk) -> None:
    done = check(room.photo)  # 160 x 120 px
    assert done.exit_code == 0, done.output
    assert "not yet" in done.stdout
    assert "original file" in done.stdout


def test_a_folder_gives_a_table_and_a_list(room: RoomOnDisk, tmp_path: Path) -> None:
    Image.open(room.photo).save(tmp_path / "a.png")
    Image.open(room.photo).resize((80, 60)).save(tmp_path / "b.png")
    Image.open(room.photo).save(tmp_path / "c[final].png")
    table = check(tmp_path)
    assert table.exit_code == 0, table.output
    assert "a.png" in table.stdout
    assert "c[final].png" in table.stdout  # no markup
    (tmp_path / "c[final].png").unlink()
    assert "b.png" in table.stdout
    documents = json.loads(check(tmp_path, "--json").stdout)
    assert [Path(d["photo"]).name for d in documents] == ["a.png", "b.png"]
    assert documents[0]["score"] > documents[1]["score"]
    (tmp_path / "b.png").unlink()
    assert len(json.loads(check(tmp_path, "--json").stdout)) == 1  # a folder is a list, also of one


def test_a_folder_of_a_phones_photos_is_read(room: RoomOnDisk, tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.from_pillow(Image.open(room.photo).convert("RGB")).save(tmp_path / "IMG_0001.HEIC", quality=90)
    (documents,) = json.loads(check(tmp_path, "--json").stdout)
    assert documents["photo"].endswith("IMG_0001.HEIC")
    assert documents["score"] > 0


def test_what_cannot_be_read_is_exit_2_and_the_others_are_scored(room: RoomOnDisk, tmp_path: Path) -> None:
    Image.open(room.photo).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_text("no photo")
    done = check(tmp_path, "--json")
    assert done.exit_code == 2
    bad, good = json.loads(done.stdout)
    assert "not a picture" in bad["error"]
    assert good["score"] > 0
    assert "bad.jpg" in done.stderr
    assert check(tmp_path / "bad.jpg").exit_code == 2
    assert check(tmp_path / "gone.jpg").exit_code == 2
    assert check(tmp_path / "good.png", room.photo, "--masks", room.masks).exit_code == 2


@pytest.mark.slow
def test_the_report_of_a_run_has_the_same_readiness(room: RoomOnDisk, tmp_path: Path) -> None:
    given = ["--masks", str(room.masks), "--camera", str(room.camera)]
    done = CliRunner().invoke(app, ["run", str(room.photo), "-o", str(tmp_path / "run"), *given, "--quality", "draft"])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    document = json.loads(check(room.photo, *given, "--json").stdout)
    assert report["readiness"]["score"] == document["score"] < 75
    assert any("readiness" in note for note in report["notes"])
    assert "Readiness of the photo" in (tmp_path / "run" / "report.html").read_text()
