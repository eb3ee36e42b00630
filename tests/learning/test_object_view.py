"""The targets of the object networks are in the frames that the rest of the package uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import RigidTransform, Rotation
from training_cases import small_batch, small_pack

from pixal3d_scene import crop
from pixal3d_scene.camera import Camera
from pixal3d_scene.conditioning.view_picture import MEDIAN_OBJ
from pixal3d_scene.frames import cropcam_from_obj
from pixal3d_scene.learning.object_view import crop_camera, object_view, outline_corners_px
from pixal3d_scene.learning.rasterise import rasterise
from pixal3d_scene.learning.sample_furniture import Shelf
from pixal3d_scene.learning.sample_room import sample_room
from pixal3d_scene.learning.sampled_room import SampledRoom

SIZE_PX = (96, 72)


def room_and_masks() -> tuple[SampledRoom, dict[int, np.ndarray], np.ndarray]:
    """With the depth of its photo."""
    batch = small_batch()
    room = sample_room(Shelf.of(small_pack(), "train"), int(batch.seeds[1]), SIZE_PX)
    ids = batch.instance_ids[1].numpy()
    masks = {n: ids == n for n in np.unique(ids).tolist() if n and (ids == n).sum() > 60}
    assert masks
    return room, masks, batch.z_m[1].numpy()


def test_the_crop_camera_is_the_one_that_photos_are_cropped_with() -> None:
    room, masks, _ = room_and_masks()
    pose = RigidTransform.from_components(room.eye_world, Rotation.from_matrix(room.R_cam_from_world.T))
    camera = Camera(K=room.K, size_px=SIZE_PX).at(pose)
    for mask in masks.values():
        corners = outline_corners_px(mask)
        np.testing.assert_array_equal(corners, crop.outline_corners_px(mask))
        expected, R_expected = crop.exact_crop_camera(camera, corners, size_px=64, margin=1.1)
        R, focal_px = crop_camera(room.K, room.R_cam_from_world[:, 1], corners, 64, 1.1)
        np.testing.assert_allclose(R, R_expected.as_matrix(), atol=1e-9)
        assert focal_px == pytest.approx(expected.K[0, 0], rel=1e-9)


def test_the_object_in_its_cube_is_where_the_photo_sees_it() -> None:
    room, masks, z_m = room_and_masks()
    for number, mask in masks.items():
        view = object_view(small_pack(), room, number, mask, z_m, size_px=64)
        T = cropcam_from_obj(scale_m=view.scale_m, camera_distance_obj=view.camera_distance_obj)
        cropcam = T.apply(view.vertices_obj)
        cam = cropcam @ view.R_cropcam_from_cam
        corners = torch.tensor(cam[view.faces], dtype=torch.float32)
        K = torch.tensor(room.K, dtype=torch.float32)[None]
        visible = rasterise(corners, torch.zeros(len(corners), dtype=torch.int64), K, SIZE_PX)
        drawn = (visible.face[0] >= 0).numpy()
        # All pixels that show the object are drawn: its own pixels, and more where others stand before it.
        assert (drawn[mask]).mean() > 0.995
        # In the crop the mask is centred and fills 1 / 1.1 of it.
        pixels = np.argwhere(mask)[:, ::-1] + 0.5
        at = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ view.A_crop_from_photo.T
        at = at[:, :2] / at[:, 2:]
        assert at.min() > 0
        assert at.max() < 64
        # Half of what is seen lies before MEDIAN_OBJ, half behind.
        points_cam = (np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1) @ np.linalg.inv(room.K).T) * (
            z_m[mask][:, None]
        )
        seen_obj = T.inverse().apply(points_cam @ view.R_cropcam_from_cam.T)
        assert np.median(seen_obj[:, 2]) == pytest.approx(MEDIAN_OBJ, abs=1e-6)


def test_a_given_distance_is_kept_and_an_empty_mask_is_refused() -> None:
    room, masks, z_m = room_and_masks()
    number, mask = next(iter(masks.items()))
    view = object_view(small_pack(), room, number, mask, z_m, size_px=64, camera_distance_obj=2.0)
    assert view.camera_distance_obj == 2.0
    with pytest.raises(ValueError, match="no pixel"):
        object_view(small_pack(), room, number, np.zeros_like(mask), z_m, size_px=64)
