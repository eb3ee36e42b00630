"""Gravity and the camera's height: within a degree and two centimetres from bad depth, and honest about it."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
from painted_room import camera_in_room, furniture, painted_room
from rendered_scene import RenderedScene, standing_box
from scipy.spatial.transform import Rotation

from pixal3d_scene.camera import Camera
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.frontend.gravity import Stance, find_stance, height_above_floor, stance_on_floor
from pixal3d_scene.frontend.surfels import Surfels, find_surfels
from pixal3d_scene.frontend.vanishing import Turn, pitch_and_roll_rad
from pixal3d_scene.frontend.view import pose_from_up

NOTHING_SEEN = Turn(
    pitch_rad=math.radians(10), roll_rad=0.0, yaw_rad=0.0, focal_px=300.0, pitch_sigma_rad=math.radians(10),
    roll_sigma_rad=math.radians(1.5), focal_sigma=0.2, yaw_support=0.0,
)  # fmt: skip


SHARP = camera_in_room(pitch_deg=17, roll_deg=2, yaw_deg=20, height_m=1.37, size_px=(640, 480))


@functools.cache
def sharp_scene() -> RenderedScene:
    return painted_room(SHARP, furniture())


def off_deg(stance: Stance, camera: Camera) -> float:
    return math.degrees(math.acos(min(1.0, float(stance.up_cam @ camera.up_cam))))


def stance_of(scene: RenderedScene, depth: Depth | None = None, turn: Turn = NOTHING_SEEN) -> Stance:
    depth = scene.depth if depth is None else depth
    surfels = find_surfels(depth, depth.valid & (scene.instances.label_map == 0))
    return find_stance(surfels, turn, size_px=depth.camera.size_px)


def bad(depth: Depth, seed: int, *, scale: float = 1.0) -> Depth:
    """5 % independent and 2 % slow error, a quarter of the picture wide."""
    from scipy.ndimage import zoom

    rng = np.random.default_rng(seed)
    shape = depth.z_m.shape
    slow = zoom(rng.standard_normal((4, 4)), (shape[0] / 4, shape[1] / 4), order=3, grid_mode=True, mode="nearest")
    error = 0.05 * rng.standard_normal(shape) + 0.02 * slow / slow.std()
    return replace(depth, z_m=(depth.z_m * scale * (1 + error)).astype(np.float32))


@pytest.mark.parametrize(("pitch_deg", "roll_deg", "yaw_deg"), [(12, 0, 17), (30, 4, -20), (5, -5, 0), (-8, 2, 30)])
def test_perfect_depth_gives_gravity_and_height_exactly(pitch_deg: float, roll_deg: float, yaw_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg, yaw_deg=yaw_deg, height_m=1.37)
    stance = stance_of(painted_room(camera, furniture()))
    assert off_deg(stance, camera) < 0.15
    if stance.height_m is not None:
        assert stance.height_m == pytest.approx(1.37, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_bad_depth_gives_gravity_within_a_degree_and_knows_its_error(seed: int, scale: float) -> None:
    camera, scene = SHARP, sharp_scene()
    # Straight lines that are right within half a degree, as in most photos.
    lines = replace(
        NOTHING_SEEN, pitch_rad=math.radians(17.4), roll_rad=math.radians(1.8), pitch_sigma_rad=math.radians(0.4),
        roll_sigma_rad=math.radians(0.4),
    )  # fmt: skip
    stance = stance_of(scene, bad(scene.depth, seed, scale=scale), lines)
    assert off_deg(stance, camera) < 1.0
    assert stance.height_m is not None
    assert stance.height_sigma_m is not None
    assert abs(stance.height_m / scale - 1.37) < max(0.06, 3 * stance.height_sigma_m)
    assert 0.1 < math.degrees(stance.sigma_rad) < 1.5


@pytest.mark.parametrize("seed", range(20))
def test_any_floor_with_clutter_is_found(seed: int) -> None:
    """Flat pieces of a floor, a fifth of them lifted onto furniture and a tenth lost anywhere."""
    height_m, pitch_deg, roll_deg = np.random.default_rng(seed).uniform([0.9, -5, -8], [2.0, 40, 8]).tolist()
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg, height_m=height_m)
    rng = np.random.default_rng(seed)
    world = np.stack([rng.uniform(-2, 2, 300), np.zeros(300), rng.uniform(-5, -1, 300)], axis=-1)
    world[:60, 1] = rng.uniform(0.3, 0.8, 60)
    normals = camera.T_world_from_cam.rotation.inv().apply(np.tile([0.0, 1.0, 0.0], (300, 1)))
    points = camera.cam_from_world(world)
    in_front = points[:, 2] > 0.3
    points, normals = points[in_front], normals[in_front]
    lost = rng.random(len(points)) < 0.1
    points[lost] = points[lost] * rng.uniform(0.3, 0.9, (int(lost.sum()), 1))
    surfels = Surfels(
        points_cam=points, normals_cam=normals,
        centres_px=camera.project(points), sigma=np.full(len(points), 0.002), noise=0.01,
    )  # fmt: skip
    turn = replace(
        NOTHING_SEEN, pitch_rad=math.radians(pitch_deg + 6), roll_rad=math.radians(roll_deg), roll_sigma_rad=0.1
    )
    stance = find_stance(surfels, turn, size_px=camera.size_px)
    assert off_deg(stance, camera) < 0.5
    assert stance.height_m == pytest.approx(height_m, abs=0.02)
    assert height_above_floor(surfels, camera.up_cam, size_px=camera.size_px) == pytest.approx(height_m, abs=0.02)


def test_without_a_floor_walls_and_lines_tell_and_without_anything_the_camera_is_upright() -> None:
    camera = camera_in_room(pitch_deg=-20, yaw_deg=30, height_m=1.4)
    scene = painted_room(camera)
    floor = np.abs(scene.depth.points_world()[..., 1]) < 0.05
    depth = replace(scene.depth, valid=scene.depth.valid & ~floor)
    stance = stance_of(scene, depth, replace(NOTHING_SEEN, pitch_rad=math.radians(-14)))
    assert stance.height_m is None
    assert "ceiling" in stance.told_by
    no_ceiling = replace(depth, valid=depth.valid & (depth.points_world()[..., 1] < 2.3))
    by_walls = stance_of(scene, no_ceiling, replace(NOTHING_SEEN, pitch_rad=math.radians(-14)))
    assert by_walls.told_by[0] == "walls"
    assert off_deg(by_walls, camera) < 0.3
    assert off_deg(stance, camera) < 0.3
    nothing = find_stance(find_surfels(depth, np.zeros_like(floor)), NOTHING_SEEN, size_px=camera.size_px)
    assert nothing.height_m is None
    assert math.degrees(nothing.sigma_rad) > 8
    assert nothing.up_cam @ [0, -1, 0] == pytest.approx(math.cos(math.radians(10)), abs=1e-3)


def test_a_table_that_hides_most_of_the_floor_is_not_the_floor() -> None:
    camera = camera_in_room(pitch_deg=30)
    scene = painted_room(camera, {1: standing_box((2.4, 0.75, 2.0), 0.0, 0.0)})
    assert (scene.instances.label_map == 1).mean() > 0.25
    surfels = find_surfels(scene.depth, scene.depth.valid)  # the masks are not known yet
    stance = find_stance(surfels, NOTHING_SEEN, size_px=camera.size_px)
    assert stance.height_m == pytest.approx(1.5, abs=0.02)
    assert off_deg(stance, camera) < 0.2


@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(0.0, 0.0), (20.0, 3.0), (-15.0, -8.0), (60.0, 40.0)])
def test_pose_from_up_undoes_the_pose(pitch_deg: float, roll_deg: float) -> None:
    pose = world_from_level_camera(height_m=1.2, pitch_rad=math.radians(pitch_deg), roll_rad=math.radians(roll_deg))
    up_cam = pose.rotation.inv().apply([0.0, 1.0, 0.0])
    np.testing.assert_allclose(pose_from_up(up_cam, height_m=1.2).as_matrix(), pose.as_matrix(), atol=1e-12)


def test_one_wall_that_leans_does_not_tilt_the_room() -> None:
    camera = camera_in_room(pitch_deg=15, yaw_deg=20, height_m=1.4)
    scene = painted_room(camera)
    surfels = find_surfels(scene.depth, scene.depth.valid)
    on_wall = np.abs(surfels.normals_cam @ camera.up_cam) < 0.1
    one = surfels.normals_cam @ surfels.normals_cam[np.flatnonzero(on_wall)[0]] > 0.95
    lean = Rotation.from_rotvec(np.radians(6) * np.cross(camera.up_cam, surfels.normals_cam[one][0]))
    middle = surfels.points_cam[one].mean(axis=0)
    points, normals = surfels.points_cam.copy(), surfels.normals_cam.copy()
    points[one] = lean.apply(points[one] - middle) + middle
    normals[one] = lean.apply(normals[one])
    stance = find_stance(replace(surfels, points_cam=points, normals_cam=normals), NOTHING_SEEN, size_px=camera.size_px)
    assert off_deg(stance, camera) < 0.3


def test_recognised_floor_counts_where_a_carpeted_stage_is_larger() -> None:
    camera = camera_in_room(pitch_deg=25, height_m=1.5)
    scene = painted_room(camera)
    depth = scene.depth
    # A level of 20 cm that fills most of what is seen of the floor, and is no object.
    down = -(camera.rays_cam() @ camera.up_cam)
    on_floor = np.abs(depth.points_world()[..., 1]) < 1e-3
    stage = on_floor & (np.arange(camera.size_px[0])[None, :] > 60)
    z_m = np.where(stage, 1.3 / np.where(stage, down, 1.0), depth.z_m).astype(np.float32)
    raised = replace(depth, z_m=z_m)
    surfels = find_surfels(raised, raised.valid)
    columns, rows = surfels.centres_px.astype(int).T
    is_floor = (on_floor & ~stage)[rows, columns]
    told = find_stance(surfels, NOTHING_SEEN, size_px=camera.size_px, is_floor=is_floor)
    assert told.height_m == pytest.approx(1.5, abs=0.02)


def test_blocks_are_planes_and_edges_are_left_out() -> None:
    camera = camera_in_room(pitch_deg=17, yaw_deg=20)
    scene = painted_room(camera)
    surfels = find_surfels(scene.depth, scene.depth.valid)
    normals = camera.T_world_from_cam.rotation.apply(surfels.normals_cam)
    axis = np.abs(normals).max(axis=1)
    # Walls and floor of the box are along the world's axes; up to its quantisation a block is as exact as a pixel.
    assert (axis > math.cos(math.radians(1.0))).mean() > 0.97
    assert len(surfels) > 0.8 * 32 * 24
    np.testing.assert_allclose(camera.project(surfels.points_cam), surfels.centres_px, atol=1e-6)
    assert np.einsum("ij,ij->i", surfels.normals_cam, surfels.points_cam).max() < 0  # towards the camera


@pytest.mark.parametrize("factor", [0.87, 1.15])
def test_with_a_wrong_focal_length_the_floor_is_still_level(factor: float) -> None:
    camera = camera_in_room(pitch_deg=17, yaw_deg=25, height_m=1.4)
    scene = painted_room(camera, furniture())
    wrong = Camera.from_focal(focal_px=float(factor * camera.K[0, 0]), size_px=camera.size_px)
    depth = replace(scene.depth, camera=wrong)
    stance = stance_of(scene, depth)
    assert stance.height_m is not None
    floor = (scene.instances.label_map == 0) & (np.abs(scene.depth.points_world()[..., 1]) < 1e-3)
    heights_m = depth.points_cam()[floor] @ stance.up_cam + stance.height_m
    assert np.abs(heights_m).max() < 0.05


def test_a_floor_that_bulges_and_tilts_gives_the_height_and_leaves_gravity_alone() -> None:
    scene = sharp_scene()
    rows = np.linspace(-1, 1, scene.depth.z_m.shape[0])[:, None]
    tilted = replace(scene.depth, z_m=(scene.depth.z_m * (1 + 0.15 * rows)).astype(np.float32))
    room = scene.instances.label_map == 0
    on_floor = room & (np.abs(scene.depth.points_world()[..., 1]) < 1e-3)
    pitch_rad, roll_rad = pitch_and_roll_rad(SHARP.up_cam)
    turn = replace(
        NOTHING_SEEN, pitch_rad=pitch_rad, roll_rad=roll_rad, pitch_sigma_rad=math.radians(0.8),
        roll_sigma_rad=math.radians(0.6),
    )  # fmt: skip
    by_planes = stance_of(scene, tilted, turn)
    stance = stance_on_floor(tilted, on_floor, room, turn)
    assert off_deg(stance, SHARP) < 1e-3 < 1 < off_deg(by_planes, SHARP)
    assert math.degrees(stance.sigma_rad) == pytest.approx(1.0, rel=0.01)
    exact = stance_on_floor(scene.depth, on_floor, room, turn)
    assert exact.height_m == pytest.approx(1.37, abs=1e-3)
    assert exact.height_sigma_m == pytest.approx(0, abs=1e-3)
    assert exact.floor_share == pytest.approx(on_floor.sum() / room.sum(), rel=1e-6)
    assert stance.height_m is not None
    assert stance.height_sigma_m is not None
    assert abs(stance.height_m - 1.37) < 2 * stance.height_sigma_m
    nowhere = stance_on_floor(scene.depth, np.zeros_like(on_floor), room, turn)
    assert (nowhere.height_m, nowhere.height_sigma_m, nowhere.floor_share) == (None, None, 0.0)
