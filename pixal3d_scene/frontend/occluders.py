"""Where an object may go on behind others: label map and depth in, pixels of the photo out.

An object may extend over others that stand in front of it and touch its mask, by half the width and height of its
visible box to each side. Frame: `photo` px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt16

from ..depth import Depth

# How far an object may go on to each side, as a share of the width or height of its visible box.
GROWTH = 0.5
# Masks of neighbours end up to so many pixels apart; the depth on a rim is mixed.
_TOUCH_PX = 2
# Nearer by more than this, in the median over the common border, is in front; closer than that two things touch.
_IN_FRONT_LOG = 0.015
# What is seen of an object reaches to this percentile of its depth: beyond are pixels of the background.
_FAR_PERCENTILE = 98


@dataclass(frozen=True, slots=True, kw_only=True)
class Occlusion:
    """region: pixels where one of the objects `values` (mask values) may hide more of the object."""

    region: Bool[np.ndarray, "H W"]
    values: tuple[int, ...]


def find_occlusion(mask_value: int, label_map: UInt16[np.ndarray, "H W"], depth: Depth) -> Occlusion:
    """The occluders of one object, and what of them lies in the box into which it may extend.

    Another object is in front where most of their common border is nearer; where neither depth is known, where it
    reaches further down in the photo. Its pixels that are farther away than all that is seen of the object hide
    nothing of it.
    """
    window = _grown_window(label_map == mask_value)
    labels, z_m, valid = label_map[window], depth.z_m[window], depth.valid[window]
    mask = labels == mask_value
    values = _in_front(mask, labels, z_m, valid)
    inside = np.isin(labels, values)
    seen = mask & valid
    if seen.any():
        far_m = float(np.percentile(z_m[seen], _FAR_PERCENTILE))
        inside &= ~(valid & (z_m > far_m * np.exp(_IN_FRONT_LOG)))
    inside = _touching(inside, mask)
    region = np.zeros(label_map.shape, dtype=bool)
    region[window] = inside
    return Occlusion(region=region, values=tuple(v for v in values if (inside & (labels == v)).any()))


def _grown_window(mask: Bool[np.ndarray, "H W"]) -> tuple[slice, slice]:
    """Rows and columns of the object's box, grown."""
    spans = []
    for axis in (1, 0):
        there = np.flatnonzero(mask.any(axis=axis))
        low, high = int(there[0]), int(there[-1]) + 1
        grow = max(round(GROWTH * (high - low)), _TOUCH_PX)
        spans.append(slice(max(low - grow, 0), min(high + grow, mask.shape[1 - axis])))
    return spans[0], spans[1]


def _in_front(
    mask: Bool[np.ndarray, "h w"],
    labels: UInt16[np.ndarray, "h w"],
    z_m: Float[np.ndarray, "h w"],
    valid: Bool[np.ndarray, "h w"],
) -> list[int]:
    from scipy.ndimage import binary_dilation, distance_transform_edt

    border = binary_dilation(mask, np.ones((3, 3)), iterations=_TOUCH_PX) & ~mask & (labels > 0)
    known = mask & valid
    own_z_m = z_m
    if known.any():
        rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
        own_z_m = z_m[rows, columns]
    bottom = np.flatnonzero(mask.any(axis=1))[-1]
    found = []
    for value in np.unique(labels[border]):
        touching = border & (labels == value)
        measured = touching & valid
        if known.any() and measured.any():
            ratio = z_m[measured].astype(np.float64) / own_z_m[measured]
            is_in_front = float(np.median(ratio)) < np.exp(-_IN_FRONT_LOG)
        else:
            is_in_front = np.flatnonzero((labels == value).any(axis=1))[-1] > bottom
        if is_in_front:
            found.append(int(value))
    return found


def _touching(inside: Bool[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The connected pieces of `inside` that touch the mask."""
    from scipy.ndimage import binary_dilation, label

    pieces, _ = label(inside, structure=np.ones((3, 3)))
    near = binary_dilation(mask, np.ones((3, 3)), iterations=_TOUCH_PX)
    touching = np.unique(pieces[near & inside])
    return np.isin(pieces, touching[touching > 0])
