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
from typing import Any

import numpy as np
import pygltflib
import pytest
import trimesh
from gltf_validator import validator_report
from hand_made_scene import (
    box_mesh,
    hand_made_camera,
    hand_made_object,
    hand_made_photo,
    hand_made_scene,
    marked_texture,
    pose,
)
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import RigidTransform, Rotation

from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import StageFailed
from pixal3d_scene.export.facts import object_facts, scene_facts
from pixal3d_scene.export.glb import object_glb, scene_glb
from pixal3d_scene.frames import WORLD_UP
from pixal3d_scene.scene_graph import SceneGraph

_DTYPES = {5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def _write(scene: SceneGraph, *, room_shell: bool = True) -> bytes:
    return scene_glb(scene, photo=hand_made_photo(scene.camera.size_px), jpeg_quality=92, room_shell=room_shell)


def _read(data: bytes) -> pygltflib.GLTF2:
    return pygltflib.GLTF2().load_from_bytes(data)


def _accessor(gltf: pygltflib.GLTF2, index: int) -> NDArray[Any]:
    accessor = gltf.accessors[index]
    view = gltf.bufferViews[accessor.bufferView]
    dtype, width = _DTYPES[accessor.componentType], _WIDTHS[accessor.type]
    assert view.byteStride in (None, width * np.dtype(dtype).itemsize)
    start = view.byteOffset + accessor.byteOffset
    return np.frombuffer(gltf.binary_blob(), dtype, accessor.count * width, start).reshape(-1, width)


def _node(gltf: pygltflib.GLTF2, name: str) -> pygltflib.Node:
    (node,) = [node for node in gltf.nodes if node.name == name]
    return node


def _parents(gltf: pygltflib.GLTF2) -> dict[str, str | None]:
    parents: dict[str, str | None] = {node.name: None for node in gltf.nodes}
    for node in gltf.nodes:
        for child in node.children:
            parents[gltf.nodes[child].name] = node.name
    return parents


def _local(node: pygltflib.Node) -> NDArray[np.float64]:
    """T * R * S as the glTF specification says, section 5.25."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(node.rotation or [0, 0, 0, 1]).as_matrix() * (node.scale or [1, 1, 1])
    matrix[:3, 3] = node.translation or [0, 0, 0]
    return matrix


def _world(gltf: pygltflib.GLTF2, name: str) -> NDArray[np.float64]:
    parents = _parents(gltf)
    matrix, at = np.eye(4), name
    while at is not None:
        matrix, at = _local(_node(gltf, at)) @ matrix, parents[at]
    return matrix


def test_nodes_have_the_names_and_parents_of_the_scene():
    assert _parents(_read(_write(hand_made_scene()))) == {
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
    names = {node.name for node in _read(_write(hand_made_scene(), room_shell=False)).nodes}
    assert names == {"room", "photo_camera", "couch_table_03", "lmp_07", "ball_12", "leaf_13", "vase_20"}


def test_transforms_are_trs_and_equal_the_placements():
    scene = hand_made_scene()
    gltf = _read(_write(scene))
    assert all(node.matrix is None and node.scale is None for node in gltf.nodes)
    for item in scene.objects:
        truth = item.placement.T_world_from_node.as_matrix()
        assert _world(gltf, item.name) == pytest.approx(truth, abs=1e-12), item.name
    lamp, table = scene["lmp_07"].placement.T_world_from_node, scene["couch_table_03"].placement.T_world_from_node
    assert _local(_node(gltf, "lmp_07")) == pytest.approx((table.inv() * lamp).as_matrix(), abs=1e-12)


def test_a_marked_vertex_of_the_nested_object_arrives_at_its_place_in_world():
    scene = hand_made_scene()
    lamp = scene["lmp_07"]
    assert lamp.mesh_node is not None
    gltf = _read(_write(scene))
    marked_node = lamp.mesh_node.vertices[lamp.mesh_node.vertices.sum(axis=1).argmax()]  # the right, top, front corner
    stored = _accessor(gltf, gltf.meshes[_node(gltf, "lmp_07").mesh].primitives[0].attributes.POSITION)
    from_file = _world(gltf, "lmp_07") @ [*stored[stored.sum(axis=1).argmax()], 1]
    # By hand: yaw of -20 degrees about y, then the translation of the lamp.
    x, y, z = marked_node
    c, s = np.cos(np.radians(-20)), np.sin(np.radians(-20))
    assert from_file[:3] == pytest.approx([c * x + s * z - 0.35, y + 0.7, -s * x + c * z - 3.05], abs=1e-6)


def test_extras_are_the_facts_of_scene_json():
    scene = hand_made_scene()
    gltf = _read(_write(scene))
    for item in scene.objects:
        assert _node(gltf, item.name).extras == object_facts(item)
    photo = _node(gltf, "room").extras["photo"]
    assert photo == {"file": "room <b>&.jpg", "sha256": "0" * 64, "size_px": [320, 240]}
    assert _node(gltf, "wall_02").extras == {"role": "room_shell", "surface": "wall_02"}


def test_meshes_are_the_objects_in_the_node_frame():
    scene = hand_made_scene()
    gltf = _read(_write(scene))
    assert len(gltf.meshes) == 3 + 4  # shell and objects; the failed one has none
    assert _node(gltf, "vase_20").mesh is None
    for item in scene.objects:
        if item.mesh_node is None:
            continue
        mesh = gltf.meshes[_node(gltf, item.name).mesh]
        (primitive,) = mesh.primitives
        assert (mesh.name, gltf.materials[primitive.material].name) == (item.name, f"{item.name}_mat")
        positions, indices = _accessor(gltf, primitive.attributes.POSITION), _accessor(gltf, primitive.indices)
        assert np.array_equal(positions, item.mesh_node.vertices.astype(np.float32))
        assert np.array_equal(indices.ravel(), item.mesh_node.faces.ravel())
        accessor = gltf.accessors[primitive.attributes.POSITION]
        assert np.array_equal([accessor.min, accessor.max], [positions.min(axis=0), positions.max(axis=0)])
        normals = _accessor(gltf, primitive.attributes.NORMAL)
        assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(positions)), abs=1e-6)
        if item.mesh_node.uv is not None:
            assert np.array_equal(
                _accessor(gltf, primitive.attributes.TEXCOORD_0), item.mesh_node.uv.astype(np.float32)
            )


def test_vertex_colours_are_written_where_there_is_no_texture():
    scene = hand_made_scene()
    gltf = _read(_write(scene))
    primitive = gltf.meshes[_node(gltf, "ball_12").mesh].primitives[0]
    mesh = scene["ball_12"].mesh_node
    assert mesh is not None
    assert mesh.colours is not None
    stored = _accessor(gltf, primitive.attributes.COLOR_0)
    assert gltf.accessors[primitive.attributes.COLOR_0].normalized is True
    top = int(mesh.vertices[:, 1].argmax())
    assert stored[top] == pytest.approx([65535, 6700, 23038, 65535], abs=1)
    assert np.array_equal(np.argsort(stored[:, 0], kind="stable"), np.argsort(mesh.colours[:, 0], kind="stable"))
    assert gltf.materials[primitive.material].pbrMetallicRoughness.baseColorFactor == [0.8, 0.9, 1.0, 1.0]


def test_textures_decode_to_what_was_put_in():
    gltf = _read(_write(hand_made_scene()))
    pictures = []
    for image in gltf.images:
        view = gltf.bufferViews[image.bufferView]
        data = gltf.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
        pictures.append(Image.open(io.BytesIO(data)))
        assert Image.MIME[pictures[-1].format] == image.mimeType
    assert [picture.mode for picture in pictures] == ["RGB", "RGBA"]
    corners = np.asarray(pictures[0])[[4, 4, 27, 27], [4, 27, 4, 27]].astype(int)
    assert np.abs(corners - marked_texture()[[4, 4, 27, 27], [4, 27, 4, 27]]).max() < 10
    assert np.array_equal(np.asarray(pictures[1]), marked_texture(alpha=True))


def _project_gl(gltf: pygltflib.GLTF2, point_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised device coordinates by the glTF camera, specification section 3.10.3: x right, y up, -1 to 1."""
    node = _node(gltf, "photo_camera")
    perspective = gltf.cameras[node.camera].perspective
    x, y, z, _ = np.linalg.inv(_world(gltf, "photo_camera")) @ [*point_world, 1]
    assert z < -perspective.znear  # the camera looks along its -z
    f = 1 / np.tan(perspective.yfov / 2)
    return np.array([f / perspective.aspectRatio * x / -z, f * y / -z])


@pytest.mark.parametrize("size_px", [(320, 240), (1920, 1080), (600, 900)])
@pytest.mark.parametrize("stretch", [1.0, 1.15])
def test_the_gltf_camera_projects_as_the_photo_camera_does(size_px, stretch):
    base = hand_made_camera(size_px)
    K = base.K.copy()
    K[1, 1] *= stretch  # pixels that are not square
    camera = Camera(K=K, size_px=size_px, T_world_from_cam=base.T_world_from_cam)
    gltf = _read(_write(hand_made_scene(camera)))
    for point_world in ([0.3, 0.9, -3.0], [-0.8, 0.1, -2.2], [1.4, 2.2, -4.1]):
        x_ndc, y_ndc = _project_gl(gltf, np.array(point_world))
        px = camera.project(camera.cam_from_world(np.array(point_world)))
        assert [(x_ndc + 1) / 2 * size_px[0], (1 - y_ndc) / 2 * size_px[1]] == pytest.approx(px, abs=1e-4)


def test_the_camera_stands_upright_where_the_photo_was_taken():
    scene = hand_made_scene()
    T_world_from_gl = _world(_read(_write(scene)), "photo_camera")
    assert T_world_from_gl[:3, 3] == pytest.approx(scene.camera.centre_world)
    assert T_world_from_gl[:3, 1] @ WORLD_UP > 0.9  # its y is up
    assert T_world_from_gl[:3, 2] @ [0, 0, 1] > 0.9  # it looks along -z of the world


def test_the_camera_has_a_far_plane_behind_everything():
    # Without one Godot 3 reads 0 m (nothing is seen) and Blender 1e12 m (the ceiling is lost to rounding).
    perspective = _read(_write(hand_made_scene())).cameras[0].perspective
    assert 0 < perspective.znear < 0.1
    assert 100 < perspective.zfar < 1e6


def test_the_camera_in_extras_is_that_of_the_file_though_the_photo_was_worked_on_smaller():
    scene = hand_made_scene()
    width, height = scene.camera.size_px
    photo = replace(hand_made_photo((width, height)), reduced_from_px=(3 * width, 3 * height))
    extras = _node(_read(scene_glb(scene, photo=photo, jpeg_quality=92, room_shell=True)), "photo_camera").extras
    assert extras["size_px"] == [3 * width, 3 * height]
    assert np.array(extras["K"])[:2] == pytest.approx(3 * scene.camera.K[:2])


def test_a_principal_point_off_the_middle_is_told_and_kept_in_extras():
    camera = hand_made_camera()
    K = camera.K.copy()
    K[0, 2] += 12.5
    gltf = _read(_write(hand_made_scene(Camera(K=K, size_px=camera.size_px, T_world_from_cam=camera.T_world_from_cam))))
    extras = _node(gltf, "photo_camera").extras
    assert np.array_equal(extras["K"], K)
    assert "+12.50" in extras["note"]
    assert "note" not in _node(_read(_write(hand_made_scene())), "photo_camera").extras


def test_an_object_called_like_a_wall_is_told_apart_from_it():
    picture = hand_made_object(1, "wall", box_mesh((1.0, 1.0, 0.1)), pose(0, 1, -4))
    base = hand_made_scene()
    scene = SceneGraph(camera=base.camera, objects=(picture,), room=base.room)
    gltf = _read(_write(scene))
    assert _node(gltf, "wall_object_01").extras["label"] == "wall"
    assert _node(gltf, "wall_01").extras["surface"] == "wall_01"


def test_object_glb_is_the_object_alone_at_the_origin():
    item = hand_made_scene()["lmp_07"]
    gltf = _read(object_glb(item, jpeg_quality=90))
    (node,) = gltf.nodes
    assert (node.name, node.translation, node.rotation, node.matrix) == ("lmp_07", None, None, None)
    assert node.extras == object_facts(item)
    positions = _accessor(gltf, gltf.meshes[0].primitives[0].attributes.POSITION)
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
            stored = _accessor(gltf, gltf.meshes[_node(gltf, item.name).mesh].primitives[0].attributes.POSITION)
            matrix = _world(gltf, item.name)
            in_file = stored.astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
            in_scene = item.placement.T_world_from_node.apply(np.array(item.mesh_node.vertices, dtype=float))
            errors.append(float(np.abs(in_file - in_scene).max()))
    return max(errors)


def test_every_vertex_arrives_at_its_place_in_world():
    scene = hand_made_scene()
    assert _largest_error_m(_read(_write(scene)), scene) < 1e-6


@pytest.mark.parametrize("axes", [np.diag([-1, 1, 1]), np.diag([1, 1, -1]), np.eye(3)[[2, 1, 0]], np.eye(3)[[0, 2, 1]]])
def test_a_mirrored_or_axis_swapped_export_would_be_noticed(axes):
    scene = hand_made_scene()
    wrong = [
        item if item.mesh_node is None else replace(item, mesh_node=replace(item.mesh_node, vertices=v))
        for item in scene.objects
        for v in [None if item.mesh_node is None else item.mesh_node.vertices @ axes.T]
    ]
    written = _read(_write(SceneGraph(camera=scene.camera, objects=wrong, room=scene.room)))
    assert _largest_error_m(written, scene) > 0.1


def test_trimesh_reads_every_mesh_watertight_and_facing_outwards():
    scene = hand_made_scene()
    loaded = trimesh.load_scene(io.BytesIO(_write(scene)), file_type="glb")
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
    for data in (_write(scene), _write(scene, room_shell=False), object_glb(scene["leaf_13"], jpeg_quality=90)):
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
    assert hashlib.sha256(_write(hand_made_scene())).hexdigest() == other


def test_no_object_changes_the_bytes_of_another():
    base = hand_made_scene()
    fewer = SceneGraph(camera=base.camera, objects=base.objects[:2], room=base.room)
    for name in ("couch_table_03", "lmp_07"):
        assert object_glb(base[name], jpeg_quality=90) == object_glb(fewer[name], jpeg_quality=90)


def test_a_scene_of_no_objects_is_still_a_file(tmp_path):
    base = hand_made_scene()
    scene = SceneGraph(camera=base.camera, objects=(), room=base.room)
    report = validator_report(_write(scene), tmp_path)
    assert report["issues"]["numErrors"] == report["issues"]["numWarnings"] == 0


def test_rigid_transform_of_a_tilted_object_survives():
    tilted = RigidTransform.from_components([0.4, 0.2, -2.0], Rotation.from_euler("zyx", [25, 130, -40], degrees=True))
    base = hand_made_scene()
    item = hand_made_object(2, "book", box_mesh((0.2, 0.03, 0.3)), tilted)
    gltf = _read(_write(SceneGraph(camera=base.camera, objects=(item,), room=base.room)))
    assert _world(gltf, "book_02") == pytest.approx(tilted.as_matrix(), abs=1e-12)


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
    (tmp_path / "scene.glb").write_bytes(_write(scene))
    (tmp_path / "scene.json").write_text(json.dumps(scene_facts(scene, hand_made_photo())))
    _, found = score_rooms.read_run(tmp_path)
    assert set(found) == {3, 7, 12, 13}  # 20 failed and has no mesh
    for mask_value, (facts, mesh_cam) in found.items():
        item = scene[facts["name"]]
        assert (item.instance.mask_value, len(mesh_cam.faces)) == (mask_value, len(item.mesh_node.faces))
        points_world = item.placement.T_world_from_node.apply(np.array(item.mesh_node.vertices, dtype=float))
        points_cam = scene.camera.cam_from_world(points_world)
        assert np.allclose(mesh_cam.bounds, [points_cam.min(axis=0), points_cam.max(axis=0)], atol=1e-6)
