"""The other methods where their answer is known: each is right where its own assumptions hold, and only there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from rendered_scene import RenderedScene, camera_at, render, standing_box, true_asset
from scipy.spatial.transform import Rotation
from skimage.transform import SimilarityTransform

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.frames import Similarity
from pixal3d_scene.review.layout_ablations import evidence_alone, with_turn
from pixal3d_scene.review.layout_baselines import BASELINES, icp, ransac_5dof, umeyama, variance_ratio


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    return render({1: standing_box((0.9, 0.6, 0.6), 0.4, -0.5)}, camera_at())


def visible_asset(scene: RenderedScene) -> ObjectAsset:
    """One small triangle per visible pixel: every vertex has its true partner, which the methods take for granted."""
    volume = scene.volume(1)
    asset = true_asset(scene, 1)
    points_world = scene.depth.points_world()[volume.mask]
    T_obj_from_world = _T_world_from_obj(scene).inverse()
    points_obj = T_obj_from_world.apply(points_world)
    sides = 1e-5 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    corners = (points_obj + sides[:, None]).reshape(-1, 3)
    count = len(points_obj)
    faces = np.stack([np.arange(count) + k * count for k in range(3)], axis=-1)
    return replace(asset, mesh_obj=Mesh(vertices=corners, faces=faces))


def _T_world_from_obj(scene: RenderedScene) -> Similarity:
    """The true pose: the asset's vertices are the true ones in the same order."""
    found = SimilarityTransform.from_estimate(true_asset(scene, 1).mesh_obj.vertices, scene.meshes_world[1].vertices)
    matrix = np.asarray(found.params)
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    return Similarity(rotation=Rotation.from_matrix(matrix[:3, :3] / scale), translation=matrix[:3, 3], scale=scale)


def error_m(scene: RenderedScene, asset: ObjectAsset, T_cam_from_obj: Similarity | None) -> float:
    """Largest distance of a vertex from where it belongs."""
    assert T_cam_from_obj is not None
    true_cam = scene.depth.camera.cam_from_world(_T_world_from_obj(scene).apply(asset.mesh_obj.vertices))
    return float(np.linalg.norm(T_cam_from_obj.apply(asset.mesh_obj.vertices) - true_cam, axis=1).max())


@pytest.mark.parametrize("method", [variance_ratio, umeyama, icp, ransac_5dof])
def test_visible_surface_alone_is_put_back(
    scene: RenderedScene, method: Callable[[ObjectAsset, object], Similarity | None]
) -> None:
    asset = visible_asset(scene)
    # The pairs are a pixel apart at worst: a few millimetres here.
    assert error_m(scene, asset, method(asset, scene.volume(1))) < 0.02


def test_the_back_of_an_object_misleads_them_but_not_the_depth_ratio(scene: RenderedScene) -> None:
    asset = true_asset(scene, 1)
    dense = replace(asset, mesh_obj=_subdivided(asset.mesh_obj))
    volume = scene.volume(1)
    assert error_m(scene, dense, evidence_alone(dense, volume)) < 2e-3
    assert error_m(scene, dense, variance_ratio(dense, volume)) > 0.05
    assert error_m(scene, dense, umeyama(dense, volume)) > 0.05


def test_a_turned_mesh_is_turned_back(scene: RenderedScene) -> None:
    asset, volume = true_asset(scene, 1), scene.volume(1)
    turned = replace(
        asset, mesh_obj=asset.mesh_obj.transformed(Similarity(rotation=Rotation.from_rotvec([0, np.deg2rad(4), 0])))
    )
    T_true = _T_world_from_obj(scene)
    true_cam = scene.depth.camera.cam_from_world(T_true.apply(asset.mesh_obj.vertices))

    def error(T: Similarity | None) -> float:
        assert T is not None
        return float(np.linalg.norm(T.apply(turned.mesh_obj.vertices) - true_cam, axis=1).max())

    assert error(with_turn(turned, volume)) < 0.5 * error(evidence_alone(turned, volume))


def test_an_object_without_depth_has_no_place(scene: RenderedScene) -> None:
    volume = scene.volume(1)
    blind = replace(volume, depth=replace(scene.depth, valid=scene.depth.valid & ~volume.mask))
    assert all(place(true_asset(scene, 1), blind) is None for place in BASELINES.values())


def _subdivided(mesh: Mesh) -> Mesh:
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces)
    for _ in range(4):
        solid = solid.subdivide()
    return Mesh(vertices=np.array(solid.vertices), faces=np.array(solid.faces, dtype=np.int64))
