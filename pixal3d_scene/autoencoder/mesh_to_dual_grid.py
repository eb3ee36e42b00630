"""From a mesh to the flexible dual grid: the training target of the shape network, and the way back to its latents.

A mesh in `obj` goes in; one vertex per touched voxel, the crossed grid edges, and for every voxel the nearest point of
the surface come out. The vertex minimises a quadratic error function (Ju et al. 2002, Dual Contouring of Hermite Data),
extended by a term that holds vertices on the rims of open surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from ..arrays import check_shape, freeze
from ..asset import Mesh
from ..errors import InputError
from .dual_grid import QUAD_VOXELS, DualGrid
from .triangle_cells import EdgeCrossings, crossed_edges, overlapped_voxels, segment_voxels
from .voxel_index import VoxelIndex

# Weights of the error function: planes of the triangles in the voxel, lines of open rims, pull to the mean crossing.
_FACE_WEIGHT = 1.0
_RIM_WEIGHT = 0.2
_MEAN_WEIGHT = 1e-2
# Triangles thinner than this share of their length are needles: their normals are rounding errors.
_NEEDLE = 1e-6
# Two surfaces that meet at less than this angle (25 degrees) are the sides of a panel, not of a ridge.
_PANEL_COSINE = 0.9
# Keeps rounding from putting a voxel outside the grid.
_MARGIN_OBJ = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceVoxels:
    """A mesh as a dual grid, with the point of the mesh nearest to each voxel's centre, to carry attributes over.

    face: triangle of the mesh. barycentric: weights of its three corners.
    """

    grid: DualGrid
    face: Int[np.ndarray, "N"]
    barycentric: Float[np.ndarray, "N 3"]

    def __post_init__(self) -> None:
        check_shape("SurfaceVoxels.face", self.face, (len(self.grid.coords),))
        check_shape("SurfaceVoxels.barycentric", self.barycentric, (len(self.grid.coords), 3))
        freeze(self, "face", "barycentric")


def mesh_to_dual_grid(mesh_obj: Mesh, *, resolution: int) -> SurfaceVoxels:
    """The flexible dual grid of a mesh that lies strictly inside the cube [-0.5, 0.5]^3.

    Offsets lie in [0, 1]; voxels are sorted by (x, y, z). A panel thinner than a voxel becomes one sheet. Triangles
    without area are ignored. Raises InputError if the mesh leaves the cube or has no area at all.
    """
    if len(mesh_obj.vertices) and np.abs(mesh_obj.vertices).max() > 0.5 - _MARGIN_OBJ:
        raise InputError("The mesh leaves the cube [-0.5, 0.5]^3: scale it to fit before it is voxelised.")
    vertices = (np.asarray(mesh_obj.vertices, dtype=np.float64) + 0.5) * resolution  # (V, 3) in voxels
    triangles = vertices[mesh_obj.faces]  # (F, 3, 3)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])  # (F, 3)
    areas = np.linalg.norm(normals, axis=1)  # (F,)
    solid = np.flatnonzero(areas > 0)  # (F',)
    if not len(solid):
        raise InputError("The mesh has no triangle with an area: there is no surface to voxelise.")
    triangles, normals = triangles[solid], normals[solid] / areas[solid, None]
    planes = normals * _is_sound(triangles, areas[solid])[:, None]  # (F', 3)

    crossings = crossed_edges(triangles, normals)
    touching = _touching_pairs(triangles, normals, crossings, resolution)
    starts = (np.diff(touching.voxels, axis=0, prepend=-1) != 0).any(axis=1)  # (P,) pairs are sorted by voxel
    coords, voxel = touching.voxels[starts], np.cumsum(starts) - 1  # (N, 3), (P,)
    index = VoxelIndex(coords)

    distance = np.linalg.norm(touching.nearest - (touching.voxels + 0.5), axis=1)  # (P,)
    best = np.lexsort((distance, voxel))[np.flatnonzero(starts)]  # (N,) the nearest of each voxel's run
    error = _QuadraticError(coords)
    error.add_planes(voxel, planes[touching.triangle], touching.nearest, _FACE_WEIGHT)
    around = index.rows(_edge_voxels(crossings))  # (M, 4)
    for corner in around.T:
        error.add_planes(corner, planes[crossings.triangle], crossings.points, 1.0)
    _add_rims(error, index, vertices, mesh_obj.faces[solid])
    centre = _mean_crossing(around, crossings.points, fallback=touching.nearest[best])  # (N, 3)
    grid = DualGrid(
        coords=coords.astype(np.int32),
        offset_vox=error.minimise(centre).astype(np.float32),
        edge_flags=_edge_flags(around[:, 0], crossings, normals[crossings.triangle], len(coords)),
        resolution=resolution,
    )
    face = touching.triangle[best]  # (N,)
    return SurfaceVoxels(grid=grid, face=solid[face], barycentric=_barycentric(triangles[face], touching.nearest[best]))


def _is_sound(triangles: Float[np.ndarray, "F 3 3"], doubled_areas: Float[np.ndarray, "F"]) -> Bool[np.ndarray, "F"]:
    """Whether a triangle's normal can be trusted; booleans and simplification leave needles behind."""
    longest = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2).max(axis=1)  # (F,)
    return doubled_areas > _NEEDLE * longest**2


@dataclass(frozen=True, slots=True, kw_only=True)
class _TouchingPairs:
    """Pairs (triangle, voxel), sorted by voxel, with the triangle's point nearest to the voxel's centre, in voxels."""

    triangle: Int[np.ndarray, "P"]
    voxels: Int[np.ndarray, "P 3"]
    nearest: Float[np.ndarray, "P 3"]


def _touching_pairs(
    triangles: Float[np.ndarray, "F 3 3"], normals: Float[np.ndarray, "F 3"], crossings: EdgeCrossings, resolution: int
) -> _TouchingPairs:
    """Overlapped voxels, and the four around each crossed edge: not the same where the surface lies on the grid."""
    from trimesh.triangles import closest_point

    triangle, voxels = overlapped_voxels(triangles, normals)  # (P,), (P, 3)
    triangle = np.concatenate([triangle, np.repeat(crossings.triangle, 4)])  # (P',)
    voxels = np.concatenate([voxels, _edge_voxels(crossings).reshape(-1, 3)])  # (P', 3)
    shape = (resolution, resolution, resolution, len(triangles))
    keys = np.sort(np.ravel_multi_index((*voxels.T, triangle), shape))  # (P',)
    *xyz, triangle = np.unravel_index(keys[np.diff(keys, prepend=-1) > 0], shape)
    voxels = np.stack(xyz, axis=1)  # (P'', 3)
    return _TouchingPairs(triangle=triangle, voxels=voxels, nearest=closest_point(triangles[triangle], voxels + 0.5))


def _edge_voxels(crossings: EdgeCrossings) -> Int[np.ndarray, "M 4 3"]:
    """The four voxels around each crossed edge; the first one owns the edge."""
    owner = crossings.corner - QUAD_VOXELS[crossings.axis, 2]  # (M, 3): the edge is at its owner's far side
    return owner[:, None] + QUAD_VOXELS[crossings.axis]


def _edge_flags(
    owner: Int[np.ndarray, "M"], crossings: EdgeCrossings, normals: Float[np.ndarray, "M 3"], count: int
) -> Bool[np.ndarray, "N 3"]:
    """Edges that the surface separates (crossed an odd number of times), and edges through thin panels.

    An edge crossed twice is left out where it only grazes a ridge: a quad there would stand out as a fin. It is flagged
    where both surfaces are about parallel, since the panel would vanish.
    """
    edge = 3 * owner + crossings.axis  # (M,)
    order = np.argsort(edge, kind="stable")  # (M,)
    starts = np.flatnonzero(np.diff(edge[order], prepend=-1))  # (E,)
    times = np.diff(starts, append=len(edge))  # (E,)
    # Seen along the edge, the sides that a line enters and leaves by are alike, whatever the winding.
    along = normals * np.sign(np.take_along_axis(normals, crossings.axis[:, None], axis=1))  # (M, 3)
    first = np.repeat(order[starts], times)  # (M,)
    alike = np.einsum("mi,mi->m", along[order], along[first])  # (M,) cosine to the edge's first crossing
    separated = (times % 2 == 1) | (np.minimum.reduceat(alike, starts) > _PANEL_COSINE)  # (E,)
    flags = np.zeros(3 * count, dtype=bool)  # (3N,)
    flags[edge[order[starts]][separated]] = True
    return flags.reshape(count, 3)


def _mean_crossing(
    around: Int[np.ndarray, "M 4"], points: Float[np.ndarray, "M 3"], *, fallback: Float[np.ndarray, "N 3"]
) -> Float[np.ndarray, "N 3"]:
    """Mean of the crossings on each voxel's edges; a voxel whose edges are not crossed has `fallback`."""
    n = len(fallback)
    rows, each = around.reshape(-1), np.repeat(points, 4, axis=0)  # (4M,), (4M, 3)
    hits = np.bincount(rows, minlength=n)  # (N,)
    sums = np.stack([np.bincount(rows, each[:, k], n) for k in range(3)], axis=1)  # (N, 3)
    return np.where(hits[:, None] > 0, sums / np.maximum(hits, 1)[:, None], fallback)


def _add_rims(
    error: _QuadraticError, index: VoxelIndex, vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> None:
    """Add the lines of sides that belong to one triangle only."""
    _, same = np.unique(vertices, axis=0, return_inverse=True)  # (V,): texture seams are no rims
    sides = np.sort(same.reshape(-1)[faces][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)  # (3F, 2)
    keys = sides[:, 0] * len(vertices) + sides[:, 1]  # (3F,)
    _, first, uses = np.unique(keys, return_index=True, return_counts=True)  # (S,), (S,)
    ends = vertices[faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)[first[uses == 1]]]  # (B, 2, 3)
    segment, voxels = segment_voxels(ends[:, 0], ends[:, 1])  # (P,), (P, 3)
    rows = index.rows(voxels)  # (P,)
    segment, rows = segment[rows >= 0], rows[rows >= 0]
    along = ends[:, 1] - ends[:, 0]  # (B, 3)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    error.add_lines(rows, along[segment], ends[segment, 0], _RIM_WEIGHT)


class _QuadraticError:
    """Sum of weighted squared distances to planes and lines, one function per voxel, in the voxel's own unit cube."""

    def __init__(self, coords: Int[np.ndarray, "N 3"]) -> None:
        self._origin = coords.astype(np.float64)  # (N, 3)
        self._matrix = np.zeros((len(coords), 3, 3))  # (N, 3, 3)
        self._vector = np.zeros((len(coords), 3))  # (N, 3)

    def add_planes(
        self,
        rows: Int[np.ndarray, "P"],
        normals: Float[np.ndarray, "P 3"],
        points: Float[np.ndarray, "P 3"],
        weight: float,
    ) -> None:
        """Squared distance to the plane through `points` with unit `normals`; a normal of zeros adds nothing."""
        self._add(rows, weight * normals[:, :, None] * normals[:, None, :], points)

    def add_lines(
        self,
        rows: Int[np.ndarray, "P"],
        along: Float[np.ndarray, "P 3"],
        points: Float[np.ndarray, "P 3"],
        weight: float,
    ) -> None:
        """Squared distance to the line through `points` with unit direction `along`."""
        self._add(rows, weight * (np.eye(3) - along[:, :, None] * along[:, None, :]), points)

    def _add(
        self, rows: Int[np.ndarray, "P"], metric: Float[np.ndarray, "P 3 3"], points: Float[np.ndarray, "P 3"]
    ) -> None:
        """Add (x - p)' metric (x - p) to the functions of `rows`."""
        n = len(self._matrix)
        local = np.einsum("pij,pj->pi", metric, points - self._origin[rows])  # (P, 3)
        for i in range(3):
            self._vector[:, i] += np.bincount(rows, local[:, i], n)
            for j in range(3):
                self._matrix[:, i, j] += np.bincount(rows, metric[:, i, j], n)

    def minimise(self, centre: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
        """The point of each unit cube with the smallest error, pulled slightly to `centre` (N, 3).

        The pull makes the function strictly convex, also where all planes are parallel.
        """
        matrix = self._matrix + _MEAN_WEIGHT * np.eye(3)  # (N, 3, 3)
        vector = self._vector + _MEAN_WEIGHT * (centre - self._origin)  # (N, 3)
        best = np.linalg.solve(matrix, vector[:, :, None])[:, :, 0]  # (N, 3)
        outside = np.flatnonzero(((best < 0) | (best > 1)).any(axis=1))  # (K,)
        best[outside] = _minimise_on_border(matrix[outside], vector[outside])
        return best


def _minimise_on_border(
    matrix: Float[np.ndarray, "K 3 3"], vector: Float[np.ndarray, "K 3"]
) -> Float[np.ndarray, "K 3"]:
    """The smallest x' matrix x - 2 vector' x on the faces, edges and corners of the unit cube.

    The minimum over the cube is the minimum over the relative interior of one of its 26 border parts: each is solved
    with the fixed coordinates put in, and the best of those that stay in the cube is kept.
    """
    best, lowest = np.zeros_like(vector), np.full(len(vector), np.inf)  # (K, 3), (K,)
    for fixed in product((None, 0.0, 1.0), repeat=3):
        free = [k for k in range(3) if fixed[k] is None]
        x = np.tile([value or 0.0 for value in fixed], (len(vector), 1))  # (K, 3)
        if free:
            rest = vector - np.einsum("kij,kj->ki", matrix, x)  # (K, 3)
            x[:, free] = np.linalg.solve(matrix[:, free][:, :, free], rest[:, free, None])[:, :, 0]
        value = np.einsum("ki,kij,kj->k", x, matrix, x) - 2 * np.einsum("ki,ki->k", vector, x)  # (K,)
        better = ((x >= 0) & (x <= 1)).all(axis=1) & (value < lowest)  # (K,)
        best[better], lowest[better] = x[better], value[better]
    return best


def _barycentric(triangles: Float[np.ndarray, "N 3 3"], points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    from trimesh.triangles import points_to_barycentric

    return np.clip(points_to_barycentric(triangles, points, method="cross"), 0.0, 1.0)
