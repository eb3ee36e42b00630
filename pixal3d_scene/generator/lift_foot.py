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


@dataclass(frozen=True, slots=True, kw_only=True)
class Foot:
    """bottom_m: height at which the object ends. on_floor: that is the floor. hidden: nothing shows its foot."""

    bottom_m: float
    on_floor: bool
    hidden: bool


# A visible bottom this near to the floor, as a share of the object's visible height, stands on it: feet are set
# back or cut by a pixel, and depth is never exact.
_REACH = 0.06


def find_foot(volume: CropVolume, solid: Bool[np.ndarray, "H W"], points_world: Float[np.ndarray, "n 3"]) -> Foot:
    """Judge the lower border of the mask. solid: pixels of `points_world`, in row order."""
    lowest_m, highest_m = np.quantile(points_world[:, 1], [0.001, 0.999])
    camera = volume.depth.camera
    pixel_m = float(np.median(volume.depth.z_m[solid])) / float(camera.K[0, 0])
    reach_m = max(_REACH * (highest_m - lowest_m), 3 * pixel_m)
    if lowest_m < reach_m:
        return Foot(bottom_m=0.0, on_floor=True, hidden=False)
    if _hidden_share(volume, solid) > 0.5:
        return Foot(bottom_m=0.0, on_floor=True, hidden=True)
    return Foot(bottom_m=float(points_world[:, 1].min()), on_floor=False, hidden=False)


def _hidden_share(volume: CropVolume, solid: Bool[np.ndarray, "H W"]) -> float:
    """Share of the mask's lower border below which the picture ends or something nearer stands in front."""
    depth = volume.depth
    height = solid.shape[0]
    columns = np.flatnonzero(solid.any(axis=0))
    rows = height - 1 - solid[::-1, columns].argmax(axis=0)  # the lowest pixel of every column
    below = rows + 2  # one row further: the row at the border mixes two surfaces
    off_picture = below >= height
    below = np.minimum(below, height - 1)
    z_here, z_below = depth.z_m[rows, columns], depth.z_m[below, columns]
    seen = depth.valid[below, columns] & ~off_picture
    pixels = np.stack([columns, rows], axis=-1) + 0.5
    pixels_below = np.stack([columns, below], axis=-1) + 0.5
    y_here = depth.camera.world_from_cam(depth.camera.unproject(pixels, z_here.astype(np.float64)))[:, 1]
    y_below = depth.camera.world_from_cam(depth.camera.unproject(pixels_below, z_below.astype(np.float64)))[:, 1]
    # What the object stands on continues at its own height; an occluder is nearer and elsewhere.
    rise_m = 4 * z_here / depth.camera.K[1, 1]
    occluded = seen & (z_below < z_here * (1 - JUMP)) & (np.abs(y_below - y_here) > rise_m)
    return float(np.mean(off_picture | occluded))
