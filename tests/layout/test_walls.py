"""Walls under a slow error of the depth: found where they meet the floor, and asked for around each object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered_scene import RenderedScene, box, camera_at, render, shell, standing_box

from pixal3d_scene.arrays import nearest
from pixal3d_scene.depth import Depth
from pixal3d_scene.layout.near_planes import planes_near
from pixal3d_scene.layout.room_shell import background_mask, fit_room
from pixal3d_scene.layout.wall_foot import shifts_at_foot
from pixal3d_scene.room import RoomPlane

BACK = (np.array([0.0, 1.0]), -3.0)  # the wall behind, in plan (x, z)


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    things = {1: standing_box((0.5, 0.5, 0.5), -0.8, 0.5), 2: box((0.6, 0.5, 0.04), (0.9, 1.6, -2.98))}
    return render(things, camera_at(size_px=(640, 480)), room=shell())


def wrong(depth: Depth, factor: np.ndarray | float) -> Depth:
    return replace(depth, z_m=(depth.z_m * factor).astype(np.float32))


def back_wall(planes: tuple[RoomPlane, ...]) -> float:
    """Where the wall behind stands, z in world."""
    return next(float(p.corners_world[:, 2].mean()) for p in planes if p.normal_world[2] > 0.9)


@pytest.mark.parametrize("factor", [0.95, 1.0, 1.04])
def test_the_floor_tells_how_far_a_wall_is_off(scene: RenderedScene, factor: float) -> None:
    depth = wrong(scene.depth, factor)
    background = background_mask(depth, scene.instances)
    seen_at = 2.7 - factor * (2.7 + 3.0)  # the camera stands at z = 2.7
    (shift_m,) = shifts_at_foot(depth, background, [(BACK[0], seen_at)])
    assert seen_at + shift_m == pytest.approx(-3.0, abs=0.005)
    assert back_wall(fit_room(depth, scene.instances).planes) == pytest.approx(-3.0, abs=0.01)


def test_a_large_depth_map_says_the_same(scene: RenderedScene) -> None:
    depth = wrong(scene.depth, 1.04)
    background = background_mask(depth, scene.instances)
    large = depth.resized((1920, 1440))
    seen_at = 2.7 - 1.04 * (2.7 + 3.0)
    (shift_m,) = shifts_at_foot(large, nearest(background, (1920, 1440)), [(BACK[0], seen_at)])
    assert seen_at + shift_m == pytest.approx(-3.0, abs=0.005)


def test_a_wall_whose_foot_is_not_in_sight_stays(scene: RenderedScene) -> None:
    above = background_mask(scene.depth, scene.instances)
    above[200:] = False
    assert shifts_at_foot(wrong(scene.depth, 1.04), above, [BACK]) == [0.0]


def test_around_an_object_the_wall_is_where_the_depth_shows_it(scene: RenderedScene) -> None:
    room = fit_room(scene.depth, scene.instances)
    bent = np.ones_like(scene.depth.z_m)
    bent[:, 320:] = 1.03  # a slow error on the right, where the picture hangs
    volume = replace(scene.volume(2), depth=wrong(scene.depth, bent))
    near = planes_near(room, volume)
    assert back_wall(near.planes) == pytest.approx(2.7 - 1.03 * 5.7, abs=0.02)
    assert near.floor is room.floor
    unbent = planes_near(room, scene.volume(2))
    for before, after in zip(room.planes, unbent.planes, strict=True):
        np.testing.assert_allclose(after.corners_world, before.corners_world, atol=0.01)
