"""Projection and back-projection, resizing, poses, and what is refused as a camera."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import RigidTransform, Rotation

from pixal3d_scene.arrays import check_shape
from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import InputError, ShapeError
from pixal3d_scene.frames import world_from_level_camera

few = settings(deadline=None, max_examples=30)


def camera_of(values: tuple[float, float, float, float, float, int, int]) -> Camera:
    fx, fy, skew, cx, cy, width, height = values
    K = np.array([[fx, skew, cx * width], [0, fy, cy * height], [0, 0, 1.0]])
    return Camera(K=K, size_px=(width, height))


# Tele to fish-eye-like focal lengths, skew, and principal points up to outside the picture.
# Plain values, since the run-time type checks draw random numbers, which a strategy must not.
cameras = st.tuples(
    st.floats(50, 5000),
    st.floats(50, 5000),
    st.sampled_from([0.0]) | st.floats(-50, 50),
    st.floats(-0.3, 1.3),
    st.floats(-0.3, 1.3),
    st.integers(32, 4000),
    st.integers(32, 4000),
)
shares = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
depths_m = st.sampled_from([1e-6, 1e4]) | st.floats(1e-3, 100)


@few
@given(cameras, shares, shares, depths_m)
def test_pixels_come_back_from_any_depth(values: tuple, u: float, v: float, z_m: float) -> None:
    camera = camera_of(values)
    point_px = np.array([u * camera.size_px[0], v * camera.size_px[1]])
    point_cam = camera.unproject(point_px, np.asarray(z_m))
    assert point_cam[2] == pytest.approx(z_m, rel=1e-12)
    np.testing.assert_allclose(camera.project(point_cam), point_px, atol=1e-6)


@few
@given(cameras, st.floats(-10, 10), st.floats(-10, 10), depths_m)
def test_points_come_back_from_their_pixel_and_depth(values: tuple, x: float, y: float, z_m: float) -> None:
    camera = camera_of(values)
    point_cam = np.array([x * z_m, y * z_m, z_m])
    back_cam = camera.unproject(camera.project(point_cam), np.asarray(point_cam[2]))
    np.testing.assert_allclose(back_cam, point_cam, rtol=1e-9, atol=1e-9 * z_m)


@few
@given(cameras, st.integers(1, 8000), st.integers(1, 8000), st.floats(-3, 3), st.floats(-3, 3))
def test_a_resized_picture_shows_the_point_at_the_scaled_pixel(
    values: tuple, width: int, height: int, x: float, y: float
) -> None:
    camera = camera_of(values)
    point_cam = np.array([x, y, 1.0])
    ratio = np.array([width / camera.size_px[0], height / camera.size_px[1]])
    resized = camera.resized((width, height))
    assert resized.size_px == (width, height)
    np.testing.assert_allclose(resized.project(point_cam), camera.project(point_cam) * ratio, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(resized.horizontal_fov_deg, camera.horizontal_fov_deg, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(resized.vertical_fov_deg, camera.vertical_fov_deg, rtol=1e-9, atol=1e-9)


def test_axes_of_the_picture() -> None:
    camera = Camera.from_focal(focal_px=100.0, size_px=(200, 100))
    np.testing.assert_allclose(camera.project(np.array([0.0, 0, 5])), [100, 50])
    np.testing.assert_allclose(camera.project(np.array([1.0, 0, 5])), [120, 50])  # x to the right
    np.testing.assert_allclose(camera.project(np.array([0.0, 1, 5])), [100, 70])  # y downwards
    np.testing.assert_allclose(camera.project(np.array([1.0, 1, 10])), [110, 60])  # z away


def test_the_worlds_up_is_up_in_the_picture() -> None:
    camera = Camera.from_focal(focal_px=100.0, size_px=(200, 100)).at(
        world_from_level_camera(height_m=1.5, pitch_rad=0.3)
    )
    low, high = camera.project(camera.cam_from_world(np.array([[0.0, 0.5, -4], [0.0, 1.5, -4]])))
    assert high[1] < low[1]
    assert high[0] == pytest.approx(low[0])


def test_pixel_centres_are_at_one_half() -> None:
    camera = Camera.from_focal(focal_px=100.0, size_px=(7, 5))
    centres = camera.pixel_centres()
    assert centres.shape == (5, 7, 2)
    assert centres[0, 0].tolist() == [0.5, 0.5]
    assert centres[4, 6].tolist() == [6.5, 4.5]
    assert centres[0, 6].tolist() == [6.5, 0.5]
    np.testing.assert_allclose(camera.rays_cam()[2, 3], [0, 0, 1], atol=1e-12)  # odd sizes: a pixel in the middle
    np.testing.assert_allclose(camera.project(camera.rays_cam() * 3.0), centres, atol=1e-9)


def test_points_at_or_behind_the_camera_have_no_pixel() -> None:
    camera = Camera.from_focal(focal_px=100.0, size_px=(200, 100))
    points_cam = np.array([[0.0, 0, 0], [1, 1, 0], [1, 1, -1], [0, 0, np.nan], [0.0, 0, 1e-9]])
    px = camera.project(points_cam)
    assert np.isnan(px[:4]).all()
    assert np.isfinite(px[4]).all()


@few
@given(
    st.tuples(*[st.floats(-3, 3)] * 3),
    st.tuples(*[st.floats(-20, 20)] * 3),
    st.tuples(*[st.floats(-20, 20)] * 3),
)
def test_world_and_cam_cancel(rotvec: tuple[float, ...], centre: tuple[float, ...], point: tuple[float, ...]) -> None:
    pose = RigidTransform.from_components(np.array(centre), Rotation.from_rotvec(rotvec))
    camera = Camera.from_focal(focal_px=500.0, size_px=(640, 480)).at(pose)
    p = np.array(point)
    np.testing.assert_allclose(camera.cam_from_world(camera.world_from_cam(p)), p, atol=1e-10)
    np.testing.assert_allclose(camera.world_from_cam(np.zeros(3)), camera.centre_world, atol=1e-12)
    up_world = camera.world_from_cam(camera.up_cam) - camera.centre_world
    np.testing.assert_allclose(up_world, [0, 1, 0], atol=1e-10)


@few
@given(st.floats(1, 169), st.integers(32, 4000), st.integers(32, 4000))
def test_the_field_of_view_is_between_the_outer_pixel_edges(fov_deg: float, width: int, height: int) -> None:
    camera = Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=(width, height))
    assert camera.horizontal_fov_deg == pytest.approx(fov_deg)
    left, right = camera.rays_through(np.array([[0, height / 2], [width, height / 2]]))
    cosine = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) == pytest.approx(fov_deg, abs=1e-5)
    top, bottom = camera.rays_through(np.array([[width / 2, 0], [width / 2, height]]))
    cosine = top @ bottom / np.linalg.norm(top) / np.linalg.norm(bottom)
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) == pytest.approx(camera.vertical_fov_deg, abs=1e-5)


def K_with(row: int, column: int, value: float) -> np.ndarray:
    K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    K[row, column] = value
    return K


@pytest.mark.parametrize(
    ("K", "word"),
    [
        (K_with(0, 0, 0.0), "focal length"),
        (K_with(1, 1, -1.0), "focal length"),
        (K_with(0, 0, np.nan), "not finite"),
        (K_with(0, 2, np.inf), "not finite"),
        (K_with(2, 2, 2.0), "must be"),
        (K_with(1, 0, 1.0), "must be"),
    ],
)
def test_impossible_intrinsics_are_refused(K: np.ndarray, word: str) -> None:
    with pytest.raises(InputError, match=word):
        Camera(K=K, size_px=(640, 480))


def test_other_impossible_cameras_are_refused() -> None:
    with pytest.raises(InputError, match="size"):
        Camera(K=np.eye(3), size_px=(0, 480))
    with pytest.raises(ShapeError, match=r"Camera\.K has shape \(4, 4\), expected \(3, 3\)"):
        check_shape("Camera.K", np.eye(4), (3, 3))  # what the constructor calls; the tests' type checks come first
    with pytest.raises(ShapeError):
        check_shape("Camera.K", np.zeros(3), (3, 3))
    for fov_deg in (0.0, -10.0, 170.0, float("nan")):
        with pytest.raises(InputError, match="field of view"):
            Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=(640, 480))


def test_a_camera_cannot_be_changed_from_outside() -> None:
    K = K_with(0, 0, 500.0)
    camera = Camera(K=K, size_px=(640, 480))
    K[0, 0] = 1.0
    assert camera.K[0, 0] == 500.0
    with pytest.raises(ValueError, match="read-only"):
        camera.K[0, 0] = 1.0
