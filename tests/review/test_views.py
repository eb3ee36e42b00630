from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hand_made_scene import hand_made_camera, hand_made_object, hand_made_room, hand_made_scene, pose

from pixal3d_scene.review.views import look_at, object_view, photo_view, side_view
from pixal3d_scene.scene_graph import SceneGraph


def test_photo_view_is_the_same_camera_for_fewer_pixels():
    camera = hand_made_camera((1600, 1200))
    small = photo_view(camera, longest_side_px=800)
    point_cam = np.array([0.3, -0.2, 2.0])
    assert small.size_px == (800, 600)
    assert small.project(point_cam) == pytest.approx(camera.project(point_cam) / 2)
    assert photo_view(camera, longest_side_px=4000).size_px == (1600, 1200)
    assert photo_view(hand_made_camera((900, 1600)), longest_side_px=800).size_px == (450, 800)


@pytest.mark.parametrize("size_px", [(800, 600), (300, 500)])
def test_side_view_frames_every_object_closely(size_px):
    scene = hand_made_scene()
    camera = side_view(scene, size_px=size_px)
    shares = []
    for item in scene.objects:
        if item.mesh_node is not None:
            vertices_world = item.placement.T_world_from_node.apply(np.array(item.mesh_node.vertices, dtype=float))
            shares.append(camera.project(camera.cam_from_world(vertices_world)) / size_px)
    low, high = np.concatenate(shares).min(axis=0), np.concatenate(shares).max(axis=0)
    assert (low > 0).all()
    assert (high < 1).all()
    assert (high - low).max() > 0.6


def test_side_view_looks_down_from_the_right_and_stands_level():
    scene = hand_made_scene()
    camera = side_view(scene, size_px=(800, 600))
    forward_world = camera.T_world_from_cam.rotation.apply([0.0, 0.0, 1.0])
    right_world = camera.T_world_from_cam.rotation.apply([1.0, 0.0, 0.0])
    assert np.degrees(np.arcsin(-forward_world[1])) == pytest.approx(32)
    assert right_world[1] == pytest.approx(0, abs=1e-12)
    assert camera.centre_world[0] > scene.camera.centre_world[0] + 1  # the photo looks along -z, so right is +x


def test_side_view_of_nothing_shows_the_floor():
    base = hand_made_scene()
    failed = hand_made_object(1, "vase", None, pose(0, 0, -2), status="failed")
    camera = side_view(SceneGraph(camera=base.camera, objects=(failed,), room=hand_made_room()), size_px=(640, 480))
    px = camera.project(camera.cam_from_world(base.room.floor.corners_world))
    assert (px > 0).all()
    assert (px < [640, 480]).all()


def test_object_view_fits_the_object_alone():
    table = hand_made_scene()["couch_table_03"]
    assert table.mesh_node is not None
    moved = replace(table.mesh_node, vertices=table.mesh_node.vertices + np.array([5.0, 0.0, -7.0]))
    camera = object_view(moved, np.array([0.0, 1.5, 0.0]), size_px=(100, 100))
    px = camera.project(camera.cam_from_world(moved.vertices))
    assert (px > 0).all()
    assert (px < 100).all()


def test_look_at_a_single_point_stays_finite():
    camera = look_at(np.zeros((1, 3)), np.array([0.0, 1.0, 3.0]), turn_deg=10.0, elevation_deg=20.0, size_px=(64, 48))
    assert camera.project(camera.cam_from_world(np.zeros((1, 3))))[0] == pytest.approx([32, 24])
