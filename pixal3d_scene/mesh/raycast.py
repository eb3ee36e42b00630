"""Ray casting on triangle meshes with Embree: what a camera sees of a set of meshes.

Rays go through pixel centres (+0.5), so ids and depths agree with the photo's masks and depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..asset import Mesh
from ..camera import Camera


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """First hits of n rays. Unspecified where `hit` is False.

    mesh_index: into the meshes given; face: triangle of that mesh; t: in units of the ray's direction;
    barycentric: weights of the triangle's three corners.
    """

    hit: Bool[np.ndarray, "*n"]
    mesh_index: Int[np.ndarray, "*n"]
    face: Int[np.ndarray, "*n"]
    t: Float[np.ndarray, "*n"]
    barycentric: Float[np.ndarray, "*n 3"]


class Raycaster:
    """Meshes of one frame, ready for rays of the same frame."""

    def __init__(self, meshes: Sequence[Mesh]) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self._face_offsets = np.concatenate([[0], np.cumsum([len(m.faces) for m in meshes])]).astype(np.int64)
        vertex_offsets = np.concatenate([[0], np.cumsum([len(m.vertices) for m in meshes])]).astype(np.int64)
        self._vertices = (np.concatenate([m.vertices for m in meshes]) if meshes else np.zeros((0, 3))).astype(
            np.float64
        )
        self._faces = (
            np.concatenate([m.faces + o for m, o in zip(meshes, vertex_offsets, strict=False)])
            if meshes
            else np.zeros((0, 3), dtype=np.int64)
        ).astype(np.int64)
        self._scene = EmbreeScene()
        if len(self._faces):
            TriangleMesh(self._scene, self._vertices[self._faces].astype(np.float32))

    def cast(self, origins: Float[np.ndarray, "*#n 3"], directions: Float[np.ndarray, "*n 3"]) -> Hits:
        """The first triangle that each ray `origin + t * direction`, t > 0, meets."""
        shape = np.shape(directions)[:-1]
        d = np.ascontiguousarray(np.asarray(directions, dtype=np.float64).reshape(-1, 3))
        o = np.ascontiguousarray(np.broadcast_to(np.asarray(origins, dtype=np.float64), (*shape, 3)).reshape(-1, 3))
        if not len(self._faces):
            prim = np.full(len(d), -1)
        else:
            prim = self._scene.run(o.astype(np.float32), d.astype(np.float32)).astype(np.int64)
        hit = prim >= 0
        face = np.maximum(prim, 0)
        t, bary = self._refine(o, d, face) if len(self._faces) else (np.zeros(len(d)), np.zeros((len(d), 3)))
        mesh_index = np.searchsorted(self._face_offsets, face, side="right") - 1
        return Hits(
            hit=hit.reshape(shape),
            mesh_index=mesh_index.reshape(shape),
            face=(face - self._face_offsets[mesh_index]).reshape(shape),
            t=t.reshape(shape),
            barycentric=bary.reshape(*shape, 3),
        )

    def _refine(
        self, o: Float[np.ndarray, "n 3"], d: Float[np.ndarray, "n 3"], face: Int[np.ndarray, "n"]
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n 3"]]:
        """Distance and barycentrics in double precision (Moeller and Trumbore 1997): Embree works in single."""
        a, b, c = (self._vertices[self._faces[face, k]] for k in range(3))
        e1, e2 = b - a, c - a
        p = np.cross(d, e2)
        det = np.einsum("ij,ij->i", e1, p)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / det
            s = o - a
            v = np.einsum("ij,ij->i", s, p) * inverse
            q = np.cross(s, e1)
            w = np.einsum("ij,ij->i", d, q) * inverse
            t = np.einsum("ij,ij->i", e2, q) * inverse
            bary = np.clip(np.nan_to_num(np.stack([1 - v - w, v, w], axis=-1)), 0, 1)
        return np.nan_to_num(t), bary


def view(meshes_cam: Sequence[Mesh], camera: Camera) -> Hits:
    """What `camera` sees of meshes in its own frame: (H, W) hits whose `t` is the depth along z."""
    return Raycaster(meshes_cam).cast(np.zeros(3), camera.rays_cam())
