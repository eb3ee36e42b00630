"""Rooms with known truth as exams for the layout: true meshes whose distance was lost, depth and masks as one likes.

In: a folder with truth.glb, scene.json, camera.json, instances.png and depth.png. Out: a `LayoutTrial`, that is
what the layout solver is given, together with the answer. World is glTF (y up, floor at 0), metres.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt16
from PIL import Image
from scipy.spatial.transform import RigidTransform

from ..asset import Material, Mesh, ObjectAsset
from ..camera import Camera
from ..crop import CropVolume, plan_crops
from ..depth import Depth
from ..frames import Similarity, cropcam_from_obj
from ..frontend.given_depth import read_depth
from ..instances import Instance, Instances
from ..layout.room_shell import fit_room
from ..photo import Photo, read_photo
from ..room import Room
from .room_files import read_true_meshes

# The smooth error's nodes: its values a quarter of the picture apart are independent.
_SMOOTH_NODES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What is done to a perfect photo. Shares are of the depth; eroded_px: of every mask.

    noise_share: standard deviation, independent per pixel. smooth_share: of an error that varies over a quarter of
    the picture. scale_bias: factor on all depth. missing_share: of the pixels, in blobs.
    """

    name: str
    noise_share: float = 0.0
    smooth_share: float = 0.0
    scale_bias: float = 1.0
    eroded_px: int = 0
    missing_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueObject:
    """mesh_world: m. parent: "floor" or the name of the instance that carries it. visible_px: in the true masks."""

    mesh_world: Mesh
    parent: str
    visible_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutTrial:
    """The solver's input and the truth, the latter by instance name."""

    name: str
    assets: tuple[ObjectAsset, ...]
    volumes: tuple[CropVolume, ...]
    room: Room
    truth: dict[str, TrueObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueScene:
    """A room as its folder tells it. objects: by mask value."""

    name: str
    photo: Photo
    label_map: UInt16[np.ndarray, "H W"]
    depth: Depth
    objects: dict[int, TrueObject]
    labels: dict[int, str]


def read_true_scene(folder: Path) -> TrueScene:
    """The meshes, parents, masks, depth and camera of one room."""
    camera_facts = json.loads((folder / "camera.json").read_text())
    camera = Camera(
        K=np.array(camera_facts["K"], dtype=np.float64),
        size_px=(camera_facts["width"], camera_facts["height"]),
        T_world_from_cam=RigidTransform.from_matrix(np.array(camera_facts["T_world_from_cam"])),
    )
    label_map = np.asarray(Image.open(folder / "instances.png")).astype(np.uint16)
    facts = [o for o in json.loads((folder / "scene.json").read_text())["objects"] if (label_map == o["id"]).any()]
    labels = {o["id"]: str(o["name"]).lower() for o in facts}
    names = {value: Instance(mask_value=value, label=label).name for value, label in labels.items()}
    label_map = np.where(np.isin(label_map, list(labels)), label_map, 0).astype(np.uint16)
    meshes_world = read_true_meshes(folder / "truth.glb")
    objects = {
        o["id"]: TrueObject(
            mesh_world=meshes_world[o["id"]],
            parent=names.get(o["parent"], "floor"),
            visible_px=int(o["visible_pixels"]),
        )
        for o in facts
    }
    return TrueScene(
        name=folder.name,
        photo=read_photo(folder / "photo.jpg"),
        label_map=label_map,
        depth=read_depth(folder / "depth.png", camera),
        objects=objects,
        labels=labels,
    )


def make_trial(scene: TrueScene, disturbance: Disturbance, *, seed: int = 0) -> LayoutTrial:
    """The scene's true meshes without their distance, and the photo's evidence as disturbed."""
    label_map = _eroded(scene.label_map, disturbance.eroded_px)
    values = [int(v) for v in np.unique(label_map) if v]
    items = tuple(Instance(mask_value=v, label=scene.labels[v]) for v in values)
    instances = Instances(label_map=label_map, items=items, source="truth")
    depth = _disturbed(scene.depth, disturbance, np.random.default_rng(seed))
    volumes = plan_crops(scene.photo, instances, depth, size_px=128, margin=1.1)
    truth = {v.name: scene.objects[v.instance.mask_value] for v in volumes}
    return LayoutTrial(
        name=f"{scene.name}/{disturbance.name}",
        assets=tuple(asset_of_truth(truth[v.name].mesh_world, v) for v in volumes),
        volumes=volumes,
        room=fit_room(depth, instances),
        truth=truth,
    )


def asset_of_truth(mesh_world: Mesh, volume: CropVolume) -> ObjectAsset:
    """A true mesh as a perfect generator would give it: in its cube, with the distance lost."""
    T_cropcam_from_world = Similarity.from_rigid(volume.camera.T_world_from_cam).inverse()
    middle_z_m = float(T_cropcam_from_world.apply(mesh_world.vertices)[:, 2].mean())
    distance_obj = volume.camera_distance_obj
    T_cropcam_from_obj = cropcam_from_obj(scale_m=middle_z_m / distance_obj, camera_distance_obj=distance_obj)
    return ObjectAsset(
        mask_value=volume.instance.mask_value,
        mesh_obj=mesh_world.transformed(T_cropcam_from_obj.inverse() @ T_cropcam_from_world),
        material=Material(),
        camera_distance_obj=distance_obj,
        expected_scale_m=None,
        generator="truth",
        status="generated",
    )


def _eroded(label_map: UInt16[np.ndarray, "H W"], eroded_px: int) -> UInt16[np.ndarray, "H W"]:
    """Every mask without its rim; a mask that would vanish keeps what it has."""
    from scipy.ndimage import binary_erosion

    if not eroded_px:
        return label_map
    eroded = np.zeros_like(label_map)
    for value in np.unique(label_map[label_map > 0]):
        mask = label_map == value
        inner = binary_erosion(mask, iterations=eroded_px)
        eroded[inner if inner.any() else mask] = value
    return eroded


def _disturbed(depth: Depth, disturbance: Disturbance, rng: np.random.Generator) -> Depth:
    shape = depth.z_m.shape
    error = disturbance.noise_share * rng.standard_normal(shape) + disturbance.smooth_share * _smooth(shape, rng)
    z_m = depth.z_m * disturbance.scale_bias * np.clip(1 + error, 0.2, None)
    missing: Bool[np.ndarray, "H W"] = np.zeros(shape, dtype=bool)
    if disturbance.missing_share:
        blobs = _smooth(shape, rng, nodes=4 * _SMOOTH_NODES)
        missing = blobs > np.quantile(blobs, 1 - disturbance.missing_share)
    return replace(depth, z_m=z_m.astype(np.float32), valid=depth.valid & ~missing)


def _smooth(shape: tuple[int, ...], rng: np.random.Generator, nodes: int = _SMOOTH_NODES) -> Float[np.ndarray, "H W"]:
    """A field of standard deviation 1, cubic between independent nodes."""
    from scipy.ndimage import zoom

    field = zoom(rng.standard_normal((nodes, nodes)), (shape[0] / nodes, shape[1] / nodes), order=3, grid_mode=True,
                 mode="nearest")  # fmt: skip
    return np.asarray(field / field.std())
