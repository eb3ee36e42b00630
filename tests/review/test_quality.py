from __future__ import annotations

import numpy as np
import pytest
from hand_made_scene import box_mesh, hand_made_camera, hand_made_object, hand_made_room, hand_made_scene, pose

from pixal3d_scene.camera import Camera
from pixal3d_scene.depth import Depth
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.mesh.raycast import view
from pixal3d_scene.review.quality import measure_quality, with_quality
from pixal3d_scene.review.render import mesh_in_world
from pixal3d_scene.scene_graph import SceneGraph


def _photographed(scene: SceneGraph) -> tuple[Instances, Depth]:
    """Masks and depth as an ideal sensor would give them: every mesh cast in cam."""
    shown = [item for item in scene.objects if item.mesh_node is not None]
    T_cam_from_world = scene.camera.T_world_from_cam.inv()
    meshes_cam = [mesh_in_world(item.mesh_node, T_cam_from_world * item.placement.T_world_from_node) for item in shown]
    hits = view(meshes_cam, scene.camera)
    values = np.array([item.instance.mask_value for item in shown])
    labels = np.where(hits.hit, values[hits.mesh_index], 0).astype(np.uint16)
    items = tuple(Instance(mask_value=int(v), label=_label(scene, int(v))) for v in np.unique(labels) if v)
    z_m = np.where(hits.hit, hits.t, np.nan).astype(np.float32)
    depth = Depth(z_m=z_m, valid=np.asarray(hits.hit), camera=scene.camera, source="given")
    return Instances(label_map=labels, items=items, source="given"), depth


def _label(scene: SceneGraph, mask_value: int) -> str:
    return next(item.instance.label for item in scene.objects if item.instance.mask_value == mask_value)


def _moved(scene: SceneGraph, **offset_m: float) -> SceneGraph:
    """The same scene with its objects moved in world, seen by the same camera."""
    shift = pose(offset_m.get("x", 0.0), offset_m.get("y", 0.0), offset_m.get("z", 0.0))
    objects = [
        hand_made_object(
            item.instance.mask_value, item.instance.label, item.mesh_node, shift * item.placement.T_world_from_node
        )
        for item in scene.objects
    ]
    return SceneGraph(camera=scene.camera, objects=objects, room=scene.room)


def test_a_perfect_scene_agrees_perfectly():
    scene = hand_made_scene()
    instances, depth = _photographed(scene)
    figures = measure_quality(scene, instances, depth)
    assert set(figures) == {item.name for item in scene.objects}
    for item in scene.objects:
        if item.mesh_node is not None:
            assert figures[item.name]["silhouette_iou"] == 1.0
            assert figures[item.name]["depth_residual_m"] < 1e-6
    assert figures["vase_20"] == {}


def test_floor_gap_is_signed_and_only_for_what_stands_on_the_floor():
    scene = hand_made_scene()
    instances, depth = _photographed(scene)
    figures = measure_quality(scene, instances, depth)
    assert figures["couch_table_03"]["floor_gap_m"] == pytest.approx(0, abs=1e-12)
    assert "floor_gap_m" not in figures["lmp_07"]
    assert "floor_gap_m" not in figures["leaf_13"]
    sunk = measure_quality(_moved(scene, y=-0.03), instances, depth)
    assert sunk["couch_table_03"]["floor_gap_m"] == pytest.approx(-0.03)


def test_a_box_moved_back_shows_its_depth_error():
    camera = Camera.from_fov(horizontal_fov_deg=60.0, size_px=(160, 120))
    box = hand_made_object(1, "box", box_mesh((1.0, 1.0, 0.4)), pose(0, -0.5, -3))
    scene = SceneGraph(camera=camera, objects=(box,), room=hand_made_room())
    instances, depth = _photographed(scene)
    figures = measure_quality(_moved(scene, z=-0.1), instances, depth)["box_01"]
    assert figures["depth_residual_m"] == pytest.approx(0.1, abs=1e-6)
    assert 0.9 < figures["silhouette_iou"] < 1


def test_silhouette_of_a_shifted_box_is_what_geometry_says():
    """A flat square moved by a quarter of its side: 3/4 common of 5/4 in all."""
    camera = Camera.from_fov(horizontal_fov_deg=60.0, size_px=(400, 300))
    board = hand_made_object(1, "board", box_mesh((1.0, 1.0, 0.001)), pose(0, -0.5, -3))
    scene = SceneGraph(camera=camera, objects=(board,), room=hand_made_room())
    instances, depth = _photographed(scene)
    shifted = measure_quality(_moved(scene, x=0.25), instances, depth)["board_01"]
    assert shifted["silhouette_iou"] == pytest.approx(0.6, abs=0.02)


def test_only_the_visible_part_counts():
    """A box half behind another one has a perfect outline, since its mask is as cut as its view."""
    camera = Camera.from_fov(horizontal_fov_deg=60.0, size_px=(160, 120))
    front = hand_made_object(1, "box", box_mesh((0.5, 1.0, 0.2)), pose(-0.3, -0.5, -2))
    back = hand_made_object(2, "box", box_mesh((1.0, 1.0, 0.2)), pose(0, -0.5, -3))
    scene = SceneGraph(camera=camera, objects=(front, back), room=hand_made_room())
    instances, depth = _photographed(scene)
    assert measure_quality(scene, instances, depth)["box_02"]["silhouette_iou"] == 1.0


def test_a_large_photo_is_sampled_without_a_shift():
    scene = hand_made_scene(hand_made_camera((1440, 1080)))
    instances, depth = _photographed(scene)
    figures = measure_quality(scene, instances, depth)
    assert figures["ball_12"]["silhouette_iou"] > 0.985
    assert figures["couch_table_03"]["depth_residual_m"] < 2e-3


def test_with_quality_keeps_what_was_there():
    scene = hand_made_scene()
    instances, depth = _photographed(scene)
    item = with_quality(scene, instances, depth)["ball_12"]
    assert set(item.quality) == {"silhouette_iou", "depth_residual_m", "floor_gap_m"}
    assert item.quality["silhouette_iou"] == 1.0
    assert with_quality(scene, instances, depth).children("couch_table_03") == ("lmp_07",)
