"""Walls: right angles where the evidence supports them, and only there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pixal3d_scene.camera import Camera
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.layout.wall_angles import WallLine, straightened

CAMERA = Camera.from_fov(horizontal_fov_deg=75.0, size_px=(480, 360)).at(
    world_from_level_camera(height_m=1.4, pitch_rad=math.radians(8))
)


def corner(off_deg: float) -> tuple[Depth, list[WallLine]]:
    """A floor and two walls: one ahead, one left whose angle to it is 90 degrees plus `off_deg`."""
    normals = [np.array([math.cos(math.radians(a)), 0.0, math.sin(math.radians(a))]) for a in (105.0, 15.0 + off_deg)]
    offsets = [-3.2, -2.1]  # normal . p = offset
    rays = CAMERA.T_world_from_cam.rotation.apply(CAMERA.rays_cam().reshape(-1, 3)).reshape(*CAMERA.shape_hw, 3)
    planes = [(np.array([0.0, 1.0, 0.0]), 0.0), *zip(normals, offsets, strict=True)]
    z_m = np.full(CAMERA.shape_hw, np.inf)
    for normal, offset in planes:
        towards = rays @ normal
        hit = (offset - CAMERA.centre_world @ normal) / np.where(towards < -1e-6, towards, -1e-9)
        z_m = np.minimum(z_m, np.where(towards < -1e-6, hit, np.inf))
    valid = np.isfinite(z_m)
    depth = Depth(z_m=np.where(valid, z_m, 1.0).astype(np.float32), valid=valid, camera=CAMERA, source="made")
    rough = []
    for normal, offset, wrong_deg in zip(normals, offsets, (1.0, -1.2), strict=True):
        angle = math.atan2(normal[2], normal[0]) + math.radians(wrong_deg)
        rough.append(WallLine(normal=np.array([math.cos(angle), math.sin(angle)]), offset=offset))
    return depth, rough


def slow_error(depth: Depth, seed: int) -> Depth:
    from scipy.ndimage import zoom

    rng = np.random.default_rng(seed)
    height, width = depth.z_m.shape
    slow = zoom(rng.standard_normal((4, 4)), (height / 4, width / 4), order=3, grid_mode=True, mode="nearest")
    error = 0.02 * slow / slow.std() + 0.02 * rng.standard_normal(depth.z_m.shape)
    return replace(depth, z_m=(depth.z_m * (1 + error)).astype(np.float32))


def angle_deg(a: WallLine, b: WallLine) -> float:
    return math.degrees(math.acos(float(np.clip(a.normal @ b.normal, -1, 1))))


@pytest.mark.parametrize("off_deg", [0.0, 1.0, -4.0, 20.0])
def test_exact_depth_keeps_every_angle_as_it_is(off_deg: float) -> None:
    depth, rough = corner(off_deg)
    walls = straightened(rough, depth, depth.valid)
    assert angle_deg(*walls) == pytest.approx(90 - off_deg, abs=0.4)
    assert all(w.snapped for w in walls) == (off_deg == 0)
    assert [w.offset for w in walls] == pytest.approx([-3.2, -2.1], abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_bad_depth_gets_right_angles_where_they_are_and_not_where_they_are_not(seed: int) -> None:
    depth, rough = corner(0.0)
    walls = straightened(rough, slow_error(depth, seed), depth.valid)
    assert angle_deg(*walls) == pytest.approx(90, abs=1e-6) or not any(w.snapped for w in walls)
    assert [w.offset for w in walls] == pytest.approx([-3.2, -2.1], abs=0.15)
    slanted, rough = corner(20.0)
    walls = straightened(rough, slow_error(slanted, seed), slanted.valid)
    assert not any(w.snapped for w in walls)
    assert angle_deg(*walls) == pytest.approx(70, abs=6)


def test_right_angles_make_most_rooms_better() -> None:
    depth, rough = corner(0.0)
    results = [straightened(rough, slow_error(depth, seed), depth.valid) for seed in range(6)]
    assert sum(all(w.snapped for w in walls) for walls in results) >= 4


def test_one_wall_and_no_wall_and_walls_without_pixels() -> None:
    depth, rough = corner(0.0)
    assert straightened([], depth, depth.valid) == []
    (one,) = straightened(rough[:1], depth, depth.valid)
    assert not one.snapped
    assert one.sigma_rad is not None
    blind = straightened(rough, depth, np.zeros_like(depth.valid))
    assert blind == rough
