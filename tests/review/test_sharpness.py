"""The blur of edges is measured as it was made, whatever the contrast; what has no edge is not called blurred."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from damage import blurred, exposed
from PIL import Image
from scipy.special import ndtr

from pixal3d_scene.review.sharpness import blur_px


def edges(sigma_px: float, *, low: float = 60, high: float = 190, noise: float = 0, size: int = 400) -> Image.Image:
    """A disc and a slanted step whose borders are blurred exactly: the normal distribution's integral."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] + 0.5
    disc = ndtr((size * 0.3 - np.hypot(x - size * 0.45, y - size * 0.55)) / sigma_px)
    step = ndtr(((x * 0.96 + y * 0.28) - size * 1.05) / sigma_px)
    grey = low + (high - low) * np.maximum(disc, step) + rng.normal(0, noise or 1e-9, x.shape)
    return Image.fromarray(np.clip(grey + rng.uniform(-0.5, 0.5, x.shape), 0, 255).round().astype(np.uint8))


@pytest.mark.parametrize("sigma_px", [0.8, 1.2, 2.0, 3.0, 5.0, 8.0])
def test_the_blur_is_found(sigma_px: float) -> None:
    assert blur_px(edges(sigma_px)) == pytest.approx(sigma_px, rel=0.1)


def test_contrast_does_not_matter() -> None:
    for low, high in ((20, 60), (100, 130), (10, 250)):
        assert blur_px(edges(2.0, low=low, high=high)) == pytest.approx(2.0, rel=0.1)


def test_noise_does_not_pass_for_sharpness() -> None:
    quiet, noisy = blur_px(edges(3.0)), blur_px(edges(3.0, noise=6.0))
    assert noisy == pytest.approx(quiet, rel=0.25)


def test_a_plain_wall_is_not_blurred() -> None:
    rng = np.random.default_rng(0)
    wall = Image.fromarray(rng.normal(240, 1.5, (600, 800)).clip(0, 255).astype(np.uint8))
    assert blur_px(wall) is None
    with_picture = np.array(wall)
    with_picture[200:300, 300:420] = 60  # all but 2.5 % of it is the wall
    assert blur_px(Image.fromarray(with_picture)) < 0.6


def test_more_blur_is_more() -> None:
    image = Image.merge("RGB", [edges(0.6)] * 3)
    found = [blur_px(blurred(image, s).convert("L")) for s in (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 14)]
    assert all(a < b for a, b in pairwise(found))


def test_a_picture_looks_the_same_in_the_mirror_and_in_the_dark() -> None:
    image = Image.merge("RGB", [edges(1.5)] * 3)
    found = blur_px(image.convert("L"))
    assert blur_px(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("L")) == pytest.approx(found, abs=1e-3)
    assert blur_px(exposed(image, 0.1).convert("L")) == pytest.approx(found, rel=0.2)


def test_large_pictures_are_measured_on_tiles() -> None:
    assert blur_px(edges(2.5, size=3000)) == pytest.approx(2.5, rel=0.1)
