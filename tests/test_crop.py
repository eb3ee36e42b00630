"""The exact crop camera: every ray is kept, the object is centred and fits, and pixels land where they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixal3d_scene.camera import Camera
from pixal3d_scene.crop import (
    CropMode,
    CropVolume,
    exact_crop_camera,
    naive_crop_camera,
    outline_corners_px,
    plan_crops,
    warp_picture,
)
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import cropcam_from_obj, world_from_level_camera
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.photo import Photo

MARGIN = 1.1
few = settings(deadline=None, max_examples=25)

# Landscape and portrait photos, tele to wide, looking up and steeply down, rolled; masks of one pixel up to the
# whole photo, at any place, borders included. Plain values: the tests' type checks draw random numbers.
views = st.tuples(
    st.sampled_from([(64, 48), (48, 64), (97, 33), (640, 479)]),
    st.floats(20, 100),
    st.floats(-0.6, 1.5),
    st.floats(-0.5, 0.5),
    st.floats(-0.2, 0.2),
)
shares = st.sampled_from([0.0, 1.0]) | st.floats(0, 1)
rectangles = st.tuples(shares, shares, shares, shares)


def camera_of(view: tuple) -> Camera:
    size_px, fov_deg, pitch_rad, roll_rad, off_centre = view
    camera = Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=size_px)
    K = np.array(camera.K)
    K[:2, 2] += off_centre * np.array(size_px)
    pose = world_from_level_camera(height_m=1.4, pitch_rad=pitch_rad, roll_rad=roll_rad)
    return Camera(K=K, size_px=size_px, T_world_from_cam=pose)


def mask_of(size_px: tuple[int, int], rectangle: tuple[float, float, float, float]) -> np.ndarray:
    """An ellipse that fills a rectangle of at least one pixel: no symmetric corners, as real masks have none."""
    (width, height), (u0, u1, v0, v1) = size_px, rectangle
    left, right = sorted((int(u0 * (width - 1)), int(u1 * (width - 1))))
    top, bottom = sorted((int(v0 * (height - 1)), int(v1 * (height - 1))))
    y, x = np.mgrid[:height, :width]
    half = max(right - left, 1) / 2, max(bottom - top, 1) / 2
    mask = ((x - (left + right) / 2) / half[0]) ** 2 + ((y - (top + bottom) / 2) / half[1]) ** 2 <= 1.0
    mask[top, left] = True
    return mask


def volume_of(camera: Camera, mask: np.ndarray, *, size_px: int = 128, mode: CropMode = "exact") -> CropVolume:
    rgb = np.full((*camera.shape_hw, 3), 128, dtype=np.uint8)
    depth = Depth(
        z_m=np.full(camera.shape_hw, 3.0, dtype=np.float32),
        valid=np.ones(camera.shape_hw, dtype=bool),
        camera=camera,
        source="test",
    )
    instances = Instances(label_map=mask.astype(np.uint16) * 7, items=(Instance(mask_value=7),), source="test")
    photo = Photo(rgb=rgb, file_name="test.png", sha256="0")
    (volume,) = plan_crops(photo, instances, depth, size_px=size_px, margin=MARGIN, mode=mode)
    return volume


def through_homography(A: np.ndarray, points_px: np.ndarray) -> np.ndarray:
    homogeneous = np.column_stack([points_px, np.ones(len(points_px))]) @ A.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


@few
@given(views, rectangles, st.floats(0.05, 50))
def test_photo_and_crop_camera_see_a_point_on_the_same_ray(view: tuple, rectangle: tuple, z_m: float) -> None:
    camera = camera_of(view)
    mask = mask_of(camera.size_px, rectangle)
    volume = volume_of(camera, mask)
    corners_px = outline_corners_px(mask)
    points_cam = camera.unproject(corners_px, np.full(len(corners_px), z_m))
    by_rotation_px = volume.camera.project(volume.R_cropcam_from_cam.apply(points_cam))
    by_picture_px = through_homography(volume.A_crop_from_photo, corners_px)
    by_world_px = volume.camera.project(volume.camera.cam_from_world(camera.world_from_cam(points_cam)))
    np.testing.assert_allclose(by_rotation_px, by_picture_px, atol=1e-6)
    np.testing.assert_allclose(by_world_px, by_picture_px, atol=1e-6)
    np.testing.assert_allclose(volume.camera.centre_world, camera.centre_world, atol=1e-12)


@few
@given(views, rectangles, st.floats(1.0, 2.0))
def test_the_mask_fits_centred_with_the_margin(view: tuple, rectangle: tuple, margin: float) -> None:
    camera = camera_of(view)
    corners_px = outline_corners_px(mask_of(camera.size_px, rectangle))
    crop_camera, R_cropcam_from_cam = exact_crop_camera(camera, corners_px, size_px=100, margin=margin)
    crop_px = crop_camera.project(R_cropcam_from_cam.apply(camera.rays_through(corners_px)))
    low, high = crop_px.min(axis=0), crop_px.max(axis=0)
    assert low.min() >= 50 - 50 / margin - 1e-9
    assert high.max() <= 50 + 50 / margin + 1e-9
    assert max(50 - low.min(), high.max() - 50) == pytest.approx(50 / margin)
    # Looking nearly straight down, the crop spins about its axis with every step, and centres only roughly.
    axis_cam = R_cropcam_from_cam.inv().apply([0, 0, 1.0])
    steep = np.linalg.norm(np.cross(axis_cam, camera.up_cam)) < 0.3
    np.testing.assert_allclose((low + high) / 2, [50, 50], atol=5 if steep else 1e-6)
    assert crop_camera.K[0, 0] == crop_camera.K[1, 1]


@few
@given(views, rectangles)
def test_gravity_is_vertical_in_the_middle_of_the_crop(view: tuple, rectangle: tuple) -> None:
    camera = camera_of(view)
    corners_px = outline_corners_px(mask_of(camera.size_px, rectangle))
    crop_camera, R_cropcam_from_cam = exact_crop_camera(camera, corners_px, size_px=100, margin=MARGIN)
    axis_cam = R_cropcam_from_cam.inv().apply([0, 0, 1.0])
    if np.linalg.norm(np.cross(axis_cam, camera.up_cam)) > 1e-2:  # not looking straight down
        assert abs(crop_camera.up_cam[0]) < 1e-9
        assert crop_camera.up_cam[1] < 0


@few
@given(views, rectangles)
def test_outline_corners_enclose_every_pixel(view: tuple, rectangle: tuple) -> None:
    size_px = view[0]
    mask = mask_of(size_px, rectangle)
    corners_px = outline_corners_px(mask)
    rows, columns = np.nonzero(mask)
    assert corners_px.min(axis=0).tolist() == [columns.min(), rows.min()]
    assert corners_px.max(axis=0).tolist() == [columns.max() + 1, rows.max() + 1]


def test_a_naive_crop_looks_along_other_rays_away_from_the_middle() -> None:
    camera = Camera.from_fov(horizontal_fov_deg=75.0, size_px=(800, 600))
    away, middle = (0.8, 0.95, 0.6, 0.9), (0.42, 0.58, 0.35, 0.65)
    worst_px = {}
    for name, rectangle in (("away", away), ("middle", middle)):
        mask = mask_of(camera.size_px, rectangle)
        corners_px = outline_corners_px(mask)
        points_cam = camera.unproject(corners_px, np.full(len(corners_px), 3.0))
        volume = volume_of(camera, mask, size_px=512, mode="naive")
        seen_px = volume.camera.project(volume.R_cropcam_from_cam.apply(points_cam))
        shown_px = through_homography(volume.A_crop_from_photo, corners_px)
        worst_px[name] = float(np.abs(seen_px - shown_px).max())
    assert worst_px["away"] > 20
    assert worst_px["middle"] < 10


def test_a_naive_crop_of_a_centred_object_is_exact() -> None:
    camera = Camera.from_fov(horizontal_fov_deg=75.0, size_px=(800, 600))
    mask = np.zeros((600, 800), dtype=bool)
    mask[200:400, 300:500] = True
    corners_px = outline_corners_px(mask)
    naive, _ = naive_crop_camera(camera, corners_px, size_px=512, margin=MARGIN)
    exact, _ = exact_crop_camera(camera, corners_px, size_px=512, margin=MARGIN)
    np.testing.assert_allclose(naive.K, exact.K, atol=1e-9)
    np.testing.assert_allclose(naive.T_world_from_cam.as_matrix(), exact.T_world_from_cam.as_matrix(), atol=1e-12)


def test_the_cubes_middle_plane_fills_the_crop() -> None:
    camera = Camera.from_fov(horizontal_fov_deg=60.0, size_px=(320, 240))
    volume = volume_of(camera, mask_of((320, 240), (0.6, 0.9, 0.3, 0.8)))
    T_cropcam_from_obj = cropcam_from_obj(scale_m=1.7, camera_distance_obj=volume.camera_distance_obj)
    corners_obj = np.array([[-0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.5, -0.5, 0.0]])
    np.testing.assert_allclose(
        volume.camera.project(T_cropcam_from_obj.apply(corners_obj)), [[0, 0], [128, 0], [128, 128]], atol=1e-9
    )


# --- pixels ---


def gradient(size_px: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Two pictures whose values are the x and the y of each pixel's centre: linear, so resampling keeps them."""
    x, y = np.meshgrid(np.arange(size_px[0]) + 0.5, np.arange(size_px[1]) + 0.5)
    return Image.fromarray(x.astype(np.float32)), Image.fromarray(y.astype(np.float32))


def homography(scale: float, shift: tuple[float, float], perspective: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    return np.array([[scale, 0.03 * scale, shift[0]], [-0.02 * scale, scale, shift[1]], [*perspective, 1.0]])


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("size_px", [(120, 80), (121, 83), (97, 101)])
@pytest.mark.parametrize("scale", [3.7, 1.0, 0.6, 0.45, 0.3, 0.12])
def test_every_pixel_shows_the_place_that_the_homography_says(
    scale: float, size_px: tuple[int, int], resample: Image.Resampling
) -> None:
    A = homography(scale, (1.3, -0.7), (1e-4, -2e-4))
    out_px = (max(int(size_px[0] * scale), 4), max(int(size_px[1] * scale), 4))
    shown = np.stack([np.asarray(warp_picture(part, A, out_px, resample)) for part in gradient(size_px)], axis=-1)
    centres_px = np.stack(np.meshgrid(np.arange(out_px[0]) + 0.5, np.arange(out_px[1]) + 0.5), axis=-1)
    source_px = through_homography(np.linalg.inv(A), centres_px.reshape(-1, 2)).reshape(*centres_px.shape)
    border_px = 3 / min(scale, 1)
    inside = ((source_px > border_px) & (source_px < np.array(size_px) - border_px)).all(axis=-1)
    assert inside.sum() > 10
    # A shift by half a pixel would be 0.5 everywhere. Pillow's bicubic kernel (a = -1) bends straight lines by up
    # to 0.1 px between pixel centres, to both sides alike; the pixels that it works on are the reduced ones.
    shrink = max(int(1 / scale), 1)
    off_px = (shown - source_px)[inside]
    assert np.abs(off_px).max() < (0.02 if resample == Image.Resampling.BILINEAR else 0.1 * shrink)
    assert np.abs(off_px.mean(axis=0)).max() < (0.02 if inside.sum() > 2000 else 0.1 * shrink)


@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("scale", [4.0, 1.0, 0.5, 1 / 3, 0.21])
@pytest.mark.parametrize("size_px", [(120, 120), (121, 127)])
def test_a_mark_lands_where_the_homography_says(
    scale: float, size_px: tuple[int, int], resample: Image.Resampling
) -> None:
    y, x = np.mgrid[: size_px[1], : size_px[0]] + 0.5
    mark = np.exp(-((x - 55.3) ** 2 + (y - 48.8) ** 2) / (2 * 7.0**2)).astype(np.float32)
    A = np.array([[scale, 0, 2.25], [0, scale, 3.5], [0, 0, 1.0]])
    out_px = (int(size_px[0] * scale) + 8, int(size_px[1] * scale) + 8)
    out = np.asarray(warp_picture(Image.fromarray(mark), A, out_px, resample)).astype(float)
    y, x = np.mgrid[: out_px[1], : out_px[0]] + 0.5
    centroid_px = np.array([(out * x).sum(), (out * y).sum()]) / out.sum()
    atol_px = 0.02 if resample == Image.Resampling.BILINEAR else 0.1  # Pillow's bicubic kernel, see above
    np.testing.assert_allclose(centroid_px, scale * np.array([55.3, 48.8]) + [2.25, 3.5], atol=atol_px)


@pytest.mark.parametrize("size_px", [(60, 60), (61, 59)])
def test_outside_the_photo_is_transparent(size_px: tuple[int, int]) -> None:
    full = Image.new("L", size_px, 255)
    A = np.array([[0.25, 0, 10.0], [0, 0.25, 10.0], [0, 0, 1.0]])
    alpha = np.asarray(warp_picture(full, A, (40, 40), Image.Resampling.BILINEAR))
    end_px = 10 + 0.25 * np.array(size_px)
    assert not alpha[:9].any()
    assert not alpha[:, :9].any()
    assert not alpha[int(np.ceil(end_px[1])) :].any()
    assert not alpha[:, int(np.ceil(end_px[0])) :].any()
    assert (alpha[11:24, 11:24] == 255).all()


def test_the_crop_shows_colours_and_alpha_in_place() -> None:
    """Left half red, right half blue, the mask covering both: red stays left, and alpha is the mask."""
    camera = Camera.from_fov(horizontal_fov_deg=70.0, size_px=(200, 150))
    rgb = np.zeros((150, 200, 3), dtype=np.uint8)
    rgb[:, :150, 0] = 255
    rgb[:, 150:, 2] = 255
    mask = np.zeros((150, 200), dtype=bool)
    mask[60:120, 120:180] = True
    depth = Depth(z_m=np.ones((150, 200), np.float32), valid=np.ones((150, 200), bool), camera=camera, source="test")
    instances = Instances(label_map=mask.astype(np.uint16), items=(Instance(mask_value=1),), source="test")
    photo = Photo(rgb=rgb, file_name="a.png", sha256="0")
    (volume,) = plan_crops(photo, instances, depth, size_px=128, margin=MARGIN)
    assert volume.rgba.shape == (128, 128, 4)
    centres_px = np.stack(np.meshgrid(np.arange(128) + 0.5, np.arange(128) + 0.5), axis=-1).reshape(-1, 2)
    source_px = through_homography(np.linalg.inv(volume.A_crop_from_photo), centres_px)
    for low, high, channel in ((122, 148, 0), (152, 178, 2)):
        inside = ((source_px > [low, 62]) & (source_px < [high, 118])).all(axis=1)
        picked = volume.rgba.reshape(-1, 4)[inside]
        assert (picked[:, channel] >= 250).all()
        assert (picked[:, 2 - channel] <= 5).all()
        assert (picked[:, 3] == 255).all()
    outside = ((source_px < [118, 58]) | (source_px > [182, 122])).any(axis=1)
    assert not volume.rgba.reshape(-1, 4)[outside, 3].any()
