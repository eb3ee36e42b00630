"""Rows of letters are found, faint ones too; furniture, stripes and grain are not letters."""

from __future__ import annotations

import numpy as np
import pytest
from damage import watermarked
from PIL import Image

from pixal3d_scene.review.lettering import lettering_share


def plain(value: int = 130) -> Image.Image:
    ramp = np.linspace(value - 40, value + 40, 600)[None, :, None] + np.zeros((450, 600, 3))
    return Image.fromarray((ramp + np.random.default_rng(0).normal(0, 2, ramp.shape)).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("rgba", [(255, 255, 255, 140), (0, 0, 0, 90), (255, 255, 255, 255)])
def test_a_watermark_is_found(rgba: tuple[int, int, int, int]) -> None:
    assert lettering_share(np.asarray(plain())) == 0
    assert lettering_share(np.asarray(watermarked(plain(), rgba=rgba))) > 0.02


def test_what_is_no_row_of_letters_is_none() -> None:
    stripes = np.asarray(plain()).copy()
    stripes[:, ::12] = 40
    assert lettering_share(stripes) == 0
    boxes = np.asarray(plain()).copy()
    for x in range(50, 550, 150):
        boxes[200:300, x : x + 90] = 30
    assert lettering_share(boxes) == 0
