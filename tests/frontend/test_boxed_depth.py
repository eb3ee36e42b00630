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
from pixal3d_scene.frontend.given_masks import instances_from_label_map
from pixal3d_scene.frontend.vanishing import find_turn, straight_lines


@functools.cache
def scene() -> RenderedScene:
    return painted_room(camera_in_room(yaw_deg=5, pitch_deg=8, size_px=(320, 240)), furniture())


def parts() -> np.ndarray:
    """Floor, wall and ceiling of every pixel, 0 for objects."""
    height = scene().depth.points_world()[..., 1]
    shell = np.select([height < 0.01, height > HEIGHT_M - 0.01], [1, 3], 2)
    return np.where(scene().instances.label_map == 0, shell, 0).astype(np.uint8)


@functools.cache
def yaw_rad() -> float:
    camera = scene().depth.camera
    return find_turn(straight_lines(scene().photo.rgb), camera, focal_is_known=True, up_cam=camera.up_cam).yaw_rad


def boxed(depth: Depth) -> Depth:
    return with_room_in_box(depth, scene().photo, parts(), scene().instances, yaw_rad=yaw_rad())


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


def shifted(value: int, factor: float) -> Depth:
    """The true depth, but for one object that the network puts elsewhere."""
    mask = scene().instances.label_map == value
    z_m = np.where(mask, factor * scene().depth.z_m, scene().depth.z_m)
    return replace(scene().depth, z_m=z_m.astype(np.float32))


def log_median(depth: Depth, value: int) -> float:
    mask = scene().instances.label_map == value
    return float(np.median(np.log(depth.z_m[mask] / scene().depth.z_m[mask])))


def test_a_foot_on_the_floor_counts_four_times_as_much_as_the_networks_distance() -> None:
    exact = log_median(boxed(scene().depth), 1)
    assert abs(exact) < 0.05
    moved = log_median(boxed(shifted(1, 1.4)), 1) - exact
    np.testing.assert_allclose(moved, 0.2 * np.log(1.4), atol=0.01)


def test_what_an_object_carries_moves_with_it() -> None:
    before, after = boxed(scene().depth), boxed(shifted(2, 1.4))
    moved = log_median(after, 2) - log_median(before, 2)
    assert moved > 0.04
    np.testing.assert_allclose(log_median(after, 3) - log_median(before, 3), moved / 2, atol=0.02)


def test_what_the_photo_cuts_off_is_nearer_than_the_floor_at_its_edge() -> None:
    low = int(np.flatnonzero((scene().instances.label_map == 2).any(axis=1)).max()) - 8
    cut = slice(0, low)
    camera = scene().depth.camera
    K = np.array(camera.K)
    shorter = replace(
        scene().depth,
        z_m=scene().depth.z_m[cut],
        valid=scene().depth.valid[cut],
        camera=type(camera)(K=K, size_px=(camera.size_px[0], low), T_world_from_cam=camera.T_world_from_cam),
    )
    label_map = scene().instances.label_map[cut]
    photo = replace(scene().photo, rgb=scene().photo.rgb[cut])
    instances = instances_from_label_map(label_map, source="truth")
    mask = label_map == 2
    for seen in (1.0, 1.5):
        z_m = np.where(mask, seen * shorter.z_m, shorter.z_m).astype(np.float32)
        after = with_room_in_box(replace(shorter, z_m=z_m), photo, parts()[cut], instances, yaw_rad=yaw_rad())
        floor_m = camera.centre_world[1] / -(shorter.camera.rays_cam() @ shorter.camera.up_cam)[-1]
        assert np.median(after.z_m[mask]) < floor_m.mean()
        assert any("reach out of the photo" in note for note in after.notes)


def test_a_rug_lies_on_the_floor() -> None:
    height = scene().depth.points_world()
    rug = (scene().instances.label_map == 0) & (height[..., 1] < 1e-3) & (np.abs(height[..., 0]) < 0.8)
    rug &= (height[..., 2] > -1.5) & (height[..., 2] < 0.5)
    label_map = scene().instances.label_map.copy()
    label_map[rug] = 9
    instances = instances_from_label_map(label_map, source="truth")
    part = np.where(rug, 0, parts()).astype(np.uint8)
    for known, tolerance in ((rug, 1e-3), (None, np.inf)):
        after = with_room_in_box(
            scene().depth, scene().photo, part, instances, yaw_rad=yaw_rad(), rug=known
        )  # fmt: skip
        assert np.abs(after.points_world()[..., 1][rug]).max() < tolerance


def test_the_networks_depth_says_how_far_bare_walls_are() -> None:
    """No colours and hardly a part: a wall fills the photo."""
    camera = camera_in_room(pitch_deg=2.0, size_px=(320, 240), fov_deg=30.0)
    bare = painted_room(camera)
    grey = replace(bare.photo, rgb=np.full_like(bare.photo.rgb, 150))
    part = np.full(bare.depth.z_m.shape, 2, np.uint8)
    nothing = replace(scene().instances, label_map=np.zeros_like(bare.instances.label_map), items=())
    for factor in (1.0, 0.6):
        depth = replace(bare.depth, z_m=(factor * bare.depth.z_m).astype(np.float32))
        after = with_room_in_box(depth, grey, part, nothing, yaw_rad=0.0)
        np.testing.assert_allclose(np.median(after.z_m), factor * np.median(bare.depth.z_m), rtol=0.08)
