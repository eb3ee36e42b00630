"""The room shell of a box room with a known size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered_scene import RenderedScene, camera_at, render, shell, standing_box

from pixal3d_scene.layout.room_shell import fit_room
from pixal3d_scene.layout.surfaces import texture_room


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    # Level and wide enough to see the floor, the ceiling, the back wall and both side walls.
    room = shell(width=4.0)
    return render({1: standing_box((0.6, 0.8, 0.6), 0.3, -1.0)}, camera_at(height_m=1.3, pitch_deg=3), room=room)


def test_walls_floor_and_ceiling_are_where_they_are(scene: RenderedScene) -> None:
    room = fit_room(scene.depth, scene.instances)
    assert {p.name for p in room.planes} == {"floor", "wall_01", "wall_02", "wall_03", "ceiling"}
    ceiling = next(p for p in room.planes if p.name == "ceiling")
    np.testing.assert_allclose(ceiling.corners_world[:, 1], 2.6, atol=0.01)
    np.testing.assert_allclose(room.floor.corners_world[:, 1], 0.0, atol=1e-12)
    expected = {(0.0, 1.0): -3.0, (1.0, 0.0): -2.0, (-1.0, 0.0): -2.0}  # inward normal in plan -> offset
    for wall in room.walls:
        normal = wall.normal_world
        key = tuple(np.round(normal[[0, 2]]) + 0.0)
        assert key in expected
        assert abs(normal[1]) < 1e-9
        offsets = np.array(wall.corners_world) @ normal
        np.testing.assert_allclose(offsets, expected[key], atol=0.03)


def test_normals_point_into_the_room(scene: RenderedScene) -> None:
    for plane in fit_room(scene.depth, scene.instances).planes:
        assert plane.distance_m(scene.depth.camera.centre_world) > 0


def test_noise_does_not_make_more_walls(scene: RenderedScene) -> None:
    rng = np.random.default_rng(1)
    noisy = (scene.depth.z_m * (1 + 0.02 * rng.standard_normal(scene.depth.z_m.shape))).astype(np.float32)
    room = fit_room(replace(scene.depth, z_m=noisy), scene.instances)
    assert len(room.walls) <= 4
    assert all(abs(w.normal_world[1]) < 1e-9 for w in room.walls)


def test_texture_shows_what_the_photo_shows(scene: RenderedScene) -> None:
    # Paint the left half of the back wall: the left half of its texture must take the colour, not the right.
    rgb = np.array(scene.photo.rgb)
    points = scene.depth.points_world()
    back = np.abs(points[..., 2] + 3.0) < 1e-3
    rgb[back & (points[..., 0] < 0)] = (255, 0, 0)
    rgb[back & (points[..., 0] > 0)] = (0, 0, 255)
    room = fit_room(scene.depth, scene.instances)
    surfaces = texture_room(room, replace(scene.photo, rgb=rgb), scene.depth, scene.instances)
    plane = next(w for w in room.walls if abs(w.normal_world[2]) > 0.9)
    surface = next(s for s in surfaces if s.name == plane.name)
    texture = surface.material.base_colour
    assert texture is not None
    mesh = surface.mesh_world
    assert mesh.uv is not None
    for x_world, colour in ((-1.5, (255, 0, 0)), (1.5, (0, 0, 255))):
        # uv is affine on the quad: solve for the texel of the point (x, 1.5, -3).
        corners = np.column_stack([mesh.vertices, np.ones(4)])
        affine, *_ = np.linalg.lstsq(corners, mesh.uv, rcond=None)
        u, v = np.array([x_world, 1.5, -3.0, 1.0]) @ affine
        texel = texture[int(v * texture.shape[0]), int(u * texture.shape[1])]
        np.testing.assert_allclose(texel, colour, atol=3)
