"""The solid of one object: what the photo says on a grid in, a scalar field (metres, positive inside) out.

Three statements are joined. What is seen is there (`shell`). A visible part is about as deep as it is wide (`slab`).
And furniture is symmetric: what is solid at a point is solid at its mirror images in the box, and what is free there
is free here, for every symmetry that the photo does not contradict. Where a network says what the object is like as a
whole, its word replaces the second, and limits the third. Frame: `box`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from .hidden_side import Belief
from .lift_box import Box
from .lift_evidence import Evidence, Grid, gather_evidence
from .lift_foot import Foot
from .lift_view import HIDDEN, OBJECT, ObjectView

# Axes that each copy flips: half a turn about the vertical, and the two upright mirrors.
COPIES: dict[str, tuple[int, ...]] = {"half_turn": (0, 2), "mirror_x": (0,), "mirror_z": (2,)}
# Share of the visible surface whose copy may fall into seen-free space before a symmetry is dropped: handles,
# cushions and things that lie on furniture are not symmetric.
_DOUBT = 0.15
# Share of the copy that may lie where the photo cannot contradict it: beyond it, a twin would be made of nothing.
_UNPROVEN = 0.75
# What fills the silhouette of its own box to this share is bulky; frames, chairs and tables fill less than the other.
_BULKY, _FRAME = 0.55, 0.45
# Plates of a frame, such as backs and tops, are this deep compared with their width; bars are as deep as wide: bars
# are parts narrower than this share of the object.
_PLATE, _BAR = 0.25, 0.05
# The last visible row of a foot may be this far above what it stands on: a pixel and the grid's own rounding.
_CONTACT_VOXELS = 2.0
# A hidden piece must have this share of the largest piece to be kept: a mirrored leg has, a splinter has not.
_CRUMB = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """field: positive inside, metres. copies: names of the symmetries that the photo does not contradict."""

    grid: Grid
    field: Float32[np.ndarray, "nx ny nz"]
    copies: tuple[str, ...]


def complete_solid(
    view: ObjectView, grid: Grid, foot: Foot, believed: Belief | None = None, *, goes_on: bool = False
) -> Solid:
    """Carve, copy or believe, and close. goes_on: the box reaches beyond the photo, where the object continues."""
    evidence = gather_evidence(view, grid, straight=True)
    shell = evidence.shell(grid.spacing_m, grid.cut_m)
    if believed is None:
        field, copies = _by_symmetry(view, grid, evidence, shell)
    else:
        field, copies = _by_belief(grid, evidence, shell, believed)
    field = _fill_cavities(np.maximum(field, shell), evidence.hull, grid.spacing_m)
    field = _extend_down(field, evidence.unknown, grid, foot, continues=foot.hidden and believed is None)
    if believed is not None:
        field = _reaching_down(field, evidence.hull)
    if goes_on:
        field = _extend_sideways(field, evidence.unknown, copies)
    field = np.minimum(field, _box_distance(grid))
    return Solid(grid=grid, field=_without_crumbs(np.ascontiguousarray(field), shell), copies=copies)


def _by_symmetry(
    view: ObjectView, grid: Grid, evidence: Evidence, shell: Float32[np.ndarray, "nx ny nz"]
) -> tuple[Float32[np.ndarray, "nx ny nz"], tuple[str, ...]]:
    """The visible parts as deep as they are wide, and their mirror images; with the names of these symmetries."""
    copies = consistent_copies(evidence, shell, grid.spacing_m)
    # Without a symmetry nothing else completes the object.
    bulk = _bulk(view, grid.box) if copies else 1.0
    width_m = evidence.width_m
    deep_m = np.minimum(width_m, np.float32(bulk) * width_m + np.float32(_BAR * grid.box.size_m.max()))
    slab = np.maximum(shell, evidence.no_deeper_than(deep_m, grid.cut_m))
    field = slab
    for name in copies:
        field = np.maximum(field, np.minimum(np.flip(slab, COPIES[name]), evidence.hull))
    for name in copies:
        field = np.minimum(field, np.flip(evidence.hull, COPIES[name]))
    return field, copies


def _by_belief(
    grid: Grid, evidence: Evidence, shell: Float32[np.ndarray, "nx ny nz"], believed: Belief
) -> tuple[Float32[np.ndarray, "nx ny nz"], tuple[str, ...]]:
    """The believed solid where the photo does not see past it.

    A blurred one has neither legs nor edges. The photo is sharp, and so are its mirror images: nothing is where the
    photo sees past an image of it, and images of what is seen are there where the belief does not rule them out.
    """
    points_world = grid.points_world()
    field = np.minimum(believed.inside_m(points_world), evidence.hull)
    copies = consistent_copies(evidence, shell, grid.spacing_m)
    if copies and believed.is_blurred:
        allowed = np.minimum(believed.perhaps_inside_m(points_world), evidence.hull)
        for name in copies:
            field = np.minimum(field, np.flip(evidence.hull, COPIES[name]))
        for name in copies:
            field = np.maximum(field, np.minimum(np.flip(shell, COPIES[name]), allowed))
    return field, copies


def consistent_copies(evidence: Evidence, shell: Float32[np.ndarray, "nx ny nz"], spacing_m: float) -> tuple[str, ...]:
    """The symmetries that the photo supports: copies of the visible surface hardly ever fall into free space, and
    not mostly where the photo shows nothing, behind other things or outside it."""
    surface = shell > 0
    clearly_free = evidence.hull < -1.5 * spacing_m
    total = max(int(surface.sum()), 1)

    def share(where: Bool[np.ndarray, "nx ny nz"], axes: tuple[int, ...]) -> float:
        return float((np.flip(where, axes) & surface).sum()) / total

    return tuple(
        name
        for name, axes in COPIES.items()
        if share(clearly_free, axes) < _DOUBT and share(evidence.unknown, axes) < _UNPROVEN
    )


def _bulk(view: ObjectView, box: Box) -> float:
    """How deep a visible part is compared with its width: 1 for bulky objects, less for frames."""
    from scipy.spatial import Delaunay

    corners_cam = view.camera.cam_from_world(box.corners_world())
    if (corners_cam[:, 2] < 0.05).any():  # the box reaches the camera and has no outline in the photo
        return 1.0
    rows, columns = np.nonzero(view.kind != HIDDEN)
    pixels = np.stack([columns + view.origin_px[0], rows + view.origin_px[1]], axis=-1) + 0.5
    in_box = Delaunay(view.camera.project(corners_cam)).find_simplex(pixels) >= 0
    fill = float(np.mean(view.kind[rows, columns][in_box] == OBJECT)) if in_box.any() else 1.0
    return float(np.interp(fill, [_FRAME, _BULKY], [_PLATE, 1.0]))


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
    field: Float32[np.ndarray, "nx ny nz"],
    unknown: Bool[np.ndarray, "nx ny nz"],
    grid: Grid,
    foot: Foot,
    *,
    continues: bool,
) -> Float32[np.ndarray, "nx ny nz"]:
    """The last voxels above a support continue the cross-section above them.

    continues: so does all that is hidden below.
    """
    field = field.copy()
    near_foot = grid.axis_m(1) < foot.bottom_m + _CONTACT_VOXELS * grid.spacing_m
    for j in range(grid.shape[1] - 2, -1, -1):
        continued = np.maximum(field[:, j], field[:, j + 1])
        if near_foot[j]:
            field[:, j] = continued
        elif continues:
            field[:, j] = np.where(unknown[:, j], continued, field[:, j])
    return field


def _reaching_down(
    field: Float32[np.ndarray, "nx ny nz"], hull: Float32[np.ndarray, "nx ny nz"]
) -> Float32[np.ndarray, "nx ny nz"]:
    """The lowest cross-section goes on down to what the object stands on, where the photo does not see past it."""
    levels = np.flatnonzero((field > 0).any(axis=(0, 2)))
    if not len(levels):
        return field
    field = field.copy()
    lowest = min(int(levels[0]) + 1, int(levels[-1]))  # the level above the last: that one is a rounded tip
    below = np.minimum(field[:, lowest : lowest + 1], hull[:, :lowest])
    field[:, :lowest] = np.maximum(field[:, :lowest], below)
    return field


def _extend_sideways(
    field: Float32[np.ndarray, "nx ny nz"], unknown: Bool[np.ndarray, "nx ny nz"], copies: tuple[str, ...]
) -> Float32[np.ndarray, "nx ny nz"]:
    """Beyond the photo the cross-section at its border goes on, along the axes that no mirror image has filled."""
    field = field.copy()
    for axis in (0, 2):
        if any(axis in COPIES[name] for name in copies):
            continue
        for step in (1, -1):
            values, hidden = np.moveaxis(field, axis, 0)[::step], np.moveaxis(unknown, axis, 0)[::step]  # views
            for i in range(1, len(values)):
                values[i] = np.where(hidden[i], np.maximum(values[i], values[i - 1]), values[i])
    return field


def _box_distance(grid: Grid) -> Float32[np.ndarray, "nx ny nz"]:
    """Distance to the box's nearest side, positive inside, metres."""
    sides = [np.minimum(grid.axis_m(k) - grid.box.low[k], grid.box.high[k] - grid.axis_m(k)) for k in range(3)]
    x, y, z = (s.astype(np.float32) for s in sides)
    return np.minimum(np.minimum(x[:, None, None], y[None, :, None]), z[None, None, :])
