"""Where one mesh rests on another: vertical columns through both, the gap between them, the patch where they meet.

Meshes in world (y up, m).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from ..asset import Mesh
from ..mesh.raycast import Raycaster

# The foot is the part of an object within this share of its height above its lowest point.
_FOOT_SHARE = 0.05
_LEAST_FOOT_M = 0.01
_GRID = 16
_MOST_FOOT_VERTICES = 200
# Columns start this far above the foot: a support may reach a little into the object.
_START_ABOVE_M = 0.10
# Share of the foot that must have the carrier below it: a vase may overhang a table, a table not a rug.
_FEWEST_SHARE = 0.3
# The object rests on the highest part of its support; a stray triangle is not one.
_FIRST_TOUCH_PERCENTILE = 3.0
_TOUCHES_M = 0.01
_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """gap_m: foot above support where they come closest, negative inside. share: of the foot's columns that meet.

    middle_world, area_m2: of the part that touches when the gap is closed.
    """

    gap_m: float
    share: float
    middle_world: Float[np.ndarray, "3"]
    area_m2: float


class Column:
    """A mesh that vertical rays are cast on; its foot is sought once."""

    def __init__(self, mesh_world: Mesh) -> None:
        self.mesh_world = mesh_world
        self.bounds = mesh_world.bounds

    @cached_property
    def rays(self) -> Raycaster:
        return Raycaster([self.mesh_world])

    @cached_property
    def foot(self) -> Float[np.ndarray, "n 3"]:
        """Points of the lower side near its lowest point: a regular grid's, then vertices, which legs always have."""
        low, high = self.bounds
        band_m = max(_FOOT_SHARE * float(high[1] - low[1]), _LEAST_FOOT_M)
        x, z = (lo + (np.arange(_GRID) + 0.5) / _GRID * (hi - lo) for lo, hi in ((low[0], high[0]), (low[2], high[2])))
        start = np.stack([*(g.ravel() for g in np.meshgrid(x, [low[1] - 0.1], z, indexing="ij"))], axis=-1)
        hits = self.rays.cast(start, np.broadcast_to(_UP, start.shape))
        grid = (start + hits.t[:, None] * _UP)[hits.hit]
        grid = grid[grid[:, 1] <= low[1] + band_m]
        vertices = self.mesh_world.vertices
        lowest = np.flatnonzero(vertices[:, 1] <= low[1] + band_m)
        if len(lowest) > _MOST_FOOT_VERTICES:
            lowest = lowest[np.linspace(0, len(lowest) - 1, _MOST_FOOT_VERTICES).astype(np.int64)]
        return np.concatenate([grid, vertices[lowest]])


def rest_on(upper: Column, lower: Column, *, reach_m: float) -> Patch | None:
    """How the foot of one mesh meets the upper side of another within reach_m; None where it does not."""
    foot = upper.foot
    start = foot + (_START_ABOVE_M + reach_m) * _UP
    hits = lower.rays.cast(start, np.broadcast_to(-_UP, start.shape))
    gap_m = hits.t - (_START_ABOVE_M + reach_m)
    near = hits.hit & (np.abs(gap_m) <= reach_m)
    if near.mean() < _FEWEST_SHARE:
        return None
    return _patch(foot[near], gap_m[near], share=float(near.mean()))


def rest_on_floor(upper: Column) -> Patch:
    """How the foot of a mesh meets the floor, y = 0; at any distance."""
    return _patch(upper.foot, upper.foot[:, 1], share=1.0, percentile=0.0)


def _patch(
    foot: Float[np.ndarray, "n 3"],
    gap_m: Float[np.ndarray, "n"],
    *,
    share: float,
    percentile: float = _FIRST_TOUCH_PERCENTILE,
) -> Patch:
    closest_m = float(np.percentile(gap_m, percentile))
    touching = foot[gap_m <= closest_m + _TOUCHES_M]
    return Patch(
        gap_m=closest_m, share=share, middle_world=touching.mean(axis=0), area_m2=_area_in_plan(touching[:, [0, 2]])
    )


def _area_in_plan(xz: Float[np.ndarray, "n 2"]) -> float:
    """Area of the convex hull: what the object stands on, a table's four legs included."""
    from scipy.spatial import ConvexHull, QhullError

    if len(xz) < 3:
        return 0.0
    try:
        return float(ConvexHull(xz).volume)  # in two dimensions the hull's "volume" is its area
    except QhullError:
        return 0.0
