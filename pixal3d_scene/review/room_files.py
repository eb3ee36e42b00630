"""Reads what is compared: a room with ground truth, and the run folder that was made of its photo.

In: two folders. Out: `TrueRoom` and `ReviewedRun`, both with points in metres in the frame of *their own*
photo camera (`cam`: x right, y down, z forward), so that a wrong pose of the run's world costs nothing and a
wrong place in front of the camera costs everything.

Poses stay 4x4 matrices here: they are the file's own numbers, and making them exactly orthogonal first would
compare something else than what other programs read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int
from PIL import Image

from ..arrays import freeze
from ..camera import Camera
from ..errors import InputError

SMALLEST_OBJECT_PX = 400  # true objects that show less are not counted
_MM_PER_M = 1000.0
_NOT_THE_OBJECT = ("-col", "ucx_", "ubx_", "_lod")  # collision shapes and levels of detail of engine presets


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueRoom:
    """Ground truth of one photo.

    label_map: 0 = room shell. z_m: along +z of `cam`, 0 = none. points_cam: uniform on the whole surface of
    each object that shows enough pixels, hidden parts too, keyed by its value in the label map.
    """

    name: str
    size_px: tuple[int, int]
    label_map: Int[np.ndarray, "H W"]
    z_m: Float[np.ndarray, "H W"]
    points_cam: dict[int, Float[np.ndarray, "n 3"]]

    def __post_init__(self) -> None:
        freeze(self, "label_map", "z_m")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedObject:
    """One object of a run. mesh_cam: a trimesh.Trimesh in `cam`, metres, equal vertices merged."""

    mask_value: int
    parent: str | None
    relation: str
    mesh_cam: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedRun:
    """A run folder as another program reads it.

    objects: those of scene.json that have a mesh in scene.glb, in the order of scene.json.
    label_map, z_m: at the truth's size; z_m is None where the run wrote no depth, 0 = none.
    camera: intrinsics at the size that the run names. T_world_from_cam: as scene.json says.
    """

    camera: Camera
    T_world_from_cam: Float[np.ndarray, "4 4"]
    objects: tuple[ReviewedObject, ...]
    label_map: Int[np.ndarray, "H W"]
    z_m: Float[np.ndarray, "H W"] | None

    def __post_init__(self) -> None:
        freeze(self, "T_world_from_cam", "label_map", "z_m")

    def world_from_cam(self, points_cam: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points in `cam` to points in the run's own world, metres."""
        return points_cam @ self.T_world_from_cam[:3, :3].T + self.T_world_from_cam[:3, 3]


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
        T_cam_from_world = np.linalg.inv(np.array(camera["T_world_from_cam"], dtype=np.float64))
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
        size_px=(int(camera["width"]), int(camera["height"])),
        label_map=label_map,
        z_m=z_m,
        points_cam=points_cam,
    )


def read_run(folder: Path, *, truth: TrueRoom) -> ReviewedRun:
    """Read a run folder; raises whatever goes wrong, since every such error means the same: it failed."""
    scene = json.loads((folder / "scene.json").read_text())
    T_world_from_cam = np.array(scene["camera"]["T_world_from_cam"], dtype=np.float64)
    size_px = tuple(int(side) for side in scene.get("photo", {}).get("size_px", truth.size_px))
    depth_file = folder / "depth.png"
    height, width = truth.label_map.shape
    return ReviewedRun(
        camera=Camera(K=np.array(scene["camera"]["K"], dtype=np.float64), size_px=(size_px[0], size_px[1])),
        T_world_from_cam=T_world_from_cam,
        objects=tuple(_read_objects(folder / "scene.glb", scene["objects"], np.linalg.inv(T_world_from_cam))),
        label_map=_read_values(folder / "instances.png", size_px=(width, height)).astype(np.int64),
        z_m=_read_depth(depth_file, size_px=(width, height)) if depth_file.exists() else None,
    )


def _read_objects(
    file: Path, listed: list[dict[str, Any]], T_cam_from_world: Float[np.ndarray, "4 4"]
) -> list[ReviewedObject]:
    """Objects with their meshes; the last one wins where several claim the same mask value."""
    scene = trimesh.load_scene(file)
    parts: dict[str, list[trimesh.Trimesh]] = {item["name"]: [] for item in listed}
    for node in scene.graph.nodes_geometry:
        owner = _owner(scene, node, parts.keys())
        if owner is not None:
            T_world_from_part, geometry = scene.graph[node]
            part = scene.geometry[geometry].copy()
            part.apply_transform(T_world_from_part)
            parts[owner].append(part)
    objects: dict[int, ReviewedObject] = {}
    for item in listed:
        if parts[item["name"]]:
            # Bare vertices and faces: seams of texture coordinates are merged and do not count as holes.
            mesh = trimesh.util.concatenate([trimesh.Trimesh(p.vertices, p.faces) for p in parts[item["name"]]])
            mesh.apply_transform(T_cam_from_world)
            objects[item["mask_value"]] = ReviewedObject(
                mask_value=int(item["mask_value"]),
                parent=item.get("parent"),
                relation=item.get("relation", "on"),
                mesh_cam=mesh,
            )
    return list(objects.values())


def _owner(scene: Any, node: str, names: Any) -> str | None:
    """The object that a mesh node belongs to: the nearest named node above it, or itself."""
    base = scene.graph.base_frame
    path = [node] if node == base else scene.graph.transforms.shortest_path(base, node)
    owner = next((step for step in reversed(path) if step in names), None)
    if owner != node and any(word in node.lower() for word in _NOT_THE_OBJECT):
        return None
    return owner


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
