"""Brightness, burnt-out parts and glints of pictures made to have known ones."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.review.exposure import brightness, burnt_share, glint_share


def grey(value: int, shape: tuple[int, int] = (300, 400)) -> np.ndarray:
    return np.full((*shape, 3), value, dtype=np.uint8)


def test_brightness_is_the_mean_luma() -> None:
    assert brightness(grey(51)) == pytest.approx(0.2)
    green, blue = grey(0), grey(0)
    green[..., 1], blue[..., 2] = 255, 255
    assert brightness(green) == pytest.approx(0.7152)
    assert brightness(blue) == pytest.approx(0.0722)


def test_only_plain_white_is_burnt_out() -> None:
    picture = grey(120)
    picture[:100, :200] = 255
    picture[200:, :, 0] = 255  # a red wall keeps its shading in the other colours
    assert burnt_share(picture) == pytest.approx(20_000 / 120_000)


def test_glints_are_small_and_lamps_are_large() -> None:
    lamp, glints = grey(90), grey(90)
    lamp[100:200, 100:200] = 255
    for row in range(20, 280, 40):
        glints[row : row + 4, 100:104] = 255
    assert glint_share(grey(250)) == 0
    assert glint_share(lamp) == 0
    assert glint_share(glints) == pytest.approx(7 * 16 / 120_000)
