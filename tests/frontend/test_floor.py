"""The floor in a point cloud: within 1 degree and 2 cm from noisy depth, and never a table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from painted_room import camera_in_room, furniture, painted_room
from rendered_scene import standing_box

from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.frontend.floor import find_floor
from pixal3d_scene.frontend.view import pose_from_up

GUESS = -np.array([0.0, math.cos(math.radians(10)), math.sin(math.radians(10))])


@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(12.0, 0.0), (30.0, 4.0), (3.0, -5.0)])
def test_floor_from_noisy_depth(pitch_deg: float, roll_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg, yaw_deg=17, height_m=1.37)
    scene = painted_room(camera, furniture())
    rng = np.random.default_rng(1)
    z_m = scene.depth.z_m * (1 + rng.normal(0, 0.01, scene.depth.z_m.shape))
    z_m[rng.random(z_m.shape) < 0.01] *= 1.5  # some points far below the floor
    points_cam = (camera.rays_cam() * z_m[..., None]).reshape(-1, 3)
    floor = find_floor(points_cam, GUESS)
    assert floor is not None
    assert math.degrees(math.acos(floor.up_cam @ camera.up_cam)) < 1
    assert floor.height_m == pytest.approx(1.37, abs=0.02)
    pose = floor.T_world_from_cam
    np.testing.assert_allclose(pose.rotation.apply(floor.up_cam), [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(pose.translation, [0, floor.height_m, 0], atol=1e-9)
    on_floor = camera.world_from_cam(points_cam)[:, 1] < 0.01
    assert abs(np.median(pose.apply(points_cam[on_floor])[:, 1])) < 0.02


def test_a_table_that_hides_most_of_the_floor_is_not_the_floor() -> None:
    camera = camera_in_room(pitch_deg=30)
    scene = painted_room(camera, {1: standing_box((2.4, 0.75, 2.0), 0.0, 0.0)})
    table = (scene.instances.label_map == 1).mean()
    assert table > 0.25
    floor = find_floor(scene.depth.points_cam().reshape(-1, 3), GUESS)
    assert floor is not None
    assert floor.height_m == pytest.approx(1.5, abs=0.02)


def test_no_floor_is_none() -> None:
    rng = np.random.default_rng(0)
    wall = np.stack([rng.uniform(-2, 2, 3000), rng.uniform(-1, 1, 3000), np.full(3000, 3.0)], axis=-1)
    assert find_floor(wall, GUESS) is None
    assert find_floor(np.zeros((10, 3)), GUESS) is None
    assert find_floor(np.full((100, 3), np.nan), GUESS) is None


@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(0.0, 0.0), (20.0, 3.0), (-15.0, -8.0), (60.0, 40.0)])
def test_pose_from_up_undoes_the_pose(pitch_deg: float, roll_deg: float) -> None:
    pose = world_from_level_camera(height_m=1.2, pitch_rad=math.radians(pitch_deg), roll_rad=math.radians(roll_deg))
    up_cam = pose.rotation.inv().apply([0.0, 1.0, 0.0])
    np.testing.assert_allclose(pose_from_up(up_cam, height_m=1.2).as_matrix(), pose.as_matrix(), atol=1e-12)
