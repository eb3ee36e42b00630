"""Fewer triangles with the same shape (quadric edge collapse of fast-simplification, mended by manifold3d)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ..asset import Mesh
from .closed import is_closed, smallest_area

# Corners that two sheets share are moved apart by this share of the mesh's size: too little to see, enough to stay
# apart in single precision.
_HAIR = 3e-5
# At 3 thin legs keep their area within 0.2 %, where the library's default of 7 eats them; only 7 goes down to any
# number of triangles.
_GENTLE, _THOROUGH = 3.0, 7.0


def simplify_closed(mesh: Mesh, max_faces: int) -> Mesh:
    """A closed mesh with at most about `max_faces` triangles, still closed.

    Edge collapse pinches thin parts: two sheets then share an edge. Such sheets are taken apart again. Where that
    fails, more triangles are kept, at worst all.
    """
    target = max_faces
    while target < len(mesh.faces):
        for aggression in (_GENTLE, _THOROUGH):
            simpler = _collapsed(mesh, target, aggression)
            if len(simpler.faces) <= 1.1 * target and is_closed(simpler) and smallest_area(simpler) > 0:
                return simpler
        target *= 2
    return mesh


def _collapsed(mesh: Mesh, target: int, aggression: float) -> Mesh:
    from fast_simplification import simplify

    vertices, faces = simplify(_plain(mesh.vertices), _plain(mesh.faces), target_count=target, agg=aggression)
    return _taken_apart(_plain(vertices), faces.astype(np.int64))


def _plain(array: np.ndarray) -> np.ndarray:
    """A writable copy in C order in double precision: the native libraries take nothing else."""
    return np.array(array, dtype=np.float64 if array.dtype.kind == "f" else np.int64, order="C")


def _taken_apart(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Mesh:
    """Every edge with exactly two triangles again, and no two vertices at one place."""
    from manifold3d import Manifold, Mesh64

    solid = Manifold(Mesh64(vert_properties=vertices, tri_verts=faces.astype(np.uint64))).to_mesh64()
    vertices, faces = np.array(solid.vert_properties)[:, :3], np.array(solid.tri_verts).astype(np.int64)
    return Mesh(vertices=_spread_doubles(vertices, faces), faces=faces)


def _spread_doubles(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, "V 3"]:
    """Vertices at one place move apart, each into its own sheet, so that merging by position does not join them."""
    from scipy.spatial import cKDTree

    hair = _HAIR * float(np.ptp(vertices, axis=0).max())
    double = np.zeros(len(vertices), dtype=bool)
    double[cKDTree(vertices).query_pairs(hair / 10, output_type="ndarray").ravel()] = True
    if not double.any():
        return vertices
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], np.cross(b - a, c - a))
    inwards = -normals[double] / np.maximum(np.linalg.norm(normals[double], axis=1, keepdims=True), 1e-30)
    spread = vertices.copy()
    spread[double] += hair * inwards
    return spread
