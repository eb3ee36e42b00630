"""Scenes written as GLB and read back with pygltflib, for the tests of the files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pygltflib
from hand_made_scene import hand_made_photo
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pixal3d_scene.export.glb import scene_glb
from pixal3d_scene.scene_graph import SceneGraph

_DTYPES = {5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def written_glb(scene: SceneGraph, *, room_shell: bool = True) -> bytes:
    return scene_glb(scene, photo=hand_made_photo(scene.camera.size_px), jpeg_quality=92, room_shell=room_shell)


def read_glb(data: bytes) -> pygltflib.GLTF2:
    return pygltflib.GLTF2().load_from_bytes(data)


def accessor_of(gltf: pygltflib.GLTF2, index: int) -> NDArray[Any]:
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    dtype, width = _DTYPES[accessor.componentType], _WIDTHS[accessor.type]
    assert view.byteStride in (None, width * np.dtype(dtype).itemsize)
    start = view.byteOffset + accessor.byteOffset
    return np.frombuffer(gltf.binary_blob(), dtype, accessor.count * width, start).reshape(-1, width)


def node_of(gltf: pygltflib.GLTF2, name: str) -> pygltflib.Node:
    (node,) = [node for node in gltf.nodes if node.name == name]
    return node


def parents_of(gltf: pygltflib.GLTF2) -> dict[str, str | None]:
    parents: dict[str, str | None] = {node.name: None for node in gltf.nodes}
    for node in gltf.nodes:
        for child in node.children:
            parents[gltf.nodes[child].name] = node.name
    return parents


def local_of(node: pygltflib.Node) -> NDArray[np.float64]:
    """T * R * S as the glTF specification says, section 5.25."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(node.rotation or [0, 0, 0, 1]).as_matrix() * (node.scale or [1, 1, 1])
    matrix[:3, 3] = node.translation or [0, 0, 0]
    return matrix


def world_of(gltf: pygltflib.GLTF2, name: str) -> NDArray[np.float64]:
    parents = parents_of(gltf)
    matrix, at = np.eye(4), name
    while at is not None:
        matrix, at = local_of(node_of(gltf, at)) @ matrix, parents[at]
    return matrix
