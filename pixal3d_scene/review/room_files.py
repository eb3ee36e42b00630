"""Reads what is compared: a room with ground truth, and the run folder that was made of its photo.

In: two folders. Out: `TrueRoom` and `ReviewedRun`, both with points in metres in the frame of *their own*
photo camera (`cam`: x right, y down, z forward), so that a wrong pose of the run's world costs nothing and a
wrong place in front of the camera costs everything.

Poses stay 4x4 matrices here: they are the file's own numbers, and making them exactly orthogonal first would
compare something else than what other programs read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int
from PIL import Image

from ..arrays import freeze
from ..asset import Mesh
from ..camera import Camera
from ..errors import InputError

SMALLEST_OBJECT_PX = 400  # true objects that show less are not counted
_MM_PER_M = 1000.0
_NOT_THE_OBJECT = ("-col", "ucx_", "ubx_", "_lod")  # collision shapes and levels of detail of engine presets


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueRoom:
    """Ground truth of one photo.

    label_map: 0 = room shell. z_m: along +z of `cam`, 0 = none. points_cam: uniform on the whole surface of
    each object that shows enough pixels, hidden parts too, keyed by its value in the label map; these objects count.
    parents: of all objects, 0 = floor. meshes_cam: of all objects; empty where the room has no truth.glb.
    """

    name: str
    camera: Camera
    T_world_from_cam: Float[np.ndarray, "4 4"]
    label_map: Int[np.ndarray, "H W"]
    z_m: Float[np.ndarray, "H W"]
    points_cam: dict[int, Float[np.ndarray, "n 3"]]
    parents: dict[int, int]
    meshes_cam: dict[int, Mesh]

    def __post_init__(self) -> None:
        freeze(self, "T_world_from_cam", "label_map", "z_m")

    def world_from_cam(self, points_cam: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points in `cam` to points in the room's world (y up, floor at 0), metres."""
        return _transform(self.T_world_from_cam, points_cam)

    def meshes_needed_by(self, protocol: str) -> dict[int, Mesh]:
        """`meshes_cam`; raises InputError where the room came without."""
        if not self.meshes_cam:
            raise InputError(f"{self.name} has no truth.glb; {protocol} samples the true meshes, restore the file.")
        return self.meshes_cam


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedObject:
    """One object of a run. mesh_cam: a trimesh.Trimesh in `cam`, metres, equal vertices merged."""

    name: str
    mask_value: int
    parent: str | None
    relation: str
    mesh_cam: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedRun:
    """A run folder as another program reads it.

    objects: those of scene.json that have a mesh in scene.glb, in the order of scene.json.
    label_map, z_m: at the truth's size; z_m is None where the run wrote no depth, 0 = none.
    background_cam: all meshes of scene.glb that belong to no object (the room shell), or None.
    camera: intrinsics at the size that the run names. T_world_from_cam: as scene.json says.
    """

    camera: Camera
    T_world_from_cam: Float[np.ndarray, "4 4"]
    objects: tuple[ReviewedObject, ...]
    label_map: Int[np.ndarray, "H W"]
    z_m: Float[np.ndarray, "H W"] | None
    background_cam: Mesh | None = None

    def __post_init__(self) -> None:
        freeze(self, "T_world_from_cam", "label_map", "z_m")

    def world_from_cam(self, points_cam: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points in `cam` to points in the run's own world, metres."""
        return _transform(self.T_world_from_cam, points_cam)


def is_true_room(folder: Path) -> bool:
    """Whether a folder holds ground truth."""
    return (folder / "truth.npz").is_file()


def read_true_room(folder: Path) -> TrueRoom:
    """Read one room with ground truth; raises InputError if a file is missing or damaged."""
    try:
        camera = json.loads((folder / "camera.json").read_text())
        scene = json.loads((folder / "scene.json").read_text())
        label_map = _read_values(folder / "instances.png").astype(np.int64)
        z_m = _read_values(folder / "depth.png").astype(np.float64) / _MM_PER_M
        T_world_from_cam = np.array(camera["T_world_from_cam"], dtype=np.float64)
        T_cam_from_world = np.linalg.inv(T_world_from_cam)
        size_px = (int(camera["width"]), int(camera["height"]))
        K = np.array(camera["K"], dtype=np.float64)
        parents = {int(item["id"]): int(item.get("parent") or 0) for item in scene["objects"]}
        meshes_world = read_true_meshes(folder / "truth.glb") if (folder / "truth.glb").is_file() else {}
        with np.load(folder / "truth.npz", allow_pickle=False) as arrays:
            points_cam = {
                int(item["id"]): _transform(T_cam_from_world, arrays[f"points_{item['id']}"].astype(np.float64))
                for item in scene["objects"]
                if item["visible_pixels"] >= SMALLEST_OBJECT_PX
            }
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder} is not a room with ground truth ({type(error).__name__}: {error}); restore its files."
        ) from error
    return TrueRoom(
        name=folder.name,
        camera=Camera(K=K, size_px=size_px),
        T_world_from_cam=T_world_from_cam,
        label_map=label_map,
        z_m=z_m,
        points_cam=points_cam,
        parents=parents,
        meshes_cam={
            value: replace(mesh, vertices=_transform(T_cam_from_world, mesh.vertices))
            for value, mesh in meshes_world.items()
        },
    )


def read_true_meshes(path: Path) -> dict[int, Mesh]:
    """The meshes of a truth.glb in world, by the number at the end of their node's name."""
    scene = trimesh.load_scene(path)
    meshes = {}
    for node in scene.graph.nodes_geometry:
        T_world_from_node, geometry = scene.graph[node]
        mesh = scene.geometry[geometry].copy()
        mesh.merge_vertices(merge_tex=True, merge_norm=True)
        mesh.apply_transform(T_world_from_node)
        meshes[int(node.rsplit("_", 1)[-1])] = Mesh(
            vertices=np.array(mesh.vertices, dtype=np.float64), faces=np.array(mesh.faces, dtype=np.int64)
        )
    return meshes


def run_of_truth(truth: TrueRoom) -> ReviewedRun:
    """The truth as if a program had made it: what no figure of a protocol can be better than."""
    return ReviewedRun(
        camera=truth.camera,
        T_world_from_cam=np.array(truth.T_world_from_cam),
        objects=tuple(
            ReviewedObject(
                name=str(value),
                mask_value=value,
                parent=str(truth.parents[value]) if truth.parents.get(value) else "floor",
                relation="on",
                mesh_cam=trimesh.Trimesh(mesh.vertices, mesh.faces),
            )
            for value, mesh in sorted(truth.meshes_needed_by("a score of the truth itself").items())
        ),
        label_map=np.array(truth.label_map),
        z_m=np.array(truth.z_m),
    )


def read_run(folder: Path, *, truth: TrueRoom) -> ReviewedRun:
    """Read a run folder; raises whatever goes wrong, since every such error means the same: it failed."""
    scene = json.loads((folder / "scene.json").read_text())
    T_world_from_cam = np.array(scene["camera"]["T_world_from_cam"], dtype=np.float64)
    size_px = tuple(int(side) for side in scene.get("photo", {}).get("size_px", truth.camera.size_px))
    depth_file = folder / "depth.png"
    height, width = truth.label_map.shape
    objects, background_cam = _read_meshes(folder / "scene.glb", scene["objects"], np.linalg.inv(T_world_from_cam))
    return ReviewedRun(
        camera=Camera(K=np.array(scene["camera"]["K"], dtype=np.float64), size_px=(size_px[0], size_px[1])),
        T_world_from_cam=T_world_from_cam,
        objects=objects,
        label_map=_read_values(folder / "instances.png", size_px=(width, height)).astype(np.int64),
        z_m=_read_depth(depth_file, size_px=(width, height)) if depth_file.exists() else None,
        background_cam=background_cam,
    )


def _read_meshes(
    file: Path, listed: list[dict[str, Any]], T_cam_from_world: Float[np.ndarray, "4 4"]
) -> tuple[tuple[ReviewedObject, ...], Mesh | None]:
    """Objects with their meshes, the last one where several claim the same mask value; then what is no object's."""
    scene = trimesh.load_scene(file)
    parts: dict[str | None, list[trimesh.Trimesh]] = {None: [], **{item["name"]: [] for item in listed}}
    names = parts.keys() - {None}
    for node in scene.graph.nodes_geometry:
        if _is_not_the_object(node, names):
            continue
        T_world_from_part, geometry = scene.graph[node]
        part = scene.geometry[geometry].copy()
        part.apply_transform(T_world_from_part)
        parts[_owner(scene, node, names)].append(part)
    objects: dict[int, ReviewedObject] = {}
    for item in listed:
        if parts[item["name"]]:
            objects[item["mask_value"]] = ReviewedObject(
                name=item["name"],
                mask_value=int(item["mask_value"]),
                parent=item.get("parent"),
                relation=item.get("relation", "on"),
                mesh_cam=_joined(parts[item["name"]], T_cam_from_world),
            )
    if not parts[None]:
        return tuple(objects.values()), None
    shell = _joined(parts[None], T_cam_from_world)
    shell_cam = Mesh(vertices=np.array(shell.vertices), faces=np.array(shell.faces, dtype=np.int64))
    return tuple(objects.values()), shell_cam


def _joined(parts: list[trimesh.Trimesh], T_cam_from_world: Float[np.ndarray, "4 4"]) -> trimesh.Trimesh:
    # Bare vertices and faces: seams of texture coordinates are merged and do not count as holes.
    mesh = trimesh.util.concatenate([trimesh.Trimesh(p.vertices, p.faces) for p in parts])
    mesh.apply_transform(T_cam_from_world)
    return mesh


def _is_not_the_object(node: str, names: Any) -> bool:
    """Whether a mesh node is a collision shape or a level of detail, by its name."""
    return node not in names and any(word in node.lower() for word in _NOT_THE_OBJECT)


def _owner(scene: Any, node: str, names: Any) -> str | None:
    """The object that a mesh node belongs to: the nearest named node above it, or itself."""
    base = scene.graph.base_frame
    path = [node] if node == base else scene.graph.transforms.shortest_path(base, node)
    return next((step for step in reversed(path) if step in names), None)


def _read_values(file: Path, *, size_px: tuple[int, int] | None = None) -> Any:
    """The stored values of a picture (palette indices, not colours), resampled to the nearest if need be."""
    with Image.open(file) as image:
        return np.array(image if size_px is None else image.resize(size_px, Image.Resampling.NEAREST))


def _read_depth(file: Path, *, size_px: tuple[int, int]) -> Float[np.ndarray, "H W"]:
    z_m = _read_values(file).astype(np.float64) / _MM_PER_M
    if z_m.shape == (size_px[1], size_px[0]):
        return z_m
    resized = Image.fromarray(z_m.astype(np.float32)).resize(size_px, Image.Resampling.NEAREST)
    return np.array(resized).astype(np.float64)


def _transform(T: Float[np.ndarray, "4 4"], points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return points @ T[:3, :3].T + T[:3, 3]
