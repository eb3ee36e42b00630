"""What a photo holds and how it cuts it: a picture or a label map in, shares out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

_CLUTTER_SIDE_PX = 128
_STEP_OF_CONTRAST = 0.12
_NEIGHBOUR_SHARE = 0.005  # of the longer side: masks leave gaps of a few pixels between objects that touch


def clutter_share(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """Share of a 128 px wide picture's pixels that lie on a step of 12 % of its own contrast.

    So small a picture shows things, not their texture, and hardly changes when the photo is a little blurred.
    """
    from PIL import Image
    from scipy.ndimage import gaussian_gradient_magnitude

    shrink = max(rgb.shape[:2]) / _CLUTTER_SIDE_PX
    size_px = (max(round(rgb.shape[1] / shrink), 8), max(round(rgb.shape[0] / shrink), 8))
    grey = np.asarray(Image.fromarray(rgb).convert("L").resize(size_px, Image.Resampling.BOX), dtype=np.float64)
    low, high = np.percentile(grey, [2, 98])
    steps = gaussian_gradient_magnitude(grey, 0.8, mode="nearest") / max(high - low, 1.0)
    return float((steps > _STEP_OF_CONTRAST).mean())


def cut_share(label_map: UInt16[np.ndarray, "H W"]) -> float:
    """Share of the objects' area that belongs to objects which reach the picture's border."""
    areas_px = np.bincount(label_map.ravel())
    border = np.unique(np.concatenate([label_map[0], label_map[-1], label_map[:, 0], label_map[:, -1]]))
    return float(areas_px[border[border > 0]].sum() / max(areas_px[1:].sum(), 1))


def contact_share(label_map: UInt16[np.ndarray, "H W"]) -> float:
    """Share of the objects' outlines that run along another object: one of the two hides the other, or carries it."""
    reach_px = max(1, round(_NEIGHBOUR_SHARE * max(label_map.shape)))
    outline = (label_map > 0) & _differs(label_map)
    return float((outline & _near_another(label_map, reach_px)).sum() / max(outline.sum(), 1))


def object_sides_px(label_map: UInt16[np.ndarray, "H W"]) -> Float[np.ndarray, "n"]:
    """The side in px of a square as large as each object."""
    areas_px = np.bincount(label_map.ravel())[1:]
    return np.sqrt(areas_px[areas_px > 0].astype(np.float64))


def _differs(label_map: UInt16[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Pixels with a neighbour of another value."""
    found = np.zeros(label_map.shape, dtype=bool)
    across, along = label_map[:, 1:] != label_map[:, :-1], label_map[1:] != label_map[:-1]
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= along
    found[:-1] |= along
    return found


def _near_another(label_map: UInt16[np.ndarray, "H W"], reach_px: int) -> Bool[np.ndarray, "H W"]:
    """Pixels of objects with another object within reach."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = 2 * reach_px + 1
    highest = maximum_filter(label_map, size=size, mode="nearest")
    without_background = np.where(label_map == 0, np.uint16(65535), label_map)
    lowest = minimum_filter(without_background, size=size, mode="nearest")
    return (label_map > 0) & ((highest > label_map) | (lowest < label_map))
