"""Is a mesh the border of a solid? Triangles in, a yes or a no out; no frame matters."""

from __future__ import annotations

import numpy as np

from ..asset import Mesh


def is_closed(mesh: Mesh) -> bool:
    """True if every edge is shared by exactly two triangles that agree which side is out.

    Vertices are told apart by index: merge those with equal positions first.
    """
    faces = np.asarray(mesh.faces, dtype=np.int64)
    if not len(faces):
        return False
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])  # (3F, 2) directed
    keys = edges[:, 0] * (faces.max() + 1) + edges[:, 1]
    back = edges[:, 1] * (faces.max() + 1) + edges[:, 0]
    keys, back = np.sort(keys), np.sort(back)
    return bool((np.diff(keys) > 0).all() and (keys == back).all())


def volume(mesh: Mesh) -> float:
    """Enclosed volume in cubed units of the mesh; negative if the triangles face inwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def smallest_area(mesh: Mesh) -> float:
    """Area of the smallest triangle."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=-1).min() / 2)
