"""Frames: similarities form a group, and every axis points where `docs/conventions.md` says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import RigidTransform, Rotation

from pixal3d_scene.frames import (
    Similarity,
    cropcam_from_obj,
    cv_from_gl,
    heading_towards,
    look_along,
    similarity_from_matrix,
    world_from_level_camera,
)

RIGHT, UP, TOWARDS_VIEWER = np.eye(3)
few = settings(deadline=None, max_examples=25)

directions = (
    st.tuples(*[st.floats(-1, 1)] * 3)
    .filter(lambda v: np.linalg.norm(v) > 1e-3)
    .map(lambda v: np.array(v) / np.linalg.norm(v))
)
# Near-identity and near-half-turn motions are where formulas with sines and logarithms break.
angles_rad = st.sampled_from([0.0, 1e-12, 1e-7, -1e-7, np.pi - 1e-7, np.pi]) | st.floats(-np.pi, np.pi)
rotations = st.builds(lambda axis, angle: Rotation.from_rotvec(angle * axis), directions, angles_rad)
scales = st.sampled_from([1.0, 1 + 1e-7, 1 - 1e-7]) | st.floats(1e-3, 1e3)
translations = st.tuples(*[st.sampled_from([0.0, 1e-7]) | st.floats(-50, 50)] * 3).map(np.array)
similarities = st.builds(
    lambda r, t, s: Similarity(rotation=r, translation=t, scale=s), rotations, translations, scales
)
points = st.tuples(*[st.floats(-10, 10)] * 3).map(np.array)


def assert_same(a: Similarity, b: Similarity, *, size: float = 1.0) -> None:
    np.testing.assert_allclose(a.as_matrix(), b.as_matrix(), rtol=1e-9, atol=1e-9 * size)


@few
@given(similarities)
def test_a_similarity_and_its_inverse_cancel(T_a_from_b: Similarity) -> None:
    T_b_from_a = T_a_from_b.inverse()
    size = (1 + np.abs(T_a_from_b.translation).max()) * max(T_a_from_b.scale, 1 / T_a_from_b.scale)
    assert_same(T_a_from_b @ T_b_from_a, Similarity(), size=size)
    assert_same(T_b_from_a @ T_a_from_b, Similarity(), size=size)


@few
@given(similarities, similarities, similarities, points)
def test_composition_is_associative_and_reads_right_to_left(
    T_a_from_b: Similarity, T_b_from_c: Similarity, T_c_from_d: Similarity, p_c: np.ndarray
) -> None:
    size = 100 * T_a_from_b.scale * max(T_b_from_c.scale, 1) * max(T_c_from_d.scale, 1) + 100
    left, right = (T_a_from_b @ T_b_from_c) @ T_c_from_d, T_a_from_b @ (T_b_from_c @ T_c_from_d)
    assert_same(left, right, size=size)
    stepwise = T_a_from_b.apply(T_b_from_c.apply(p_c))
    np.testing.assert_allclose((T_a_from_b @ T_b_from_c).apply(p_c), stepwise, rtol=1e-9, atol=1e-9 * size)
    product = T_a_from_b.as_matrix() @ T_b_from_c.as_matrix()
    np.testing.assert_allclose((T_a_from_b @ T_b_from_c).as_matrix(), product, rtol=1e-9, atol=1e-9 * size)


@few
@given(similarities, points)
def test_identity_changes_nothing(T: Similarity, p: np.ndarray) -> None:
    assert_same(T @ Similarity(), T, size=100)
    assert_same(Similarity() @ T, T, size=100)
    np.testing.assert_array_equal(Similarity().apply(p), p)


@few
@given(similarities, points)
def test_the_matrix_says_the_same(T: Similarity, p: np.ndarray) -> None:
    expected = (T.as_matrix() @ np.append(p, 1))[:3]
    np.testing.assert_allclose(T.apply(p), expected, rtol=1e-9, atol=1e-9 * (1 + 20 * T.scale))
    assert_same(similarity_from_matrix(T.as_matrix()), T, size=1e3)


@few
@given(similarities, directions, directions)
def test_a_similarity_keeps_angles_and_handedness(T: Similarity, u: np.ndarray, v: np.ndarray) -> None:
    origin = T.apply(np.zeros(3))
    Tu, Tv, Tuxv = ((T.apply(w) - origin) / T.scale for w in (u, v, np.cross(u, v)))
    tolerance = 1e-8 + 1e-12 * float(np.abs(T.translation).max()) / T.scale
    np.testing.assert_allclose(Tu @ Tv, u @ v, atol=tolerance)
    np.testing.assert_allclose(np.cross(Tu, Tv), Tuxv, atol=tolerance)


@few
@given(rotations, translations)
def test_rigid_motions_survive_the_round_trip(rotation: Rotation, translation: np.ndarray) -> None:
    rigid = RigidTransform.from_components(translation, rotation)
    back = Similarity.from_rigid(rigid).as_rigid()
    np.testing.assert_allclose(back.as_matrix(), rigid.as_matrix(), atol=1e-12)


def test_points_keep_their_shape_and_may_be_read_only() -> None:
    grid = np.zeros((4, 5, 3))
    grid.flags.writeable = False
    T = Similarity(translation=np.array([1.0, 2.0, 3.0]), scale=2.0)
    assert T.apply(grid).shape == (4, 5, 3)
    assert T.apply(np.zeros((0, 3))).shape == (0, 3)
    assert T.apply(np.ones(3)).tolist() == [3.0, 4.0, 5.0]


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_must_be_a_positive_number(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        Similarity(scale=scale)


def test_a_scale_is_not_rigid() -> None:
    with pytest.raises(ValueError, match="not rigid"):
        Similarity(scale=1.001).as_rigid()


@pytest.mark.parametrize(
    "linear",
    [
        np.diag([-1.0, 1.0, 1.0]),
        np.diag([-1.0, -1.0, -1.0]),
        np.diag([1.0, 1.0, 1.001]),
        np.diag([1.0, 1.0, 0.0]),
        np.eye(3) + 0.01 * np.eye(3, k=1),
        np.full((3, 3), np.nan),
    ],
)
def test_matrices_that_mirror_shear_or_stretch_are_refused(linear: np.ndarray) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    with pytest.raises(ValueError):
        similarity_from_matrix(matrix)


def test_opengl_and_opencv_cameras_differ_by_half_a_turn_about_x() -> None:
    turn = cv_from_gl()
    np.testing.assert_allclose(turn.apply([[1, 0, 0], [0, 1, 0], [0, 0, -1]]), [[1, 0, 0], [0, -1, 0], [0, 0, 1]])
    np.testing.assert_allclose((turn * turn).as_matrix(), np.eye(3), atol=1e-15)


# An arrow that no mirror or swap of axes leaves alone: tip, its right-hand barb, and a flag towards the viewer.
ARROW_OBJ = np.array([[0.0, 0.4, 0.0], [0.3, 0.1, 0.0], [0.0, -0.4, 0.2]])


def test_the_generators_cube_stands_upright_before_the_crop_camera() -> None:
    tip, barb, flag = cropcam_from_obj(scale_m=2.0, camera_distance_obj=1.5).apply(ARROW_OBJ)
    np.testing.assert_allclose(tip, [0, -0.8, 3.0], atol=1e-12)  # y up in obj is -y in the camera
    np.testing.assert_allclose(barb, [0.6, -0.2, 3.0], atol=1e-12)
    np.testing.assert_allclose(flag, [0, 0.8, 3.0 - 0.4], atol=1e-12)  # z towards the camera is nearer


@few
@given(st.floats(1e-3, 100), st.floats(0.5, 10))
def test_scale_is_the_only_unknown_of_a_placement(scale_m: float, distance_obj: float) -> None:
    small, large = (
        cropcam_from_obj(scale_m=s, camera_distance_obj=distance_obj).apply(ARROW_OBJ) for s in (1.0, scale_m)
    )
    np.testing.assert_allclose(large, small * scale_m, rtol=1e-9, atol=1e-12)  # along the same rays


@few
@given(directions, directions)
def test_look_along_centres_the_axis_and_keeps_up_up(axis_cam: np.ndarray, up_cam: np.ndarray) -> None:
    R_cropcam_from_cam = look_along(axis_cam * 7.0, up_cam)
    np.testing.assert_allclose(R_cropcam_from_cam.apply(axis_cam), [0, 0, 1], atol=1e-9)
    assert np.linalg.det(R_cropcam_from_cam.as_matrix()) == pytest.approx(1.0)
    if np.linalg.norm(np.cross(axis_cam, up_cam)) > 2e-3:
        up_crop = R_cropcam_from_cam.apply(up_cam)
        assert abs(up_crop[0]) < 1e-9
        assert up_crop[1] < 0  # upwards in the picture


@pytest.mark.parametrize("tilt_rad", [0.0, 1e-12, 1e-7, 1e-4])
@pytest.mark.parametrize("axis", [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
def test_look_along_gravity_falls_back_to_the_photos_up(axis: list[float], tilt_rad: float) -> None:
    tilt = Rotation.from_rotvec(tilt_rad * np.array([0.6, 0.8, 0.0]))
    R = look_along(np.array(axis), tilt.apply(-np.array(axis)))
    np.testing.assert_allclose(R.apply(axis), [0, 0, 1], atol=1e-12)
    assert np.linalg.det(R.as_matrix()) == pytest.approx(1.0)


@few
@given(points, points)
def test_a_node_faces_the_eye_and_stays_upright(eye_world: np.ndarray, at_world: np.ndarray) -> None:
    R_world_from_node = heading_towards(eye_world, at_world)
    np.testing.assert_allclose(R_world_from_node.apply(UP), UP, atol=1e-12)
    towards = (eye_world - at_world) * [1, 0, 1]
    if np.linalg.norm(towards) > 1e-6:
        expected = towards / np.linalg.norm(towards)
        np.testing.assert_allclose(R_world_from_node.apply(TOWARDS_VIEWER), expected, atol=1e-9)


def test_a_node_right_below_the_eye_keeps_the_worlds_axes() -> None:
    R = heading_towards(np.array([1.0, 3.0, 2.0]), np.array([1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(R.as_matrix(), np.eye(3))


def test_a_level_camera_looks_along_minus_z_with_x_to_the_right() -> None:
    T_world_from_cam = world_from_level_camera(height_m=1.5)
    np.testing.assert_allclose(
        T_world_from_cam.apply([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        [[0, 1.5, 0], [1, 1.5, 0], [0, 0.5, 0], [0, 1.5, -1]],
        atol=1e-12,
    )


@few
@given(st.floats(0.5, 5), st.floats(0.01, 1.5))
def test_positive_pitch_looks_down(height_m: float, pitch_rad: float) -> None:
    T_world_from_cam = world_from_level_camera(height_m=height_m, pitch_rad=pitch_rad)
    slant_m = height_m / np.sin(pitch_rad)  # along the axis to the floor
    hit_world = T_world_from_cam.apply([0.0, 0.0, slant_m])
    np.testing.assert_allclose(hit_world, [0, 0, -height_m / np.tan(pitch_rad)], atol=1e-9 * slant_m)


@few
@given(st.floats(0.01, 1.5), st.floats(-1.0, 1.0))
def test_positive_roll_is_clockwise_seen_from_behind(roll_rad: float, pitch_rad: float) -> None:
    T_world_from_cam = world_from_level_camera(height_m=1.0, pitch_rad=pitch_rad, roll_rad=roll_rad)
    right_world = T_world_from_cam.rotation.apply(RIGHT)
    assert right_world[1] < 0  # the camera's right side goes down
    up_cam = T_world_from_cam.rotation.inv().apply(UP)
    assert up_cam[0] < 0  # so the scene leans to the left in the picture
    assert np.arctan2(-up_cam[0], -up_cam[1]) == pytest.approx(roll_rad)
    level = world_from_level_camera(height_m=1.0, pitch_rad=pitch_rad)
    np.testing.assert_allclose(T_world_from_cam.apply([0.0, 0, 3]), level.apply([0.0, 0, 3]), atol=1e-12)
