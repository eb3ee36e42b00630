"""Rooms with things on walls, from the ceiling and leaning, as exams for the layout: a seed in, a true scene out.

Pictures, clocks, cupboards and shelves on walls, lamps that hang, mirrors and boards that lean, and furniture that
stands before them, each with its true parent and relation. World is glTF (y up, floor at 0), metres; the room reaches
from x = 0 to its width and from z = 0 back to minus its depth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from ..asset import Mesh
from ..depth import Depth
from ..frames import WORLD_UP, Similarity
from ..instances import Instance
from ..learning.composed_room import camera_at
from ..learning.furniture import make, united
from ..learning.shapes import box, lathe
from ..mesh.raycast import Raycaster
from ..photo import Photo
from ..scene_graph import Relation
from .layout_trials import TrueObject, TrueScene

_SIZE_PX = (640, 480)
# What the camera shows of an object at least, px, for it to be in the scene at all.
_FEWEST_PX = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object: label, mesh in world, and what holds it. leans_on: a wall that it touches beside its support."""

    label: str
    mesh_world: Mesh
    parent: str
    relation: Relation
    leans_on: str | None = None


@dataclass(slots=True)
class _Builder:
    """A room while things are put into it. size_m: (width, depth, height)."""

    size_m: tuple[float, float, float]
    rng: np.random.Generator
    things: list[Thing] = field(default_factory=list)

    def at_wall(self, wall: str, along_m: float, height_m: float, mesh_node: Mesh) -> Mesh:
        """A mesh with its back (its lowest z) on a wall; along_m: from the wall's left end, seen from inside."""
        width, depth, _ = self.size_m
        yaw_deg, foot = {
            "wall_back": (0.0, (along_m, -depth)),
            "wall_left": (90.0, (0.0, -along_m)),
            "wall_right": (-90.0, (width, -depth + along_m)),
        }[wall]
        back = Similarity(translation=np.array([0.0, 0.0, -float(mesh_node.bounds[0, 2])]))
        turn = Rotation.from_rotvec(np.deg2rad(yaw_deg) * WORLD_UP)
        return mesh_node.transformed(
            Similarity(rotation=turn, translation=np.array([foot[0], height_m, foot[1]])) @ back
        )

    def hang_on_wall(self, label: str, wall: str, along_m: float, height_m: float, mesh_node: Mesh) -> None:
        mesh_world = self.at_wall(wall, along_m, height_m, mesh_node)
        self.things.append(Thing(label=label, mesh_world=mesh_world, parent=wall, relation="against"))

    def lean(self, label: str, wall: str, along_m: float, size_m: tuple[float, float, float], tilt_deg: float) -> None:
        """A board on the floor with its upper edge at the wall."""
        tilted = _standing(box(size_m)).transformed(
            Similarity(rotation=Rotation.from_rotvec([-np.deg2rad(tilt_deg), 0.0, 0.0]))
        )
        mesh_world = self.at_wall(wall, along_m, -float(tilted.bounds[0, 1]), tilted)
        self.things.append(Thing(label=label, mesh_world=mesh_world, parent="floor", relation="on", leans_on=wall))

    def stand(self, label: str, x: float, z: float, yaw_deg: float, mesh_node: Mesh, on: Thing | None = None) -> None:
        y = 0.0 if on is None else float(on.mesh_world.bounds[1, 1])
        turn = Rotation.from_rotvec(np.deg2rad(yaw_deg) * WORLD_UP)
        mesh_world = mesh_node.transformed(Similarity(rotation=turn, translation=np.array([x, y, z])))
        parent = "floor" if on is None else str(self.things.index(on) + 1)
        self.things.append(Thing(label=label, mesh_world=mesh_world, parent=parent, relation="on"))

    def hang_from_ceiling(self, label: str, x: float, z: float, mesh_node: Mesh) -> None:
        y = self.size_m[2] - float(mesh_node.bounds[1, 1])
        mesh_world = mesh_node.transformed(Similarity(translation=np.array([x, y, z])))
        self.things.append(Thing(label=label, mesh_world=mesh_world, parent="ceiling", relation="hangs"))


def compose_wall_scene(seed: int) -> TrueScene:
    """One room; the same for the same seed."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(11,)))
    size_m = (float(rng.uniform(4.2, 5.6)), float(rng.uniform(4.0, 5.0)), float(rng.uniform(2.4, 2.8)))
    room = _Builder(size_m=size_m, rng=rng)
    _furnish_walls(room)
    _furnish_middle(room)
    camera = camera_at(
        eye_world=(size_m[0] / 2 + float(rng.uniform(-0.5, 0.5)), float(rng.uniform(1.4, 1.6)), -0.15),
        yaw_rad=float(rng.normal(0.0, 0.08)), pitch_rad=float(np.deg2rad(rng.uniform(-3, 4))),
        fov_deg=float(rng.uniform(76, 86)), size_px=_SIZE_PX,
    )  # fmt: skip
    meshes = [thing.mesh_world for thing in room.things]
    rays_world = camera.T_world_from_cam.rotation.apply(camera.rays_cam().reshape(-1, 3))
    hits = Raycaster([*meshes, _shell(size_m)]).cast(camera.centre_world, rays_world)
    index = np.where(hits.hit & (hits.mesh_index < len(meshes)), hits.mesh_index + 1, 0).reshape(camera.shape_hw)
    counts = np.bincount(index.ravel(), minlength=len(meshes) + 1)
    label_map = np.where(counts[index] >= _FEWEST_PX, index, 0).astype(np.uint16)
    shown = [int(v) for v in np.unique(label_map) if v]
    labels = {value: room.things[value - 1].label for value in shown}
    names = {value: Instance(mask_value=value, label=label).name for value, label in labels.items()}
    objects = {value: _true_object(room.things[value - 1], names, int(counts[value])) for value in shown}
    depth = Depth(
        z_m=hits.t.reshape(camera.shape_hw).astype(np.float32), valid=hits.hit.reshape(camera.shape_hw),
        camera=camera, source="truth",
    )  # fmt: skip
    grey = np.full((*camera.shape_hw, 3), 150, dtype=np.uint8)
    return TrueScene(
        name=f"walls{seed:02d}",
        photo=Photo(rgb=grey, file_name=f"walls{seed:02d}.png", sha256="0" * 64),
        label_map=label_map,
        depth=depth,
        objects=objects,
        labels=labels,
        size_m=size_m,
    )


def wall_distance_m(wall: str, mesh_world: Mesh, size_m: tuple[float, float, float]) -> float:
    """Of the nearest vertex from a true wall, negative behind it; for "ceiling" and "floor" likewise."""
    low, high = mesh_world.bounds
    return float(
        {
            "wall_back": low[2] + size_m[1], "wall_left": low[0], "wall_right": size_m[0] - high[0],
            "ceiling": size_m[2] - high[1], "floor": low[1],
        }[wall]
    )  # fmt: skip


def _true_object(thing: Thing, names: dict[int, str], visible_px: int) -> TrueObject:
    parent = names.get(int(thing.parent), "floor") if thing.parent.isdigit() else thing.parent
    return TrueObject(
        mesh_world=thing.mesh_world,
        parent=parent,
        visible_px=visible_px,
        relation=thing.relation,
        leans_on=thing.leans_on,
    )


def _furnish_walls(room: _Builder) -> None:
    """Three places along the back wall and one on each side wall; what hangs, then what stands or leans below."""
    rng, (width, depth, _) = room.rng, room.size_m
    hung = [str(k) for k in rng.permutation(["picture", "clock", "cupboard", "shelf", "picture"])]
    spots = [("wall_back", (k + 0.5) * width / 3 + rng.uniform(-0.15, 0.15)) for k in range(3)]
    spots += [("wall_left", 0.62 * depth), ("wall_right", 0.38 * depth)]
    for kind, (wall, along_m) in zip(hung, spots, strict=True):
        room.hang_on_wall(kind, wall, float(along_m), float(rng.uniform(1.35, 1.5)), _wall_piece(kind, rng))
        if kind == "shelf":
            shelf = room.things[-1]
            (x, _, z), (x1, _, z1) = shelf.mesh_world.bounds
            room.stand("vase", (x + x1) / 2, (z + z1) / 2, 0.0, _piece("vase", rng, (0.14, 0.26, 0.14)), on=shelf)
    leaning = "mirror" if rng.random() < 0.5 else "board"
    tall = (0.55, 1.25, 0.03) if leaning == "mirror" else (0.7, 1.1, 0.02)
    room.lean(leaning, "wall_back", width / 6 if rng.random() < 0.5 else 5 * width / 6, tall, float(rng.uniform(6, 13)))
    room.lean("board", "wall_right", 0.72 * depth, (0.5, 0.9, 0.02), float(rng.uniform(6, 13)))
    board = _piece("sideboard", rng, (1.2, 0.7, 0.42))
    room.things.append(
        Thing(
            label="sideboard", mesh_world=room.at_wall("wall_back", width / 2, 0.0, board), parent="floor",
            relation="on", leans_on="wall_back",
        )
    )  # fmt: skip


def _furnish_middle(room: _Builder) -> None:
    rng, (width, depth, _) = room.rng, room.size_m
    room.stand(
        "armchair", 0.25 * width, -0.5 * depth, float(rng.uniform(0, 360)), _piece("armchair", rng, (0.8, 0.85, 0.8))
    )
    room.stand("crate", 0.75 * width, -0.55 * depth, float(rng.uniform(0, 360)), _piece("crate", rng, (0.5, 0.4, 0.4)))
    for x, z in ((0.42, 0.6), (0.66, 0.72)):
        drop_m, radius_m = float(rng.uniform(0.35, 0.6)), float(rng.uniform(0.14, 0.22))
        room.hang_from_ceiling("lamp", x * width, -z * depth, _pendant(drop_m, radius_m))


def _wall_piece(kind: str, rng: np.random.Generator) -> Mesh:
    if kind == "picture":
        return _piece("picture", rng, (float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.4, 0.6)), 0.03))
    if kind == "clock":
        radius_m = float(rng.uniform(0.15, 0.25))
        disc = lathe([(0, 0), (radius_m, 0), (radius_m, 0.04), (0, 0.04)], 48)
        faces_room = Similarity(rotation=Rotation.from_euler("x", 90, degrees=True))
        return _standing(disc.transformed(faces_room))
    size = (0.8, 0.55, 0.32) if kind == "cupboard" else (0.9, 0.035, 0.24)
    return _standing(box(size))


def _pendant(drop_m: float, radius_m: float) -> Mesh:
    """Rose, cord and shade in one solid of revolution."""
    return lathe(
        [(0, 0), (radius_m, 0), (0.6 * radius_m, 0.18), (0.012, 0.2), (0.012, drop_m - 0.03), (0.05, drop_m - 0.03),
         (0.05, drop_m), (0, drop_m)], 40,
    )  # fmt: skip


def _piece(kind: str, rng: np.random.Generator, size_m: tuple[float, float, float]) -> Mesh:
    return united(make(kind, rng, size_m))


def _standing(mesh: Mesh) -> Mesh:
    """The same mesh with its bottom at y = 0."""
    return mesh.transformed(Similarity(translation=np.array([0.0, -float(mesh.bounds[0, 1]), 0.0])))


def _shell(size_m: tuple[float, float, float]) -> Mesh:
    width, depth, height = size_m
    closed = box((width, height, depth))
    return closed.transformed(Similarity(translation=np.array([width / 2, height / 2, -depth / 2])))
