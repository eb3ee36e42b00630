"""The solid of one object on a grid: its view and its box in, a scalar field (metres, positive inside) out.

    behind   how far a point lies behind the visible surface along z, and inside the silhouette
    hull     not seen to be free: `behind`, and everything that an occluder or the picture's border hides
    slab     the visible parts, each as deep as it is wide
    copies   furniture is symmetric: what holds for a point holds for its mirror images in the box,
             where the photo does not contradict

The grid is aligned with the box and centred on it, so that mirroring is flipping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32

from .lift_box import Box
from .lift_foot import Foot
from .lift_view import FREE, HIDDEN, OBJECT, ObjectView, flat_index

# Axes that each copy flips: half a turn about the vertical, and the two upright mirrors.
COPIES: dict[str, tuple[int, ...]] = {"half_turn": (0, 2), "mirror_x": (0,), "mirror_z": (2,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Points low_box + spacing_m * (i, j, k) in the box's frame, metres; n = shape."""

    box: Box
    low_box: Float[np.ndarray, "3"]
    spacing_m: float
    shape: tuple[int, int, int]

    def axis_m(self, axis: int) -> Float[np.ndarray, "n"]:
        return self.low_box[axis] + self.spacing_m * np.arange(self.shape[axis])


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the view says at each grid point, metres, cut off at a few voxels.

    hull: positive where nothing proves the point free. behind: positive behind the visible surface, inside the
    silhouette. slab: positive in the visible parts. unknown: hidden, and no pixel of the object in front of it.
    """

    hull: Float32[np.ndarray, "nx ny nz"]
    shell: Float32[np.ndarray, "nx ny nz"]
    slab: Float32[np.ndarray, "nx ny nz"]
    unknown: Bool[np.ndarray, "nx ny nz"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """field: positive inside, metres. copies: names of the symmetries that the photo does not contradict."""

    grid: Grid
    field: Float32[np.ndarray, "nx ny nz"]
    copies: tuple[str, ...]


def plan_grid(box: Box, *, voxels: int, finest_m: float) -> Grid:
    """A grid around the box with `voxels` along its longest side, but no finer than `finest_m`.

    One voxel of margin; odd or even numbers of points as needed, always symmetric about the box's middle.
    """
    spacing_m = max(float(box.size_m.max()) / voxels, finest_m)
    counts = np.maximum(np.ceil(box.size_m / spacing_m).astype(int), 1) + 2
    low = (box.low + box.high) / 2 - spacing_m * (counts - 1) / 2
    return Grid(box=box, low_box=low, spacing_m=spacing_m, shape=(int(counts[0]), int(counts[1]), int(counts[2])))


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


def gather_evidence(view: ObjectView, grid: Grid) -> Evidence:
    """Project the grid into the photo, slice by slice along x so that memory stays small."""
    camera = view.camera
    h_m = np.float32(grid.spacing_m)
    cut_m = 3 * h_m
    R_cam_from_box = (camera.T_world_from_cam.rotation.inv() * grid.box.R_world_from_box).as_matrix()
    t_cam = camera.T_world_from_cam.inv().apply(np.zeros(3))
    x, y, z = (grid.axis_m(k) for k in range(3))
    focal_px = np.float32(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))
    inverse_z, slope_x, slope_y = view.inverse_z.ravel(), view.slope_x.ravel(), view.slope_y.ravel()
    kinds, edges, widths = view.kind.ravel(), view.edge_px.ravel(), view.width_m.ravel()
    bulk, thin_m = _bulk(view, grid.box), _BAR * float(grid.box.size_m.max())
    hull = np.zeros(grid.shape, dtype=np.float32)
    shell, slab = hull.copy(), hull.copy()
    unknown = np.zeros(grid.shape, dtype=bool)
    yz = y[:, None, None] * R_cam_from_box[:, 1] + z[None, :, None] * R_cam_from_box[:, 2]  # (ny, nz, 3)
    for i in range(grid.shape[0]):
        points_cam = (yz + (x[i] * R_cam_from_box[:, 0] + t_cam)).reshape(-1, 3)
        z_m = np.maximum(points_cam[:, 2], 1e-3)
        px = (points_cam / z_m[:, None]) @ camera.K.T[:, :2]
        index, inside = flat_index(view, px)
        row, column = np.divmod(index, view.kind.shape[1])
        dx = px[:, 0] - (column + view.origin_px[0] + 0.5)
        dy = px[:, 1] - (row + view.origin_px[1] + 0.5)
        surface = inverse_z[index] + slope_x[index] * dx + slope_y[index] * dy
        # (1/z_surface - 1/z) z z_surface, with z z_surface taken as z^2 near the surface
        depth_m = np.clip((surface - 1 / z_m) * z_m * z_m, -cut_m, None)
        kind = np.where(inside, kinds[index], HIDDEN)
        edge_m = edges[index] * z_m / focal_px
        behind = np.minimum(depth_m, edge_m)
        is_object, is_free = kind == OBJECT, kind == FREE
        hidden = ~is_object & ~is_free & ((depth_m > 0) | ~inside)
        out = np.full(len(z_m), -cut_m)
        hull_m = np.select([is_object, is_free, hidden], [behind, np.minimum(edge_m, -0.01 * h_m), cut_m], out)
        hull[i] = np.clip(hull_m, -cut_m, cut_m).reshape(grid.shape[1:])
        width = widths[index]
        deep_m = np.maximum(np.minimum(width, bulk * width + thin_m), 2.0 * h_m)
        slab_m = np.select([is_object, is_free], [np.minimum(behind, deep_m - depth_m), edge_m], out)
        shell_m = np.select([is_object, is_free], [np.minimum(behind, 2.0 * h_m - depth_m), edge_m], out)
        slab[i] = np.clip(slab_m, -cut_m, cut_m).reshape(grid.shape[1:])
        shell[i] = np.clip(shell_m, -cut_m, cut_m).reshape(grid.shape[1:])
        unknown[i] = hidden.reshape(grid.shape[1:])
    return Evidence(hull=hull, shell=shell, slab=slab, unknown=unknown)


# What fills the silhouette of its own box to this share is bulky; frames, chairs and tables fill less than the other.
_BULKY, _FRAME = 0.55, 0.45
# Plates of a frame, such as backs and tops, are this deep compared with their width; bars are as deep as wide: bars
# are parts narrower than this share of the object.
_PLATE, _BAR = 0.25, 0.05


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


def consistent_copies(evidence: Evidence, grid: Grid) -> tuple[str, ...]:
    """The symmetries whose copies of the visible surface hardly ever fall where the photo sees free space."""
    surface = evidence.shell > 0
    clearly_free = evidence.hull < -1.5 * grid.spacing_m
    total = max(int(surface.sum()), 1)
    return tuple(
        name for name, axes in COPIES.items() if (np.flip(clearly_free, axes) & surface).sum() < _DOUBT * total
    )


# Share of the visible surface whose copy may fall into seen-free space before a symmetry is dropped: handles,
# cushions and things that lie on furniture are not symmetric.
_DOUBT = 0.15


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


# A hidden piece must have this share of the largest piece to be kept: a mirrored leg has, a splinter has not.
_CRUMB = 0.01


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
