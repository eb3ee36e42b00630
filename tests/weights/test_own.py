"""An installation without some of the package's own weights: one sentence for who needs them, no harm for the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from lift_cases import box, render
from room_on_disk import RoomOnDisk, write_room_on_disk
from typer.testing import CliRunner

import pipelines.doctor
import pipelines.models
from cli import app
from pixal3d_scene import models
from pixal3d_scene.asset import ObjectAsset
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.errors import BackendMissing, StageFailed
from pixal3d_scene.generator import lift_extent, lift_guess
from pixal3d_scene.models import load_models
from pixal3d_scene.progress import Progress, Silent
from pixal3d_scene.reconstruction import generate
from pixal3d_scene.settings import resolve_settings
from pixal3d_scene.weights import own
from pixal3d_scene.weights.own import EXTENTS, FRONT_END, HIDDEN_SIDES, RELIEFS

INSTALLED = own.FOLDER


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, without any weights; `installed` brings some."""
    for network in (lift_guess._network, lift_extent._weights, models._network_of):
        network.cache_clear()
    for module in (own, pipelines.doctor, pipelines.models):
        monkeypatch.setattr(module, "FOLDER", tmp_path / "own")
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.fixture
def room(tmp_path: Path) -> RoomOnDisk:
    (tmp_path / "room").mkdir()
    return write_room_on_disk(tmp_path / "room")


def installed(folder: Path, *names: str) -> None:
    for name in names:
        shutil.copy(INSTALLED / name, folder / name)


def run(room: RoomOnDisk, out: Path, *options: str):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, ["run", str(room.photo), "-o", str(out), "--quality", "draft", *options])


def config(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "config.toml").write_text(text)
    return ["--config", str(tmp_path / "config.toml")]


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((), (EXTENTS, HIDDEN_SIDES)),
        ((EXTENTS, FRONT_END), (HIDDEN_SIDES,)),
        ((HIDDEN_SIDES,), (EXTENTS,)),
    ],
)
def test_lift_says_before_any_stage_which_it_lacks(
    there: tuple[str, ...], missing: tuple[str, ...], folder: Path, room: RoomOnDisk, tmp_path: Path
) -> None:
    installed(folder, *there)
    done = run(room, tmp_path / "run", *room.given)
    assert done.exit_code == 3
    expected = f"error: The package's own weights {', '.join(missing)} are not in this installation ({folder}); install"
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_front_end_is_missed_only_where_it_is_asked(folder: Path, room: RoomOnDisk, tmp_path: Path) -> None:
    installed(folder, EXTENTS, HIDDEN_SIDES)
    alone = run(room, tmp_path / "run")
    assert (alone.exit_code, FRONT_END in alone.stderr) == (3, True)
    assert not (tmp_path / "run").exists()
    assert run(room, tmp_path / "run", *room.given).exit_code == 0


def test_only_who_has_no_depth_needs_reliefs(folder: Path, room: RoomOnDisk, tmp_path: Path) -> None:
    installed(folder, FRONT_END, EXTENTS, HIDDEN_SIDES)
    alone = run(room, tmp_path / "run")
    assert (alone.exit_code, f"own weights {RELIEFS} are not" in alone.stderr) == (3, True)
    assert not (tmp_path / "run").exists()
    assert run(room, tmp_path / "run", *room.given).exit_code == 0


def test_what_needs_no_weights_goes_on(folder: Path, room: RoomOnDisk, tmp_path: Path) -> None:
    boxes = config(tmp_path, '[generate]\ngenerator = "box"\n')
    assert run(room, tmp_path / "boxes", *room.given, *boxes).exit_code == 0
    for command in (["check", str(room.photo)], ["inspect", str(tmp_path / "boxes")], ["models", "list"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    listed = {w.name: w for w in pipelines.models.list_weights()}
    assert not any(listed[name].present for name in own.OWN)
    check = next(c for c in pipelines.doctor.examine() if c.name == "own weights")
    assert (check.state, FRONT_END in check.value) == ("missing", True)
    installed(folder, EXTENTS)
    symmetric = config(tmp_path, "[generate]\nhidden_sides = false\n")
    assert run(room, tmp_path / "symmetric", *room.given, *symmetric).exit_code == 0


def test_weights_that_come_later_make_the_objects_again(folder: Path, tmp_path: Path) -> None:
    settings = resolve_settings(overrides={"generate": {"generator": "box"}, "segment": {"segmenter": "regions"},
                                           "depth": {"estimator": "room_geometry"}})  # fmt: skip
    without = load_models(settings).fallback.revision
    installed(folder, EXTENTS, HIDDEN_SIDES)
    assert load_models(settings).fallback.revision != without


class Fails:
    name, revision = "fails", "1"

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> list[ObjectAsset | StageFailed]:
        return [StageFailed("generate", "it had to", object_name=v.name) for v in volumes]


def test_a_fall_back_that_lacks_its_weights_is_a_box_that_says_so(folder: Path) -> None:
    settings = resolve_settings(overrides={"generate": {"generator": "box"}, "segment": {"segmenter": "regions"},
                                           "depth": {"estimator": "room_geometry"}})  # fmt: skip
    models = replace(load_models(settings), generator=Fails())
    volumes = render({1: box((-0.3, 0, -3), (0.3, 0.8, -2.5))})
    (asset,) = generate(volumes, models, settings, Silent())
    assert asset.status == "box"
    (note,) = asset.notes
    assert "fails failed: it had to" in note
    assert f"own weights {EXTENTS}" in note or f"own weights {HIDDEN_SIDES}" in note


@pytest.mark.parametrize("name", [EXTENTS, HIDDEN_SIDES])
def test_damaged_weights_end_the_run_and_not_its_objects(
    name: str, folder: Path, room: RoomOnDisk, tmp_path: Path
) -> None:
    installed(folder, EXTENTS, HIDDEN_SIDES)
    (folder / name).write_bytes((folder / name).read_bytes()[:1000])
    done = run(room, tmp_path / "run", *room.given, "--json")
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1
    assert str(folder / name) in done.stderr
    assert str(folder / name) in json.loads(done.stdout)["error"]
    stages = json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]
    assert {name for name, stage in stages.items() if stage["status"] == "done"} == {"segment", "depth"}
    assert not stages.get("generate", {"files": []})["files"]


def test_names_are_told_together(folder: Path) -> None:
    with pytest.raises(BackendMissing, match=f"{FRONT_END}, {EXTENTS} are"):
        own.need_own_weights(FRONT_END, EXTENTS)
