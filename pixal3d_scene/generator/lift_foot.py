"""Where an object ends at the bottom: mask, depth and camera in, a height above the floor out.

It ends on the floor (y = 0) where its visible bottom reaches it or where something hides its foot; otherwise it
ends where it is seen to end, on another object or in the air. Frame: `world`, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..crop import CropVolume
from .lift_view import JUMP
from .lift_visible import points_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Foot:
    """bottom_m: height at which the object ends. on_floor: that is the floor. hidden: nothing shows its foot."""

    bottom_m: float
    on_floor: bool
    hidden: bool


# A visible bottom this near to a support, as a share of the object's visible height, stands on it: round things hide
# their lowest point from a camera above, feet are set back, and depth is never exact.
_REACH = 0.12
# The lowest part of an object, as a share of its visible height, shows what it stands on.
_LOWEST = 0.15
# Less than this share of a border is chance.
_SOME = 0.1
# A table top is level within the error of its depth.
_LEVEL_M = 0.03
# A support is seen in this share of the cells around the object's footprint: the leg of a neighbour is in fewer.
_CELLS, _COVERED = 8, 0.125
# ... most of whose points are level.
_TOP_SHARE = 0.5


def find_foot(volume: CropVolume, solid: Bool[np.ndarray, "H W"], points_world: Float[np.ndarray, "n 3"]) -> Foot:
    """Judge the lower border of the mask. solid: pixels of `points_world`, in row order."""
    lowest_m, highest_m = (float(v) for v in np.quantile(points_world[:, 1], [0.001, 0.999]))
    camera = volume.depth.camera
    pixel_m = float(np.median(volume.depth.z_m[solid])) / float(camera.K[0, 0])
    reach_m = max(_REACH * (highest_m - lowest_m), 3 * pixel_m)
    if lowest_m < reach_m:
        return Foot(bottom_m=0.0, on_floor=True, hidden=False)
    border = _look_below(volume, solid, lowest_m, highest_m - lowest_m)
    if not border.foot_hidden:
        return Foot(bottom_m=min(max(border.below_m, lowest_m - reach_m), lowest_m), on_floor=False, hidden=False)
    support_m = _support_height(volume, points_world, lowest_m + reach_m)
    if support_m < reach_m:
        return Foot(bottom_m=0.0, on_floor=True, hidden=True)
    return Foot(bottom_m=min(support_m, lowest_m), on_floor=False, hidden=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Border:
    """foot_hidden: something hides what follows below the mask. below_m: height of what is seen there, if not."""

    foot_hidden: bool
    below_m: float


def _look_below(volume: CropVolume, solid: Bool[np.ndarray, "H W"], lowest_m: float, height_m: float) -> _Border:
    """What follows below the lowest part of the mask.

    The foot is hidden where most of that part ends at the picture's border or at something nearer, or where some of
    it does and all the rest ends in the air, touching neither a support nor a wall.
    """
    depth = volume.depth
    bottom_row = solid.shape[0] - 1
    columns = np.flatnonzero(solid.any(axis=0))
    rows = bottom_row - solid[::-1, columns].argmax(axis=0)  # the lowest pixel of every column
    here = points_at(volume, rows, columns)
    lowest = here[:, 1] <= max(lowest_m + _LOWEST * height_m, float(here[:, 1].min()))
    rows, columns, here = rows[lowest], columns[lowest], here[lowest]
    off_picture = rows + 2 > bottom_row  # one row further: the row at the border mixes two surfaces
    rows_below = np.minimum(rows + 2, bottom_row)
    seen = depth.valid[rows_below, columns] & ~off_picture
    below = points_at(volume, rows_below, columns)
    z_here, z_below = depth.z_m[rows, columns], depth.z_m[rows_below, columns]
    # What the object stands on continues at its own height; an occluder is nearer and elsewhere.
    rise_m = 4 * z_here / depth.camera.K[1, 1]
    occluded = seen & (z_below < z_here * (1 - JUMP)) & (np.abs(below - here)[:, 1] > rise_m)
    open_below = seen & ~occluded
    touching = open_below & (np.linalg.norm(below - here, axis=1) < np.maximum(rise_m, _LOWEST * height_m))
    hidden = float(np.mean(off_picture | occluded))
    return _Border(
        foot_hidden=hidden > 0.5 or (hidden > _SOME and float(touching.mean()) < _SOME),
        below_m=float(np.median(below[open_below, 1])) if open_below.any() else lowest_m,
    )


def _support_height(volume: CropVolume, points_world: Float[np.ndarray, "n 3"], below_m: float) -> float:
    """Height of a level surface of another object beneath and around the object; 0, the floor, without one.

    Whatever hides the foot hides part of the support too, so the surface is looked for around the footprint.
    """
    margin_m = float(np.ptp(points_world, axis=0).max()) / 2
    low, high = points_world.min(axis=0)[[0, 2]] - margin_m, points_world.max(axis=0)[[0, 2]] + margin_m
    depth = volume.depth
    points = points_at(volume, *np.nonzero(depth.valid & (volume.label_map != 0) & ~volume.mask))
    cells = np.floor((points[:, [0, 2]] - low) / np.maximum(high - low, 1e-6) * _CELLS).astype(int)
    around = (cells >= 0).all(axis=1) & (cells < _CELLS).all(axis=1)
    cells, heights_m = cells[around] @ [1, _CELLS], points[around, 1]
    beneath = heights_m < below_m
    if not beneath.any():
        return 0.0
    top_m = float(np.quantile(heights_m[beneath], 0.9))
    level = np.bincount(cells[np.abs(heights_m - top_m) < _LEVEL_M], minlength=_CELLS**2)
    # A cell that an upright side crosses has points at any height.
    is_top = level > _TOP_SHARE * np.bincount(cells, minlength=_CELLS**2)
    return top_m if is_top.sum() > _COVERED * _CELLS**2 else 0.0
