"""The folder of a composed room: all files, in agreement with each other and with the room."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import trimesh
from composed_cases import marked_room
from PIL import Image

from pixal3d_scene.learning.compose import compose_room
from pixal3d_scene.learning.composed_room import ComposedRoom
from pixal3d_scene.learning.render import FAST, pixel_truth
from pixal3d_scene.learning.room_truth import POINTS_PER_OBJECT, sample_surface, visible_fraction, write_room
from pixal3d_scene.learning.shapes import box

FILES = {"photo.jpg", "camera.json", "depth.png", "instances.png", "truth.npz", "truth.glb", "scene.json"}


@pytest.fixture(scope="module")
def room() -> ComposedRoom:
    return compose_room(4, size_px=(96, 72), objects=3)


@pytest.fixture(scope="module")
def folder(room: ComposedRoom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("room")
    write_room(room, target, FAST)
    return target


def test_the_folder_holds_the_seven_files(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == FILES
    photo, depth, ids = (Image.open(folder / name) for name in ("photo.jpg", "depth.png", "instances.png"))
    assert photo.size == depth.size == ids.size == (96, 72)
    assert (photo.mode, ids.mode) == ("RGB", "L")
    assert np.array(depth).dtype == np.uint16
    assert len(photo.getexif()) == 0


def test_scene_json_speaks_of_the_same_objects(folder: Path, room: ComposedRoom) -> None:
    scene = json.loads((folder / "scene.json").read_text())
    ids = np.array(Image.open(folder / "instances.png"))
    assert [o["id"] for o in scene["objects"]] == [item.mask_value for item in room.objects]
    assert set(np.unique(ids)) <= {0, *(o["id"] for o in scene["objects"])}
    for facts, item in zip(scene["objects"], room.objects, strict=True):
        assert facts["visible_pixels"] == (ids == item.mask_value).sum()
        assert 0 <= facts["visible_fraction"] <= 1
        assert facts["parent"] == item.parent
        centre = item.T_world_from_node.apply(np.array([0.0, item.size_m[1] / 2, 0.0]))
        np.testing.assert_allclose(facts["centre"], centre, atol=1e-9)
        np.testing.assert_allclose(facts["size"], item.size_m)
        assert facts["yaw"] == item.yaw_rad


def test_depth_pixels_lie_on_the_objects_meshes(folder: Path, room: ComposedRoom) -> None:
    """Back-projected with the written camera, every object pixel lies on the object in truth.glb; a shift of half a
    pixel or a mirrored picture would not."""
    facts = json.loads((folder / "camera.json").read_text())
    K, T = np.array(facts["K"]), np.array(facts["T_world_from_cam"])
    z = np.array(Image.open(folder / "depth.png")) / 1000
    ids = np.array(Image.open(folder / "instances.png"))
    assert (facts["width"], facts["height"]) == ids.shape[::-1]
    scene = trimesh.load_scene(folder / "truth.glb")
    v, u = np.nonzero(ids)
    rays = np.stack([u + 0.5, v + 0.5, np.ones(len(u))], axis=-1) @ np.linalg.inv(K).T
    world = (rays * z[v, u, None]) @ T[:3, :3].T + T[:3, 3]
    for node in scene.graph.nodes_geometry:
        matrix, geometry = scene.graph[node]
        mesh = scene.geometry[geometry].copy().apply_transform(matrix)
        here = world[ids[v, u] == int(node.rsplit("_", 1)[1])]
        assert distance_to_mesh(here, mesh) < 1.5e-3, node


def distance_to_mesh(points: np.ndarray, mesh: trimesh.Trimesh) -> float:
    """Largest distance of up to 60 points from a mesh, brute force over all triangles."""
    largest = 0.0
    for point in points[:: max(1, len(points) // 60)]:
        nearest = trimesh.triangles.closest_point(mesh.triangles, np.tile(point, (len(mesh.triangles), 1)))
        largest = max(largest, float(np.linalg.norm(nearest - point, axis=1).min()))
    return largest


def test_truth_glb_has_one_closed_mesh_per_object_at_its_place(folder: Path, room: ComposedRoom) -> None:
    scene = trimesh.load_scene(folder / "truth.glb")
    by_value = {int(node.rsplit("_", 1)[1]): node for node in scene.graph.nodes_geometry}
    assert sorted(by_value) == [item.mask_value for item in room.objects]
    for item in room.objects:
        matrix, geometry = scene.graph[by_value[item.mask_value]]
        np.testing.assert_allclose(matrix, item.T_world_from_node.as_matrix(), atol=1e-6)
        mesh = scene.geometry[geometry]
        merged = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
        assert merged.is_watertight, item.kind
        half = item.size_m / 2
        np.testing.assert_allclose(mesh.bounds, [[-half[0], 0, -half[2]], [half[0], 2 * half[1], half[2]]], atol=1e-3)


def test_samples_lie_on_the_surface_in_world(folder: Path, room: ComposedRoom) -> None:
    scene, truth = trimesh.load_scene(folder / "truth.glb"), np.load(folder / "truth.npz")
    for node in scene.graph.nodes_geometry:
        value = int(node.rsplit("_", 1)[1])
        points, normals = truth[f"points_{value}"], truth[f"normals_{value}"]
        assert points.shape == normals.shape == (POINTS_PER_OBJECT, 3)
        assert points.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(normals.astype(float), axis=1), 1, atol=2e-3)
        matrix, geometry = scene.graph[node]
        mesh = scene.geometry[geometry].copy().apply_transform(matrix)
        assert distance_to_mesh(points.astype(float), mesh) < 1e-3
        low, high = mesh.bounds
        assert (points >= low - 1e-3).all()
        assert (points <= high + 1e-3).all()


def test_samples_of_a_box_are_even_and_face_outwards() -> None:
    mesh = box((1.0, 2.0, 3.0))
    samples = sample_surface(mesh, 60_000, np.random.default_rng(0))
    relative = samples.points / [0.5, 1.0, 1.5]
    np.testing.assert_allclose(np.abs(relative).max(axis=1), 1.0)
    np.testing.assert_allclose(
        np.einsum("ij,ij->i", samples.normals, np.sign(np.round(relative, 9)) * (np.abs(relative) > 1 - 1e-9)), 1.0
    )
    share = (np.abs(samples.normals) > 0.5).mean(axis=0)
    np.testing.assert_allclose(share, np.array([6, 3, 2]) / 11, atol=0.01)
    assert abs((samples.points[:, 2] > 0).mean() - 0.5) < 0.01


def test_visible_fraction_counts_what_others_hide_but_not_the_picture_edge() -> None:
    room = marked_room()
    block = room.objects[0]
    visible_px = int((pixel_truth(room).mask_values == 1).sum())
    assert visible_fraction(block, room.camera, visible_px) == 1.0
    assert visible_fraction(block, room.camera, visible_px // 2) == pytest.approx(0.5, abs=0.01)


def test_writing_again_gives_the_same_bytes(folder: Path, room: ComposedRoom, tmp_path: Path) -> None:
    write_room(compose_room(4, size_px=(96, 72), objects=3), tmp_path, FAST)
    for name in sorted(FILES):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.slow
def test_the_example_program_writes_a_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = Path(__file__).resolve().parents[2] / "examples" / "01_compose_room.py"
    monkeypatch.setattr("sys.argv", [str(program), str(tmp_path / "room"), "--seed", "4", "--width", "48"])
    runpy.run_path(str(program), run_name="__main__")
    assert {p.name for p in (tmp_path / "room").iterdir()} == FILES
    assert Image.open(tmp_path / "room" / "photo.jpg").size == (48, 36)
    assert "dining table" in capsys.readouterr().out
