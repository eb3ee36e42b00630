"""The camera of the GLB is the photo's, as far as glTF can say it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from glb_reading import node_of, read_glb, world_of, written_glb
from hand_made_scene import hand_made_camera, hand_made_photo, hand_made_scene

from pixal3d_scene.camera import Camera
from pixal3d_scene.export.glb import scene_glb
from pixal3d_scene.frames import WORLD_UP


def _project_gl(gltf: pygltflib.GLTF2, point_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised device coordinates by the glTF camera, specification section 3.10.3: x right, y up, -1 to 1."""
    node = node_of(gltf, "photo_camera")
    perspective = gltf.cameras[node.camera].perspective
    x, y, z, _ = np.linalg.inv(world_of(gltf, "photo_camera")) @ [*point_world, 1]
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
    gltf = read_glb(written_glb(hand_made_scene(camera)))
    for point_world in ([0.3, 0.9, -3.0], [-0.8, 0.1, -2.2], [1.4, 2.2, -4.1]):
        x_ndc, y_ndc = _project_gl(gltf, np.array(point_world))
        px = camera.project(camera.cam_from_world(np.array(point_world)))
        assert [(x_ndc + 1) / 2 * size_px[0], (1 - y_ndc) / 2 * size_px[1]] == pytest.approx(px, abs=1e-4)


def test_the_camera_stands_upright_where_the_photo_was_taken():
    scene = hand_made_scene()
    T_world_from_gl = world_of(read_glb(written_glb(scene)), "photo_camera")
    assert T_world_from_gl[:3, 3] == pytest.approx(scene.camera.centre_world)
    assert T_world_from_gl[:3, 1] @ WORLD_UP > 0.9  # its y is up
    assert T_world_from_gl[:3, 2] @ [0, 0, 1] > 0.9  # it looks along -z of the world


def test_the_camera_has_a_far_plane_behind_everything():
    # Without one Godot 3 reads 0 m (nothing is seen) and Blender 1e12 m (the ceiling is lost to rounding).
    perspective = read_glb(written_glb(hand_made_scene())).cameras[0].perspective
    assert 0 < perspective.znear < 0.1
    assert 100 < perspective.zfar < 1e6


def test_the_camera_in_extras_is_that_of_the_file_though_the_photo_was_worked_on_smaller():
    scene = hand_made_scene()
    width, height = scene.camera.size_px
    photo = replace(hand_made_photo((width, height)), reduced_from_px=(3 * width, 3 * height))
    extras = node_of(read_glb(scene_glb(scene, photo=photo, jpeg_quality=92, room_shell=True)), "photo_camera").extras
    assert extras["size_px"] == [3 * width, 3 * height]
    assert np.array(extras["K"])[:2] == pytest.approx(3 * scene.camera.K[:2])


def test_a_principal_point_off_the_middle_is_told_and_kept_in_extras():
    camera = hand_made_camera()
    K = camera.K.copy()
    K[0, 2] += 12.5
    gltf = read_glb(
        written_glb(hand_made_scene(Camera(K=K, size_px=camera.size_px, T_world_from_cam=camera.T_world_from_cam)))
    )
    extras = node_of(gltf, "photo_camera").extras
    assert np.array_equal(extras["K"], K)
    assert "+12.50" in extras["note"]
    assert "note" not in node_of(read_glb(written_glb(hand_made_scene())), "photo_camera").extras
