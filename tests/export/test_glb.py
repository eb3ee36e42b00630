"""The GLB is read back with pygltflib and compared with the scene graph node by node."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import trimesh
from glb_reading import accessor_of, local_of, node_of, parents_of, read_glb, world_of, written_glb
from gltf_validator import validator_report
from hand_made_scene import (
    box_mesh,
    hand_made_object,
    hand_made_photo,
    hand_made_scene,
    marked_texture,
    pose,
)
from PIL import Image
from scipy.spatial.transform import RigidTransform, Rotation

from pixal3d_scene.errors import StageFailed
from pixal3d_scene.export.facts import object_facts, scene_facts
from pixal3d_scene.export.glb import object_glb
from pixal3d_scene.scene_graph import SceneGraph


def test_nodes_have_the_names_and_parents_of_the_scene():
    assert parents_of(read_glb(written_glb(hand_made_scene()))) == {
        "room": None,
        "photo_camera": "room",
        "floor": "room",
        "wall_01": "room",
        "wall_02": "room",
        "couch_table_03": "room",
        "lmp_07": "couch_table_03",
        "ball_12": "room",
        "leaf_13": "room",
        "vase_20": "room",
    }


def test_without_shell_only_camera_and_objects_are_left():
    names = {node.name for node in read_glb(written_glb(hand_made_scene(), room_shell=False)).nodes}
    assert names == {"room", "photo_camera", "couch_table_03", "lmp_07", "ball_12", "leaf_13", "vase_20"}


def test_transforms_are_trs_and_equal_the_placements():
    scene = hand_made_scene()
    gltf = read_glb(written_glb(scene))
    assert all(node.matrix is None and node.scale is None for node in gltf.nodes)
    for item in scene.objects:
        truth = item.placement.T_world_from_node.as_matrix()
        assert world_of(gltf, item.name) == pytest.approx(truth, abs=1e-12), item.name
    lamp, table = scene["lmp_07"].placement.T_world_from_node, scene["couch_table_03"].placement.T_world_from_node
    assert local_of(node_of(gltf, "lmp_07")) == pytest.approx((table.inv() * lamp).as_matrix(), abs=1e-12)


def test_a_marked_vertex_of_the_nested_object_arrives_at_its_place_in_world():
    scene = hand_made_scene()
    lamp = scene["lmp_07"]
    assert lamp.mesh_node is not None
    gltf = read_glb(written_glb(scene))
    marked_node = lamp.mesh_node.vertices[lamp.mesh_node.vertices.sum(axis=1).argmax()]  # the right, top, front corner
    stored = accessor_of(gltf, gltf.meshes[node_of(gltf, "lmp_07").mesh].primitives[0].attributes.POSITION)
    from_file = world_of(gltf, "lmp_07") @ [*stored[stored.sum(axis=1).argmax()], 1]
    # By hand: yaw of -20 degrees about y, then the translation of the lamp.
    x, y, z = marked_node
    c, s = np.cos(np.radians(-20)), np.sin(np.radians(-20))
    assert from_file[:3] == pytest.approx([c * x + s * z - 0.35, y + 0.7, -s * x + c * z - 3.05], abs=1e-6)


def test_extras_are_the_facts_of_scene_json():
    scene = hand_made_scene()
    gltf = read_glb(written_glb(scene))
    for item in scene.objects:
        assert node_of(gltf, item.name).extras == object_facts(item)
    photo = node_of(gltf, "room").extras["photo"]
    assert photo == {"file": "room <b>&.jpg", "sha256": "0" * 64, "size_px": [320, 240]}
    assert node_of(gltf, "wall_02").extras == {"role": "room_shell", "surface": "wall_02"}


def test_meshes_are_the_objects_in_the_node_frame():
    scene = hand_made_scene()
    gltf = read_glb(written_glb(scene))
    assert len(gltf.meshes) == 3 + 4  # shell and objects; the failed one has none
    assert node_of(gltf, "vase_20").mesh is None
    for item in scene.objects:
        if item.mesh_node is None:
            continue
        mesh = gltf.meshes[node_of(gltf, item.name).mesh]
        (primitive,) = mesh.primitives
        assert (mesh.name, gltf.materials[primitive.material].name) == (item.name, f"{item.name}_mat")
        positions, indices = accessor_of(gltf, primitive.attributes.POSITION), accessor_of(gltf, primitive.indices)
        assert np.array_equal(positions, item.mesh_node.vertices.astype(np.float32))
        assert np.array_equal(indices.ravel(), item.mesh_node.faces.ravel())
        accessor = gltf.accessors[primitive.attributes.POSITION]
        assert np.array_equal([accessor.min, accessor.max], [positions.min(axis=0), positions.max(axis=0)])
        normals = accessor_of(gltf, primitive.attributes.NORMAL)
        assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(positions)), abs=1e-6)
        if item.mesh_node.uv is not None:
            assert np.array_equal(
                accessor_of(gltf, primitive.attributes.TEXCOORD_0), item.mesh_node.uv.astype(np.float32)
            )


def test_vertex_colours_are_written_where_there_is_no_texture():
    scene = hand_made_scene()
    gltf = read_glb(written_glb(scene))
    primitive = gltf.meshes[node_of(gltf, "ball_12").mesh].primitives[0]
    mesh = scene["ball_12"].mesh_node
    assert mesh is not None
    assert mesh.colours is not None
    stored = accessor_of(gltf, primitive.attributes.COLOR_0)
    assert gltf.accessors[primitive.attributes.COLOR_0].normalized is True
    top = int(mesh.vertices[:, 1].argmax())
    assert stored[top] == pytest.approx([65535, 6700, 23038, 65535], abs=1)
    assert np.array_equal(np.argsort(stored[:, 0], kind="stable"), np.argsort(mesh.colours[:, 0], kind="stable"))
    assert gltf.materials[primitive.material].pbrMetallicRoughness.baseColorFactor == [0.8, 0.9, 1.0, 1.0]


def test_textures_decode_to_what_was_put_in():
    gltf = read_glb(written_glb(hand_made_scene()))
    pictures = []
    for image in gltf.images:
        view = gltf.bufferViews[image.bufferView]
        data = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
        pictures.append(Image.open(io.BytesIO(data)))
        assert Image.MIME[pictures[-1].format] == image.mimeType
    assert [picture.mode for picture in pictures] == ["RGB", "RGBA"]
    # The lamp's texture equals the table's and is stored with it.
    assert [image.name for image in gltf.images] == ["couch_table_03_base_colour", "leaf_13_base_colour"]
    leaf = next(material for material in gltf.materials if material.name == "leaf_13_mat")
    assert gltf.textures[leaf.pbrMetallicRoughness.baseColorTexture.index].source == 1
    corners = np.asarray(pictures[0])[[4, 4, 27, 27], [4, 27, 4, 27]].astype(int)
    assert np.abs(corners - marked_texture()[[4, 4, 27, 27], [4, 27, 4, 27]]).max() < 10
    assert np.array_equal(np.asarray(pictures[1]), marked_texture(alpha=True))


def test_an_object_called_like_a_wall_is_told_apart_from_it():
    picture = hand_made_object(1, "wall", box_mesh((1.0, 1.0, 0.1)), pose(0, 1, -4))
    base = hand_made_scene()
    scene = SceneGraph(camera=base.camera, objects=(picture,), room=base.room)
    gltf = read_glb(written_glb(scene))
    assert node_of(gltf, "wall_object_01").extras["label"] == "wall"
    assert node_of(gltf, "wall_01").extras["surface"] == "wall_01"


def test_object_glb_is_the_object_alone_at_the_origin():
    item = hand_made_scene()["lmp_07"]
    gltf = read_glb(object_glb(item, jpeg_quality=90))
    (node,) = gltf.nodes
    assert (node.name, node.translation, node.rotation, node.matrix) == ("lmp_07", None, None, None)
    assert node.extras == object_facts(item)
    positions = accessor_of(gltf, gltf.meshes[0].primitives[0].attributes.POSITION)
    low, high = positions.min(axis=0), positions.max(axis=0)
    assert [(low + high)[0], low[1], (low + high)[2]] == pytest.approx([0, 0, 0], abs=1e-6)


def test_an_object_without_mesh_has_no_file_of_its_own():
    with pytest.raises(StageFailed, match="vase_20"):
        object_glb(hand_made_scene()["vase_20"], jpeg_quality=90)


def _largest_error_m(gltf: pygltflib.GLTF2, scene: SceneGraph) -> float:
    """Over all vertices of all objects: where the file puts them in world against where the scene does."""
    errors = [0.0]
    for item in scene.objects:
        if item.mesh_node is not None:
            stored = accessor_of(gltf, gltf.meshes[node_of(gltf, item.name).mesh].primitives[0].attributes.POSITION)
            matrix = world_of(gltf, item.name)
            in_file = stored.astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
            in_scene = item.placement.T_world_from_node.apply(np.array(item.mesh_node.vertices, dtype=float))
            errors.append(float(np.abs(in_file - in_scene).max()))
    return max(errors)


def test_every_vertex_arrives_at_its_place_in_world():
    scene = hand_made_scene()
    assert _largest_error_m(read_glb(written_glb(scene)), scene) < 1e-6


@pytest.mark.parametrize("axes", [np.diag([-1, 1, 1]), np.diag([1, 1, -1]), np.eye(3)[[2, 1, 0]], np.eye(3)[[0, 2, 1]]])
def test_a_mirrored_or_axis_swapped_export_would_be_noticed(axes):
    scene = hand_made_scene()
    wrong = [
        item if item.mesh_node is None else replace(item, mesh_node=replace(item.mesh_node, vertices=v))
        for item in scene.objects
        for v in [None if item.mesh_node is None else item.mesh_node.vertices @ axes.T]
    ]
    written = read_glb(written_glb(SceneGraph(camera=scene.camera, objects=wrong, room=scene.room)))
    assert _largest_error_m(written, scene) > 0.1


def test_trimesh_reads_every_mesh_watertight_and_facing_outwards():
    scene = hand_made_scene()
    loaded = trimesh.load_scene(io.BytesIO(written_glb(scene)), file_type="glb")
    assert loaded.graph.transforms.parents["lmp_07"] == "couch_table_03"
    for item in scene.objects:
        if item.mesh_node is None:
            continue
        T, geometry = loaded.graph[item.name]
        mesh = loaded.geometry[geometry]
        welded = trimesh.Trimesh(mesh.vertices, mesh.faces)
        assert welded.is_watertight, item.name
        assert welded.volume > 0, item.name
        truth = item.placement.T_world_from_node.apply(np.array(item.mesh_node.vertices, dtype=float))
        placed = trimesh.transform_points(mesh.vertices, T)
        assert np.array([placed.min(axis=0), placed.max(axis=0)]) == pytest.approx(
            np.array([truth.min(axis=0), truth.max(axis=0)]), abs=1e-6
        )


def test_the_khronos_validator_has_nothing_to_say(tmp_path):
    scene = hand_made_scene()
    for data in (
        written_glb(scene),
        written_glb(scene, room_shell=False),
        object_glb(scene["leaf_13"], jpeg_quality=90),
    ):
        report = validator_report(data, tmp_path)
        assert report["issues"]["messages"] == []
        assert report["info"]["version"] == "2.0"
        assert "extensionsUsed" not in report["info"]


def test_the_validator_sees_a_broken_file(tmp_path):
    broken = bytearray(object_glb(hand_made_scene()["lmp_07"], jpeg_quality=90))
    broken[-400:] = b"\xff" * 400
    at = broken.index(b'"mode":4')
    broken[at : at + 8] = b'"mode":9'
    assert validator_report(bytes(broken), tmp_path)["issues"]["numErrors"] > 0


def test_same_scene_same_bytes_in_any_process():
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1])\n"
        "from hand_made_scene import hand_made_photo, hand_made_scene\n"
        "from pixal3d_scene.export.glb import scene_glb\n"
        "data = scene_glb(hand_made_scene(), photo=hand_made_photo(), jpeg_quality=92, room_shell=True)\n"
        "print(hashlib.sha256(data).hexdigest())"
    )
    root = Path(__file__).resolve().parents[2]
    other = subprocess.run(
        [sys.executable, "-c", code, str(root / "tests")],
        env={"PYTHONHASHSEED": "12345", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert hashlib.sha256(written_glb(hand_made_scene())).hexdigest() == other


def test_no_object_changes_the_bytes_of_another():
    base = hand_made_scene()
    fewer = SceneGraph(camera=base.camera, objects=base.objects[:2], room=base.room)
    for name in ("couch_table_03", "lmp_07"):
        assert object_glb(base[name], jpeg_quality=90) == object_glb(fewer[name], jpeg_quality=90)


def test_a_scene_of_no_objects_is_still_a_file(tmp_path):
    base = hand_made_scene()
    scene = SceneGraph(camera=base.camera, objects=(), room=base.room)
    report = validator_report(written_glb(scene), tmp_path)
    assert report["issues"]["numErrors"] == report["issues"]["numWarnings"] == 0


def test_rigid_transform_of_a_tilted_object_survives():
    tilted = RigidTransform.from_components([0.4, 0.2, -2.0], Rotation.from_euler("zyx", [25, 130, -40], degrees=True))
    base = hand_made_scene()
    item = hand_made_object(2, "book", box_mesh((0.2, 0.03, 0.3)), tilted)
    gltf = read_glb(written_glb(SceneGraph(camera=base.camera, objects=(item,), room=base.room)))
    assert world_of(gltf, "book_02") == pytest.approx(tilted.as_matrix(), abs=1e-12)


def test_the_scoring_tool_finds_every_object_without_its_children(shared_dir, tmp_path):
    tool = shared_dir / "tools" / "score_rooms.py"
    if not tool.is_file():
        pytest.skip(f"{tool} is not there")
    spec = importlib.util.spec_from_file_location("score_rooms", tool)
    assert spec is not None
    assert spec.loader is not None
    score_rooms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score_rooms)
    scene = hand_made_scene()
    (tmp_path / "scene.glb").write_bytes(written_glb(scene))
    (tmp_path / "scene.json").write_text(json.dumps(scene_facts(scene, hand_made_photo())))
    _, found = score_rooms.read_run(tmp_path)
    assert set(found) == {3, 7, 12, 13}  # 20 failed and has no mesh
    for mask_value, (facts, mesh_cam) in found.items():
        item = scene[facts["name"]]
        assert (item.instance.mask_value, len(mesh_cam.faces)) == (mask_value, len(item.mesh_node.faces))
        points_world = item.placement.T_world_from_node.apply(np.array(item.mesh_node.vertices, dtype=float))
        points_cam = scene.camera.cam_from_world(points_world)
        assert np.allclose(mesh_cam.bounds, [points_cam.min(axis=0), points_cam.max(axis=0)], atol=1e-6)
