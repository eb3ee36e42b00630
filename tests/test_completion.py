"""The stage on values: what is invented is marked, framed, told, and never evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hidden_cases import BEFORE, BEHIND, GREEN, RED, SETTINGS, Painter, crops, filled, two_boxes
from PIL import Image

from pixal3d_scene.asset import ObjectAsset
from pixal3d_scene.completion import paint_hidden_parts, with_painted_parts
from pixal3d_scene.crop import CropVolume, warp_mask, warp_picture
from pixal3d_scene.errors import BackendMissing, StageFailed
from pixal3d_scene.frames import Similarity, cropcam_from_obj
from pixal3d_scene.frontend.completer import Completer, Completion, HiddenPart
from pixal3d_scene.generator.lift import lift
from pixal3d_scene.generator.protocol import object_seed
from pixal3d_scene.layout.evidence import noise_of, place_alone
from pixal3d_scene.progress import Progress, Silent
from pixal3d_scene.stage_files import pack_painted_parts, unpack_painted_parts

SIDE = 128
SCENE = two_boxes()
PLAIN = {v.instance.mask_value: v for v in crops(SCENE, SIDE)}


def completed(completer: Completer) -> dict[int, CropVolume]:
    volumes = tuple(PLAIN.values())
    picture = SCENE.photo.image
    parts = paint_hidden_parts(volumes, picture, completer, SETTINGS, Silent())
    return {v.instance.mask_value: v for v in with_painted_parts(volumes, parts, picture, SETTINGS)}


def photo_in(volume: CropVolume) -> np.ndarray:
    """What the photo alone shows in the frame of a volume."""
    A = volume.A_crop_from_photo
    rgb = warp_picture(SCENE.photo.image, A, (SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.dstack([np.asarray(rgb), warp_mask(volume.mask, A, SIDE)])


def test_visible_pixels_are_the_photos_and_invented_ones_lie_where_the_front_box_is() -> None:
    volume = completed(Painter(GREEN))[BEHIND]
    assert volume.invented is not None
    shown = photo_in(volume)
    assert np.array_equal(volume.rgba[~volume.invented], shown[~volume.invented])
    assert not (volume.invented & (shown[..., 3] == 255)).any()
    front = warp_mask(SCENE.instances.mask(BEFORE), volume.A_crop_from_photo, SIDE)
    deep = warp_mask(eroded(SCENE.instances.mask(BEFORE)), volume.A_crop_from_photo, SIDE) == 255
    assert volume.invented[deep].all()
    assert (volume.rgba[deep] == (*GREEN, 255)).all()
    assert not (volume.invented & eroded(front == 0)).any()
    assert np.array_equal(volume.visible_rgba[..., 3], np.where(volume.invented, 0, volume.rgba[..., 3]))


def eroded(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_erosion

    return np.asarray(binary_erosion(mask, np.ones((3, 3)), iterations=2))


def test_the_whole_object_fits_the_new_frame_with_the_margin() -> None:
    """The generator was trained with the object centred: the visible and the painted part together are."""
    volume = completed(Painter(GREEN))[BEHIND]
    rows, columns = np.nonzero(volume.rgba[..., 3] >= 128)
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
    half = SIDE / 2 / SETTINGS.crop.margin
    assert np.abs(np.maximum(SIDE / 2 - low, high - SIDE / 2).max() - half) < 1.5
    np.testing.assert_allclose((low + high) / 2, SIDE / 2, atol=1.5)
    # It grew downwards, where the front box is: the old frame has no room for that.
    assert volume.camera.K[0, 0] < PLAIN[BEHIND].camera.K[0, 0]


def test_what_hides_and_how_much_is_told() -> None:
    volumes = completed(Painter(GREEN))
    (note,) = volumes[BEHIND].notes
    assert "painted by painter" in note
    assert "object_02" in note
    assert volumes[BEFORE] == PLAIN[BEFORE]


def test_a_seed_belongs_to_its_object() -> None:
    painter = Painter(GREEN)
    completed(painter)
    assert painter.seeds == [object_seed(SETTINGS.seed, BEHIND)]


class Failing:
    """A completer that gives or raises something else than a completion."""

    name, revision = "failing", "1"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def complete(
        self, hidden: Sequence[HiddenPart], seeds: Sequence[int], progress: Progress
    ) -> list[Completion | StageFailed]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer(hidden)


def _unchecked(rgba: np.ndarray) -> Completion:
    """As without the tests' type checks."""
    completion = object.__new__(Completion)
    object.__setattr__(completion, "rgba", rgba)
    return completion


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
        (StageFailed("complete", "no idea"), "no idea"),
        (lambda hidden: [], "0 pictures of 1 objects"),
        (lambda hidden: [StageFailed("complete", "too dark")], "too dark"),
        (lambda hidden: [_unchecked(np.zeros((3, 3, 4), np.uint8))], "has shape (3, 3, 4)"),
        (lambda hidden: [_unchecked(np.full((SIDE, SIDE, 4), np.nan))], "not finite"),
        (lambda hidden: [_unchecked(filled(hidden[0], (0, 0, 0)))], "nothing but black"),
    ],
)
def test_a_completer_that_fails_leaves_the_visible_crop_and_its_reason(answer: Any, reason: str) -> None:
    volume = completed(Failing(answer))[BEHIND]
    assert np.array_equal(volume.rgba, PLAIN[BEHIND].rgba)
    assert volume.camera == PLAIN[BEHIND].camera
    assert volume.invented is None
    (note,) = volume.notes
    assert reason in note


def test_a_machine_that_is_not_ready_is_said_and_not_papered_over() -> None:
    with pytest.raises(BackendMissing):
        completed(Failing(BackendMissing("no GPU")))


def test_nothing_found_behind_is_told() -> None:
    volume = completed(Failing(lambda hidden: [Completion(rgba=hidden[0].volume.rgba.copy())]))[BEHIND]
    assert volume.invented is None or not volume.invented[PLAIN[BEHIND].rgba[..., 3] == 255].any()
    assert len(volume.notes) == 1


def test_results_survive_their_file() -> None:
    volumes, picture = tuple(PLAIN.values()), SCENE.photo.image
    for completer in (Painter(GREEN), Failing(RuntimeError("no"))):
        parts = paint_hidden_parts(volumes, picture, completer, SETTINGS, Silent())
        (before,), (after,) = parts, unpack_painted_parts(pack_painted_parts(parts))
        assert (before.mask_value, before.notes) == (after.mask_value, after.notes)
        np.testing.assert_array_equal(before.A_crop_from_photo, after.A_crop_from_photo)
        for name in ("rgba", "invented"):
            one, other = getattr(before, name), getattr(after, name)
            assert (one is None) == (other is None)
            assert one is None or np.array_equal(one, other)


def in_world(asset: ObjectAsset, volume: CropVolume) -> np.ndarray:
    assert asset.expected_scale_m is not None
    T_cropcam_from_obj = cropcam_from_obj(scale_m=asset.expected_scale_m, camera_distance_obj=asset.camera_distance_obj)
    T_world_from_obj = Similarity.from_rigid(volume.camera.T_world_from_cam) @ T_cropcam_from_obj
    return T_world_from_obj.apply(asset.mesh_obj.vertices)


def test_lift_sees_the_visible_surface_alone() -> None:
    """The same mesh at the same place, and no painted colour in its texture."""
    painted, plain = completed(Painter(GREEN))[BEHIND], PLAIN[BEHIND]
    assets = [lift(volume, voxels=48, max_faces=4000, texture_px=64) for volume in (painted, plain)]
    np.testing.assert_allclose(in_world(assets[0], painted), in_world(assets[1], plain), atol=1e-9)
    for asset in assets:
        assert asset.material.base_colour is not None
        texture = asset.material.base_colour[..., :3].astype(int)
        assert (np.abs(texture - RED).max(axis=-1) < 40).mean() > 0.99
        assert not ((texture[..., 1] > 200) & (texture[..., 0] < 60)).any()


def test_invented_pixels_are_no_evidence_for_the_place() -> None:
    """Whatever the picture shows, the place and its uncertainty follow from the visible mask and its depth."""
    plain = PLAIN[BEHIND]
    asset = lift(plain, voxels=48, max_faces=4000, texture_px=64)
    everything = np.ones((SIDE, SIDE), dtype=bool)
    other = replace(plain, rgba=np.full((SIDE, SIDE, 4), 255, dtype=np.uint8), invented=everything)
    bodies = [place_alone(asset, volume, noise_of([volume])) for volume in (plain, other)]
    np.testing.assert_array_equal(bodies[0].mesh_world.vertices, bodies[1].mesh_world.vertices)
    assert bodies[0].sigma_log == bodies[1].sigma_log
    assert bodies[0].sigma_shape_m == bodies[1].sigma_shape_m


def test_the_wider_frame_puts_the_object_at_the_same_place() -> None:
    places = []
    for volume in (completed(Painter(GREEN))[BEHIND], PLAIN[BEHIND]):
        asset = lift(volume, voxels=48, max_faces=4000, texture_px=64)
        places.append(place_alone(asset, volume, noise_of([volume])).mesh_world.bounds)
    np.testing.assert_allclose(places[0], places[1], atol=2e-3)


def test_the_networks_are_given_what_was_painted() -> None:
    from pixal3d_scene.conditioning.field_of_view import trained_view
    from pixal3d_scene.generator.pixal3d import _as_input

    volume = completed(Painter(GREEN))[BEHIND]
    assert volume.invented is not None
    given = _as_input(volume, seed=0)
    (square,) = given.squares
    opaque = volume.rgba[..., 3] == 255
    assert (square[opaque & volume.invented] == GREEN).mean() > 0.99
    assert np.array_equal(square[opaque], volume.rgba[opaque][:, :3])
    # The view is that of the frame in which it was painted.
    assert given.views[0].fov_rad == trained_view(volume.camera).view.fov_rad
    assert given.views[0].fov_rad != trained_view(PLAIN[BEHIND].camera).view.fov_rad
