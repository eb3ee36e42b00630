"""Smooth unit normals of a mesh, in the mesh's own frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array

from ..asset import Mesh

_CREASE_COS = 0.5  # 60 degrees: sides that meet more sharply keep their edge


def smooth_normals(mesh: Mesh) -> Float[np.ndarray, "V 3"]:
    """One unit normal per vertex: the mean of its faces' normals weighted by their angles there.

    Thuermer and Wuethrich 1998, "Computing vertex normals from polygonal facets". Vertices at one place, as a
    texture seam makes them, are smoothed together unless their sides meet at more than 60 degrees. A vertex
    without a face of any area gets the frame's y axis, so that every normal has length one.
    """
    weighted = _angle_weighted_sums(mesh)
    own = _unit(weighted)
    _, place = np.unique(mesh.vertices, axis=0, return_inverse=True)
    count = len(mesh.vertices)
    at_place = csr_array((np.ones(count), (np.arange(count), place.ravel())))
    pairs = (at_place @ at_place.T).tocoo()  # vertices at the same place
    agree = np.einsum("ij,ij->i", own[pairs.row], own[pairs.col]) > _CREASE_COS
    smooth = csr_array((np.ones(agree.sum()), (pairs.row[agree], pairs.col[agree])), shape=(count, count))
    return _unit(smooth @ weighted)


def _angle_weighted_sums(mesh: Mesh) -> Float[np.ndarray, "V 3"]:
    corners = np.asarray(mesh.vertices, dtype=np.float64)[mesh.faces]  # (F, 3, 3)
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(face_normals, axis=1, keepdims=True)
    face_normals = np.divide(face_normals, length, out=np.zeros_like(face_normals), where=length > 0)
    sums = np.zeros((len(mesh.vertices), 3))
    for k in range(3):
        a = corners[:, (k + 1) % 3] - corners[:, k]
        b = corners[:, (k + 2) % 3] - corners[:, k]
        angle_rad = np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), np.einsum("ij,ij->i", a, b))
        np.add.at(sums, mesh.faces[:, k], angle_rad[:, None] * face_normals)
    return sums


def _unit(vectors: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-12, vectors / np.maximum(length, 1e-12), np.array([0.0, 1.0, 0.0]))
