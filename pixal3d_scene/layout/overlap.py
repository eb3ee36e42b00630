"""Do two solids share space, how much, and which way is out?

Meshes in one frame (m) go in. Boxes decide first which pairs are looked at; then points of each surface are tested
against the other solid. Meshes need not be closed: inside is what most of several rays find inside (parity).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from ..asset import Mesh
from ..mesh.closed import is_closed
from ..mesh.raycast import Raycaster

# Directions of the parity test; an odd number, all over the sphere, none along an axis, where edges are.
_DIRECTIONS = np.array(
    [[0.31, 0.90, 0.30], [-0.85, -0.29, 0.44], [0.80, -0.39, 0.46], [-0.17, 0.33, -0.93], [0.24, -0.93, -0.28]]
)
# A crossing is left behind by this share of the mesh's size before the next one is looked for.
_PAST_HIT_SHARE = 1e-5
_MOST_CROSSINGS = 64
# Triangles that are tried for the shortest way out.
_CANDIDATES = 8
_MOST_SURFACE_POINTS = 2000


class Solid:
    """A mesh with what repeated questions need, made when first asked for."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.bounds = mesh.bounds

    @cached_property
    def _rays(self) -> Raycaster:
        return Raycaster([self.mesh])

    @cached_property
    def manifold(self) -> Any | None:
        """The solid for exact volumes (manifold3d); None where the mesh is not closed or is inside out."""
        from manifold3d import Error, Manifold, Mesh64

        vertices, index = np.unique(np.asarray(self.mesh.vertices, dtype=np.float64), axis=0, return_inverse=True)
        faces = index.reshape(-1)[self.mesh.faces]
        if not is_closed(Mesh(vertices=vertices, faces=faces)):
            return None
        solid = Manifold(Mesh64(vert_properties=vertices, tri_verts=faces.astype(np.uint64)))
        return solid if solid.status() == Error.NoError and solid.volume() > 0 else None

    @cached_property
    def _samples(self) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, "n"]]:
        """Points spread over the surface by area, the same ones every time, and their triangles."""
        a, b, c = (np.asarray(self.mesh.vertices[self.mesh.faces[:, k]], dtype=np.float64) for k in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        ends = np.cumsum(area)
        if not len(ends) or ends[-1] <= 0:
            return np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
        # Low-discrepancy sequences (Roberts 2018) need no random numbers and cover better.
        k = np.arange(_MOST_SURFACE_POINTS)
        face = np.searchsorted(ends, (k + 0.5) / _MOST_SURFACE_POINTS * ends[-1])
        u, v = (0.5 + k * 0.7548776662466927) % 1, (0.5 + k * 0.5698402909980532) % 1
        u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
        return a[face] + u[:, None] * (b - a)[face] + v[:, None] * (c - a)[face], face

    @property
    def surface_points(self) -> Float[np.ndarray, "n 3"]:
        """Up to 2000 points on the surface."""
        return self._samples[0]

    def contains(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        """Which points are inside."""
        inside = np.zeros(len(points), dtype=bool)
        near = ((points >= self.bounds[0]) & (points <= self.bounds[1])).all(axis=1)
        if near.any():
            votes = sum(self._odd(points[near], direction).astype(np.int64) for direction in _DIRECTIONS)
            inside[near] = votes > len(_DIRECTIONS) // 2
        return inside

    def _odd(self, points: Float[np.ndarray, "n 3"], direction: Float[np.ndarray, "3"]) -> Bool[np.ndarray, "n"]:
        """Whether rays from the points cross the surface an odd number of times."""
        step_m = _PAST_HIT_SHARE * float(np.linalg.norm(self.bounds[1] - self.bounds[0]))
        start, odd, going = (
            np.array(points, dtype=np.float64),
            np.zeros(len(points), dtype=bool),
            np.arange(len(points)),
        )
        for _ in range(_MOST_CROSSINGS):
            hits = self._rays.cast(start[going], np.broadcast_to(direction, (len(going), 3)))
            going = going[hits.hit]
            if not len(going):
                break
            odd[going] ^= True
            start[going] += (np.maximum(hits.t[hits.hit], 0) + step_m)[:, None] * direction
        return odd

    def way_out(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """For points inside, the shortest way to the surface, among the triangles of the nearest surface samples."""
        from scipy.spatial import cKDTree
        from trimesh.triangles import closest_point

        samples, faces = self._samples
        nearest = cKDTree(samples).query(points, k=min(_CANDIDATES, len(samples)))[1].reshape(len(points), -1)
        corners = np.asarray(self.mesh.vertices, dtype=np.float64)[self.mesh.faces[faces[nearest]]]  # (n, k, 3, 3)
        tiled = np.repeat(points, nearest.shape[1], axis=0)
        ways = (closest_point(corners.reshape(-1, 3, 3), tiled) - tiled).reshape(*nearest.shape, 3)
        best = np.linalg.norm(ways, axis=-1).argmin(axis=1)
        return np.asarray(ways[np.arange(len(points)), best])


@dataclass(frozen=True, slots=True, kw_only=True)
class Penetration:
    """depth_m: how far the first solid must move along the unit vector `out` to leave the second.

    at: the middle of the points that are inside.
    """

    depth_m: float
    out: Float[np.ndarray, "3"]
    at: Float[np.ndarray, "3"]


def box_pairs(bounds: Sequence[Float[np.ndarray, "2 3"]], *, margin_m: float = 0.0) -> Int[np.ndarray, "p 2"]:
    """Indices of boxes that overlap by more than -margin_m, sorted; sweep along x, so near-linear for rooms."""
    if not len(bounds):
        return np.zeros((0, 2), dtype=np.int64)
    low, high = np.stack([b[0] for b in bounds]) - margin_m / 2, np.stack([b[1] for b in bounds]) + margin_m / 2
    order = np.argsort(low[:, 0], kind="stable")
    ends = np.searchsorted(low[order, 0], high[order, 0], side="right")
    pairs = []
    for position, end in enumerate(ends):
        first, others = order[position], order[position + 1 : end]
        meets = ((low[others, 1:] <= high[first, 1:]) & (high[others, 1:] >= low[first, 1:])).all(axis=1)
        pairs += [(min(first, o), max(first, o)) for o in others[meets]]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def penetration(first: Solid, second: Solid) -> Penetration | None:
    """How two solids are inside each other; None where they are not.

    The way out is the mean direction from the points inside to the nearest surface, weighted by depth.
    """
    ways, places = [], []
    for mover, other, sign in ((first, second, 1.0), (second, first, -1.0)):
        points = mover.surface_points
        points = points[((points > other.bounds[0]) & (points < other.bounds[1])).all(axis=1)]
        points = points[other.contains(points)]
        if len(points):
            ways.append(sign * other.way_out(points))
            places.append(points)
    if not ways:
        return None
    way = np.concatenate(ways)
    depth = np.linalg.norm(way, axis=1)
    mean = (way * depth[:, None]).sum(axis=0)
    length = float(np.linalg.norm(mean))
    if length < 1e-12:
        return None
    out = mean / length
    return Penetration(depth_m=float((way @ out).max()), out=out, at=np.concatenate(places).mean(axis=0))


def shared_volume_m3(first: Solid, second: Solid, *, cells: int = 20_000) -> float:
    """Volume that two solids share: exact where both are closed, else from a grid over the overlap of their boxes."""
    low, high = np.maximum(first.bounds[0], second.bounds[0]), np.minimum(first.bounds[1], second.bounds[1])
    if (high <= low).any():
        return 0.0
    if first.manifold is not None and second.manifold is not None:
        return max(float((first.manifold ^ second.manifold).volume()), 0.0)
    points, cell_m3 = _grid(low, high, cells)
    inside = first.contains(points)
    inside[inside] = second.contains(points[inside])
    return float(inside.sum() * cell_m3)


def volume_m3(solid: Solid, *, cells: int = 20_000) -> float:
    """Volume of a solid: exact where it is closed, else from the same kind of grid."""
    if solid.manifold is not None:
        return float(solid.manifold.volume())
    points, cell_m3 = _grid(solid.bounds[0], solid.bounds[1], cells)
    return float(solid.contains(points).sum() * cell_m3)


def _grid(low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"], cells: int) -> tuple[np.ndarray, float]:
    """Middles of about `cells` nearly cubic cells that fill a box, and the volume of one."""
    extent = np.maximum(high - low, 1e-6)
    count = np.clip(np.ceil(extent / np.cbrt(extent.prod() / cells)), 1, cells).astype(np.int64)
    axes = [lo + (np.arange(n) + 0.5) * e / n for lo, n, e in zip(low, count, extent, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3), float(extent.prod() / count.prod())
