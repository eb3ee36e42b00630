"""The flexible dual grid and its mesh, in `obj`.

A grid of `resolution` voxels spans the cube [-0.5, 0.5]^3. Every voxel near the surface has one vertex; every grid edge
that the surface crosses joins the vertices of the four voxels around it (dual contouring, Ju et al. 2002; here open and
non-manifold surfaces are allowed, since an edge is only flagged, without inside and outside).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..arrays import check_shape, freeze, read_only
from ..asset import Mesh
from .voxel_index import VoxelIndex

# The four voxels around the flagged edge of axis x, y, z, as offsets from the voxel that owns it, in cyclic order.
# A voxel owns the edges at its far side: axis x is the edge from (0, 1, 1) to (1, 1, 1) of the voxel's unit cell.
QUAD_VOXELS = read_only(
    np.array(
        [
            [[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0]],
            [[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]],
            [[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 0]],
        ],
        dtype=np.int32,
    )
)
_DIAGONAL_02 = read_only(np.array([[0, 1, 2], [0, 2, 3]]))
_DIAGONAL_13 = read_only(np.array([[0, 1, 3], [3, 1, 2]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class DualGrid:
    """One shape as voxels with vertices and crossed edges.

    coords: active voxels. offset_vox: the vertex of each, in voxel edges from its lowest corner (a decoder may leave
    the voxel by its margin). edge_flags: whether the edges of axis x, y, z that the voxel owns are crossed.
    split_weight: which diagonal splits a quad; None for grids made from meshes. resolution: voxels per cube edge.
    """

    coords: Int[np.ndarray, "N 3"]
    offset_vox: Float[np.ndarray, "N 3"]
    edge_flags: Bool[np.ndarray, "N 3"]
    resolution: int
    split_weight: Float[np.ndarray, "N"] | None = None

    def __post_init__(self) -> None:
        n = len(self.coords)
        check_shape("DualGrid.coords", self.coords, (n, 3))
        check_shape("DualGrid.offset_vox", self.offset_vox, (n, 3))
        check_shape("DualGrid.edge_flags", self.edge_flags, (n, 3))
        if self.split_weight is not None:
            check_shape("DualGrid.split_weight", self.split_weight, (n,))
        freeze(self, "coords", "offset_vox", "edge_flags", "split_weight")

    @property
    def vertices_obj(self) -> Float[np.ndarray, "N 3"]:
        """The dual vertices, one per voxel in voxel order."""
        return (self.coords + self.offset_vox) / np.float32(self.resolution) - np.float32(0.5)

    def to_mesh(self) -> Mesh:
        """One vertex per voxel (used or not) and two triangles per flagged edge with four active voxels around it.

        Quads come voxel by voxel, then by axis. Their winding says nothing: see `surface_repair`.
        """
        index = VoxelIndex(self.coords)
        owner, axis = np.nonzero(self.edge_flags)  # (E,), (E,)
        corners = index.rows(self.coords[owner][:, None] + QUAD_VOXELS[axis])  # (E, 4)
        quads = corners[(corners >= 0).all(axis=1)]  # (Q, 4)
        return Mesh(vertices=self.vertices_obj, faces=self._triangles(quads))

    def _triangles(self, quads: Int[np.ndarray, "Q 4"]) -> Int[np.ndarray, "F 3"]:
        split = np.broadcast_to(_DIAGONAL_02, (len(quads), 2, 3))  # (Q, 2, 3)
        if self.split_weight is not None:
            w0, w1, w2, w3 = self.split_weight[quads].T  # (Q,) each
            split = np.where((w0 * w2 > w1 * w3)[:, None, None], split, _DIAGONAL_13)  # (Q, 2, 3)
        triangles = np.take_along_axis(quads[:, None, :], split, axis=2)  # (Q, 2, 3)
        return triangles.reshape(-1, 3).astype(np.int32)
