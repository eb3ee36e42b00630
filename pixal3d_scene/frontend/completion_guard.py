"""The guard over every completer: what the photo shows stays, what is painted may only lie behind something.

A completer's picture goes in as it is, whatever it is; out comes a picture that differs from the photo's crop only
inside the hole, or the reason why there is none. Frame: `crop` px.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8

from ..errors import StageFailed
from .completer import HiddenPart

# Alpha from here on is inside a mask.
_INSIDE = 128
# A hole whose colours are all below this is the black picture of a network that failed (or of a content filter).
_BLACK = 4
# Such colours are believed where the visible part of the object is as dark as this on average.
_DARK = 16


def guarded_picture(
    hidden: HiddenPart, painted: np.ndarray, *, max_growth: float
) -> tuple[UInt8[np.ndarray, "S S 4"], Bool[np.ndarray, "S S"]]:
    """The crop with the painted part of the object in it, and which of its pixels those are.

    painted: the completer's colours and mask. max_growth: area of the whole object over its visible area, at most.
    Raises StageFailed, with the reason, where the picture cannot be believed.
    """
    before = hidden.volume.rgba
    _check_array(hidden, painted)
    claimed = painted[..., 3] >= _INSIDE
    _check_colours(hidden, painted, claimed)
    visible = before[..., 3] >= _INSIDE
    outside = int((claimed & (before[..., 3] == 0) & ~hidden.hole).sum())
    if outside:
        raise _refused(hidden, f"its mask has {outside} pixels where the photo shows something else")
    added = claimed & hidden.hole
    whole = visible | added
    if not visible.any():
        raise _refused(hidden, "nothing of the object is visible at the size of the crop")
    growth = float(whole.sum() / visible.sum())
    if growth > max_growth:
        raise _refused(hidden, f"it made the object {growth:.1f} times as large, more than {max_growth:g}")
    pieces, pieces_before = _count_pieces(whole), _count_pieces(visible)
    if pieces > pieces_before:
        raise _refused(hidden, f"it made {pieces} pieces of an object that has {pieces_before}")
    after = before.copy()
    after[added, :3], after[added, 3] = painted[added, :3], 255
    assert np.array_equal(after[~hidden.hole], before[~hidden.hole])  # the reason for this module
    return after, added


def _check_array(hidden: HiddenPart, painted: np.ndarray) -> None:
    expected = hidden.volume.rgba.shape
    if painted.shape != expected:
        raise _refused(hidden, f"its picture has shape {painted.shape}, expected {expected}")
    if painted.dtype != np.uint8:
        broken = np.issubdtype(painted.dtype, np.floating) and not np.isfinite(painted).all()
        what = "values that are not finite" if broken else f"values of type {painted.dtype}, expected uint8"
        raise _refused(hidden, f"its picture has {what}")


def _check_colours(hidden: HiddenPart, painted: np.ndarray, claimed: Bool[np.ndarray, "S S"]) -> None:
    added = claimed & hidden.hole
    if not added.any() or painted[added, :3].max() >= _BLACK:
        return
    visible = hidden.volume.rgba[..., 3] >= _INSIDE
    if visible.any() and hidden.volume.rgba[visible, :3].mean() >= _DARK:
        raise _refused(hidden, "it painted nothing but black")


def _count_pieces(mask: Bool[np.ndarray, "S S"]) -> int:
    from scipy.ndimage import label

    return int(label(mask, structure=np.ones((3, 3)))[1])


def _refused(hidden: HiddenPart, reason: str) -> StageFailed:
    return StageFailed("complete", reason, object_name=hidden.name)
