"""Where an object ends at the bottom: mask, depth and camera in, a height above the floor out.

It ends on the floor (y = 0) where its visible bottom reaches it or where something hides its foot; otherwise it
ends where it is seen to end, on another object or in the air. Frame: `world`, metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from ..crop import CropVolume
from .lift_view import JUMP


@dataclass(frozen=True, slots=True, kw_only=True)
class Foot:
    """bottom_m: height at which the object ends. on_floor: that is the floor. hidden: nothing shows its foot."""

    bottom_m: float
    on_floor: bool
    hidden: bool


# A visible bottom this near to the floor, as a share of the object's visible height, stands on it: feet are set
# back or cut by a pixel, and depth is never exact.
_REACH = 0.06
# The lowest part of an object, as a share of its visible height, shows what it stands on.
_LOWEST = 0.15
# Another surface is a support if this many pixels of it lie beneath the object.
_SUPPORT_PX = 20
# A table top is level within the error of its depth.
_LEVEL_M = 0.05


def find_foot(volume: CropVolume, solid: Bool[np.ndarray, "H W"], points_world: Float[np.ndarray, "n 3"]) -> Foot:
    """Judge the lower border of the mask. solid: pixels of `points_world`, in row order."""
    lowest_m, highest_m = (float(v) for v in np.quantile(points_world[:, 1], [0.001, 0.999]))
    camera = volume.depth.camera
    pixel_m = float(np.median(volume.depth.z_m[solid])) / float(camera.K[0, 0])
    reach_m = max(_REACH * (highest_m - lowest_m), 3 * pixel_m)
    on_floor = Foot(bottom_m=0.0, on_floor=True, hidden=False)
    if lowest_m < reach_m:
        return on_floor
    if not _foot_is_hidden(volume, solid, lowest_m + _LOWEST * (highest_m - lowest_m)):
        return Foot(bottom_m=float(points_world[:, 1].min()), on_floor=False, hidden=False)
    support_m = _support_height(volume, points_world, lowest_m + reach_m)
    if support_m < reach_m:
        return Foot(bottom_m=0.0, on_floor=True, hidden=True)
    return Foot(bottom_m=min(support_m, lowest_m), on_floor=False, hidden=True)


def _foot_is_hidden(volume: CropVolume, solid: Bool[np.ndarray, "H W"], below_m: float) -> bool:
    """Whether the picture ends or something nearer stands below most of the lowest part of the mask."""
    depth = volume.depth
    height = solid.shape[0]
    columns = np.flatnonzero(solid.any(axis=0))
    rows = height - 1 - solid[::-1, columns].argmax(axis=0)  # the lowest pixel of every column
    below = rows + 2  # one row further: the row at the border mixes two surfaces
    off_picture = below >= height
    below = np.minimum(below, height - 1)
    z_here, z_below = depth.z_m[rows, columns], depth.z_m[below, columns]
    y_here, y_below = _heights(volume, columns, rows, z_here), _heights(volume, columns, below, z_below)
    seen = depth.valid[below, columns] & ~off_picture
    # What the object stands on continues at its own height; an occluder is nearer and elsewhere.
    rise_m = 4 * z_here / depth.camera.K[1, 1]
    occluded = seen & (z_below < z_here * (1 - JUMP)) & (np.abs(y_below - y_here) > rise_m)
    lowest = y_here <= max(below_m, float(y_here.min()))
    return float(np.mean((off_picture | occluded)[lowest])) > 0.5


def _heights(
    volume: CropVolume, columns: Int[np.ndarray, "n"], rows: Int[np.ndarray, "n"], z_m: Float32[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """Height above the floor of pixels at a depth."""
    camera = volume.depth.camera
    pixels = np.stack([columns, rows], axis=-1) + 0.5
    return camera.world_from_cam(camera.unproject(pixels, z_m.astype(np.float64)))[:, 1]


def _support_height(volume: CropVolume, points_world: Float[np.ndarray, "n 3"], below_m: float) -> float:
    """Height of the highest surface that the photo shows beneath the object's footprint; 0 is the floor."""
    low, high = points_world.min(axis=0), points_world.max(axis=0)
    depth = volume.depth
    others = depth.valid & (volume.label_map != 0) & ~volume.mask
    points = depth.camera.world_from_cam(
        depth.camera.unproject(depth.camera.pixel_centres()[others], depth.z_m[others].astype(np.float64))
    )
    beneath = ((points >= low) & (points <= high))[:, [0, 2]].all(axis=1) & (points[:, 1] < below_m)
    if beneath.sum() < _SUPPORT_PX:
        return 0.0
    lower_m, top_m = np.quantile(points[beneath, 1], [0.25, 0.9])
    return float(top_m) if top_m - lower_m < _LEVEL_M else 0.0  # not level: the side of a neighbour
