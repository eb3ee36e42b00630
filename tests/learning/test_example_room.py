"""The committed example room is what the composer makes, and is worth showing."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixal3d_scene.learning.composed_room import ComposedRoom
from pixal3d_scene.learning.example_room import example_room
from pixal3d_scene.learning.render import pixel_truth, render_photo

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "room"
# Embree's single precision may choose another of two surfaces at a silhouette on another processor.
FEW = 2e-4


@pytest.fixture(scope="module")
def room() -> ComposedRoom:
    return example_room()


def test_ids_depth_and_camera_are_what_the_composer_makes(room: ComposedRoom) -> None:
    truth = pixel_truth(room)
    ids, depth = (np.array(Image.open(FOLDER / name)) for name in ("instances.png", "depth.png"))
    assert (ids != truth.mask_values).mean() < FEW
    millimetres = np.where(truth.valid, np.round(1000 * truth.z_m), 0)
    assert (np.abs(depth - millimetres) > 1).mean() < FEW
    camera = json.loads((FOLDER / "camera.json").read_text())
    np.testing.assert_allclose(camera["K"], room.camera.K, rtol=1e-12)
    np.testing.assert_allclose(camera["T_world_from_cam"], room.camera.T_world_from_cam.as_matrix(), atol=1e-12)


def test_it_shows_what_an_example_should_show(room: ComposedRoom) -> None:
    scene = json.loads((FOLDER / "scene.json").read_text())
    objects = scene["objects"]
    assert 6 <= len(objects) <= 9
    assert len({o["name"] for o in objects}) >= 8
    assert all(o["visible_pixels"] > 1500 for o in objects)
    assert any(o["parent"] for o in objects), "something stands on something"
    assert any(o["visible_fraction"] < 0.95 for o in objects), "one hides another"
    assert [o["id"] for o in objects] == [item.mask_value for item in room.objects]
    assert sum(p.stat().st_size for p in FOLDER.iterdir()) < 3_000_000


def test_objects_differ_from_what_is_around_them() -> None:
    """A person (or colour) can tell every object from the pixels just outside it."""
    photo = np.array(Image.open(FOLDER / "photo.jpg").convert("LAB")).astype(float)
    ids = np.array(Image.open(FOLDER / "instances.png"))
    for value in np.unique(ids)[1:]:
        mask = ids == value
        near = np.zeros_like(mask)
        for dy, dx in ((-6, 0), (6, 0), (0, -6), (0, 6)):
            near |= np.roll(mask, (dy, dx), axis=(0, 1))
        apart = np.abs(np.median(photo[mask], axis=0) - np.median(photo[near & ~mask], axis=0)).sum()
        assert apart > 20, value


@pytest.mark.slow
def test_the_photo_is_what_the_composer_makes(room: ComposedRoom) -> None:
    buffer = io.BytesIO()
    Image.fromarray(render_photo(room)).save(buffer, "JPEG", quality=91, subsampling=0)
    made, committed = (np.array(Image.open(f)).astype(float) for f in (buffer, FOLDER / "photo.jpg"))
    assert np.abs(made - committed).mean() < 0.5
    assert (np.abs(made - committed).max(axis=-1) > 12).mean() < 1e-3
