"""Pictures drawn through an analytic lens come back as the pinhole would have seen them, to a hundredth of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import root

from pixal3d_scene.camera import Camera
from pixal3d_scene.distortion import Distortion
from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.rectify import Rectification

BARREL = Distortion(k1=-0.28, k2=0.07, p1=0.001, p2=-0.0015)
PINCUSHION = Distortion(model="brown", k1=0.12, k2=0.02, p1=0.001)
LENSES = {"barrel": BARREL, "pincushion": PINCUSHION}
SIZES = {"landscape": (320, 240), "portrait": (240, 320)}


def lens_camera(size_px: tuple[int, int]) -> Camera:
    """The principal point beside the middle, so that mirrored axes cannot pass."""
    K = np.array([[250.0, 0, size_px[0] / 2 + 7], [0, 252.0, size_px[1] / 2 - 5], [0, 0, 1]])
    return Camera(K=K, size_px=size_px)


def unbent(distortion: Distortion, bent: np.ndarray) -> np.ndarray:
    """The ray that the lens bends to `bent`, by a solver that knows nothing of the code under test."""
    found = root(lambda xy: distortion.bend(xy) - bent, bent, tol=1e-13)
    assert np.abs(found.fun).max() < 1e-12
    return found.x


def blobs(centres_px: np.ndarray, size_px: tuple[int, int], sigma_px: float = 2.0) -> np.ndarray:
    x, y = np.meshgrid(np.arange(size_px[0]) + 0.5, np.arange(size_px[1]) + 0.5)
    grey = np.zeros(x.shape)
    for cx, cy in centres_px:
        grey += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma_px**2))
    return np.repeat((grey * 250).round().astype(np.uint8)[..., None], 3, axis=-1)


def centre_of_light(grey: np.ndarray, near_px: np.ndarray, reach_px: int = 9) -> np.ndarray:
    column, row = np.floor(near_px).astype(int)
    window = grey[row - reach_px : row + reach_px + 1, column - reach_px : column + reach_px + 1].astype(float)
    y, x = np.mgrid[-reach_px : reach_px + 1, -reach_px : reach_px + 1]
    return np.array([(window * x).sum(), (window * y).sum()]) / window.sum() + [column + 0.5, row + 0.5]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lens", LENSES)
def test_points_return_to_where_a_pinhole_sees_them(lens: str, size: str) -> None:
    camera = lens_camera(SIZES[size])
    found = Rectification.of(camera, LENSES[lens])
    rng = np.random.default_rng(0)
    pinhole_px = rng.uniform(0, 1, (200, 2)) * SIZES[size]
    for px, drawn_px in zip(pinhole_px, found.lens_px(pinhole_px), strict=True):
        bent = np.linalg.inv(camera.K) @ [*drawn_px, 1.0]
        back_px = found.pinhole.project(np.array([*unbent(LENSES[lens], bent[:2]), 1.0]))
        assert np.linalg.norm(back_px - px) < 1e-6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lens", LENSES)
def test_light_lands_where_the_pinhole_sees_it(lens: str, size: str) -> None:
    camera = lens_camera(SIZES[size])
    found = Rectification.of(camera, LENSES[lens])
    rays = np.array([[0.31, -0.22, 1], [-0.28, 0.25, 1], [0.02, 0.03, 1], [-0.3, -0.24, 1]])
    drawn_px = LENSES[lens].bend(rays[:, :2]) @ camera.K[:2, :2].T + camera.K[:2, 2]
    straight = found.picture(blobs(drawn_px, camera.size_px))
    for seen_px in found.pinhole.project(rays):
        # A blob of 2 px is stretched a little unevenly by the lens itself, which moves its centre of light.
        assert np.linalg.norm(centre_of_light(straight[..., 0], seen_px) - seen_px) < 0.1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lens", LENSES)
def test_a_ramp_is_straight_again_to_a_hundredth_of_a_pixel(lens: str, size: str) -> None:
    """The lens's picture says of every pixel where the pinhole sees it; without distortion that is where it is."""
    camera, distortion = lens_camera(SIZES[size]), LENSES[lens]
    found = Rectification.of(camera, distortion)
    bent = camera.rays_cam()[..., :2]
    xy = bent.copy()
    for _ in range(60):
        xy = xy - (distortion.bend(xy) - bent)
    assert np.abs(distortion.bend(xy) - bent).max() < 1e-9
    seen_px = found.pinhole.project(np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1))
    for axis in (0, 1):
        error_px = found.channel(seen_px[..., axis].astype(np.float32)) - found.pinhole.pixel_centres()[..., axis]
        assert np.abs(error_px[3:-3, 3:-3]).max() < 0.01
        assert np.abs(error_px).max() < 0.1  # splines end at the border


def test_without_coefficients_nothing_changes() -> None:
    camera = lens_camera((64, 48))
    found = Rectification.of(camera, Distortion())
    np.testing.assert_allclose(found.pinhole.K, camera.K, rtol=2e-6)
    rgb = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    assert np.abs(found.picture(rgb).astype(int) - rgb).max() <= 1
    labels = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    np.testing.assert_array_equal(found.values(labels), labels)


@pytest.mark.parametrize("lens", LENSES)
def test_the_picture_is_full_and_as_wide_as_can_be(lens: str) -> None:
    camera = lens_camera((320, 240))
    found = Rectification.of(camera, LENSES[lens])
    corners = found.lens_px(found.pinhole.pixel_centres())
    assert (corners > 0).all()
    assert (corners < camera.size_px).all()
    assert min(corners.min(), (np.array(camera.size_px) - corners).min()) < 1.0  # one pixel more would leave it
    assert (found.pinhole.K[0, 0] < camera.K[0, 0]) == (lens == "barrel")
    np.testing.assert_allclose(found.pinhole.K[:2, 2], camera.K[:2, 2])


def test_labels_and_depth_are_never_mixed() -> None:
    camera = lens_camera((320, 240))
    found = Rectification.of(camera, BARREL)
    labels = np.zeros((240, 320), dtype=np.uint16)
    labels[:, 160:] = 500
    assert set(np.unique(found.values(labels)).tolist()) == {0, 500}
    # Half-pixel exact: every pixel has the value of the lens pixel that its centre falls into.
    index = np.arange(240 * 320, dtype=np.int32).reshape(240, 320)
    drawn_px = np.floor(found.lens_px(found.pinhole.pixel_centres())).astype(int)
    np.testing.assert_array_equal(found.values(index), drawn_px[..., 1] * 320 + drawn_px[..., 0])


def test_coefficients_that_fold_the_picture_are_refused_or_kept_out() -> None:
    camera = lens_camera((320, 240))
    with pytest.raises(InputError, match="folds"):
        Rectification.of(camera, Distortion(k1=-60.0))
    strong = Rectification.of(camera, Distortion(k1=-0.9))  # folds at r = 0.61, within the photo's corners
    rays = strong.pinhole.rays_cam()[..., :2]
    assert (1 - 3 * 0.9 * (rays**2).sum(axis=-1) > 0).all()
