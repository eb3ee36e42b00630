"""From a dual grid with holes and single sheets to a closed solid: a field in `obj`, positive inside.

A coarse grid made by a network is no border of anything: boards are one sheet, a missing voxel is a hole. What is
enclosed by the surface, holes of two voxels closed, becomes solid up to the surface; what encloses nothing becomes a
plate of a least thickness.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32

from ..asset import Mesh
from ..autoencoder.dual_grid import DualGrid
from ..mesh.surface import solid_surface

_NODES_PER_VOXEL = 2
_MARGIN_NODES = 4  # a vertex may leave its voxel by half of one, and a plate has a thickness
# In voxels. Holes up to this radius are closed where they lead into something twice as wide.
_HOLE = 1.25
_HALF_PLATE = 0.4
# Nearer than this to something enclosed, the surface is its border and no sheet; corners are the farthest.
_BORDERS = 0.95
_REACH = 2.0  # distances are cut off here
_SUBDIVISIONS = 3  # of a triangle's sides, for points on it
# A piece with less of the largest one's volume is a left-over.
_CRUMB = 0.01

_Flags: TypeAlias = Bool[np.ndarray, "nx ny nz"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SolidField:
    """field: cube edges, positive inside, at low_obj + spacing_obj * (i, j, k)."""

    field: Float32[np.ndarray, "nx ny nz"]
    low_obj: Float[np.ndarray, "3"]
    spacing_obj: float

    def mesh_obj(self) -> Mesh:
        """A closed mesh that faces outwards; the field must be positive somewhere."""
        return solid_surface(self.field, self.low_obj, self.spacing_obj)

    def points_obj(self) -> Float[np.ndarray, "nx ny nz 3"]:
        axes = [self.low_obj[k] + self.spacing_obj * np.arange(n) for k, n in enumerate(self.field.shape)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    @property
    def is_empty(self) -> bool:
        return not (self.field > 0).any()


def closed_solid(grid: DualGrid) -> SolidField | None:
    """None where the grid has no face."""
    surface = grid.to_mesh()
    if not len(surface.faces):
        return None
    spacing = 1 / (grid.resolution * _NODES_PER_VOXEL)
    voxel = 1 / grid.resolution
    points = _points_on(surface)  # (P, 3)
    low_node = np.floor((points.min(axis=0) + 0.5) / spacing).astype(np.int64) - _MARGIN_NODES
    high_node = np.ceil((points.max(axis=0) + 0.5) / spacing).astype(np.int64) + _MARGIN_NODES
    low_obj = low_node * spacing - 0.5
    shape = tuple(int(n) for n in high_node - low_node + 1)
    distance, nearest = _distances(points, low_obj, spacing, shape, reach=_REACH * voxel)

    core = _enclosed(distance > _HOLE * voxel)
    inner = _distance_to(core, spacing) <= _HOLE * voxel
    plates = distance < _HALF_PLATE * voxel
    outer = _reached(~(inner | plates))
    inner |= ~(outer | plates)  # thin bodies, and corners that no ball from the core fills
    from_inner = _distance_to(inner, spacing)
    inside = from_inner < _distance_to(outer, spacing)

    at_points = np.rint((points - low_obj) / spacing).astype(np.int64)
    is_border = from_inner[tuple(at_points.T)] <= _BORDERS * voxel
    half_plate = np.append(np.where(is_border, 0.0, _HALF_PLATE * voxel), 0.0)[nearest]  # (nx, ny, nz)
    field = np.where(inside, distance, half_plate - distance).astype(np.float32)
    return without_crumbs(SolidField(field=field, low_obj=low_obj, spacing_obj=spacing))


def without_crumbs(solid: SolidField) -> SolidField:
    """The same without pieces that are tiny beside the largest one."""
    from scipy.ndimage import label

    pieces, count = label(solid.field > 0)
    if count < 2:
        return solid
    size = np.bincount(pieces.ravel())
    size[0] = 0
    crumbs = (size < _CRUMB * size.max())[pieces] & (pieces > 0)
    return replace(solid, field=np.where(crumbs, -np.abs(solid.field), solid.field))


def _points_on(mesh: Mesh) -> Float[np.ndarray, "P 3"]:
    """Points that cover all triangles, closer together than the nodes of the field."""
    n = _SUBDIVISIONS
    weights = np.array([[i, j, n - i - j] for i in range(n + 1) for j in range(n + 1 - i)]) / n  # (10, 3)
    corners = np.asarray(mesh.vertices, dtype=np.float64)[mesh.faces]  # (F, 3, 3)
    points = np.einsum("wk,fkc->fwc", weights, corners).reshape(-1, 3)  # (P, 3)
    return np.unique(points.astype(np.float32), axis=0).astype(np.float64)  # triangles share their sides


def _distances(
    points: Float[np.ndarray, "P 3"],
    low_obj: Float[np.ndarray, "3"],
    spacing: float,
    shape: tuple[int, ...],
    *,
    reach: float,
) -> tuple[Float[np.ndarray, "nx ny nz"], np.ndarray]:
    """Of every node to the nearest point, and which one that is; `reach` and P where there is none so near."""
    from scipy.ndimage import maximum_filter
    from scipy.spatial import cKDTree

    near = np.zeros(shape, dtype=bool)
    near[tuple(np.rint((points - low_obj) / spacing).astype(np.int64).T)] = True
    near = maximum_filter(near, size=2 * int(np.ceil(reach / spacing)) + 1)
    nodes = np.argwhere(near) * spacing + low_obj  # (N, 3)
    found, which = cKDTree(points).query(nodes, distance_upper_bound=reach)  # (N,), (N,)
    distance, nearest = np.full(shape, reach), np.full(shape, len(points), dtype=np.int64)
    distance[near], nearest[near] = np.minimum(found, reach), which
    return distance, nearest


def _reached(free: _Flags) -> _Flags:
    """What is connected with the corner of the grid, which must be free."""
    from scipy.ndimage import label

    pieces, _ = label(free)
    return pieces == pieces[0, 0, 0]


def _enclosed(free: _Flags) -> _Flags:
    return free & ~_reached(free)


def _distance_to(nodes: _Flags, spacing: float) -> Float[np.ndarray, "nx ny nz"]:
    """Distance of every node to the nearest of `nodes`; far away everywhere where there are none."""
    from scipy.ndimage import distance_transform_edt

    if not nodes.any():
        return np.full(nodes.shape, np.inf)
    return np.asarray(distance_transform_edt(~nodes)) * spacing
