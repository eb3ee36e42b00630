"""Flying pixels: every bridge between two surfaces goes, and next to nothing of the surfaces themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted_room import camera_in_room, furniture, painted_room

from pixal3d_scene.camera import Camera
from pixal3d_scene.frontend.depth_edges import flying_pixels, noise_share, smeared_share

CAMERA = Camera.from_focal(focal_px=600.0, size_px=(64, 48))
VALID = np.ones(CAMERA.shape_hw, dtype=bool)


def flying(z_m: np.ndarray, valid: np.ndarray = VALID) -> np.ndarray:
    return flying_pixels(z_m.astype(np.float32), valid, CAMERA)


def two_walls(near_m: float, far_m: float, *, across: bool) -> np.ndarray:
    z_m = np.full(CAMERA.shape_hw, far_m)
    if across:
        z_m[:24] = near_m
    else:
        z_m[:, :32] = near_m
    return z_m


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("share", [0.15, 0.5, 0.85])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_bridge_of_one_pixel_goes_and_nothing_else(across: bool, share: float, swapped: bool) -> None:
    near_m, far_m = (4.0, 2.0) if swapped else (2.0, 4.0)
    z_m = two_walls(near_m, far_m, across=across)
    bridge = np.zeros(z_m.shape, dtype=bool)
    bridge[(24, slice(None)) if across else (slice(None), 32)] = True
    z_m[bridge] = (1 - share) * near_m + share * far_m
    np.testing.assert_array_equal(flying(z_m), bridge)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1.3, 4.0), st.integers(1, 2))
def test_random_bridges_go(seed: int, ratio: float, width_px: int) -> None:
    rng = np.random.default_rng(seed)
    z_m = two_walls(2.0, 2.0 * ratio, across=False)
    shares = rng.uniform(0, 1, (48, width_px))
    z_m[:, 32 : 32 + width_px] = 2.0 * ratio**shares
    found = flying(z_m)
    steps = np.log(z_m[:, 32 : 32 + width_px] / 2.0), np.log(2.0 * ratio / z_m[:, 32 : 32 + width_px])
    # Nearer to a surface than a plane seen at three degrees leaves it is that surface.
    invented = np.minimum(*steps) > width_px / CAMERA.K[0, 0] / math.tan(math.radians(3.0)) + 1e-6
    assert found[:, 32 : 32 + width_px][invented].all()
    assert not found[:, :32].any()
    assert not found[:, 32 + width_px :].any()


def test_crisp_steps_thin_things_and_slanted_planes_lose_nothing() -> None:
    assert not flying(two_walls(1.0, 9.0, across=False)).any()
    pole = np.full(CAMERA.shape_hw, 4.0)
    pole[:, 30] = 1.5
    assert not flying(pole).any()
    rays = CAMERA.rays_cam()
    for grazing_deg in (6.0, 10.0, 40.0):  # a floor that leaves the picture's middle at this angle
        normal = np.array([0.0, math.cos(math.radians(grazing_deg)), -math.sin(math.radians(grazing_deg))])
        ahead = rays @ -normal
        valid = ahead > 0.5 * math.sin(math.radians(grazing_deg))
        assert not flying(np.where(valid, 1 / np.where(valid, ahead, 1.0), 1.0), valid).any()


def test_scale_does_not_matter_and_invalid_neighbours_do_not_count() -> None:
    z_m = two_walls(2.0, 4.0, across=False)
    z_m[:, 32] = 3.0
    np.testing.assert_array_equal(flying(z_m), flying(1000 * z_m))
    valid = VALID.copy()
    valid[:, 33:] = False
    assert not flying(np.where(valid, z_m, np.nan), valid).any()


def test_noise_is_not_taken_for_edges_but_edges_beyond_it_are_found() -> None:
    rng = np.random.default_rng(0)
    z_m = two_walls(1.5, 6.0, across=False)
    z_m[:, 32] = 3.0
    noisy = z_m * (1 + 0.05 * rng.standard_normal(z_m.shape))
    assert noise_share(np.log(noisy), VALID) == pytest.approx(0.05, rel=0.15)
    found = flying(noisy)
    assert found[:, 32].mean() > 0.95
    assert found[:, :32].mean() < 0.005
    assert found[:, 33:].mean() < 0.005


def test_a_rendered_room_keeps_999_of_1000_pixels() -> None:
    scene = painted_room(camera_in_room(pitch_deg=17, yaw_deg=-12), furniture())
    lost = flying_pixels(scene.depth.z_m, scene.depth.valid, scene.depth.camera)
    assert lost.sum() < 0.001 * scene.depth.valid.sum()


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_smeared_steps_are_told_from_crisp_ones_with_thin_things(share: float) -> None:
    crisp = two_walls(2.0, 4.0, across=False)
    crisp[10:20, 40] = 3.0  # a wire between the two
    crisp[10:20, 39] = 2.0
    smeared = crisp.copy()
    smeared[:, 32] = 2.0 + share * 2.0
    assert smeared_share(crisp.astype(np.float32), VALID, flying(crisp)) < 0.15
    assert smeared_share(smeared.astype(np.float32), VALID, flying(smeared)) > 0.22
