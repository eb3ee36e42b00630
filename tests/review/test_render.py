from __future__ import annotations

import numpy as np
import pytest
from hand_made_scene import (
    ball_mesh,
    box_mesh,
    hand_made_camera,
    hand_made_object,
    hand_made_room,
    marked_texture,
    pose,
)

from pixal3d_scene.asset import Material, Mesh
from pixal3d_scene.camera import Camera
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.review.render import BACKGROUND, Surface, render, render_scene, sample_texture
from pixal3d_scene.scene_graph import SceneGraph


def _level_camera(size_px: tuple[int, int] = (96, 96)) -> Camera:
    return Camera.from_fov(horizontal_fov_deg=60.0, size_px=size_px).at(world_from_level_camera(height_m=1.0))


def _scene(*objects, camera: Camera | None = None) -> SceneGraph:
    return SceneGraph(camera=camera or _level_camera(), objects=objects, room=hand_made_room())


def test_a_textured_board_is_seen_neither_mirrored_nor_upside_down():
    """The texture's red corner is at the top left of the board as the camera sees it."""
    board = hand_made_object(1, "board", box_mesh((1.0, 1.0, 0.02)), pose(0, 0.5, -2))
    picture = render_scene(_scene(board), _level_camera(), room_shell=False).astype(int)
    corners = picture[[34, 34, 61, 61], [34, 61, 34, 61]]
    assert corners[0].argmax() == 0  # red
    assert corners[1].argmax() == 1  # green
    assert corners[2].argmax() == 2  # blue
    assert corners[3, :2].min() > 3 * corners[3, 2]  # yellow


def test_every_pixel_shows_what_its_centre_sees():
    """A box whose left edge projects to the middle of a pixel row boundary: half-pixel exact."""
    camera = _level_camera()
    edge_px = 40.0
    left_m = (edge_px - 48) / camera.K[0, 0] * 2.0
    vertices = np.array([[left_m, 0, -2], [9, 0, -2], [9, 2, -2], [left_m, 2, -2]], dtype=float)
    wall = Surface(
        mesh_world=Mesh(vertices=vertices, faces=np.array([[0, 1, 2], [0, 2, 3]])),
        material=Material(base_colour_factor=(0.0, 0.0, 0.0, 1.0)),
    )
    row = render([wall], camera)[48, :, 0]
    assert (row[:40] > 200).all()
    assert (row[40:] < 50).all()


def test_the_nearer_object_hides_the_farther_one():
    near = hand_made_object(
        1,
        "near",
        box_mesh((0.4, 0.4, 0.1)),
        pose(0, 0.8, -1.5),
        material=Material(base_colour_factor=(1.0, 0.0, 0.0, 1.0)),
    )
    far = hand_made_object(
        2,
        "far",
        box_mesh((1.5, 1.5, 0.1)),
        pose(0, 0.25, -3),
        material=Material(base_colour_factor=(0.0, 0.0, 1.0, 1.0)),
    )
    picture = render_scene(_scene(near, far), _level_camera(), room_shell=False)
    assert picture[48, 48].argmax() == 0
    assert picture[70, 48].argmax() == 2


def test_background_without_anything():
    camera = _level_camera((40, 30))
    picture = render_scene(_scene(), camera, room_shell=False)
    assert picture.shape == (30, 40, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1
    assert picture.min() > 255 * BACKGROUND.min()


def test_walls_hide_nothing_from_outside():
    """The wall behind the objects is drawn from inside, and looked through from behind."""
    ball = hand_made_object(1, "ball", ball_mesh(0.5), pose(0, 0.5, -3), material=Material())
    scene = _scene(ball)
    inside = render_scene(scene, _level_camera())
    bare = render_scene(scene, _level_camera(), room_shell=False)
    assert (inside != bare).any()
    behind = Camera.from_fov(horizontal_fov_deg=60.0, size_px=(96, 96))
    turned = pose(0, 1.0, -6, 180) * world_from_level_camera()
    picture = render_scene(scene, behind.at(turned))
    assert picture[48, 48, 2] > picture[48, 48, 1] + 30  # the ball's blue, not the wall's grey


def test_an_object_shades_the_floor_and_the_walls_do_not():
    ball = hand_made_object(1, "ball", ball_mesh(0.4), pose(0, 0.9, -2.5))
    camera = hand_made_camera((160, 120))
    floor_only = render_scene(_scene(), camera).astype(int)
    with_ball = render_scene(_scene(ball), camera).astype(int)
    darker = (floor_only - with_ball).max(axis=2) > 20
    assert darker.sum() > 100
    bright = floor_only[100:, 40:120]
    assert np.ptp(bright.reshape(-1, 3), axis=0).max() < 12  # evenly lit: no wall throws a shadow


def test_light_comes_from_above():
    ball = hand_made_object(1, "ball", ball_mesh(0.5), pose(0, 0.5, -2), material=Material())
    mesh = ball.mesh_node
    assert mesh is not None
    plain = Surface(
        mesh_world=Mesh(vertices=mesh.vertices + np.array([0, 0.5, -2.0]), faces=mesh.faces), material=Material()
    )
    column = render([plain], _level_camera())[:, 48].astype(int).sum(axis=1)
    assert column[30] > column[66] + 60


def test_texture_sampling_is_half_texel_exact_and_repeats():
    picture = np.zeros((2, 2, 3), dtype=np.uint8)
    picture[0, 1] = 255  # the top right texel
    uv = np.array([[0.75, 0.25], [0.25, 0.25], [0.75, 0.75], [0.5, 0.25], [1.75, -0.75]])
    assert sample_texture(picture, uv)[:, 0] == pytest.approx([1, 0, 0, 0.5, 1])


def test_vertex_colours_and_factor_multiply():
    vertices = np.array([[-2, 0, -2], [2, 0, -2], [2, 3, -2], [-2, 3, -2]], dtype=float)
    colours = np.tile(np.array([255, 188, 0, 255], dtype=np.uint8), (4, 1))
    mesh = Mesh(vertices=vertices, faces=np.array([[0, 1, 2], [0, 2, 3]]), colours=colours)
    plain = render([Surface(mesh_world=mesh, material=Material())], _level_camera())[48, 48].astype(int)
    halved = render(
        [Surface(mesh_world=mesh, material=Material(base_colour_factor=(1.0, 0.5, 1.0, 1.0)))], _level_camera()
    )[48, 48].astype(int)
    assert plain[0] > plain[1] > plain[2] == 0
    assert halved[0] == plain[0]
    assert halved[1] == pytest.approx(plain[1] * 0.735, abs=2)  # half the light in sRGB


def test_same_scene_same_picture():
    board = hand_made_object(
        1, "board", box_mesh((1.0, 1.0, 0.02)), pose(0, 0.5, -2), material=Material(base_colour=marked_texture())
    )
    assert np.array_equal(render_scene(_scene(board), _level_camera()), render_scene(_scene(board), _level_camera()))
