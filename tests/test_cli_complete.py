"""`run --complete` as a user meets it: a real pipeline in a folder, a run folder out."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hidden_cases import BEFORE, BEHIND, BOXES, RED
from PIL import Image
from room_on_disk import RoomOnDisk, write_room_on_disk
from tiny_inpainting import write_tiny_inpainting
from typer.testing import CliRunner

from cli import app

NAN = float("nan")
# Other than the objects' colours and nearer to red than to white, so that it is taken for the object.
ORANGE = (220.0, 90.0, 20.0)
NAME = f"object_{BEHIND:02d}"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    return write_room_on_disk(tmp_path_factory.mktemp("room"), BOXES)


def config(folder: Path, weights: Path) -> Path:
    file = folder / "my.toml"
    file.write_text(f'device = "cpu"\n[complete]\nweights = "{weights}"\nsteps = 2\npicture_px = 64\n')
    return file


def run(room: RoomOnDisk, out: Path, *options: Any) -> Any:
    arguments = ["run", room.photo, "-o", out, *room.given, "--quality", "draft", *options]
    return CliRunner().invoke(app, list(map(str, arguments)))


def crop(out: Path, value: int = BEHIND) -> np.ndarray:
    return np.asarray(Image.open(out / f"crops/object_{value:02d}.png"))


def objects(out: Path) -> dict[str, Any]:
    return {item["name"]: item for item in json.loads((out / "scene.json").read_text())["objects"]}


def manifest(out: Path) -> dict[str, Any]:
    return json.loads((out / "manifest.json").read_text())


@pytest.fixture(scope="module")
def plain(room: RoomOnDisk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain") / "run"
    assert run(room, out).exit_code == 0
    return out


@pytest.mark.slow
def test_the_hidden_part_is_painted_told_and_kept(room: RoomOnDisk, plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--complete", "--config", config(tmp_path, write_tiny_inpainting(tmp_path / "tiny", colour=ORANGE))]
    result = run(room, out, *options)
    assert result.exit_code == 0, result.output
    rgba = crop(out)
    inside = rgba[..., 3] == 255
    is_orange = inside & (np.abs(rgba[..., :3] - np.array(ORANGE)).max(axis=-1) <= 2)
    is_red = inside & (np.abs(rgba[..., :3] - np.array(RED, dtype=float)).max(axis=-1) <= 2)
    assert 0.1 * is_red.sum() < is_orange.sum() < is_red.sum()
    assert not (np.abs(crop(plain)[..., :3] - np.array(ORANGE)).max(axis=-1) <= 2).any()
    # Behind the right part of the red box, and never above its upper edge.
    assert np.nonzero(is_orange)[1].mean() > np.nonzero(is_red)[1].mean()
    assert np.nonzero(is_orange)[0].min() > np.nonzero(is_red)[0].min()
    assert np.array_equal(crop(out, BEFORE), crop(plain, BEFORE))
    assert any("painted by inpaint" in text for text in objects(out)[NAME]["warnings"])
    assert "painted by inpaint" in (out / "report.json").read_text()
    assert "changes no mesh" in " ".join(result.stderr.split())  # of this generator, which works from what is visible
    assert "complete" in manifest(out)["stages"]
    # The generator works from the visible surface: the object has its size and place.
    for key in ("size_m", "T_world_from_node"):
        np.testing.assert_allclose(objects(out)[NAME][key], objects(plain)[NAME][key], atol=1e-3)

    before = manifest(out)["stages"]
    assert run(room, out, *options).exit_code == 0
    assert manifest(out)["stages"] == before  # nothing was made again
    assert run(room, out, *options, "--redo", "place").exit_code == 0
    assert manifest(out)["stages"]["complete"] == before["complete"]
    assert run(room, out, *options, "--only", NAME).exit_code == 0
    assert manifest(out)["stages"]["complete"] == before["complete"]
    assert np.array_equal(crop(out), rgba)

    assert run(room, out).exit_code == 0  # without it, the run is as if it had never been
    assert "complete" not in manifest(out)["stages"]
    assert not (out / "stages/complete.npz").exists()
    assert np.array_equal(crop(out), crop(plain))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("colour", "reason"),
    [((NAN, NAN, NAN), "not finite"), ((255.0, 255.0, 255.0), "found nothing of it behind object_02")],
)
def test_without_a_completion_the_visible_crop_is_used(
    room: RoomOnDisk, plain: Path, tmp_path: Path, colour: tuple[float, float, float], reason: str
) -> None:
    out = tmp_path / "run"
    weights = write_tiny_inpainting(tmp_path / "tiny", colour=colour)
    result = run(room, out, "--complete", "--config", config(tmp_path, weights))
    assert result.exit_code == 0, result.output
    assert np.array_equal(crop(out), crop(plain))
    assert any(reason in text for text in objects(out)[NAME]["warnings"])
    assert not any("object_01" in text for text in objects(out)[f"object_{BEFORE:02d}"]["warnings"])


@pytest.mark.slow
def test_random_weights_leave_what_the_photo_shows(room: RoomOnDisk, tmp_path: Path) -> None:
    out = tmp_path / "run"
    weights = write_tiny_inpainting(tmp_path / "tiny")
    result = run(room, out, "--complete", "--config", config(tmp_path, weights))
    assert result.exit_code == 0, result.output
    assert len(objects(out)) == len(BOXES)
    red = (np.abs(crop(out)[..., :3] - np.array(RED, dtype=float)).max(axis=-1) <= 2) & (crop(out)[..., 3] == 255)
    assert red.sum() > 1000


@pytest.mark.parametrize("missing", ["diffusers", "accelerate"])
def test_without_the_extra_nothing_is_written(
    room: RoomOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else real(name))
    out = tmp_path / "run"
    result = run(room, out, "--complete", "--config", config(tmp_path, tmp_path))
    assert result.exit_code == 3
    assert "pip install 'pixal3d-scene[complete]'" in " ".join(result.stderr.split())
    assert missing in result.stderr
    assert not out.exists()


def test_without_weights_nothing_is_written(room: RoomOnDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    out = tmp_path / "run"
    result = run(room, out, "--complete")
    assert result.exit_code == 3
    assert "models fetch sdxl-inpainting" in " ".join(result.stderr.split())
    assert not out.exists()


def test_an_unknown_completer_is_refused(room: RoomOnDisk, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('[complete]\ncompleter = "magic"\n')
    result = run(room, tmp_path / "run", "--config", file)
    assert result.exit_code == 2
    assert "inpaint, none" in " ".join(result.stderr.split())


def test_the_doctor_and_the_list_of_weights_know_it() -> None:
    checks = {c["name"]: c for c in json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)}
    assert {"diffusers", "accelerate"} <= set(checks)
    listed = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "250"}).stdout
    assert "sdxl-inpainting" in listed
    assert "flux-fill" in listed
