"""The node frame is along an object's own sides, whatever the side it is seen from."""

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pixal3d_scene.asset import Mesh
from pixal3d_scene.frames import WORLD_UP
from pixal3d_scene.layout.node_frame import node_frame

EYE_WORLD = np.array([0.3, 1.5, 3.0])
BACK_WALL, LEFT_WALL = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
YAWS_DEG = st.floats(min_value=-180, max_value=180)


def turned(size_m: tuple[float, float, float], at: tuple[float, float], yaw_deg: float, noise_m: float = 0.0) -> Mesh:
    """A box that stands at (x, z), its sides' turn about the vertical known, its surface uneven by `noise_m`."""
    solid = trimesh.creation.box(extents=size_m).subdivide().subdivide()
    vertices = np.array(solid.vertices) + np.array([0, size_m[1] / 2, 0])
    vertices += np.random.default_rng(0).uniform(-noise_m, noise_m, vertices.shape)
    turn = Rotation.from_rotvec(np.deg2rad(yaw_deg) * WORLD_UP)
    return Mesh(vertices=turn.apply(vertices) + np.array([at[0], 0, at[1]]), faces=np.array(solid.faces))


def size_m(mesh: Mesh, T_world_from_node) -> np.ndarray:
    points_node = T_world_from_node.inv().apply(np.array(mesh.vertices))
    low, high = points_node.min(axis=0), points_node.max(axis=0)
    np.testing.assert_allclose([low[1], *(low + high)[[0, 2]]], 0, atol=1e-9)  # the pivot: bottom centre
    np.testing.assert_allclose(T_world_from_node.rotation.apply([0.0, 1.0, 0.0]), WORLD_UP, atol=1e-12)
    return high - low


def front_world(T_world_from_node) -> np.ndarray:
    return np.asarray(T_world_from_node.rotation.apply([0.0, 0.0, 1.0]))


@given(yaw_deg=YAWS_DEG, x=st.floats(-2, 2), z=st.floats(-3, 1))
def test_a_desk_has_its_own_sides_and_its_front_towards_the_camera(yaw_deg: float, x: float, z: float) -> None:
    desk = turned((1.39, 0.74, 0.54), (x, z), yaw_deg)
    T = node_frame(desk, EYE_WORLD)
    assert sorted(size_m(desk, T)) == pytest.approx([0.54, 0.74, 1.39], abs=1e-9)
    to_camera = EYE_WORLD - [x, 0, z]
    to_camera[1] = 0
    assert front_world(T) @ to_camera / np.linalg.norm(to_camera) > np.cos(np.pi / 4) - 1e-6


@given(yaw_deg=YAWS_DEG)
def test_turning_the_camera_about_an_object_turns_its_frame_by_quarters_only(yaw_deg: float) -> None:
    desk = turned((1.39, 0.74, 0.54), (0.2, -0.4), 20)
    eye_world = Rotation.from_rotvec(np.deg2rad(yaw_deg) * WORLD_UP).apply(EYE_WORLD)
    turn = node_frame(desk, EYE_WORLD).rotation.inv() * node_frame(desk, eye_world).rotation
    quarters = np.rad2deg(turn.as_rotvec()[1]) / 90
    assert quarters == pytest.approx(round(quarters), abs=1e-6)


def test_a_picture_seen_from_the_side_is_thin_and_faces_the_room() -> None:
    picture = turned((0.03, 0.6, 0.9), (-2.0, -1.0), 0.0)
    T = node_frame(picture, EYE_WORLD, touched_walls_world=[LEFT_WALL], walls_world=[BACK_WALL, LEFT_WALL])
    assert size_m(picture, T) == pytest.approx([0.9, 0.6, 0.03], abs=1e-9)
    np.testing.assert_allclose(front_world(T), LEFT_WALL, atol=1e-9)


def test_what_touches_a_wall_looks_away_from_it_even_with_the_camera_beside_it() -> None:
    cabinet = turned((0.4, 0.9, 0.5), (-2.0, 2.6), 0.0)
    T = node_frame(cabinet, np.array([1.0, 1.5, 3.0]), touched_walls_world=[BACK_WALL])
    np.testing.assert_allclose(front_world(T), BACK_WALL, atol=1e-9)


def test_an_uneven_surface_does_not_turn_a_cupboard_from_its_wall() -> None:
    cupboard = turned((0.8, 1.0, 0.7), (0.0, -2.0), 0.0, noise_m=0.03)
    free, walled = node_frame(cupboard, EYE_WORLD), node_frame(cupboard, EYE_WORLD, walls_world=[BACK_WALL])
    assert abs(front_world(free)[0]) > 1e-3
    np.testing.assert_allclose(front_world(walled), BACK_WALL, atol=1e-9)


@pytest.mark.parametrize("yaw_deg", [30, 45, -25])
def test_a_chair_that_stands_askew_is_not_taken_to_stand_along_the_wall(yaw_deg: float) -> None:
    chair = turned((0.6, 0.9, 0.4), (0.0, -2.0), yaw_deg)
    T = node_frame(chair, EYE_WORLD, touched_walls_world=[BACK_WALL], walls_world=[BACK_WALL, LEFT_WALL])
    assert sorted(size_m(chair, T)) == pytest.approx([0.4, 0.6, 0.9], abs=1e-9)


def test_a_round_table_is_along_the_walls() -> None:
    top = trimesh.creation.cylinder(radius=0.6, height=0.05, sections=64)
    turn = Rotation.from_rotvec([-np.pi / 2, 0, 0])
    table = Mesh(vertices=turn.apply(top.vertices) + np.array([1.0, 0.7, -1.0]), faces=np.array(top.faces))
    wall = Rotation.from_rotvec(np.deg2rad(11) * WORLD_UP).apply(BACK_WALL)
    T = node_frame(table, EYE_WORLD, walls_world=[wall, np.array([0.0, 1.0, 0.0])])
    np.testing.assert_allclose(front_world(T), wall, atol=1e-9)


@pytest.mark.parametrize("corners", [[[1, 0, 1], [2, 0, 2], [3, 1, 3]], [[1, 0, 1], [1, 1, 1], [1, 2, 1]]])
def test_what_has_no_plan_area_has_a_frame_all_the_same(corners: list[list[float]]) -> None:
    sliver = Mesh(vertices=np.array(corners, dtype=np.float64), faces=np.array([[0, 1, 2]]))
    T = node_frame(sliver, EYE_WORLD, walls_world=[BACK_WALL])
    assert size_m(sliver, T)[[0, 2]].min() == pytest.approx(0, abs=1e-9)
