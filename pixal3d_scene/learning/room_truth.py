"""Write a composed room as a folder: the photo, and everything that is true about it.

photo.jpg       what the camera takes, sRGB
camera.json     width, height, K (px, pixel centres at +0.5), T_world_from_cam (cam: x right, y down, z forward; m)
depth.png       16 bit, millimetres along cam z of pixel centres; 0 where a window opens to the outside
instances.png   8 bit: 0 the room's shell, i = object i, at pixel centres
truth.npz       points_i (N, 3) and normals_i: uniform samples of object i's whole surface, world, m
truth.glb       the objects' meshes without texture, one node each, in the frame `node`
scene.json      style, room size, and per object its place, size, yaw, parent and how much of it is seen
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from ..asset import Mesh
from ..camera import Camera
from ..instances import Instance
from ..mesh.raycast import Raycaster
from ..run_folder import RunFolder
from .composed_room import ComposedRoom, PlacedObject
from .furniture import united
from .render import PixelTruth, RenderQuality, pixel_truth, render_photo
from .surfaces import Stage

POINTS_PER_OBJECT = 4000
_GLB_TOLERANCE_M = 4e-4  # what simplifying may move a surface in truth.glb


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceSamples:
    """Uniform samples of a surface: points (m) and unit normals in the frame of the mesh."""

    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"]


def write_room(room: ComposedRoom, folder: Path, quality: RenderQuality | None = None) -> None:
    """Render `room` and write its seven files into `folder` (made if needed): all of them or, on an OutputError, none.

    The same room gives the same bytes.
    """
    stage = Stage(room)
    truth = pixel_truth(room, stage)
    photo = Image.fromarray(render_photo(room, quality, stage))
    millimetres = np.where(truth.valid, np.round(1000 * truth.z_m), 0).astype(np.uint16)
    solids = {item.mask_value: united(item.parts) for item in room.objects}
    files = {
        "photo.jpg": image_bytes(photo, "JPEG", quality=91, subsampling=0),
        "depth.png": image_bytes(Image.fromarray(millimetres), "PNG", optimize=True),
        "instances.png": image_bytes(Image.fromarray(np.array(truth.mask_values)), "PNG", optimize=True),
        "camera.json": json_bytes(_camera_facts(room.camera)),
        "scene.json": json_bytes(_scene_facts(room, truth)),
        "truth.npz": _samples_bytes(room, solids),
        "truth.glb": _glb_bytes(room, solids),
    }
    RunFolder(folder).write(files)


def visible_fraction(item: PlacedObject, camera: Camera, visible_px: int) -> float:
    """Visible pixels over the pixels that the object would cover in this picture if it stood alone."""
    directions = camera.T_world_from_cam.rotation.apply(camera.rays_cam().reshape(-1, 3))
    alone = Raycaster([item.mesh_world(part.mesh_node) for part in item.parts])
    covered = int(alone.cast(np.broadcast_to(camera.centre_world, directions.shape), directions).hit.sum())
    return min(visible_px / covered, 1.0) if covered else 0.0


def sample_surface(mesh: Mesh, count: int, rng: np.random.Generator) -> SurfaceSamples:
    """`count` points spread evenly over the area of a mesh."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    twice_area = np.linalg.norm(across, axis=1)
    face = rng.choice(len(twice_area), size=count, p=twice_area / twice_area.sum())
    u, v = rng.random((2, count, 1))
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    points = a[face] + u * (b - a)[face] + v * (c - a)[face]
    return SurfaceSamples(points=points, normals=across[face] / twice_area[face, None])


def _camera_facts(camera: Camera) -> dict[str, Any]:
    width, height = camera.size_px
    return {
        "width": width,
        "height": height,
        "K": camera.K.tolist(),
        "T_world_from_cam": camera.T_world_from_cam.as_matrix().tolist(),
    }


def _scene_facts(room: ComposedRoom, truth: PixelTruth) -> dict[str, Any]:
    width, depth, height = room.size_m
    return {
        "style": room.style,
        "seed": room.seed,
        "room": {"width": width, "depth": depth, "height": height},
        "objects": [_object_facts(item, room.camera, truth) for item in room.objects],
    }


def _object_facts(item: PlacedObject, camera: Camera, truth: PixelTruth) -> dict[str, Any]:
    visible_px = int((truth.mask_values == item.mask_value).sum())
    x, y, z = item.place_world
    return {
        "id": item.mask_value,
        "name": item.kind.capitalize(),
        "source": f"parametric/{item.kind}",
        "creator": "composed by this project",
        "parent": item.parent,
        "centre": [x, y + float(item.size_m[1]) / 2, z],
        "size": item.size_m.tolist(),
        "yaw": item.yaw_rad,
        "visible_pixels": visible_px,
        "visible_fraction": round(visible_fraction(item, camera, visible_px), 4),
    }


def _samples_bytes(room: ComposedRoom, solids: dict[int, Mesh]) -> bytes:
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for item in room.objects:
        rng = np.random.default_rng(np.random.SeedSequence(room.seed, spawn_key=(2, item.mask_value)))
        samples = sample_surface(item.mesh_world(solids[item.mask_value]), POINTS_PER_OBJECT, rng)
        arrays[f"points_{item.mask_value}"] = samples.points.astype(np.float32)
        arrays[f"normals_{item.mask_value}"] = samples.normals.astype(np.float16)
    return npz_bytes(arrays)


def _glb_bytes(room: ComposedRoom, solids: dict[int, Mesh]) -> bytes:
    import trimesh

    scene = trimesh.Scene()
    for item in room.objects:
        name = Instance(mask_value=item.mask_value, label=item.kind).name
        mesh = _simplified(solids[item.mask_value])
        scene.add_geometry(
            trimesh.Trimesh(mesh.vertices, mesh.faces, process=False),
            node_name=name,
            geom_name=name,
            transform=item.T_world_from_node.as_matrix(),
        )
    return bytes(scene.export(file_type="glb"))


def _simplified(mesh: Mesh) -> Mesh:
    """Fewer triangles within `_GLB_TOLERANCE_M`; stays a closed solid."""
    import manifold3d

    solid = manifold3d.Manifold(
        manifold3d.Mesh64(vert_properties=np.array(mesh.vertices), tri_verts=np.array(mesh.faces, dtype=np.uint64))
    )
    less = solid.simplify(_GLB_TOLERANCE_M).to_mesh64()
    return Mesh(vertices=np.array(less.vert_properties[:, :3]), faces=np.array(less.tri_verts, dtype=np.int64))


def json_bytes(facts: dict[str, Any]) -> bytes:
    """A file of a room's facts."""
    return (json.dumps(facts, indent=1) + "\n").encode()


def npz_bytes(arrays: dict[str, Any]) -> bytes:
    """A compressed file of arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def image_bytes(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """A picture as a file of a format that PIL knows."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
