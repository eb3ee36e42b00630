"""Depth from one photo against analytic rooms, and against the shared rooms where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from painted_room import DEPTH_M, HEIGHT_M, WIDTH_M, camera_in_room, furniture, painted_room
from PIL import Image
from rendered_scene import box, standing_box

from pixal3d_scene.asset import Mesh
from pixal3d_scene.camera import Camera
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import Similarity
from pixal3d_scene.frontend.given_camera import read_camera
from pixal3d_scene.frontend.given_masks import instances_from_label_map, read_masks
from pixal3d_scene.frontend.protocols import DepthEstimator, KnownView
from pixal3d_scene.frontend.room_box import RoomBox, room_axes
from pixal3d_scene.frontend.room_geometry import RoomGeometryDepth, bent_by_ceiling, place_objects
from pixal3d_scene.frontend.standing import LevelView, find_foot, settled
from pixal3d_scene.photo import read_photo

ESTIMATOR = RoomGeometryDepth(camera_height_m=1.5, fallback_fov_deg=60.0)


def relative_error(estimate: Depth, truth: Depth, where: np.ndarray) -> float:
    where = where & truth.valid
    return float(np.mean(np.abs(estimate.z_m[where] / truth.z_m[where] - 1)))


@pytest.mark.slow
@pytest.mark.parametrize(("yaw_deg", "roll_deg"), [(0.0, 0.0), (14.0, 2.0), (-20.0, -1.0)])
def test_a_painted_room_with_a_known_camera(yaw_deg: float, roll_deg: float) -> None:
    camera = camera_in_room(yaw_deg=yaw_deg, roll_deg=roll_deg)
    scene = painted_room(camera, furniture())
    depth = ESTIMATOR.estimate(scene.photo, scene.instances, KnownView(camera=camera))
    assert isinstance(ESTIMATOR, DepthEstimator)
    np.testing.assert_array_equal(depth.camera.T_world_from_cam.as_matrix(), camera.T_world_from_cam.as_matrix())
    assert depth.source == "room_geometry"
    assert depth.valid.all()
    assert relative_error(depth, scene.depth, scene.instances.label_map == 0) < 0.04
    for value in (1, 2, 3, 4):
        assert relative_error(depth, scene.depth, scene.instances.label_map == value) < 0.12, value
    assert any("object_03 is taken to rest on object_02" in n for n in depth.notes)
    assert any("hang on the wall: object_04" in n for n in depth.notes)


@pytest.mark.slow
def test_only_the_photo() -> None:
    camera = camera_in_room(yaw_deg=15, pitch_deg=14, size_px=(480, 360))
    scene = painted_room(camera, furniture())
    depth = ESTIMATOR.estimate(scene.photo, scene.instances, KnownView())
    scale = float(np.median(scene.depth.z_m / depth.z_m))
    assert scale == pytest.approx(1, abs=0.15)  # the true height is the assumed one
    scaled = Depth(z_m=depth.z_m * np.float32(scale), valid=depth.valid, camera=depth.camera, source="scaled")
    assert relative_error(scaled, scene.depth, scene.depth.valid) < 0.08
    sofa_cam = depth.points_cam()[scene.instances.label_map == 1]
    assert 1.5 < np.ptp(sofa_cam[:, 0]) < 2.5
    assert sum("assumed" in n or "estimated" in n or "guess" in n for n in depth.notes) >= 3


@pytest.mark.slow
def test_recognised_parts_of_the_room_stand_in_for_its_colours() -> None:
    camera = camera_in_room(yaw_deg=5, pitch_deg=5, size_px=(480, 360))
    scene = painted_room(camera, furniture())
    height = scene.depth.points_world()[..., 1]
    parts = np.select([height < 0.01, height > HEIGHT_M - 0.01], [1, 3], 2)  # floor, ceiling, walls
    shell_map = np.where(scene.instances.label_map == 0, parts, 0).astype(np.uint8)
    grey = replace(scene.photo, rgb=np.full_like(scene.photo.rgb, 150))
    room = scene.instances.label_map == 0
    known = KnownView(camera=camera)
    blind = ESTIMATOR.estimate(grey, scene.instances, known)
    told = ESTIMATOR.estimate(grey, replace(scene.instances, shell_map=shell_map), known)
    assert relative_error(told, scene.depth, room) < 0.06, relative_error(blind, scene.depth, room)
    assert relative_error(blind, scene.depth, room) > 0.12


@pytest.mark.slow
def test_the_camera_height_is_the_scale() -> None:
    camera = camera_in_room()
    scene = painted_room(camera, furniture())
    once = ESTIMATOR.estimate(scene.photo, scene.instances, KnownView(camera_height_m=1.5))
    twice = ESTIMATOR.estimate(scene.photo, scene.instances, KnownView(camera_height_m=0.75))
    floor = (once.points_world()[..., 1] < 0.01) & (twice.points_world()[..., 1] < 0.01)
    near = floor & (once.z_m < 3.2) & (scene.instances.label_map == 0)
    assert near.sum() > 500
    np.testing.assert_allclose(once.z_m[near], 2 * twice.z_m[near], rtol=1e-5)


def turned_box(yaw_deg: float, size: tuple[float, float, float]) -> Mesh:
    from scipy.spatial.transform import Rotation

    turn = Similarity(rotation=Rotation.from_euler("y", yaw_deg, degrees=True), translation=np.array([0.3, 0.0, -0.4]))
    return standing_box(size, 0.0, 0.0).transformed(turn)


def true_box(camera: Camera, yaw_rad: float) -> RoomBox:
    """Large enough that its walls do not matter; `yaw_rad` turns its axes, which must not matter either."""
    return RoomBox(
        R_room_from_cam=room_axes(camera, yaw_rad),
        camera_height_m=float(camera.centre_world[1]),
        ahead_m=50.0,
        left_m=50.0,
        right_m=50.0,
        ceiling_m=50.0,
    )


@pytest.mark.parametrize("box_yaw_deg", [0.0, 25.0, 60.0])
@pytest.mark.parametrize(("pitch_deg", "roll_deg", "axes_rad"), [(12.0, 0.0, 0.0), (18.0, 3.0, 0.4), (8.0, -2.0, -0.3)])
def test_an_upright_box_stands_at_its_exact_distance(
    box_yaw_deg: float, pitch_deg: float, roll_deg: float, axes_rad: float
) -> None:
    """Taller than the camera, so that only upright faces are seen: every pixel's depth is exact."""
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg)
    scene = painted_room(camera, {5: turned_box(box_yaw_deg, (0.9, 2.2, 0.6))})
    mask = scene.instances.mask(5)
    foot = find_foot(scene.instances.label_map, 5)
    level = LevelView(camera, true_box(camera, axes_rad))
    relief_m = level.standing_relief(mask, foot)
    # Masks end at pixel centres: one pixel at the foot is up to 1 % of the distance here.
    assert np.median(np.abs(relief_m / scene.depth.z_m[mask] - 1)) < 0.01
    assert np.quantile(np.abs(relief_m / scene.depth.z_m[mask] - 1), 0.95) < 0.03


@pytest.mark.parametrize("pitch_deg", [12.0, 25.0])
def test_a_block_seen_from_above_has_an_upright_front_and_a_level_top(pitch_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg)
    scene = painted_room(camera, {5: standing_box((1.0, 0.8, 0.6), 0.2, 0.0)})  # as deep as it is taken to be
    mask = scene.instances.mask(5)
    level = LevelView(camera, true_box(camera, 0.0))
    relief_m = level.standing_relief(mask, find_foot(scene.instances.label_map, 5))
    assert np.quantile(np.abs(relief_m / scene.depth.z_m[mask] - 1), 0.95) < 0.04  # a pixel of its foot is 1 to 3 %


def test_what_hides_a_foot_does_not_push_the_object_back() -> None:
    """Its top ends free, its legs behind another object: it is no farther than the lowest pixel of a leg."""
    camera = camera_in_room()
    table = standing_box((1.8, 0.06, 0.6), 0.0, -0.5, y=0.7)
    leg = standing_box((0.1, 0.7, 0.1), 0.0, -0.3)
    crate = standing_box((0.5, 0.4, 0.3), 0.0, 0.4)
    meshes = {
        1: Mesh(
            vertices=np.concatenate([table.vertices, leg.vertices]),
            faces=np.concatenate([table.faces, leg.faces + len(table.vertices)]),
        ),
        2: crate,
    }
    scene = painted_room(camera, meshes)
    foot = find_foot(scene.instances.label_map, 1)
    assert (foot.below == 2).any()
    level = LevelView(camera, true_box(camera, 0.0))
    mask = scene.instances.mask(1)
    relief_m = level.standing_relief(mask, foot)
    assert np.median(relief_m / scene.depth.z_m[mask]) < 1.25


@pytest.mark.slow
def test_an_object_behind_another_is_put_behind_it() -> None:
    camera = camera_in_room()
    meshes = {1: standing_box((1.6, 0.7, 0.5), 0.0, -0.5), 2: standing_box((0.6, 1.6, 0.4), 0.0, -1.6)}
    scene = painted_room(camera, meshes)
    depth = ESTIMATOR.estimate(scene.photo, scene.instances, KnownView(camera=camera))
    label_map = scene.instances.label_map
    assert np.median(depth.z_m[label_map == 2]) > np.median(depth.z_m[label_map == 1])
    assert any("what hides where they stand" in n and "object_02" in n for n in depth.notes)


@pytest.mark.parametrize(("called", "hidden"), [("picture", False), ("", True)])
def test_a_picture_above_a_smaller_thing_hangs_where_the_wall_is_seen_between(called: str, hidden: bool) -> None:
    """What has no word and ends right above something may stand behind it."""
    camera = camera_in_room()
    back = -DEPTH_M / 2
    scene = painted_room(
        camera, {1: box((1.2, 0.6, 0.04), (0.0, 1.7, back + 0.02)), 2: box((0.4, 0.2, 0.1), (0.0, 1.2, back + 0.05))}
    )
    level = LevelView(camera, replace(true_box(camera, 0.0), ahead_m=float(camera.centre_world[2]) - back))
    foot = find_foot(scene.instances.label_map, 1)
    assert (foot.touched, foot.touching) == (2, 0)
    assert settled(foot, level, called=called).hidden is hidden


@pytest.mark.slow
def test_nothing_is_beyond_the_walls() -> None:
    """A mask whose foot is near the horizon would stand 15 m away; the back wall stops it."""
    camera = camera_in_room(pitch_deg=5)
    scene = painted_room(camera, furniture())
    depth = ESTIMATOR.estimate(scene.photo, scene.instances, KnownView(camera=camera))
    assert depth.z_m[scene.instances.label_map > 0].max() < DEPTH_M


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 12), pitch_deg=st.floats(-30.0, 60.0))
def test_any_masks_give_a_depth_within_the_room(seed: int, count: int, pitch_deg: float) -> None:
    """Masks in the sky, in pieces, one in another, of one pixel: finite, in front of the camera, within the shell."""
    rng = np.random.default_rng(seed)
    label_map = np.zeros((45, 60), np.uint16)
    for value in range(1, count + 1):
        x, y = rng.integers(0, 60), rng.integers(0, 45)
        w, h = rng.integers(1, 30, 2)
        label_map[y : y + h, x : x + w] = value
        label_map[rng.random(label_map.shape) < 0.003] = value
    camera = camera_in_room(pitch_deg=pitch_deg, size_px=(60, 45))
    instances = instances_from_label_map(label_map, source="random")
    box = replace(true_box(camera, 0.2), ahead_m=5.0, left_m=2.5, right_m=2.0, ceiling_m=2.7)
    depth_m, _ = box.shell(camera)
    feet = {i.mask_value: find_foot(label_map, i.mask_value) for i in instances.items}
    place_objects(depth_m, instances, feet, LevelView(camera, box))
    assert np.isfinite(depth_m).all()
    assert depth_m.min() > 0.05
    assert (depth_m <= box.shell(camera)[0]).all()


@pytest.mark.slow
@pytest.mark.parametrize("yaw_deg", [0.0, 18.0])
def test_the_walls_are_found(yaw_deg: float) -> None:
    camera = camera_in_room(yaw_deg=yaw_deg)
    scene = painted_room(camera, furniture())
    depth = ESTIMATOR.estimate(scene.photo, scene.instances, KnownView(camera=camera))
    points = depth.points_world()[scene.instances.label_map == 0]
    assert -points[:, 2].min() == pytest.approx(DEPTH_M / 2, abs=0.3)
    assert -points[:, 0].min() == pytest.approx(WIDTH_M / 2, abs=0.3)
    if yaw_deg == 0:  # else the right wall is out of the photo
        assert points[:, 0].max() == pytest.approx(WIDTH_M / 2, abs=0.3)
    assert points[:, 1].max() == pytest.approx(HEIGHT_M, abs=0.15)
    assert points[:, 1].min() == pytest.approx(0, abs=1e-4)


@pytest.mark.slow
def test_the_shared_rooms(rooms_dir: Path) -> None:
    """Measured: 0.05 metric with the camera given, 0.06 scaled with only the photo; a margin for other platforms."""
    metric, scaled = [], []
    for room in sorted(rooms_dir.glob("room*")):
        photo = read_photo(room / "photo.jpg")
        instances = read_masks(room / "instances.png", photo.size_px)
        camera = read_camera(room / "camera.json", photo.size_px).camera
        truth_m = np.asarray(Image.open(room / "depth.png")) / 1000
        ok = truth_m > 0
        with_camera = ESTIMATOR.estimate(photo, instances, KnownView(camera=camera)).z_m[ok]
        alone = ESTIMATOR.estimate(photo, instances, KnownView()).z_m[ok]
        metric.append(np.mean(np.abs(with_camera / truth_m[ok] - 1)))
        alone = alone * np.median(truth_m[ok] / alone)
        scaled.append(np.mean(np.abs(alone / truth_m[ok] - 1)))
    assert np.mean(metric) < 0.07
    assert np.mean(scaled) < 0.09


@pytest.mark.parametrize("pitch_deg", [-50.0, -70.0])
def test_a_camera_that_looks_up_sees_a_ceiling_and_no_tower(pitch_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg, yaw_deg=10)
    scene = painted_room(camera)
    depth = RoomGeometryDepth(camera_height_m=1.5, fallback_fov_deg=60.0).estimate(
        scene.photo, scene.instances, KnownView(camera=camera)
    )
    assert depth.points_world()[..., 1].max() < 4.1
    assert any("shows no floor" in n for n in depth.notes)


def bent_by_low_ceiling(rows: slice, columns: slice) -> list[str]:
    """An object in a level picture of a box whose ceiling meets the wall ahead in row 60 of 240."""
    camera = camera_in_room(yaw_deg=0, pitch_deg=0, size_px=(320, 240))
    height_m, focal_px = float(camera.centre_world[1]), float(camera.K[1, 1])
    box = RoomBox(
        R_room_from_cam=room_axes(camera, 0.0), camera_height_m=height_m, ahead_m=4.0, left_m=6.0, right_m=6.0,
        ceiling_m=height_m + 4.0 * 60 / focal_px,
    )  # fmt: skip
    label_map = np.zeros(camera.shape_hw, dtype=np.uint16)
    label_map[rows, columns] = 3
    instances = instances_from_label_map(label_map, source="drawn")
    return bent_by_ceiling(box, instances, camera, {3: find_foot(label_map, 3)})


@pytest.mark.parametrize(
    ("rows", "bent"),
    [
        (slice(40, 90), ["object_03"]),  # on the wall, reaching over its upper edge
        (slice(70, 110), []),  # wholly on the wall
        (slice(10, 50), []),  # wholly on the ceiling
        (slice(40, 200), []),  # standing on the floor in front of both
    ],
)
def test_a_ceiling_bends_nothing_that_hangs_on_a_wall(rows: slice, bent: list[str]) -> None:
    assert bent_by_low_ceiling(rows, slice(140, 180)) == bent
