"""Masks follow the picture's edges, and only those."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pixal3d_scene.frontend.guided_masks import EdgeGuide, owners

HEIGHT, WIDTH, EDGE = 120, 160, 83


def two_surfaces(dark: int, light: int) -> np.ndarray:
    """A picture that is dark left of column EDGE and light right of it, with a little noise."""
    rgb = np.where(np.arange(WIDTH)[None, :, None] < EDGE, dark, light) + np.zeros((HEIGHT, 1, 3))
    noise = np.random.default_rng(0).normal(0, 2, rgb.shape)
    return (rgb + noise).clip(0, 255).astype(np.uint8)


def coarse(step_px: int) -> np.ndarray:
    """Shares of the right side on a grid of an eighth, with their step at a column of the large picture."""
    large = (np.arange(WIDTH) >= step_px) * np.ones((HEIGHT, 1), dtype=np.float32)
    return np.asarray(Image.fromarray(large.astype(np.float32)).resize((WIDTH // 8, HEIGHT // 8), Image.Resampling.BOX))


@pytest.mark.parametrize("off_px", [0, 1])
def test_a_border_beside_an_edge_of_the_picture_moves_onto_it(off_px: int) -> None:
    right, there = coarse(EDGE + off_px), np.arange(WIDTH) >= EDGE
    found = owners(EdgeGuide(two_surfaces(60, 200)), [1 - right, right])
    assert (found == there).all()
    interpolated = np.asarray(Image.fromarray(right).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
    assert ((interpolated > 0.5) != there).any()


def test_on_an_even_picture_a_border_stays_where_it_is() -> None:
    right = coarse(80)
    found = owners(EdgeGuide(two_surfaces(128, 128)), [1 - right, right])
    assert np.abs((found == 1).sum(axis=1) - (WIDTH - 80)).max() <= 1


def test_shares_that_sum_to_one_still_do() -> None:
    rng = np.random.default_rng(1)
    shares = rng.dirichlet([1, 1, 1], size=(15, 20)).astype(np.float32)
    guide = EdgeGuide(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    total = sum(guide.follow(np.ascontiguousarray(shares[..., k])) for k in range(3))
    assert np.abs(total - 1).max() < 1e-4


def test_the_first_of_equal_maps_wins_and_none_is_refused() -> None:
    guide = EdgeGuide(two_surfaces(60, 200))
    half = np.full((15, 20), 0.5, dtype=np.float32)
    assert (owners(guide, [half, half]) == 0).all()
    with pytest.raises(ValueError, match="no map"):
        owners(guide, [])
