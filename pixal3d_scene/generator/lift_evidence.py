"""What the photo says at the points of a grid: an `ObjectView` and a box in, `Evidence` out.

Frames: grid points in `box`, metres (the grid is aligned with the box and centred on it, so that mirroring is
flipping); `photo` px inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from .lift_box import Box
from .lift_lips import Beside, steps_of
from .lift_view import FREE, HIDDEN, OBJECT, ObjectView, flat_index

_CUT_VOXELS = 3.0
# A surface thinner than this could fall between the grid's points: along z, and straight from it however it is grazed.
_SHELL_VOXELS, _STRAIGHT_VOXELS = 2.0, 1.25
_MOST_GRAZED = 0.2  # of what a surface faces the camera: beyond, depth says little about where it is
# Deeper than any object.
_BEYOND_M = 1e3

_Field: TypeAlias = Float32[np.ndarray, "nx ny nz"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Points low_box + spacing_m * (i, j, k) in the box's frame, metres; n = shape."""

    box: Box
    low_box: Float[np.ndarray, "3"]
    spacing_m: float
    shape: tuple[int, int, int]

    @property
    def cut_m(self) -> float:
        """Distances are cut off here: only the points nearest to a surface decide where it is."""
        return _CUT_VOXELS * self.spacing_m

    def axis_m(self, axis: int) -> Float[np.ndarray, "n"]:
        return self.low_box[axis] + self.spacing_m * np.arange(self.shape[axis])

    def points_world(self) -> Float[np.ndarray, "nx ny nz 3"]:
        points_box = np.stack(np.meshgrid(*(self.axis_m(k) for k in range(3)), indexing="ij"), axis=-1)
        return self.box.world_from_box(points_box.reshape(-1, 3)).reshape(points_box.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the view says at each grid point, metres.

    hull: negative where the photo looks past or in front of something, so that the object cannot be there; cut off
    at a few voxels. depth_m: how far behind the object's visible surface along z, beyond anything where the point is
    hidden by something else. straight_m: the same straight from the surface, less where it is grazed. under_m: behind a
    part that is seen right beside the nearer one that hides the point, beyond anything where there is none. width_m: of
    the part that is in front. unknown: hidden by something else, or out of the picture.
    """

    hull: Float32[np.ndarray, "nx ny nz"]
    depth_m: Float32[np.ndarray, "nx ny nz"]
    straight_m: Float32[np.ndarray, "nx ny nz"]
    under_m: Float32[np.ndarray, "nx ny nz"]
    width_m: Float32[np.ndarray, "nx ny nz"]
    unknown: Bool[np.ndarray, "nx ny nz"]

    def no_deeper_than(self, deep_m: float | np.float32 | Float32[np.ndarray, "nx ny nz"], cut_m: float) -> _Field:
        """The visible surface and what lies behind it up to a depth, positive inside."""
        return np.minimum(self.hull, np.clip(deep_m - self.depth_m, -cut_m, cut_m))

    def shell(self, spacing_m: float, cut_m: float) -> _Field:
        """What is seen alone, positive inside: thick enough that no surface falls between the points of a grid.

        Along z a table's top that is seen from near its own height would be too thin. And what shows in a slot between
        nearer parts goes on a little under them: the slot alone may hold none of the grid's points.
        """
        thick_m = np.float32(_SHELL_VOXELS * spacing_m)
        straight = np.clip(np.float32(_STRAIGHT_VOXELS * spacing_m) - self.straight_m, -cut_m, cut_m)
        under = np.clip(np.minimum(self.under_m, thick_m - self.under_m), -cut_m, cut_m)
        return np.maximum(self.no_deeper_than(thick_m, cut_m), np.minimum(self.hull, np.maximum(straight, under)))


def plan_grid(box: Box, *, voxels: int, finest_m: float) -> Grid:
    """A grid around the box with `voxels` along its longest side, but no finer than `finest_m`.

    One voxel of margin; odd or even numbers of points as needed, always symmetric about the box's middle.
    """
    spacing_m = max(float(box.size_m.max()) / voxels, finest_m)
    counts = np.maximum(np.ceil(box.size_m / spacing_m).astype(int), 1) + 2
    low = (box.low + box.high) / 2 - spacing_m * (counts - 1) / 2
    return Grid(box=box, low_box=low, spacing_m=spacing_m, shape=(int(counts[0]), int(counts[1]), int(counts[2])))


@runtime_checkable
class BoxPoints(Protocol):
    """Points in rows along the axes of a box: a `Grid`, or cells whose sides differ."""

    @property
    def box(self) -> Box: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def spacing_m(self) -> float: ...
    @property
    def cut_m(self) -> float: ...
    def axis_m(self, axis: int) -> Float[np.ndarray, "n"]: ...


def gather_evidence(view: ObjectView, grid: BoxPoints, *, straight: bool = False) -> Evidence:
    """Project the grid into the photo, slice by slice along x so that memory stays small.

    straight: `hull` is measured straight from a surface, as distances to other sides are, instead of along the ray.
    """
    hull = np.zeros(grid.shape, dtype=np.float32)
    depth_m, straight_m, width_m = hull.copy(), hull.copy(), hull.copy()
    unknown, under_m = np.zeros(grid.shape, dtype=bool), np.full(grid.shape, _BEYOND_M, dtype=np.float32)
    camera, box = view.camera, grid.box
    R_cam_from_box = (camera.T_world_from_cam.rotation.inv() * box.R_world_from_box).as_matrix()
    origin_cam = camera.cam_from_world(np.zeros((1, 3)))[0]
    x, y, z = (grid.axis_m(k) for k in range(3))
    steps = steps_of(view) if straight else None
    slice_cam = y[:, None, None] * R_cam_from_box[:, 1] + z[None, :, None] * R_cam_from_box[:, 2]  # (ny, nz, 3)
    for i in range(grid.shape[0]):
        points_cam = (slice_cam + (x[i] * R_cam_from_box[:, 0] + origin_cam)).reshape(-1, 3)
        seen = _look_up(view, points_cam)
        is_object, is_free = seen.kind == OBJECT, seen.kind == FREE
        hidden = (seen.kind == HIDDEN) & (seen.depth_m > 0)
        behind_m = seen.depth_m * seen.facing if straight else seen.depth_m
        if steps is not None:
            behind_m = _beside_lips(behind_m, view, steps.lips, points_cam, _SHELL_VOXELS * grid.spacing_m)
            under_m[i] = _under(view, steps.grounds, points_cam, grid.spacing_m).reshape(grid.shape[1:])
        inside_m = np.minimum(behind_m, seen.edge_m)
        # A free pixel is outside even where its centre lies on the silhouette.
        outside_m = np.minimum(seen.edge_m, -0.01 * grid.spacing_m)
        values = np.select([is_object, is_free, hidden], [inside_m, outside_m, np.inf], -np.inf)
        hull[i] = np.clip(values, -grid.cut_m, grid.cut_m).reshape(grid.shape[1:])
        # Beside the object the hull alone decides, so that the silhouette stays where the mask has it.
        depth_m[i] = np.select([is_object, is_free], [seen.depth_m, 0], _BEYOND_M).reshape(grid.shape[1:])
        straight_m[i] = depth_m[i] * np.maximum(seen.facing, _MOST_GRAZED).reshape(grid.shape[1:])
        width_m[i] = seen.width_m.reshape(grid.shape[1:])
        unknown[i] = hidden.reshape(grid.shape[1:])
    return Evidence(
        hull=hull, depth_m=depth_m, straight_m=straight_m, under_m=under_m, width_m=width_m, unknown=unknown
    )


def _beside_lips(
    behind_m: Float[np.ndarray, "n"],
    view: ObjectView,
    lips: Beside,
    points_cam: Float[np.ndarray, "n 3"],
    thick_m: float,
) -> Float[np.ndarray, "n"]:
    """What is free because a farther part is seen there is no farther from the object than from the part beside it.

    Otherwise a leg before a seat would end between the points of the grid: cut off by the full distance to the seat.
    """
    across_m, lip_z_m, z_m = _across(view, lips, points_cam)
    along_m = np.maximum(lip_z_m - z_m, z_m - lip_z_m - thick_m)
    nearest_m = np.maximum(across_m, along_m)
    return np.where((behind_m < 0) & (nearest_m > 0), np.maximum(behind_m, -nearest_m), behind_m)


def _under(
    view: ObjectView, grounds: Beside, points_cam: Float[np.ndarray, "n 3"], reach_m: float
) -> Float[np.ndarray, "n"]:
    """See `Evidence.under_m`."""
    across_m, ground_z_m, z_m = _across(view, grounds, points_cam)
    return np.where(across_m < reach_m, z_m - ground_z_m, _BEYOND_M)


def _across(
    view: ObjectView, beside: Beside, points_cam: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """From points to the part beside their pixel's, across the line of sight and infinite out of the picture; that
    part's distance and the points' own along z, metres."""
    z_m = np.maximum(points_cam[:, 2], 1e-3)
    index, inside = flat_index(view, (points_cam / z_m[:, None]) @ view.camera.K.T[:, :2])
    across_m = np.where(inside, beside.away_px.ravel()[index] * z_m / view.camera.K[0, 0], np.inf)
    return across_m, 1 / np.maximum(beside.inverse_z.ravel()[index], 1e-6), z_m


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """At n points: the kind of their pixel, how far they lie behind its surface along z, how far inside the
    silhouette, how the surface faces the camera, and the width of the part that the pixel shows, metres."""

    kind: UInt8[np.ndarray, "n"]
    depth_m: Float[np.ndarray, "n"]
    edge_m: Float[np.ndarray, "n"]
    facing: Float[np.ndarray, "n"]
    width_m: Float[np.ndarray, "n"]


def _look_up(view: ObjectView, points_cam: Float[np.ndarray, "n 3"]) -> _Seen:
    """Points out of the picture are hidden behind a surface at distance zero."""
    z_m = np.maximum(points_cam[:, 2], 1e-3)
    px = (points_cam / z_m[:, None]) @ view.camera.K.T[:, :2]
    index, inside = flat_index(view, px)
    row, column = np.divmod(index, view.kind.shape[1])
    dx, dy = px[:, 0] - (column + view.origin_px[0] + 0.5), px[:, 1] - (row + view.origin_px[1] + 0.5)
    surface = view.inverse_z.ravel()[index] + view.slope_x.ravel()[index] * dx + view.slope_y.ravel()[index] * dy
    # 1/z_surface - 1/z = (z - z_surface) / (z z_surface), and near the surface both are z.
    depth_m = np.where(inside, (surface - 1 / z_m) * z_m**2, z_m)
    return _Seen(
        kind=np.where(inside, view.kind.ravel()[index], HIDDEN).astype(np.uint8),
        depth_m=depth_m,
        edge_m=view.edge_px.ravel()[index] * z_m / view.camera.K[0, 0],
        facing=view.facing.ravel()[index].astype(np.float64),
        width_m=view.width_m.ravel()[index].astype(np.float64),
    )
