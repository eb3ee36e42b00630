"""Blocks of compression are found at any offset; a picture without them, or with steps of its own, has the ratio 1."""

from __future__ import annotations

import numpy as np
import pytest
from damage import compressed
from PIL import Image
from scipy.ndimage import gaussian_filter

from pixal3d_scene.review.blockiness import blockiness


def soft() -> Image.Image:
    rng = np.random.default_rng(0)
    field = gaussian_filter(rng.normal(0, 1, (400, 500)), 12)
    return Image.fromarray((128 + field / field.std() * 40).clip(0, 255).astype(np.uint8)).convert("RGB")


def test_heavier_compression_is_blockier() -> None:
    assert blockiness(np.asarray(soft().convert("L"))) == pytest.approx(1, abs=0.1)
    found = [blockiness(np.asarray(compressed(soft(), quality).convert("L"))) for quality in (90, 30, 10)]
    assert found[0] < found[1] < found[2]
    assert found[2] > 2


def test_a_cropped_or_mirrored_photo_has_the_same_blocks() -> None:
    grey = np.asarray(compressed(soft(), 10).convert("L"))
    assert blockiness(grey[3:, 5:]) == pytest.approx(blockiness(grey), rel=0.05)
    assert blockiness(grey[:, ::-1]) == pytest.approx(blockiness(grey), rel=0.01)
