"""The noise filter: keeps what is even, keeps borders between things, takes noise away."""

import numpy as np

from pixal3d_scene.learning.denoise import Guides, smoothed

H, W = 40, 60


def flat_guides(labels: np.ndarray | None = None) -> Guides:
    y, x = np.mgrid[:H, :W].astype(np.float32)
    points = np.stack([x, y, np.zeros_like(x)], axis=-1) * np.float32(0.004)
    normals = np.tile(np.array([0, 0, 1], dtype=np.float32), (H, W, 1))
    return Guides(normals=normals, points_m=points, labels=np.zeros((H, W), dtype=int) if labels is None else labels)


def test_even_light_stays() -> None:
    light = np.full((H, W, 3), 0.7, dtype=np.float32)
    np.testing.assert_allclose(smoothed(light, flat_guides(), levels=5, light_sigma=1.0), light, rtol=1e-5)


def test_noise_goes_and_the_mean_stays() -> None:
    light = np.random.default_rng(0).gamma(2.0, 0.5, (H, W, 1)).astype(np.float32).repeat(3, axis=-1)
    result = smoothed(light, flat_guides(), levels=5, light_sigma=2.0)
    assert result[8:-8, 8:-8].std() < 0.2 * light.std()
    assert abs(result.mean() / light.mean() - 1) < 0.1


def test_light_does_not_cross_from_one_thing_to_another() -> None:
    labels = np.zeros((H, W), dtype=int)
    labels[:, W // 2 :] = 1
    light = np.where(labels[..., None] == 1, 2.0, 0.1).astype(np.float32).repeat(3, axis=-1)
    np.testing.assert_allclose(smoothed(light, flat_guides(labels), levels=5, light_sigma=100.0), light, rtol=1e-5)


def test_it_treats_left_and_right_alike() -> None:
    light = np.random.default_rng(1).random((H, W, 3)).astype(np.float32)
    there = smoothed(light, flat_guides(), levels=3, light_sigma=1.0)
    back = smoothed(light[:, ::-1].copy(), flat_guides(), levels=3, light_sigma=1.0)[:, ::-1]
    np.testing.assert_allclose(there, back, rtol=1e-3)
