"""The shell: tight except for its windows, through which light comes in from the right side."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from composed_cases import marked_room, plain_shell

from pixal3d_scene.learning.light_transport import direct_light
from pixal3d_scene.learning.lights import SunLight
from pixal3d_scene.learning.shell import WALLS, WallFrame, Window, pleats
from pixal3d_scene.learning.surfaces import Stage

SIZE = (4.0, 4.0, 2.5)


def directions(count: int) -> np.ndarray:
    rays = np.random.default_rng(0).normal(size=(count, 3))
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def test_a_room_without_windows_is_tight() -> None:
    stage = Stage(replace(marked_room(), objects=()))
    rays = directions(20_000)
    assert stage.raycaster.cast(np.tile([2.0, 1.2, -2.0], (len(rays), 1)), rays).hit.all()


@pytest.mark.parametrize("wall", WALLS)
def test_rays_leave_through_the_window_only(wall: str) -> None:
    window = Window(wall=wall, along_m=1.3, sill_m=0.9, size_m=(1.2, 1.0))
    shell = replace(plain_shell(SIZE), windows=(window,))
    stage = Stage(replace(marked_room(), objects=(), shell_world=shell.parts_world()))
    frame, eye = WallFrame.of(wall, SIZE), np.array([2.0, 1.2, -2.0])
    rays = directions(20_000)
    hits = stage.raycaster.cast(np.tile(eye, (len(rays), 1)), rays)
    gone = rays[~hits.hit]
    reach = (frame.origin - eye) @ frame.inward / (gone @ frame.inward)  # to the wall's plane
    at = eye + reach[:, None] * gone
    assert len(gone) > 100
    assert (reach > 0).all()
    along = (at - frame.origin) @ frame.along
    assert ((along > 0.7) & (along < 1.9) & (at[:, 1] > 0.9) & (at[:, 1] < 1.9)).all()
    (light,) = shell.window_lights((1.0, 1.0, 1.0))
    shine = np.cross(light.edge_u, light.edge_v)
    assert shine @ frame.inward == pytest.approx(1.2 * 1.0)
    assert np.asarray(light.corner_world) + 0.5 * (
        np.asarray(light.edge_u) + np.asarray(light.edge_v)
    ) == pytest.approx(frame.point(1.3, 1.4))


def test_the_sun_makes_its_patch_where_geometry_says() -> None:
    """Through a window in the left wall, light that falls at 45 degrees lands as far in as the window is high."""
    window = Window(wall="left", along_m=2.0, sill_m=1.0, size_m=(1.0, 1.0))
    shell = replace(plain_shell(SIZE), windows=(window,))
    stage = Stage(replace(marked_room(), objects=(), shell_world=shell.parts_world()))
    sun = SunLight(towards_sun=(-1.0, 1.0, 0.0), irradiance=(2.0, 2.0, 2.0), radius_rad=0.0)
    # Off the casement's cross: its bars would shade the patch's middle.
    xs = np.array([0.7, 1.3, 1.7, 2.3])
    down = np.tile([0.0, -1.0, 0.0], (4, 1))
    seen = stage.meet(np.stack([xs, np.full(4, 0.5), np.full(4, -1.75)], axis=-1), down)
    lit = direct_light(stage, [sun], seen, np.random.default_rng(0))[:, 0]
    np.testing.assert_allclose(lit, [0.0, np.sqrt(2.0), np.sqrt(2.0), 0.0], atol=1e-9)


def test_curtains_are_closed_solids() -> None:
    mesh = pleats((0.4, 2.0, 0.1))
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(0.008 * 0.4 * 2.0, rel=1e-6)
    np.testing.assert_allclose(solid.bounds[:, 1], [0.0, 2.0])
