"""Depth at another size: exact on planes at half-pixel accuracy, and no value between two surfaces."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.camera import Camera
from pixal3d_scene.frontend.depth_resampling import at_photo_size

LARGE_PX, SMALL_PX = (120, 90), (30, 18)
CAMERA = Camera.from_fov(horizontal_fov_deg=60.0, size_px=LARGE_PX)
GREY = np.full((LARGE_PX[1], LARGE_PX[0], 3), 128, np.uint8)


def plane(camera: Camera) -> np.ndarray:
    """A slanted plane: 1 / z is linear in the picture."""
    return 1 / (camera.rays_cam() @ np.array([0.03, 0.06, 0.25]))


def test_planes_are_exact() -> None:
    small = plane(CAMERA.resized(SMALL_PX)).astype(np.float32)
    z_m, valid = at_photo_size(small, np.ones(small.shape, dtype=bool), GREY)
    assert valid.all()
    inside = np.s_[4:-4, 4:-4]  # beyond the outer centres nothing is extrapolated
    np.testing.assert_allclose(z_m[inside], plane(CAMERA)[inside], rtol=2e-6)


def test_the_same_size_changes_nothing() -> None:
    z_m = plane(CAMERA).astype(np.float32)
    same, valid = at_photo_size(z_m, np.ones(z_m.shape, dtype=bool), GREY)
    assert valid.all()
    np.testing.assert_allclose(same, z_m, rtol=1e-6)


@pytest.mark.parametrize("turned", [False, True])
def test_an_edge_follows_the_photo_and_nothing_hangs_between(turned: bool) -> None:
    step = np.where(np.arange(30) < 15, 2.0, 5.0).astype(np.float32)[None, :].repeat(18, axis=0)
    rgb = np.where(np.arange(120) < 58, 40, 200).astype(np.uint8)[None, :, None].repeat(90, 0).repeat(3, 2)
    if turned:
        step, rgb = step.T.copy(), rgb.transpose(1, 0, 2).copy()
    z_m, valid = at_photo_size(step, np.ones(step.shape, dtype=bool), rgb)
    assert valid.all()
    assert set(np.round(np.unique(z_m), 4)) == {2.0, 5.0}
    # The small edge is at 60 of 120: within its blur the photo's own edge at 58 decides.
    expected = np.where(rgb[..., 0] == 40, 2.0, 5.0)
    np.testing.assert_allclose(z_m, expected, rtol=1e-6)


def test_pixels_without_any_valid_neighbour_are_invalid_and_poison_does_not_spread() -> None:
    small = np.full((18, 30), 3.0, np.float32)
    valid = np.ones(small.shape, dtype=bool)
    valid[:, 10:13] = False
    small[~valid] = np.nan
    z_m, known = at_photo_size(small, valid, GREY)
    assert np.isfinite(z_m[known]).all()
    np.testing.assert_allclose(z_m[known], 3.0, rtol=1e-6)
    # Small centres 10, 11, 12 are at 42, 46, 50: what is nearer than 4 px to a valid one (38 or 54) is known.
    expected = (np.arange(120) + 0.5 < 42) | (np.arange(120) + 0.5 > 50)
    np.testing.assert_array_equal(known, np.broadcast_to(expected, known.shape))
