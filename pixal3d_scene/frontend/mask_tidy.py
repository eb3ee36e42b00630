"""Specks and pinholes of one mask. A hole through which something farther away is seen stays a hole.

In and out: a mask in its box, at the working size; depth of the same box where there is one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

_SPECK_PX = 12.0  # of a picture of 800 x 600
_PICTURE_PX = 800 * 600
_SPECK_SHARE = 0.005  # of the mask: what is larger may be a piece of it behind something,
_SURELY_A_SPECK_PX = 4.0  # but a few pixels never are
_SURELY_A_HOLE = 0.04  # of the depth: what lies so much farther is seen through the mask
_FILLED_SHARE = 0.02  # of the mask
_TAKEN_SHARE = 0.5  # of a hole that shows another object
_MOST_CHANGED = 0.03  # of the mask: what has more holes or pieces is a fan, a plant, a thing behind a grid
_ASTRAY = 0.5  # square roots of the larger pieces' area: specks so far from all of them are no leaves


def speck_px(shape: tuple[int, int]) -> float:
    """The largest speck of a picture, in pixels; networks leave them at any size, so that they grow with it."""
    return max(_SPECK_PX * shape[0] * shape[1] / _PICTURE_PX, 2.0)


def drop_specks(pixels: Bool[np.ndarray, "h w"], largest_px: float) -> Bool[np.ndarray, "h w"]:
    """Without the connected pieces that are no larger than a speck; the largest piece always stays."""
    from scipy import ndimage

    pieces, count = ndimage.label(pixels, structure=np.ones((3, 3)))
    if count < 2:
        return pixels
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    limit = max(min(largest_px, _SPECK_SHARE * areas.sum()), _SURELY_A_SPECK_PX)
    kept = (areas > limit) | (areas == areas.max())
    body = kept[pieces] & pixels
    if areas[~kept].sum() > _MOST_CHANGED * areas.sum():
        return pixels & (ndimage.distance_transform_edt(~body) <= _ASTRAY * np.sqrt(body.sum()))
    return body


def fill_pinholes(
    pixels: Bool[np.ndarray, "h w"],
    largest_px: float,
    z_m: Float[np.ndarray, "h w"] | None,
    valid: Bool[np.ndarray, "h w"] | None,
    taken: Bool[np.ndarray, "h w"],
) -> Bool[np.ndarray, "h w"]:
    """With the holes filled that are specks, and larger ones whose depth goes on as the mask's around them does.

    The gaps between a chair's slats show what is behind, and stay, whatever their size. So do holes that are mostly
    `taken` by other masks: a plate on a table is one.
    """
    from scipy import ndimage

    holes, count = ndimage.label(ndimage.binary_fill_holes(pixels) & ~pixels)
    if not count:
        return pixels
    filled = pixels.copy()
    limit_px = max(_FILLED_SHARE * int(pixels.sum()), largest_px)
    for k, box in enumerate(ndimage.find_objects(holes), start=1):
        around = _widened(box, 3, pixels.shape)
        hole = holes[around] == k
        area_px = int(hole.sum())
        if area_px > limit_px or taken[around][hole].mean() > _TAKEN_SHARE:
            continue
        if z_m is None or valid is None:
            if area_px <= largest_px:
                filled[around] |= hole
            continue
        rim = ndimage.binary_dilation(hole, iterations=3) & pixels[around] & valid[around]
        inside = hole & valid[around]
        if not rim.any() or not inside.any():
            filled[around] |= hole & (area_px <= largest_px)
            continue
        farther = np.median(z_m[around][inside]) / np.median(z_m[around][rim]) - 1
        if farther < _SURELY_A_HOLE:
            filled[around] |= hole
    return filled if filled.sum() - pixels.sum() <= _MOST_CHANGED * filled.sum() else pixels


def _widened(box: tuple[slice, slice], by: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    return (
        slice(max(box[0].start - by, 0), min(box[0].stop + by, shape[0])),
        slice(max(box[1].start - by, 0), min(box[1].stop + by, shape[1])),
    )
