"""The user's masks and depth behind the protocols: revision by content, and the best pose there is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from painted_room import camera_in_room, furniture, painted_room
from PIL import Image
from rendered_scene import RenderedScene

from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.given import GivenDepth, GivenMasks
from pixal3d_scene.frontend.protocols import DepthEstimator, KnownView, Segmenter

CAMERA = camera_in_room(pitch_deg=17, roll_deg=2, yaw_deg=-12, height_m=1.27)


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    return painted_room(CAMERA, furniture())


def given_depth(folder: Path, scene: RenderedScene) -> GivenDepth:
    np.save(folder / "d.npy", scene.depth.z_m)
    return GivenDepth(folder / "d.npy", camera_height_m=1.5, fallback_fov_deg=60.0)


def test_masks_behind_the_protocol(tmp_path: Path, scene: RenderedScene) -> None:
    path = tmp_path / "m.png"
    Image.fromarray(scene.instances.label_map).save(path)
    segmenter = GivenMasks(path)
    assert isinstance(segmenter, Segmenter)
    np.testing.assert_array_equal(
        segmenter.segment(scene.photo, KnownView(), None).label_map, scene.instances.label_map
    )
    before = segmenter.revision
    assert GivenMasks(path).revision == before
    Image.fromarray(np.flipud(scene.instances.label_map).copy()).save(path)
    assert GivenMasks(path).revision != before


def test_a_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        GivenMasks(tmp_path / "m.png")
    with pytest.raises(InputError, match="does not exist"):
        GivenDepth(tmp_path / "d.png", camera_height_m=1.5, fallback_fov_deg=60.0)


def test_the_given_pose_is_kept(tmp_path: Path, scene: RenderedScene) -> None:
    estimator = given_depth(tmp_path, scene)
    assert isinstance(estimator, DepthEstimator)
    depth = estimator.estimate(scene.photo, scene.instances, KnownView(camera=CAMERA))
    np.testing.assert_array_equal(depth.camera.T_world_from_cam.as_matrix(), CAMERA.T_world_from_cam.as_matrix())
    np.testing.assert_array_equal(depth.z_m, scene.depth.z_m)
    assert depth.notes == ()


def test_without_a_pose_the_floor_in_the_depth_gives_it(tmp_path: Path, scene: RenderedScene) -> None:
    bare = Camera(K=CAMERA.K, size_px=CAMERA.size_px)
    depth = given_depth(tmp_path, scene).estimate(
        scene.photo, scene.instances, KnownView(camera=bare, pose_known=False)
    )
    assert math.degrees(math.acos(min(1.0, depth.camera.up_cam @ CAMERA.up_cam))) < 0.3
    assert depth.camera.centre_world[1] == pytest.approx(1.27, abs=0.01)
    lowest = np.percentile(depth.points_world()[..., 1], 1)
    assert abs(lowest) < 0.01
    assert any("By its depth the floor is 1.27 m below the camera" in n for n in depth.notes)
    assert any("Which way is down is taken from" in n for n in depth.notes)
    assert not any("assumed" in n for n in depth.notes)


def test_a_stated_height_scales_depth_and_camera_together(tmp_path: Path, scene: RenderedScene) -> None:
    known = KnownView(camera=Camera(K=CAMERA.K, size_px=CAMERA.size_px), pose_known=False, camera_height_m=2.0)
    depth = given_depth(tmp_path, scene).estimate(scene.photo, scene.instances, known)
    assert depth.camera.centre_world[1] == pytest.approx(2.0)
    factor = depth.z_m[depth.valid] / scene.depth.z_m[depth.valid]
    assert np.ptp(factor) < 1e-5
    assert factor.mean() == pytest.approx(2.0 / 1.27, abs=0.01)
    assert any("does not agree" in n and "2 m" in n and "1.27 m" in n for n in depth.notes)


def test_depth_without_a_floor_falls_back_with_a_note(tmp_path: Path, scene: RenderedScene) -> None:
    np.save(tmp_path / "wall.npy", np.full(CAMERA.shape_hw, 1.5))
    estimator = GivenDepth(tmp_path / "wall.npy", camera_height_m=1.4, fallback_fov_deg=60.0)
    depth = estimator.estimate(scene.photo, scene.instances, KnownView())
    assert depth.camera.centre_world[1] == pytest.approx(1.4)
    assert any("No floor" in n for n in depth.notes)


def test_a_depth_of_another_size_is_refused(tmp_path: Path, scene: RenderedScene) -> None:
    np.save(tmp_path / "d.npy", np.ones((10, 20)))
    estimator = GivenDepth(tmp_path / "d.npy", camera_height_m=1.4, fallback_fov_deg=60.0)
    with pytest.raises(InputError, match=r"20 x 10 px.*320 x 240 px"):
        estimator.estimate(scene.photo, scene.instances, KnownView())
