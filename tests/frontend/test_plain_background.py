"""Cutting a painted object from the plain colour it was painted against."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.frontend.plain_background import choose_plain, cut_from_plain, on_plain

SIDE = 40


@pytest.mark.parametrize(
    ("colour", "word"),
    [((200, 60, 50), "white"), ((20, 20, 20), "white"), ((130, 130, 130), "white"), ((250, 248, 245), "black")],
)
def test_the_background_is_white_unless_the_object_is(colour: tuple[int, int, int], word: str) -> None:
    assert choose_plain(np.tile(np.array(colour, dtype=np.uint8), (50, 1))).word == word


def test_an_object_of_black_and_white_stands_on_grey() -> None:
    rgb = np.repeat(np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8), 30, axis=0)
    assert choose_plain(rgb).word == "grey"


def test_everything_but_the_object_becomes_plain() -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 4)).astype(np.uint8)
    rgba[:10, :, 3], rgba[10:, :, 3] = 0, 255
    plain = choose_plain(rgba[10:].reshape(-1, 4)[:, :3])
    shown = on_plain(rgba, plain)
    assert (shown[:10] == plain.level).all()
    assert np.array_equal(shown[10:], rgba[10:, :, :3])


def test_the_mask_is_the_painted_part_that_hangs_together_with_the_visible_one() -> None:
    """Left of column 20 the object is seen; behind the hole it goes on to column 32, below row 12; the rest is white.

    A speck and an island of its colour elsewhere in the hole are not it. Shading changes its colour a little.
    """
    visible = np.zeros((SIDE, SIDE), dtype=bool)
    visible[8:32, 4:20] = True
    hole = np.zeros_like(visible)
    hole[4:38, 20:38] = True
    truth = np.zeros_like(visible)
    truth[12:32, 20:32] = True
    painted = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
    painted[visible] = (200, 60, 50)
    painted[truth] = (160, 45, 40)
    painted[6, 36] = (200, 60, 50)
    painted[4:9, 30:36] = (200, 60, 50)
    object_rgb = painted[visible]
    whole = cut_from_plain(painted, visible, hole, object_rgb, choose_plain(object_rgb))
    assert whole[visible].all()
    assert not (whole & ~visible & ~hole).any()
    differs = whole ^ (visible | truth)
    assert differs.sum() <= 8  # the corners, which the filter rounds
    assert not whole[4:9, 30:38].any()


def test_nothing_painted_is_nothing_added() -> None:
    visible = np.zeros((SIDE, SIDE), dtype=bool)
    visible[8:32, 4:20] = True
    hole = np.zeros_like(visible)
    hole[8:32, 20:38] = True
    painted = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
    painted[visible] = (200, 60, 50)
    object_rgb = painted[visible]
    assert np.array_equal(cut_from_plain(painted, visible, hole, object_rgb, choose_plain(object_rgb)), visible)
