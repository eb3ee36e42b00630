"""A scene graph in, a GLB file (core glTF 2.0) out.

    room                    identity; y up, floor at y = 0, metres
    ├── photo_camera        the photo's camera, looking along its -z
    ├── floor, wall_01, …   the room shell, meshes in world
    ├── table_01            an object: mesh in the node frame (y up, origin at its bottom centre)
    │   └── lamp_02         what stands on it, placed relative to it
    └── chair_03

Names are those of scene.json; `extras` of an object's node are its entry there.
"""

from __future__ import annotations

import math
from typing import Any

from scipy.spatial.transform import RigidTransform

from ..camera import Camera
from ..errors import StageFailed
from ..frames import cv_from_gl
from ..photo import Photo
from ..scene_graph import RoomSurface, SceneGraph, SceneObject
from .facts import SCHEMA_VERSION, camera_facts, object_facts, photo_facts
from .gltf_file import GltfNode, glb_bytes
from .shell import shell_surfaces

CAMERA_NODE = "photo_camera"
_NEAR_M = 0.05
# glTF lets the far plane out, but without it Godot 3 takes 0 and Blender 1e12, where rounding loses whole surfaces.
_FAR_M = 1000.0


def scene_glb(scene: SceneGraph, *, photo: Photo, jpeg_quality: int, room_shell: bool) -> bytes:
    """The whole scene; one node per object, also for one that failed (without a mesh). Same input, same bytes.

    jpeg_quality: 1 to 100, of textures without transparency. room_shell: write floor, walls and ceiling.
    Raises StageFailed where a mesh has vertices that are not finite.
    """
    root = GltfNode(
        name=scene.ROOT, parent=None, extras={"schema": SCHEMA_VERSION, "photo": photo_facts(photo), "unit": "metre"}
    )
    objects = [_object_node(scene, item) for item in scene.top_down()]
    shell = [_shell_node(surface, scene.ROOT) for surface in shell_surfaces(scene)] if room_shell else []
    return glb_bytes(
        [root, _camera_node(scene.camera.resized(photo.full_size_px)), *shell, *objects], jpeg_quality=jpeg_quality
    )


def object_glb(item: SceneObject, *, jpeg_quality: int) -> bytes:
    """One object alone: a single node at the origin, pivot at the bottom centre, the same extras as in the scene.

    Raises StageFailed for an object without a mesh.
    """
    if item.mesh_node is None:
        raise StageFailed("export", "there is no mesh to write", object_name=item.name)
    node = GltfNode(name=item.name, parent=None, mesh=item.mesh_node, material=item.material, extras=object_facts(item))
    return glb_bytes([node], jpeg_quality=jpeg_quality)


def _object_node(scene: SceneGraph, item: SceneObject) -> GltfNode:
    carrier = scene.parent_node(item.name)
    T_parent_from_node = item.placement.T_world_from_node
    if carrier != scene.ROOT:
        T_parent_from_node = scene[carrier].placement.T_world_from_node.inv() * T_parent_from_node
    return GltfNode(
        name=item.name,
        parent=carrier,
        T_parent_from_node=T_parent_from_node,
        mesh=item.mesh_node,
        material=item.material,
        extras=object_facts(item),
    )


def _shell_node(surface: RoomSurface, root: str) -> GltfNode:
    extras = {"role": "room_shell", "surface": surface.name}
    return GltfNode(name=surface.name, parent=root, mesh=surface.mesh_world, material=surface.material, extras=extras)


def _camera_node(camera: Camera) -> GltfNode:
    """camera: at the size of the oriented photo, whatever size it was worked on at."""
    extras: dict[str, Any] = {**camera_facts(camera), "size_px": list(camera.size_px)}
    note = _camera_note(camera)
    if note is not None:
        extras["note"] = note
    return GltfNode(
        name=CAMERA_NODE,
        parent=SceneGraph.ROOT,
        T_parent_from_node=camera.T_world_from_cam * RigidTransform.from_rotation(cv_from_gl()),
        camera={"type": "perspective", "perspective": _perspective(camera)},
        extras=extras,
    )


def _perspective(camera: Camera) -> dict[str, float]:
    """glTF cameras have no principal point; the field of view is that of the focal length, about the middle."""
    width, height = camera.size_px
    tan_half_x, tan_half_y = width / 2 / camera.K[0, 0], height / 2 / camera.K[1, 1]
    return {
        "yfov": 2 * math.atan(tan_half_y),
        "aspectRatio": float(tan_half_x / tan_half_y),
        "znear": _NEAR_M,
        "zfar": _FAR_M,
    }


def _camera_note(camera: Camera) -> str | None:
    width, height = camera.size_px
    offset_x_px, offset_y_px = camera.K[0, 2] - width / 2, camera.K[1, 2] - height / 2
    if max(abs(offset_x_px), abs(offset_y_px), abs(camera.K[0, 1])) < 1e-6:
        return None
    return (
        f"The principal point is ({offset_x_px:+.2f}, {offset_y_px:+.2f}) px off the middle and the skew is "
        f"{camera.K[0, 1]:.2f}; a glTF camera cannot say that. K here is exact."
    )
