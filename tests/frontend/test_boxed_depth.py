"""A network's depth in a box: bulging walls become flat, objects keep their relief, and what is no box stays."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
from painted_room import HEIGHT_M, camera_in_room, furniture, painted_room
from rendered_scene import RenderedScene
from scipy.ndimage import binary_dilation, gaussian_filter

from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.boxed_depth import with_room_in_box
from pixal3d_scene.frontend.vanishing import find_turn, straight_lines


@functools.cache
def scene() -> RenderedScene:
    return painted_room(camera_in_room(yaw_deg=5, pitch_deg=8, size_px=(320, 240)), furniture())


def parts() -> np.ndarray:
    """Floor, wall and ceiling of every pixel, 0 for objects."""
    height = scene().depth.points_world()[..., 1]
    shell = np.select([height < 0.01, height > HEIGHT_M - 0.01], [1, 3], 2)
    return np.where(scene().instances.label_map == 0, shell, 0).astype(np.uint8)


def boxed(depth: Depth) -> Depth:
    turn = find_turn(straight_lines(scene().photo.rgb), depth.camera, focal_is_known=True, up_cam=depth.camera.up_cam)
    return with_room_in_box(depth, scene().photo, parts(), scene().instances, yaw_rad=turn.yaw_rad)


def error(depth: Depth, where: np.ndarray) -> float:
    """After one scale."""
    ratio = (depth.z_m / scene().depth.z_m)[where]
    return float(np.abs(ratio / np.median(ratio) - 1).mean())


def bulging(share: float) -> Depth:
    wave = np.random.default_rng(3).standard_normal(scene().depth.z_m.shape)
    wave = gaussian_filter(wave, 30)
    return replace(scene().depth, z_m=(scene().depth.z_m * np.exp(share * wave / wave.std())).astype(np.float32))


def test_bulging_walls_become_flat() -> None:
    room = scene().instances.label_map == 0
    before = bulging(0.12)
    after = boxed(before)
    assert error(before, room) > 0.08
    assert error(after, room) < 0.05
    assert any("those of a box" in note for note in after.notes)
    assert any("taken to rest on" in note for note in after.notes)  # what standing assumes is told too


def test_an_objects_blurred_edge_follows_its_inside() -> None:
    label_map = scene().instances.label_map
    value = int(np.bincount(label_map[label_map > 0]).argmax())
    mask = label_map == value
    rim = mask & binary_dilation(~mask, iterations=2)
    far = replace(scene().depth, z_m=np.where(rim, 3 * scene().depth.z_m, scene().depth.z_m).astype(np.float32))
    sharp, blurred = boxed(scene().depth), boxed(far)
    np.testing.assert_allclose(blurred.z_m[rim], sharp.z_m[rim], rtol=0.02)


def test_a_room_that_is_no_box_keeps_the_networks_depth() -> None:
    wild = bulging(0.6)
    after = boxed(wild)
    np.testing.assert_array_equal(after.z_m, wild.z_m)
    assert any("is no box" in note for note in after.notes)
