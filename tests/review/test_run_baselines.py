"""Other layouts of a finished run: its own assets, masks and depth, other places."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh
from room_on_disk import write_room_on_disk
from scipy.spatial.transform import RigidTransform

from pipelines.evaluate import evaluate
from pipelines.given_files import GivenFiles
from pipelines.room import run_room
from pixal3d_scene.errors import InputError
from pixal3d_scene.frames import Similarity
from pixal3d_scene.progress import Silent
from pixal3d_scene.review.layout_baselines import variance_ratio
from pixal3d_scene.review.room_files import read_run, read_true_room
from pixal3d_scene.review.run_baselines import placed_by, read_kept_stages, replaced
from pixal3d_scene.settings import resolve_settings


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A set of one true room, and the run of its photo with true masks, depth and camera."""
    base = tmp_path_factory.mktemp("room")
    room = write_room_on_disk(base)
    given = GivenFiles(masks=room.masks, depth=room.depth, camera=room.camera)
    settings = resolve_settings(preset="embedded", quality="draft")
    run_room(room.photo, base / "runs" / "crates", settings, given_files=given, progress=Silent())
    truth = base / "truth" / "crates"
    truth.mkdir(parents=True)
    for source, name in ((room.camera, "camera.json"), (room.masks, "instances.png")):
        shutil.copy(source, truth / name)
    shutil.copy(base / "runs" / "crates" / "depth.png", truth / "depth.png")
    meshes = {v: trimesh.Trimesh(m.vertices, m.faces) for v, m in room.scene.meshes_world.items()}
    points = {f"points_{v}": trimesh.sample.sample_surface(m, 2000, seed=1)[0] for v, m in meshes.items()}
    np.savez(truth / "truth.npz", **points)
    objects = [{"id": v, "parent": 0, "visible_pixels": 1000} for v in meshes]
    (truth / "scene.json").write_text(json.dumps({"objects": objects}))
    return base / "truth", base / "runs"


@pytest.mark.slow
def test_the_runs_own_places_give_the_run_back(folders: tuple[Path, Path]) -> None:
    truth = read_true_room(folders[0] / "crates")
    folder = folders[1] / "crates"
    run = read_run(folder, truth=truth)
    T_cam_from_world = RigidTransform.from_matrix(run.T_world_from_cam).inv()
    poses = {}
    for item in json.loads((folder / "scene.json").read_text())["objects"]:
        T_node_from_obj = np.array(item["T_node_from_obj"])
        scale = float(np.cbrt(np.linalg.det(T_node_from_obj[:3, :3])))
        rigid = RigidTransform.from_matrix(np.array(item["T_world_from_node"]))
        node = RigidTransform.from_components(
            rotation=_rotation(T_node_from_obj[:3, :3] / scale), translation=T_node_from_obj[:3, 3]
        )
        placed = T_cam_from_world * rigid * node
        poses[item["name"]] = Similarity(rotation=placed.rotation, translation=placed.translation, scale=scale)
    again = replaced(run, read_kept_stages(folder), poses)
    assert [o.name for o in again.objects] == [o.name for o in run.objects]
    assert len(again.objects) == 3
    for ours, theirs in zip(again.objects, run.objects, strict=True):
        np.testing.assert_allclose(ours.mesh_cam.bounds, theirs.mesh_cam.bounds, atol=1e-4)
        np.testing.assert_allclose(ours.mesh_cam.centroid, theirs.mesh_cam.centroid, atol=1e-4)


def _rotation(matrix: np.ndarray) -> object:
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(matrix)


@pytest.mark.slow
def test_another_layout_moves_and_loses_objects(folders: tuple[Path, Path]) -> None:
    truth = read_true_room(folders[0] / "crates")
    run = read_run(folders[1] / "crates", truth=truth)
    stages = read_kept_stages(folders[1] / "crates")
    lost = {run.objects[0].name}
    other = placed_by(lambda a, v: None if v.name in lost else variance_ratio(a, v), stages, run)
    assert {o.name for o in other.objects} == {o.name for o in run.objects} - lost
    np.testing.assert_array_equal(other.label_map, run.label_map)
    # Paired with the whole surface, an object seen from the front comes out too near or too far.
    pairs = zip(other.objects, run.objects[1:], strict=True)
    moved_m = [np.linalg.norm(a.mesh_cam.centroid - b.mesh_cam.centroid) for a, b in pairs]
    assert 0.005 < max(moved_m) < 0.5


@pytest.mark.slow
def test_they_are_scored_beside_the_run(folders: tuple[Path, Path]) -> None:
    pytest.importorskip(
        "open3d", reason="open3d cannot be imported (Debian: libegl1 libgl1 libusb-1.0-0)", exc_type=ImportError
    )
    evaluation = evaluate(*folders, layout_baselines=True)
    assert evaluation.failed == 0
    assert list(evaluation.beside) == ["variance_ratio", "umeyama", "icp", "ransac_5dof"]
    assert all(e.failed == 0 for e in evaluation.beside.values()), evaluation.beside
    for others in evaluation.beside.values():
        assert others.mean["IoU-B"] < evaluation.mean["IoU-B"]


@pytest.mark.slow
def test_a_damaged_run_says_what_is_missing(folders: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(folders[1] / "crates", tmp_path / "crates")
    (tmp_path / "crates" / "stages" / "depth.npz").unlink()
    with pytest.raises(InputError, match=r"depth\.npz.*run the photo again"):
        read_kept_stages(tmp_path / "crates")
