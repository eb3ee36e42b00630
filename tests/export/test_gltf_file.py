"""What trimesh writes otherwise than engines want, one test for each."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hand_made_scene import box_mesh, marked_texture, pose
from scipy.spatial.transform import RigidTransform

from pixal3d_scene.asset import Material, Mesh
from pixal3d_scene.errors import StageFailed
from pixal3d_scene.export import gltf_file
from pixal3d_scene.export.gltf_file import GltfNode, glb_bytes

IDENTITY = RigidTransform.identity()


def _tree(data: bytes) -> dict[str, Any]:
    (length,) = struct.unpack("<I", data[12:16])
    return json.loads(data[20 : 20 + length])


def _box_node(name: str, parent: str | None = None, T: RigidTransform = IDENTITY) -> GltfNode:
    return GltfNode(
        name=name,
        parent=parent,
        T_parent_from_node=T,
        mesh=box_mesh((1.0, 2.0, 0.5)),
        material=Material(base_colour=marked_texture()),
    )


def test_the_root_is_a_node_of_its_own():
    tree = _tree(glb_bytes([GltfNode(name="room", parent=None), _box_node("a", "room")], jpeg_quality=90))
    assert [tree["nodes"][i]["name"] for i in tree["scenes"][0]["nodes"]] == ["room"]


def test_nodes_have_no_matrix_and_no_needless_scale():
    nodes = [_box_node("a"), _box_node("b", "a", pose(0.1, 0.2, 0.3, 40)), _box_node("c", "b", pose(1, 0, 0))]
    tree = _tree(glb_bytes(nodes, jpeg_quality=90))
    by_name = {node["name"]: node for node in tree["nodes"]}
    assert set(by_name["a"]) == {"name", "children", "mesh"}
    assert set(by_name["b"]) == {"name", "children", "mesh", "translation", "rotation"}
    assert set(by_name["c"]) == {"name", "mesh", "translation"}
    assert by_name["b"]["rotation"] == pytest.approx([0, np.sin(np.radians(20)), 0, np.cos(np.radians(20))])


def test_a_sheared_or_mirrored_node_is_refused():
    for linear in ([[1, 0.2, 0], [0, 1, 0], [0, 0, 1]], np.diag([-1, 1, 1])):
        matrix = np.eye(4)
        matrix[:3, :3] = linear
        with pytest.raises(ValueError, match="mirrors, shears"):
            gltf_file._write_trs({"nodes": [{"name": "a", "matrix": matrix.T.ravel().tolist()}]})


def test_two_nodes_of_one_name_are_refused_instead_of_lost():
    with pytest.raises(ValueError, match=r"same name.*: a"):
        glb_bytes([_box_node("a"), _box_node("a")], jpeg_quality=90)


def test_vertices_that_are_not_finite_are_refused_with_the_name():
    vertices = box_mesh((1, 1, 1)).vertices.copy()
    vertices[2, 1] = np.nan
    mesh = Mesh(vertices=vertices, faces=box_mesh((1, 1, 1)).faces)
    with pytest.raises(StageFailed, match=r"chair_01.*not finite"):
        glb_bytes([GltfNode(name="chair_01", parent=None, mesh=mesh)], jpeg_quality=90)


def test_core_attribute_names_targets_and_strides():
    colours = np.full((8, 4), 200, dtype=np.uint8)
    coloured = Mesh(vertices=box_mesh((1, 1, 1)).vertices, faces=box_mesh((1, 1, 1)).faces, colours=colours)
    nodes = [_box_node("a"), GltfNode(name="b", parent=None, mesh=coloured)]
    tree = _tree(glb_bytes(nodes, jpeg_quality=90))
    attributes = [mesh["primitives"][0]["attributes"] for mesh in tree["meshes"]]
    assert [set(a) for a in attributes] == [{"POSITION", "NORMAL", "TEXCOORD_0"}, {"POSITION", "NORMAL", "COLOR_0"}]
    stride = {"POSITION": 12, "NORMAL": 12, "TEXCOORD_0": 8, "COLOR_0": 8}
    for mesh, names in zip(tree["meshes"], attributes, strict=True):
        for name, index in names.items():
            view = tree["bufferViews"][tree["accessors"][index]["bufferView"]]
            assert (view["target"], view["byteStride"]) == (34962, stride[name])
        indices = tree["accessors"][mesh["primitives"][0]["indices"]]
        assert tree["bufferViews"][indices["bufferView"]]["target"] == 34963
    assert tree["accessors"][attributes[1]["COLOR_0"]]["normalized"] is True


def test_vertex_colours_count_where_there_is_no_texture_for_the_uv():
    mesh = replace(box_mesh((1, 1, 1)), colours=np.full((8, 4), 200, dtype=np.uint8))
    tree = _tree(glb_bytes([GltfNode(name="a", parent=None, mesh=mesh)], jpeg_quality=90))
    assert set(tree["meshes"][0]["primitives"][0]["attributes"]) == {"POSITION", "NORMAL", "COLOR_0"}
    assert "baseColorTexture" not in tree["materials"][0]["pbrMetallicRoughness"]


def test_normals_equal_to_positions_share_their_bytes_legally():
    """A unit octahedron about the origin: two accessors on one view need its stride."""
    vertices = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]], dtype=float)
    faces = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    tree = _tree(
        glb_bytes([GltfNode(name="a", parent=None, mesh=Mesh(vertices=vertices, faces=faces))], jpeg_quality=90)
    )
    attributes = tree["meshes"][0]["primitives"][0]["attributes"]
    views = {tree["accessors"][i]["bufferView"] for i in attributes.values()}
    assert all(tree["bufferViews"][view]["byteStride"] == 12 for view in views)


def test_equal_textures_are_stored_once_and_materials_per_mesh():
    tree = _tree(glb_bytes([_box_node("a"), _box_node("b")], jpeg_quality=90))
    assert ([image["name"] for image in tree["images"]], len(tree["textures"])) == (["a_base_colour"], 1)
    assert [material["name"] for material in tree["materials"]] == ["a_mat", "b_mat"]
    assert [mesh["primitives"][0]["material"] for mesh in tree["meshes"]] == [0, 1]


def test_a_node_without_triangles_stays_without_a_mesh():
    empty = Mesh(vertices=np.zeros((3, 3)), faces=np.zeros((0, 3), dtype=np.int64))
    nodes = [GltfNode(name="a", parent=None, mesh=empty, extras={"status": "failed"}), _box_node("b")]
    tree = _tree(glb_bytes(nodes, jpeg_quality=90))
    assert tree["nodes"][0] == {"name": "a", "extras": {"status": "failed"}}
    assert tree["nodes"][1]["mesh"] == 0


def test_core_only():
    tree = _tree(glb_bytes([_box_node("a")], jpeg_quality=90))
    assert "extensionsUsed" not in tree
    assert "extensionsRequired" not in tree
    assert "extensions" not in json.dumps(tree)
