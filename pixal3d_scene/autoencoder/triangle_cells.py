"""Triangles against the voxel grid: which voxels they overlap, which grid edges they cross, where segments run.

Everything is in voxel units: voxel (i, j, k) is the cube from (i, j, k) to (i + 1, j + 1, k + 1), grid edges join
integer points. All triangles are worked on at once, scan line by scan line, so that the effort follows their area.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

# Voxels that are only touched, by less than this many voxel edges, do not count as overlapped.
_TOUCH_VOX = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCrossings:
    """Triangle `triangle[m]` crosses, at `points[m]`, the grid edge from `corner[m]` one step along `axis[m]`."""

    triangle: Int[np.ndarray, "M"]
    axis: Int[np.ndarray, "M"]
    corner: Int[np.ndarray, "M 3"]
    points: Float[np.ndarray, "M 3"]


def overlapped_voxels(
    triangles: Float[np.ndarray, "F 3 3"], normals: Float[np.ndarray, "F 3"]
) -> tuple[Int[np.ndarray, "P"], Int[np.ndarray, "P 3"]]:
    """All pairs (triangle, voxel) whose interiors overlap, by separating axes (Akenine-Moeller 2001).

    The columns along a triangle's dominant axis settle the box axes, the plane and one of the three projections; only
    the other two projections remain to be tested.
    """
    found: list[tuple[Int[np.ndarray, "P"], Int[np.ndarray, "P 3"]]] = []
    dominant = np.abs(normals).argmax(axis=1)  # (F,)
    for axis in range(3):
        face = np.flatnonzero(dominant == axis)  # (F_a,)
        frame = [axis, (axis + 1) % 3, (axis + 2) % 3]  # depth, u, v
        local, candidates = _columns(triangles[face][:, :, frame], normals[face][:, frame])  # (P,), (P, 3)
        corners = triangles[face][:, :, frame][local]  # (P, 3, 3)
        keep = _projections_overlap(corners[:, :, [0, 1]], candidates[:, [0, 1]])  # (P,)
        keep &= _projections_overlap(corners[:, :, [0, 2]], candidates[:, [0, 2]])
        voxels = np.zeros((int(keep.sum()), 3), dtype=np.int64)  # (P, 3)
        voxels[:, frame] = candidates[keep]
        found.append((face[local[keep]], voxels))
    return np.concatenate([f for f, _ in found]), np.concatenate([v for _, v in found])


def _columns(
    corners: Float[np.ndarray, "F 3 3"], normals: Float[np.ndarray, "F 3"]
) -> tuple[Int[np.ndarray, "P"], Int[np.ndarray, "P 3"]]:
    """Voxels (depth, u, v) that overlap in the (u, v) projection and meet the plane; corners are (depth, u, v) too."""
    u, v = corners[:, :, 1], corners[:, :, 2]  # (F, 3) each
    face, row = _integers(*_cells(u.min(axis=1), u.max(axis=1)))  # (R,), (R,)
    low, high = _strip_range(u[face], v[face], row)  # (R,), (R,)
    line, column = _integers(*_cells(low, high))  # (C,), (C,)
    face, row = face[line], row[line]  # (C,)
    n, corner = normals[face], corners[face, 0]  # (C, 3), (C, 3)
    slope_u, slope_v = -n[:, 1] / n[:, 0], -n[:, 2] / n[:, 0]  # (C,) at most 1 in size along the dominant axis
    middle = corner[:, 0] + slope_u * (row + 0.5 - corner[:, 1]) + slope_v * (column + 0.5 - corner[:, 2])  # (C,)
    reach = (np.abs(slope_u) + np.abs(slope_v)) / 2  # (C,)
    depth = corners[:, :, 0]  # (F, 3)
    nearest = np.maximum(middle - reach, depth.min(axis=1)[face])  # (C,)
    farthest = np.minimum(middle + reach, depth.max(axis=1)[face])  # (C,)
    cell, k = _integers(*_cells(nearest, farthest))  # (P,), (P,)
    return face[cell], np.stack([k, row[cell], column[cell]], axis=1)


def _strip_range(
    u: Float[np.ndarray, "R 3"], v: Float[np.ndarray, "R 3"], row: Int[np.ndarray, "R"]
) -> tuple[Float[np.ndarray, "R"], Float[np.ndarray, "R"]]:
    """Lowest and highest v of each triangle inside the strip row <= u <= row + 1."""
    low, high = np.full(len(row), np.inf), np.full(len(row), -np.inf)  # (R,), (R,)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        run = u[:, j] - u[:, i]  # (R,)
        with np.errstate(divide="ignore", invalid="ignore"):
            enters, leaves = (row - u[:, i]) / run, (row + 1 - u[:, i]) / run  # (R,) parameters along the side
        enters, leaves = np.fmin(enters, leaves), np.fmax(enters, leaves)
        level = run == 0  # a side along v lies in the strip as a whole or not at all
        within = (u[:, i] >= row) & (u[:, i] <= row + 1)  # (R,)
        t0 = np.where(level, 0.0, np.clip(enters, 0, 1))  # (R,)
        t1 = np.where(level, 1.0, np.clip(leaves, 0, 1))  # (R,)
        meets = np.where(level, within, (enters <= 1) & (leaves >= 0))  # (R,)
        for t in (t0, t1):
            at = v[:, i] + t * (v[:, j] - v[:, i])  # (R,)
            low = np.where(meets, np.minimum(low, at), low)
            high = np.where(meets, np.maximum(high, at), high)
    return low, high


def _projections_overlap(corners: Float[np.ndarray, "P 3 2"], cells: Int[np.ndarray, "P 2"]) -> Bool[np.ndarray, "P"]:
    """Whether projected triangles and unit squares overlap, as far as the triangles' sides can tell."""
    overlap = np.ones(len(cells), dtype=bool)  # (P,)
    middle = cells + 0.5  # (P, 2)
    for i in range(3):
        side = corners[:, (i + 1) % 3] - corners[:, i]  # (P, 2)
        across = np.stack([-side[:, 1], side[:, 0]], axis=1)  # (P, 2)
        base = np.einsum("pi,pi->p", corners[:, i], across)  # (P,) of the side itself
        apex = np.einsum("pi,pi->p", corners[:, (i + 2) % 3], across)  # (P,)
        at = np.einsum("pi,pi->p", middle, across)  # (P,)
        reach = np.abs(across).sum(axis=1) * (0.5 - _TOUCH_VOX)  # (P,)
        overlap &= (at + reach >= np.minimum(base, apex)) & (at - reach <= np.maximum(base, apex))
    return overlap


def crossed_edges(triangles: Float[np.ndarray, "F 3 3"], normals: Float[np.ndarray, "F 3"]) -> EdgeCrossings:
    """Every crossing of a triangle with a grid edge.

    Scan conversion with half-open intervals, computed alike for both triangles of a shared side: a grid line passes
    through exactly one of them, so that a closed mesh flags a closed set of edges even where it lies on the grid.
    """
    parts = [_crossings_along(triangles, normals, axis) for axis in range(3)]
    return EdgeCrossings(
        triangle=np.concatenate([p.triangle for p in parts]),
        axis=np.concatenate([p.axis for p in parts]),
        corner=np.concatenate([p.corner for p in parts]),
        points=np.concatenate([p.points for p in parts]),
    )


def _crossings_along(
    triangles: Float[np.ndarray, "F 3 3"], normals: Float[np.ndarray, "F 3"], axis: int
) -> EdgeCrossings:
    """Crossings with the grid lines of one axis."""
    u_axis, v_axis = (axis + 1) % 3, (axis + 2) % 3
    face = np.flatnonzero(normals[:, axis] != 0)  # (F_a,): a parallel triangle is crossed by no line of this axis
    u = triangles[face, :, u_axis]  # (F_a, 3)
    line, row = _integers(np.ceil(u.min(axis=1)), np.ceil(u.max(axis=1)) - 1)  # (R,), (R,)
    face = face[line]  # (R,)
    low, high = _line_range(triangles[face][:, :, [u_axis, v_axis]], row)  # (R,), (R,)
    line, column = _integers(np.ceil(low), np.ceil(high) - 1)  # (M,), (M,)
    face, row = face[line], row[line]  # (M,)
    n, first = normals[face], triangles[face, 0]  # (M, 3), (M, 3)
    rise = n[:, u_axis] * (row - first[:, u_axis]) + n[:, v_axis] * (column - first[:, v_axis])  # (M,)
    depth = triangles[face, :, axis]  # (M, 3)
    points = np.zeros((len(face), 3))  # (M, 3)
    points[:, u_axis], points[:, v_axis] = row, column
    # Clipping keeps a triangle that is nearly parallel to the line from throwing its crossing far away.
    points[:, axis] = np.clip(first[:, axis] - rise / n[:, axis], depth.min(axis=1), depth.max(axis=1))
    corner = points.astype(np.int64)  # (M, 3)
    corner[:, axis] = np.ceil(points[:, axis]) - 1  # half-open like the intervals: (k, k + 1] is edge k
    return EdgeCrossings(triangle=face, axis=np.full(len(face), axis), corner=corner, points=points)


def _line_range(
    corners: Float[np.ndarray, "R 3 2"], row: Int[np.ndarray, "R"]
) -> tuple[Float[np.ndarray, "R"], Float[np.ndarray, "R"]]:
    """Where the line u = row enters and leaves each projected triangle (u, v)."""
    low, high = np.full(len(row), np.inf), np.full(len(row), -np.inf)  # (R,), (R,)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        p, q = corners[:, i], corners[:, j]  # (R, 2), (R, 2)
        swap = (p[:, 0] > q[:, 0])[:, None]  # both triangles of a side must compute the same number
        p, q = np.where(swap, q, p), np.where(swap, p, q)
        crosses = (p[:, 0] <= row) & (q[:, 0] > row)  # (R,)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = p[:, 1] + (row - p[:, 0]) / (q[:, 0] - p[:, 0]) * (q[:, 1] - p[:, 1])  # (R,)
        low = np.where(crosses, np.minimum(low, at), low)
        high = np.where(crosses, np.maximum(high, at), high)
    return low, high


def segment_voxels(
    starts: Float[np.ndarray, "S 3"], ends: Float[np.ndarray, "S 3"]
) -> tuple[Int[np.ndarray, "P"], Int[np.ndarray, "P 3"]]:
    """All pairs (segment, voxel) with the segment running through the voxel."""
    count = len(starts)
    owner, parameter = [np.arange(count), np.arange(count)], [np.zeros(count), np.ones(count)]
    for axis in range(3):
        a, b = starts[:, axis], ends[:, axis]  # (S,), (S,)
        segment, plane = _integers(np.ceil(np.minimum(a, b)), np.floor(np.maximum(a, b)))  # (T,), (T,)
        moving = a[segment] != b[segment]  # (T,)
        segment, plane = segment[moving], plane[moving]
        owner.append(segment)
        parameter.append((plane - a[segment]) / (b[segment] - a[segment]))
    owners, t = np.concatenate(owner), np.concatenate(parameter)  # (K,), (K,)
    order = np.lexsort((t, owners))  # (K,)
    owners, t = owners[order], t[order]
    piece = (owners[1:] == owners[:-1]) & (t[1:] - t[:-1] > _TOUCH_VOX)  # (K - 1,)
    segment, middle = owners[1:][piece], ((t[1:] + t[:-1]) / 2)[piece]  # (P,), (P,)
    points = starts[segment] + middle[:, None] * (ends[segment] - starts[segment])  # (P, 3)
    return segment, np.floor(points).astype(np.int64)


def _cells(
    low: Float[np.ndarray, "n"], high: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """First and last unit cell that the interval [low, high] overlaps; a point between two cells takes the lower."""
    last = np.ceil(high - _TOUCH_VOX) - 1  # (n,)
    return np.minimum(np.floor(low + _TOUCH_VOX), last), last


def _integers(
    first: Float[np.ndarray, "n"], last: Float[np.ndarray, "n"]
) -> tuple[Int[np.ndarray, "m"], Int[np.ndarray, "m"]]:
    """For each interval all integers first, first + 1, ..., last: the interval's number and the integer."""
    finite = np.isfinite(first) & np.isfinite(last)  # (n,)
    first = np.where(finite, first, 0).astype(np.int64)
    counts = np.where(finite, np.where(finite, last, 0).astype(np.int64) - first + 1, 0).clip(min=0)  # (n,)
    owner = np.repeat(np.arange(len(first)), counts)  # (m,)
    position = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)  # (m,)
    return owner, first[owner] + position
