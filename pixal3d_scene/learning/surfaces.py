"""What rays meet in a composed room: places, normals, colours. Everything leaves in world, metres, linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import RigidTransform

from ..mesh.raycast import Raycaster
from .composed_room import ComposedRoom
from .furniture import Part
from .shapes import corner_normals

SKIN_M = 1e-3  # rays start this far above a surface, so that they do not meet it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """n places on surfaces; unspecified where `hit` is False (the ray left through a window).

    normals_world: for shading, towards the side that the ray came from; flat_world: the triangle's own, likewise.
    t: along the ray, in units of its direction. mask_value: 0 for the shell.
    """

    hit: Bool[np.ndarray, "n"]
    t: Float[np.ndarray, "n"]
    points_world: Float[np.ndarray, "n 3"]
    normals_world: Float[np.ndarray, "n 3"]
    flat_world: Float[np.ndarray, "n 3"]
    albedo: Float[np.ndarray, "n 3"]
    glow: Float[np.ndarray, "n 3"]
    gloss: Float[np.ndarray, "n"]
    roughness: Float[np.ndarray, "n"]
    mask_value: Int[np.ndarray, "n"]

    @property
    def starts_world(self) -> Float[np.ndarray, "n 3"]:
        """Where rays that leave the surfaces begin."""
        return self.points_world + SKIN_M * self.flat_world


class Stage:
    """A room made ready for rays: one ray caster over all parts, and what each part looks like."""

    def __init__(self, room: ComposedRoom) -> None:
        worn = [(p, RigidTransform.identity(), p.mesh_node, 0) for p in room.shell_world]
        for item in (*room.decor, *room.objects):
            worn += [(p, item.T_world_from_node, item.mesh_world(p.mesh_node), item.mask_value) for p in item.parts]
        self._parts: list[Part] = [part for part, _, _, _ in worn]
        self._T_world_from_node = [T for _, T, _, _ in worn]
        self.mask_values = np.array([value for _, _, _, value in worn])
        self.raycaster = Raycaster([mesh for _, _, mesh, _ in worn])
        self._corner_normals: dict[int, Float[np.ndarray, "F 3 3"]] = {}  # per part, made when it is first met

    def meet(self, origins: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"]) -> Surfaces:
        """The first surface on every ray, with its colours."""
        hits = self.raycaster.cast(origins, directions)
        n = len(directions)
        points = origins + np.where(hits.hit, hits.t, 0.0)[:, None] * directions
        normals, flat, albedo, glow = (np.zeros((n, 3)) for _ in range(4))
        gloss, roughness = np.zeros(n), np.ones(n)
        for index in np.unique(hits.mesh_index[hits.hit]).tolist():
            here = np.flatnonzero(hits.hit & (hits.mesh_index == index))
            corners = self._normals(index)[hits.face[here]]  # (h, 3, 3)
            blended = np.einsum("hc,hcx->hx", hits.barycentric[here], corners)
            normals[here] = blended / np.maximum(np.linalg.norm(blended, axis=1, keepdims=True), 1e-12)
            flat[here] = self._flat(index, hits.face[here])
            finish, T = self._parts[index].finish, self._T_world_from_node[index]
            node_from_world = T.inv()
            albedo[here] = finish.pattern.albedo(
                node_from_world.apply(points[here]), node_from_world.rotation.apply(normals[here])
            )
            glow[here], gloss[here], roughness[here] = finish.glow, finish.gloss, finish.roughness
        away = np.where(np.einsum("ij,ij->i", flat, directions) > 0, -1.0, 1.0)[:, None]
        normals = normals * np.where(np.einsum("ij,ij->i", normals, flat) < 0, -1.0, 1.0)[:, None]
        return Surfaces(
            hit=hits.hit,
            t=hits.t,
            points_world=points,
            normals_world=normals * away,
            flat_world=flat * away,
            albedo=np.clip(albedo, 0, 1),
            glow=glow,
            gloss=gloss,
            roughness=roughness,
            mask_value=np.where(hits.hit, self.mask_values[hits.mesh_index], 0),
        )

    def _normals(self, index: int) -> Float[np.ndarray, "F 3 3"]:
        """Shading normals of a part's corners in world."""
        if index not in self._corner_normals:
            in_node = corner_normals(self._parts[index].mesh_node).reshape(-1, 3)
            self._corner_normals[index] = self._T_world_from_node[index].rotation.apply(in_node).reshape(-1, 3, 3)
        return self._corner_normals[index]

    def _flat(self, index: int, faces: Int[np.ndarray, "h"]) -> Float[np.ndarray, "h 3"]:
        mesh = self._parts[index].mesh_node
        a, b, c = (mesh.vertices[mesh.faces[faces, k]] for k in range(3))
        across = np.cross(b - a, c - a)
        across = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-18)
        return np.asarray(self._T_world_from_node[index].rotation.apply(across))

    def open_way(self, starts: Float[np.ndarray, "n 3"], targets: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        """True where nothing stands between two points."""
        hits = self.raycaster.cast(starts, targets - starts)
        return ~hits.hit | (hits.t > 1 - 1e-4)
