"""The renderer: pixel centres are exact, left is left, light comes from where it stands, same room same bytes."""

from dataclasses import replace

import numpy as np
import pytest
from composed_cases import GREY, marked_room, srgb_hue

from pixal3d_scene.learning.light_transport import direct_light
from pixal3d_scene.learning.lights import BulbLight, RectLight, SunLight
from pixal3d_scene.learning.render import FAST, RenderQuality, pixel_truth, render_photo
from pixal3d_scene.learning.surfaces import Stage


def test_depth_of_pixel_centres_lies_on_the_analytic_planes() -> None:
    room = marked_room()
    truth = pixel_truth(room)
    assert truth.valid.all()
    points = room.camera.world_from_cam(room.camera.rays_cam() * truth.z_m[..., None])
    block, floor_like = truth.mask_values == 1, truth.mask_values == 0
    width, depth, height = room.size_m
    planes = np.stack(
        [points[..., 0], width - points[..., 0], points[..., 1], height - points[..., 1], points[..., 2] + depth],
        axis=-1,
    )
    skirting = 0.015
    assert np.abs(planes).min(axis=-1)[floor_like].max() < skirting
    assert np.median(np.abs(planes).min(axis=-1)[floor_like]) < 1e-6
    at = room.objects[0].T_world_from_node.inv().apply(points[block])  # on a face of one of the two boxes
    low = np.abs(at - [0.2, 0.15, 0.0]) / [0.2, 0.15, 0.2]
    high = np.abs(at - [-0.2, 0.45, 0.0]) / [0.2, 0.45, 0.2]
    off = np.minimum(np.abs(low.max(axis=1) - 1), np.abs(high.max(axis=1) - 1))
    assert off.max() < 1e-4


def test_ids_agree_with_exact_ray_box_tests_and_are_pinned_to_pixel_centres() -> None:
    room = marked_room()
    is_block = pixel_truth(room).mask_values == 1
    node_from_world = room.objects[0].T_world_from_node.inv()
    eye = node_from_world.apply(np.array(room.camera.centre_world))

    def seen(shift_px: float) -> np.ndarray:
        rays_cam = room.camera.rays_through(room.camera.pixel_centres().reshape(-1, 2) + shift_px)
        rays = (node_from_world.rotation * room.camera.T_world_from_cam.rotation).apply(rays_cam)
        hit = np.zeros(len(rays), dtype=bool)
        for part in room.objects[0].parts:
            t = (part.mesh_node.bounds[:, None] - eye) / rays  # (2, n, 3): where the planes of the box are met
            hit |= t.min(axis=0).max(axis=-1) < t.max(axis=0).min(axis=-1)
        return hit.reshape(is_block.shape)

    assert (seen(0.0) == is_block).all()
    assert (seen(0.5) != is_block).sum() > 20
    assert (seen(-0.5) != is_block).sum() > 20


def test_red_is_right_and_low_green_is_left_and_high() -> None:
    """Fails if the picture, the node's yaw or the world is mirrored or upside down."""
    room = marked_room()
    photo, block = render_photo(room, FAST), pixel_truth(room).mask_values == 1
    ys, xs = np.nonzero(block)
    hue = srgb_hue(photo[block])
    assert xs[hue == 0].mean() > xs[hue == 1].mean() + 5
    assert ys[hue == 0].mean() > ys[hue == 1].mean() + 5
    turned_left = pixel_truth(marked_room(yaw_rad=0.15)).mask_values == 1
    assert np.nonzero(turned_left)[1].mean() > xs.mean() + 5  # the camera turns left: things go right


def test_the_shadow_falls_away_from_the_bulb() -> None:
    """The bulb is at the upper left: the floor to the right of the block is in shadow, to the left it is not."""
    room = marked_room()
    photo = render_photo(room, RenderQuality(supersampling=1, levels=4)).astype(float).mean(axis=-1)

    def brightness(at_world: tuple[float, float, float]) -> float:
        x, y = room.camera.project(room.camera.cam_from_world(np.array([at_world])))[0]
        return float(photo[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].mean())

    assert brightness((1.0, 0.0, -2.3)) > 1.6 * brightness((2.15, 0.0, -2.75))


def test_inverse_square_law_and_a_shadow_that_is_exact() -> None:
    room = replace(marked_room(), objects=())
    stage, rng = Stage(room), np.random.default_rng(0)
    bulb = BulbLight(centre_world=(2.0, 1.5, -2.0), intensity=(2.0, 2.0, 2.0), radius_m=0.0)
    seen = stage.meet(np.array([[2.0, 1.0, -2.0], [3.5, 1.0, -2.0]]), np.array([[0.0, -1.0, 0.0]] * 2))
    np.testing.assert_allclose(seen.albedo, [GREY, GREY])
    expected = [2.0 / 1.5**2, 2.0 * 1.5 / (1.5**2 + 1.5**2) ** 1.5]
    np.testing.assert_allclose(direct_light(stage, [bulb], seen, rng)[:, 0], expected, rtol=1e-9)
    behind_the_wall = replace(bulb, centre_world=(-1.0, 1.5, -2.0))
    assert not direct_light(stage, [behind_the_wall], seen, rng).any()


def test_a_window_gives_the_form_factor_of_a_rectangle() -> None:
    """Irradiance under the corner of a parallel rectangle, a x b at distance c (Howell's catalogue B-4, times pi L)."""
    a, b, c = 1.0, 0.6, 0.8
    light = RectLight(corner_world=(0.0, c, 0.0), edge_u=(a, 0.0, 0.0), edge_v=(0.0, 0.0, b), radiance=(1.0, 2.0, 3.0))
    n = 200_000
    points, normals = np.zeros((n, 3)), np.tile([0.0, 1.0, 0.0], (n, 1))
    arrival = light.arrive(points, normals, np.random.default_rng(0).random((n, 2)))
    x, y = a / c, b / c
    factor = (
        x / np.sqrt(1 + x * x) * np.arctan(y / np.sqrt(1 + x * x))
        + y / np.sqrt(1 + y * y) * np.arctan(x / np.sqrt(1 + y * y))
    ) / (2 * np.pi)
    np.testing.assert_allclose(arrival.irradiance.mean(axis=0), np.pi * factor * np.array([1.0, 2.0, 3.0]), rtol=0.01)
    away = light.arrive(points, -normals, np.random.default_rng(0).random((n, 2)))
    assert not away.irradiance.any()


def test_the_sun_shines_by_the_cosine() -> None:
    sun = SunLight(towards_sun=(1.0, 1.0, 0.0), irradiance=(4.0, 4.0, 4.0), radius_rad=0.0)
    arrival = sun.arrive(np.zeros((2, 3)), np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]), np.zeros((2, 2)))
    np.testing.assert_allclose(arrival.irradiance[:, 0], [4 * np.sqrt(0.5), 0.0])
    assert arrival.targets_world[0] == pytest.approx(100 * np.sqrt(0.5) * np.array([1, 1, 0]))


def test_same_room_same_bytes_and_another_seed_other_noise() -> None:
    room = marked_room((48, 36))
    first = render_photo(room, FAST)
    assert first.tobytes() == render_photo(marked_room((48, 36)), FAST).tobytes()
    assert first.tobytes() != render_photo(replace(room, seed=4), FAST).tobytes()
    fine = render_photo(room, RenderQuality())
    assert fine.shape == first.shape == (36, 48, 3)
    assert np.abs(fine.astype(float) - first).mean() < 12  # the same picture, only smoother
