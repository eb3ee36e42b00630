"""Sampled rooms as tensors on one device: triangles in world with all that shading needs.

Torch and numpy alone. A `PackTensors` is made once per device; `scene_triangles` then builds batches of rooms.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .model_pack import ModelPack
from .sampled_room import BOX, DISC, MATERIALS_PER_THING, PATTERNS, SQUARE, Material, SampledRoom, Thing

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float32, Int64, UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class PackTensors:
    """The pack on a device, with the unit box, square and disc as its last three models."""

    corners: Float32[Tensor, "F 3 3"]
    normals: Float32[Tensor, "F 3 3"]
    colours: UInt8[Tensor, "F 3 3"]
    part: Int64[Tensor, "F"]
    face_start: Int64[Tensor, "M1"]

    @staticmethod
    def of(pack: ModelPack, device: torch.device | str) -> PackTensors:
        """On `device`; sRGB colours stay as they are packed."""
        corners = np.concatenate([pack.vertices_node(m)[pack.faces_of(m)] for m in range(len(pack))])
        ends = [pack.faces_of(m).astype(np.int64) + pack.vertex_start[m] for m in range(len(pack))]
        faces = np.concatenate(ends)
        own = (unit_box(), _unit_square(), _unit_disc())
        corners = np.concatenate([corners, *own]).astype(np.float32)
        normals = np.concatenate([pack.normals.astype(np.float32) / 127, *(_flat(shape) for shape in own)])
        ends_own = np.cumsum([len(shape) for shape in own])
        extra = int(ends_own[-1])
        colours = np.concatenate([pack.colours[faces], np.full((extra, 3, 3), 200, dtype=np.uint8)])
        part = np.concatenate([pack.part[faces[:, 0]].astype(np.int64), np.zeros(extra, dtype=np.int64)])
        start = np.concatenate([pack.face_start, pack.face_start[-1] + ends_own])
        return PackTensors(
            corners=torch.from_numpy(corners).to(device),
            normals=torch.from_numpy(normals.astype(np.float32)).to(device),
            colours=torch.from_numpy(colours).to(device),
            part=torch.from_numpy(part).to(device),
            face_start=torch.from_numpy(start).to(device),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneTriangles:
    """All triangles of B rooms. thing: index into the tables; scene: the room of a triangle.

    materials: rows as `_row` makes them, MATERIALS_PER_THING a thing. corners_local: along the thing's own axes, m.
    """

    corners_world: Float32[Tensor, "F 3 3"]
    corners_local: Float32[Tensor, "F 3 3"]
    normals_world: Float32[Tensor, "F 3 3"]
    colours: UInt8[Tensor, "F 3 3"]
    thing: Int64[Tensor, "F"]
    scene: Int64[Tensor, "F"]
    material: Int64[Tensor, "F"]
    materials: Float32[Tensor, "R 12"]
    thing_number: Int64[Tensor, "N"]
    thing_shell_part: Int64[Tensor, "N"]
    thing_size_m: Float32[Tensor, "N 3"]


def scene_triangles(pack: PackTensors, rooms: Sequence[SampledRoom]) -> SceneTriangles:
    """The triangles of the rooms, room after room, thing after thing."""
    device = pack.corners.device
    things: list[Thing] = [thing for room in rooms for thing in room.things]
    counts = [len(room.things) for room in rooms]
    last = len(pack.face_start) - 2
    extra = {BOX: last - 2, SQUARE: last - 1, DISC: last}
    models = torch.tensor([extra.get(t.model, t.model) for t in things], device=device)
    axes = torch.tensor(np.array([t.axes_world for t in things]), dtype=torch.float32, device=device)
    places = torch.tensor(np.array([t.place_world for t in things]), dtype=torch.float32, device=device)
    faces = pack.face_start[models + 1] - pack.face_start[models]
    thing = torch.repeat_interleave(faces)
    local = torch.arange(len(thing), device=device) - (faces.cumsum(0) - faces)[thing]
    face = pack.face_start[models][thing] + local
    corners = pack.corners[face]
    lengths = axes.norm(dim=1).clamp_min(1e-9)  # of the columns: the scale along each axis
    world = torch.einsum("fij,fkj->fki", axes[thing], corners) + places[thing][:, None]
    normals = torch.einsum("fij,fkj->fki", (axes / lengths[:, None].square())[thing], pack.normals[face])
    part = pack.part[face].clamp_max(MATERIALS_PER_THING - 1)
    return SceneTriangles(
        corners_world=world,
        corners_local=corners * lengths[thing][:, None],
        normals_world=normals / normals.norm(dim=-1, keepdim=True).clamp_min(1e-9),
        colours=pack.colours[face],
        thing=thing,
        scene=torch.repeat_interleave(torch.tensor(counts, device=device))[thing],
        material=thing * MATERIALS_PER_THING + part,
        materials=torch.tensor([row for t in things for row in _rows(t)], dtype=torch.float32, device=device),
        thing_number=torch.tensor([t.number for t in things], device=device),
        thing_shell_part=torch.tensor([t.shell_part for t in things], device=device),
        thing_size_m=torch.tensor(np.array([t.size_m for t in things]), dtype=torch.float32, device=device),
    )


def _rows(thing: Thing) -> list[tuple[float, ...]]:
    materials = thing.materials + (thing.materials[-1],) * (MATERIALS_PER_THING - len(thing.materials))
    return [_row(m) for m in materials[:MATERIALS_PER_THING]]


def _row(m: Material) -> tuple[float, ...]:
    return (float(PATTERNS.index(m.pattern)), *m.first, *m.second, m.own, m.scale_m, m.turn_rad, m.gloss, m.glow)


def unit_box() -> np.ndarray:
    """Triangles (12, 3, 3) of a box of unit edges on its bottom centre, wound outwards."""
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (0.0, 1.0) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return np.array([[corners[q[k]] for k in t] for q in quads for t in ((0, 1, 2), (0, 2, 3))])


def _unit_square() -> np.ndarray:
    """Triangles (2, 3, 3) of the unit square in y = 0 that looks up."""
    corners = np.array([[-0.5, 0.0, -0.5], [-0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.5, 0.0, -0.5]])
    return corners[[[0, 1, 2], [0, 2, 3]]]


def _unit_disc(sides: int = 40) -> np.ndarray:
    """Triangles (3 sides, 3, 3) of an upright round slab without a bottom, wound outwards."""
    angles = np.arange(sides + 1) / sides * 2 * np.pi
    rim = np.stack([0.5 * np.cos(angles), np.zeros(sides + 1), -0.5 * np.sin(angles)], axis=1)
    low, up = rim, rim + np.array([0.0, 1.0, 0.0])
    middle = np.tile([0.0, 1.0, 0.0], (sides, 1))
    top = np.stack([middle, up[:-1], up[1:]], axis=1)
    skirt = np.concatenate(
        [np.stack([low[:-1], low[1:], up[1:]], axis=1), np.stack([low[:-1], up[1:], up[:-1]], axis=1)]
    )
    return np.concatenate([top, skirt])


def _flat(triangles: np.ndarray) -> np.ndarray:
    across = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return np.repeat((across / np.linalg.norm(across, axis=1, keepdims=True))[:, None], 3, axis=1)
