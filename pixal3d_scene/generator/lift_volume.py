"""The solid of one object: what the photo says on a grid in, a scalar field (metres, positive inside) out.

Three statements are joined. What is seen is there (`shell`). A visible part is about as deep as it is wide (`slab`).
And furniture is symmetric: what is solid at a point is solid at its mirror images in the box, and what is free there
is free here, for every symmetry that the photo does not contradict. Frame: `box`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from .lift_evidence import Evidence, Grid, gather_evidence
from .lift_foot import Foot
from .lift_view import ObjectView

# Axes that each copy flips: half a turn about the vertical, and the two upright mirrors.
COPIES: dict[str, tuple[int, ...]] = {"half_turn": (0, 2), "mirror_x": (0,), "mirror_z": (2,)}
# Share of the visible surface whose copy may fall into seen-free space before a symmetry is dropped: handles,
# cushions and things that lie on furniture are not symmetric.
_DOUBT = 0.15
# A hidden piece must have this share of the largest piece to be kept: a mirrored leg has, a splinter has not.
_CRUMB = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """field: positive inside, metres. copies: names of the symmetries that the photo does not contradict."""

    grid: Grid
    field: Float32[np.ndarray, "nx ny nz"]
    copies: tuple[str, ...]


def complete_solid(view: ObjectView, grid: Grid, foot: Foot) -> Solid:
    """Carve, copy and close."""
    evidence = gather_evidence(view, grid)
    copies = consistent_copies(evidence, grid)
    field = evidence.slab
    for name in copies:
        field = np.maximum(field, np.minimum(np.flip(evidence.slab, COPIES[name]), evidence.hull))
    for name in copies:
        field = np.minimum(field, np.flip(evidence.hull, COPIES[name]))
    field = np.maximum(field, evidence.shell)
    field = _fill_cavities(field, evidence.hull, grid.spacing_m)
    if foot.hidden or foot.on_floor:
        field = _extend_down(field, evidence, grid, hidden=foot.hidden)
    field = np.minimum(field, _box_distance(grid))
    field = _without_crumbs(np.ascontiguousarray(field), evidence.shell)
    return Solid(grid=grid, field=field, copies=copies)


def consistent_copies(evidence: Evidence, grid: Grid) -> tuple[str, ...]:
    """The symmetries whose copies of the visible surface hardly ever fall where the photo sees free space."""
    surface = evidence.shell > 0
    clearly_free = evidence.hull < -1.5 * grid.spacing_m
    total = max(int(surface.sum()), 1)
    return tuple(
        name for name, axes in COPIES.items() if (np.flip(clearly_free, axes) & surface).sum() < _DOUBT * total
    )


def _fill_cavities(
    field: Float32[np.ndarray, "nx ny nz"], hull: Float32[np.ndarray, "nx ny nz"], spacing_m: float
) -> Float32[np.ndarray, "nx ny nz"]:
    """Unseen empty space that can only be reached through slits, from below or from above, is filled."""
    from scipy.ndimage import binary_dilation, binary_erosion, label

    empty = field < 0
    wide = binary_erosion(empty, border_value=1)
    labels, _ = label(wide)
    outside = np.zeros(int(labels.max()) + 1, dtype=bool)
    for side in (labels[0], labels[-1], labels[:, :, 0], labels[:, :, -1], labels[hull < -spacing_m]):
        outside[np.unique(side)] = True
    outside[0] = False
    reachable = binary_dilation(outside[labels], iterations=2)
    return np.where(empty & ~reachable & (hull > 0), np.float32(spacing_m), field)


def _without_crumbs(
    field: Float32[np.ndarray, "nx ny nz"], shell: Float32[np.ndarray, "nx ny nz"]
) -> Float32[np.ndarray, "nx ny nz"]:
    """Pieces that are small and that the photo does not show are left-overs of the prior."""
    from scipy.ndimage import label

    labels, count = label(field > 0)
    if count < 2:
        return field
    size = np.bincount(labels.ravel())
    shown = np.bincount(labels[shell > 0], minlength=count + 1) > 0
    keep = shown | (size > _CRUMB * size[1:].max())
    keep[0] = True
    return np.where(keep[labels], field, -np.abs(field))


def _extend_down(
    field: Float32[np.ndarray, "nx ny nz"], evidence: Evidence, grid: Grid, *, hidden: bool
) -> Float32[np.ndarray, "nx ny nz"]:
    """What is hidden below continues the cross-section above it; the last voxels above the floor always do."""
    field = field.copy()
    near_floor = grid.axis_m(1) < grid.box.low[1] + 2 * grid.spacing_m
    for j in range(grid.shape[1] - 2, -1, -1):
        continued = np.maximum(field[:, j], field[:, j + 1])
        if near_floor[j]:
            field[:, j] = continued
        elif hidden:
            field[:, j] = np.where(evidence.unknown[:, j], continued, field[:, j])
    return field


def _box_distance(grid: Grid) -> Float32[np.ndarray, "nx ny nz"]:
    """Distance to the box's nearest side, positive inside, metres."""
    sides = [np.minimum(grid.axis_m(k) - grid.box.low[k], grid.box.high[k] - grid.axis_m(k)) for k in range(3)]
    x, y, z = (s.astype(np.float32) for s in sides)
    return np.minimum(np.minimum(x[:, None, None], y[None, :, None]), z[None, None, :])
