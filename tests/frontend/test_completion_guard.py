"""Whatever a completer gives: the photo's pixels stay to the bit, and the mask stays inside its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hidden_cases import BEHIND, GREEN, filled, hidden_in, two_boxes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import label

from pixal3d_scene.errors import StageFailed
from pixal3d_scene.frontend.completer import HiddenPart
from pixal3d_scene.frontend.completion_guard import guarded_picture

SIDE = 48
PART = hidden_in(two_boxes(), BEHIND, size_px=SIDE)
assert PART is not None
BEFORE_RGBA, HOLE = PART.volume.rgba, PART.hole
SHOWN = BEFORE_RGBA[..., 3] >= 128


def pieces(mask: np.ndarray) -> int:
    return int(label(mask, np.ones((3, 3)))[1])


@st.composite
def believable(draw: st.DrawFn) -> np.ndarray:
    """Right type and shape; any colours; a mask that is a rectangle of the hole, of everything, or noise."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    painted = rng.integers(0, 256, (SIDE, SIDE, 4)).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    low = draw(st.tuples(st.integers(0, SIDE), st.integers(0, SIDE)))
    high = draw(st.tuples(st.integers(0, SIDE), st.integers(0, SIDE)))
    mask[low[0] : high[0], low[1] : high[1]] = True
    kind = draw(st.sampled_from(["in hole", "anywhere", "noise", "with visible"]))
    if kind == "in hole":
        mask &= HOLE
    elif kind == "with visible":
        mask = (mask & HOLE) | SHOWN
    elif kind == "noise":
        mask = rng.random((SIDE, SIDE)) < 0.5
    painted[..., 3] = np.where(mask, rng.integers(128, 256), rng.integers(0, 128))
    return painted


types = st.sampled_from([np.uint8, np.int16, np.float16, np.float32, np.float64, np.bool_])
anything = types.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=4, max_side=6)))
right_shape = types.flatmap(lambda dtype: arrays.arrays(dtype, (SIDE, SIDE, 4)))


@settings(deadline=None, max_examples=150)
@given(st.one_of(believable(), believable(), anything, right_shape), st.floats(1.0, 4.0))
def test_visible_pixels_stay_to_the_bit_and_the_mask_in_bounds(painted: np.ndarray, max_growth: float) -> None:
    assert PART is not None
    try:
        after, added = guarded_picture(PART, painted, max_growth=max_growth)
    except StageFailed:
        return  # what is refused, and why, is in the tests below
    assert after.dtype == np.uint8
    assert np.array_equal(after[~HOLE], BEFORE_RGBA[~HOLE])
    assert np.array_equal(after[BEFORE_RGBA[..., 3] == 255], BEFORE_RGBA[BEFORE_RGBA[..., 3] == 255])
    assert np.array_equal(after[~added], BEFORE_RGBA[~added])
    assert not (added & ~HOLE).any()
    mask = after[..., 3] >= 128
    assert np.array_equal(mask, SHOWN | added)
    assert mask.sum() <= max_growth * SHOWN.sum()
    assert pieces(mask) <= pieces(SHOWN)
    assert np.array_equal(after[added][:, :3], painted[added][:, :3])


def accept(painted: np.ndarray, part: HiddenPart | None = PART, max_growth: float = 3.0) -> np.ndarray:
    assert part is not None
    return guarded_picture(part, painted, max_growth=max_growth)[0]


def test_a_believable_completion_is_taken_as_it_is() -> None:
    assert PART is not None
    painted = filled(PART, GREEN)
    painted[~HOLE, :3] = 77  # colours outside the hole are not looked at
    after = accept(painted)
    assert (after[HOLE] == (*GREEN, 255)).all()
    assert np.array_equal(after[~HOLE], BEFORE_RGBA[~HOLE])


def test_a_mask_that_forgets_the_visible_part_takes_nothing_from_it() -> None:
    assert PART is not None
    painted = filled(PART, GREEN)
    painted[~HOLE, 3] = 0
    assert np.array_equal(accept(painted)[~HOLE], BEFORE_RGBA[~HOLE])


def _leaking(painted: np.ndarray) -> np.ndarray:
    background = np.argwhere((BEFORE_RGBA[..., 3] == 0) & ~HOLE)[0]
    painted[tuple(background)] = 255
    return painted


def _black(painted: np.ndarray) -> np.ndarray:
    painted[..., :3] = 0
    return painted


def _islands(painted: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(HOLE)
    painted[HOLE, 3] = 0
    painted[rows.max(), columns[rows == rows.max()][0], 3] = 255
    return painted


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda painted: painted[:-1], "has shape (47, 48, 4), expected (48, 48, 4)"),
        (lambda painted: painted[..., :3], "has shape (48, 48, 3)"),
        (lambda painted: np.full(painted.shape, np.nan), "not finite"),
        (lambda painted: painted.astype(np.float32), "type float32, expected uint8"),
        (_leaking, "1 pixels where the photo shows something else"),
        (_black, "nothing but black"),
        (_islands, "pieces of an object that has"),
    ],
)
def test_what_cannot_be_believed_is_refused_with_its_reason(spoil, reason: str) -> None:  # type: ignore[no-untyped-def]
    assert PART is not None
    with pytest.raises(StageFailed) as refused:
        accept(spoil(filled(PART, GREEN)))
    assert reason in refused.value.reason


def test_growth_is_bounded_where_the_setting_says() -> None:
    assert PART is not None
    painted = filled(PART, GREEN)
    growth = (SHOWN | HOLE).sum() / SHOWN.sum()
    accept(painted, max_growth=float(growth) + 1e-6)
    with pytest.raises(StageFailed, match="times as large"):
        accept(painted, max_growth=float(growth) - 1e-3)
