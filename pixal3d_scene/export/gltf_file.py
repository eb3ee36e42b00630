"""Named nodes in, the bytes of a core glTF 2.0 file leave.

trimesh lays out the buffers and the node tree. What it does not write as engines want it is mended here, on the
JSON tree before it is serialised: translation/rotation/scale instead of matrices, normals, uv and colours as
core attributes, buffer targets, materials with textures of our own encoding, perspective cameras.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import RigidTransform

from .. import __version__
from ..asset import Material, Mesh
from ..errors import StageFailed
from ..frames import similarity_from_matrix
from .gltf_material import encode_texture, linear_vertex_colours, material_json
from .normals import smooth_normals

_UINT16 = 5123
_VERTEX_BUFFER, _INDEX_BUFFER = 34962, 34963
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class GltfNode:
    """One node of the file. parent: name of a node listed before this one, None for a root.

    mesh: in the frame of this node, m. camera: a glTF camera entry; it looks along the node's -z.
    extras: plain JSON values.
    """

    name: str
    parent: str | None
    T_parent_from_node: RigidTransform = field(default_factory=RigidTransform.identity)
    mesh: Mesh | None = None
    material: Material = field(default_factory=Material)
    camera: dict[str, Any] | None = None
    extras: dict[str, Any] = field(default_factory=dict)


def glb_bytes(nodes: Sequence[GltfNode], *, jpeg_quality: int) -> bytes:
    """One GLB file, the same bytes for the same nodes.

    Nodes that hold the same `Mesh` and the same `Material` share one mesh of the file. Meshes are named after their
    first node, materials `<name>_mat`, pictures `<name>_base_colour`. Raises StageFailed for a mesh that no viewer
    could draw and ValueError for two nodes of one name.
    """
    from trimesh.exchange.gltf import export_glb

    _check(nodes)

    def add_materials(buffers: dict[Any, bytes], tree: dict[str, Any]) -> None:
        _add_materials(tree, buffers, nodes, jpeg_quality)

    def mend(tree: dict[str, Any]) -> None:
        tree["asset"]["generator"] = f"pixal3d-scene {__version__}"
        _write_trs(tree)
        _add_cameras(tree, nodes)
        _mend_meshes(tree)

    data: bytes = export_glb(
        _trimesh_scene(nodes), include_normals=False, buffer_postprocessor=add_materials, tree_postprocessor=mend
    )
    return data


def _check(nodes: Sequence[GltfNode]) -> None:
    names = [node.name for node in nodes]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"Two nodes have the same name, trimesh would drop one: {', '.join(twice)}.")
    for node in nodes:
        if node.mesh is not None and not np.isfinite(node.mesh.vertices).all():
            raise StageFailed("export", "the mesh has vertices that are not finite", object_name=node.name)


def _trimesh_scene(nodes: Sequence[GltfNode]) -> Any:
    import trimesh

    scene = trimesh.Scene()
    first_node: dict[tuple[int, int], str] = {}
    for node in nodes:
        drawable = node.mesh is not None and len(node.mesh.faces) > 0
        geometry = first_node.setdefault((id(node.mesh), id(node.material)), node.name)
        if drawable and node.mesh is not None and geometry == node.name:
            scene.geometry[geometry] = trimesh.Trimesh(
                vertices=np.array(node.mesh.vertices, dtype=np.float64),
                faces=np.array(node.mesh.faces),
                vertex_attributes=_attributes(node.mesh, node.material),
                process=False,
            )
        scene.graph.update(  # the child comes first
            frame_to=node.name,
            frame_from=node.parent or scene.graph.base_frame,
            matrix=node.T_parent_from_node.as_matrix(),
            metadata=node.extras,
            **({"geometry": geometry} if drawable else {}),
        )
    return scene


def _attributes(mesh: Mesh, material: Material) -> dict[str, NDArray[Any]]:
    """Vertex attributes by their glTF names; trimesh puts an underscore before each."""
    attributes: dict[str, NDArray[Any]] = {"NORMAL": smooth_normals(mesh).astype(np.float32)}
    if material.base_colour is not None and mesh.uv is not None:
        attributes["TEXCOORD_0"] = np.asarray(mesh.uv, dtype=np.float32)
    elif mesh.colours is not None:
        attributes["COLOR_0"] = linear_vertex_colours(mesh.colours)
    return attributes


def _add_materials(
    tree: dict[str, Any], buffers: dict[Any, bytes], nodes: Sequence[GltfNode], jpeg_quality: int
) -> None:
    """Textures as files inside the buffer (the same file only once) and one material per mesh."""
    node_by_name = {node.name: node for node in nodes}
    texture_of: dict[bytes, int] = {}
    for index, entry in enumerate(tree["meshes"]):
        node = node_by_name[entry["name"]]
        texture_index = None
        if node.material.base_colour is not None and node.mesh is not None and node.mesh.uv is not None:
            encoded = encode_texture(node.material.base_colour, jpeg_quality=jpeg_quality)
            texture_index = texture_of.setdefault(encoded.data, len(texture_of))
            if texture_index == len(tree["textures"]):
                buffers[("texture", texture_index)] = encoded.data + bytes(-len(encoded.data) % 4)
                image = {
                    "name": f"{node.name}_base_colour",
                    "mimeType": encoded.mime_type,
                    "bufferView": len(buffers) - 1,
                }
                tree["images"].append(image)
                tree["textures"].append({"source": texture_index})
        tree["materials"].append(material_json(f"{node.name}_mat", node.material, texture_index=texture_index))
        entry["primitives"][0]["material"] = index


def _write_trs(tree: dict[str, Any]) -> None:
    """Engines animate and edit translation, rotation and scale; trimesh writes a matrix, even a sheared one."""
    for node in tree["nodes"]:
        if "matrix" not in node:
            continue
        T = similarity_from_matrix(np.reshape(node.pop("matrix"), (4, 4)).T)  # glTF stores columns
        if np.any(T.translation):
            node["translation"] = T.translation.tolist()
        quat_xyzw = T.rotation.as_quat(canonical=True)
        if np.any(quat_xyzw[:3]):
            node["rotation"] = quat_xyzw.tolist()
        if abs(T.scale - 1) > 1e-9:
            node["scale"] = [T.scale] * 3


def _add_cameras(tree: dict[str, Any], nodes: Sequence[GltfNode]) -> None:
    """trimesh divides angles for the aspect ratio, so the camera is written here."""
    index_of = {entry["name"]: i for i, entry in enumerate(tree["nodes"])}
    for node in nodes:
        if node.camera is not None:
            cameras = tree.setdefault("cameras", [])
            tree["nodes"][index_of[node.name]]["camera"] = len(cameras)
            cameras.append({"name": node.name, **node.camera})


def _mend_meshes(tree: dict[str, Any]) -> None:
    """Core attribute names, normalised colours, and what each buffer view is for."""
    for entry in tree.get("meshes", []):
        if not entry.get("extras"):
            entry.pop("extras", None)
        primitive = entry["primitives"][0]
        primitive["attributes"] = {name.lstrip("_"): i for name, i in primitive["attributes"].items()}
        for index in primitive["attributes"].values():
            accessor = tree["accessors"][index]
            component_bytes = 2 if accessor["componentType"] == _UINT16 else 4
            if accessor["componentType"] == _UINT16:
                accessor["normalized"] = True
            view = tree["bufferViews"][accessor["bufferView"]]
            view["target"] = _VERTEX_BUFFER
            view["byteStride"] = component_bytes * _COMPONENTS[accessor["type"]]
        indices = tree["accessors"][primitive["indices"]]
        tree["bufferViews"][indices["bufferView"]]["target"] = _INDEX_BUFFER
