"""Large and distorted photos through the whole job: what is written fits the photo's file and the picture it names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import validate
from PIL import Image
from room_on_disk import RoomOnDisk, write_room_on_disk

from pipelines.given_files import GivenFiles
from pipelines.room import run_room
from pixal3d_scene.arrays import nearest
from pixal3d_scene.camera import Camera
from pixal3d_scene.distortion import Distortion
from pixal3d_scene.frontend.rectify import Rectification
from pixal3d_scene.progress import Silent
from pixal3d_scene.settings import resolve_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    return write_room_on_disk(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def large_room(tmp_path_factory: pytest.TempPathFactory) -> RoomOnDisk:
    """320 x 240 px, worked on at 160 x 120: at half of that, few pixels tell little of what is guessed."""
    return write_room_on_disk(tmp_path_factory.mktemp("large"), size_px=(320, 240))


def given(room: RoomOnDisk, **changes: Path) -> GivenFiles:
    return GivenFiles(**({"masks": room.masks, "depth": room.depth, "camera": room.camera} | changes))


def run(photo: Path, out: Path, files: GivenFiles, *, working_megapixels: float = 13.0) -> dict:
    settings = resolve_settings(quality="draft", overrides={"photo": {"working_megapixels": working_megapixels}})
    run_room(photo, out, settings, given_files=files, progress=Silent())
    facts = json.loads((out / "scene.json").read_text())
    validate(facts, json.loads((ROOT / "docs" / "scene.schema.json").read_text()))
    return facts


@pytest.mark.slow
def test_masks_and_depth_come_back_at_the_size_of_the_file(large_room: RoomOnDisk, tmp_path: Path) -> None:
    facts = run(large_room.photo, tmp_path / "small", given(large_room), working_megapixels=0.0192)
    plain = run(large_room.photo, tmp_path / "plain", given(large_room))
    assert facts["photo"]["size_px"] == plain["photo"]["size_px"] == [320, 240]
    np.testing.assert_allclose(facts["camera"]["K"], plain["camera"]["K"], rtol=1e-12)
    for name in ("instances.png", "depth.png"):  # the user's own, to the pixel
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / "small" / name)), np.asarray(Image.open(tmp_path / "plain" / name))
        )
    for small, full in zip(facts["objects"], plain["objects"], strict=True):
        assert small["name"] == full["name"]
        np.testing.assert_allclose(small["size_m"], full["size_m"], rtol=0.1)
        np.testing.assert_allclose(
            np.array(small["T_world_from_node"])[:3, 3], np.array(full["T_world_from_node"])[:3, 3], atol=0.03
        )
    notes = json.loads((tmp_path / "small" / "report.json").read_text())["notes"]
    assert any("working_megapixels" in note for note in notes)


@pytest.mark.slow
def test_estimated_masks_and_depth_are_written_at_full_size(large_room: RoomOnDisk, tmp_path: Path) -> None:
    facts = run(large_room.photo, tmp_path / "run", GivenFiles(masks=large_room.masks), working_megapixels=0.0192)
    depth = np.asarray(Image.open(tmp_path / "run" / "depth.png"))
    assert depth.shape == (240, 320)
    assert facts["camera"]["K"][0][2] == 160.0


def test_nearest_keeps_pixel_centres() -> None:
    small = np.arange(6, dtype=np.uint16).reshape(2, 3)
    np.testing.assert_array_equal(nearest(small, (6, 4)), np.kron(small, np.ones((2, 2), dtype=np.uint16)))
    np.testing.assert_array_equal(nearest(nearest(small, (9, 10)), (3, 2)), small)


@pytest.mark.slow
def test_a_distorted_room_becomes_the_room_that_a_pinhole_saw(room: RoomOnDisk, tmp_path: Path) -> None:
    """The photo, masks and depth of the analytic room are bent by a lens; given its coefficients they are straight."""
    distortion = Distortion(k1=-0.2, k2=0.04, p1=0.002)
    pinhole = room.scene.depth.camera
    lens = Camera(K=np.array(pinhole.K), size_px=pinhole.size_px, T_world_from_cam=pinhole.T_world_from_cam)
    bent_px = _seen_by_pinhole(pinhole, lens, distortion)
    row = np.clip(np.floor(bent_px[..., 1]), 0, 119).astype(int)
    column = np.clip(np.floor(bent_px[..., 0]), 0, 159).astype(int)
    Image.fromarray(np.asarray(room.scene.photo.rgb)[row, column]).save(tmp_path / "bent.png")
    Image.fromarray(room.scene.instances.label_map.astype(np.uint8)[row, column]).save(tmp_path / "masks.png")
    np.save(tmp_path / "depth.npy", room.scene.depth.z_m[row, column])
    camera = json.loads(room.camera.read_text()) | {"distortion": distortion.facts()}
    (tmp_path / "camera.json").write_text(json.dumps(camera))
    files = GivenFiles(masks=tmp_path / "masks.png", depth=tmp_path / "depth.npy", camera=tmp_path / "camera.json")
    facts = run(tmp_path / "bent.png", tmp_path / "run", files)
    plain = run(room.photo, tmp_path / "plain", given(room))
    found = Rectification.of(pinhole, distortion).pinhole
    np.testing.assert_allclose(facts["camera"]["K"], found.K)
    assert facts["photo"]["undistorted"] == "photo_undistorted.jpg"
    assert Distortion.from_facts(facts["photo"]["distortion"]) == distortion
    assert Image.open(tmp_path / "run" / "photo_undistorted.jpg").size == (160, 120)
    for straight, true in zip(facts["objects"], plain["objects"], strict=True):
        np.testing.assert_allclose(straight["size_m"], true["size_m"], rtol=0.1)
        np.testing.assert_allclose(
            np.array(straight["T_world_from_node"])[:3, 3], np.array(true["T_world_from_node"])[:3, 3], atol=0.05
        )
    # The masks written are those that the ideal camera sees: the analytic room projected anew.
    labels = np.asarray(Image.open(tmp_path / "run" / "instances.png"))
    seen_px = np.floor(pinhole.project(found.rays_cam()))
    inside = (seen_px >= 0).all(axis=-1) & (seen_px < pinhole.size_px).all(axis=-1)
    true_labels = room.scene.instances.label_map[
        np.clip(seen_px[..., 1], 0, 119).astype(int), np.clip(seen_px[..., 0], 0, 159).astype(int)
    ]
    assert (labels == true_labels)[inside].mean() > 0.98


def _seen_by_pinhole(pinhole: Camera, lens: Camera, distortion: Distortion) -> np.ndarray:
    """For every pixel of the bent photo, where the pinhole sees the same: fixed-point steps on the lens's formula."""
    bent = lens.rays_cam()[..., :2]
    xy = bent.copy()
    for _ in range(30):
        xy = xy - (distortion.bend(xy) - bent)
    assert np.abs(distortion.bend(xy) - bent).max() < 1e-6
    return pinhole.project(np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1))
