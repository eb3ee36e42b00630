"""The camera's turn from straight lines: signs and sizes of pitch, roll, yaw and focal length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from painted_room import DEPTH_M, HEIGHT_M, WIDTH_M, camera_in_room, painted_room
from scipy.spatial.transform import Rotation

from pixal3d_scene.camera import Camera
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.frontend.vanishing import (
    ExpectedTurn,
    find_turn,
    pitch_and_roll_rad,
    room_directions_cam,
    straight_lines,
)

CASES = [(12.0, 0.0, 20.0), (5.0, 2.0, -15.0), (25.0, -2.0, 35.0), (-8.0, 1.0, 10.0)]


def edges_px(camera: Camera) -> np.ndarray:
    """(n, 2, 2) px: edges of the room and of a door, those in front of the camera and within the photo."""
    xs, ys, zs = (-WIDTH_M / 2, 0.7, 1.5, WIDTH_M / 2), (0.0, 0.9, 2.0, HEIGHT_M), (-DEPTH_M / 2, -1.0, 0.0)
    ends = []
    for a in np.array(np.meshgrid(xs, ys, zs)).reshape(3, -1).T:
        for axis in range(3):
            b = a.copy()
            b[axis] += 0.6
            ends.append([a, b])
    points_cam = camera.cam_from_world(np.array(ends))
    in_front = (points_cam[..., 2] > 0.3).all(axis=1)
    px = camera.project(points_cam[in_front])
    inside = ((px > 0) & (px < camera.size_px)).all(axis=(1, 2))
    return px[inside]


@pytest.mark.parametrize(("pitch_deg", "roll_deg", "yaw_deg"), CASES)
def test_exact_lines_give_the_exact_turn(pitch_deg: float, roll_deg: float, yaw_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg, yaw_deg=yaw_deg)
    turn = find_turn(edges_px(camera), camera, focal_is_known=True)
    assert math.degrees(turn.pitch_rad) == pytest.approx(pitch_deg, abs=0.3)
    assert math.degrees(turn.roll_rad) == pytest.approx(roll_deg, abs=0.3)
    # The camera is turned to the left, so the wall direction is to the right of its heading.
    assert math.degrees(turn.yaw_rad) == pytest.approx(-yaw_deg, abs=0.3)
    assert turn.pitch_sigma_rad < math.radians(1)
    assert turn.yaw_support > 0.4


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_two_level_directions_give_the_focal_length(factor: float) -> None:
    camera = camera_in_room(pitch_deg=15, yaw_deg=25)
    expected = Camera.from_focal(focal_px=float(camera.K[0, 0]) * factor, size_px=camera.size_px)
    turn = find_turn(edges_px(camera), expected, focal_is_known=False)
    assert turn.focal_px == pytest.approx(camera.K[0, 0], rel=0.03)
    assert turn.focal_sigma < 0.1


def test_without_lines_the_usual_pitch_is_a_guess() -> None:
    camera = camera_in_room()
    turn = find_turn(np.zeros((0, 2, 2)), camera, focal_is_known=False)
    assert math.degrees(turn.pitch_rad) == pytest.approx(10, abs=0.1)
    assert turn.roll_rad == pytest.approx(0, abs=1e-3)
    assert turn.focal_px == pytest.approx(camera.K[0, 0], rel=1e-2)
    assert turn.pitch_sigma_rad > math.radians(9)
    assert turn.focal_sigma > 0.19
    assert turn.yaw_support == 0


def expecting(pitch_deg: float, roll_deg: float, *, sigma_deg: float = 2.0) -> ExpectedTurn:
    up_cam = room_directions_cam(math.radians(pitch_deg), math.radians(roll_deg), 0.0)[0]
    return ExpectedTurn(up_cam=up_cam, up_sigma_rad=math.radians(sigma_deg), log_focal_sigma=0.07)


def test_without_lines_what_a_network_expects_stays_and_roll_is_drawn_to_level() -> None:
    camera = camera_in_room()
    turn = find_turn(np.zeros((0, 2, 2)), camera, focal_is_known=False, expected=expecting(25, 4))
    assert math.degrees(turn.pitch_rad) == pytest.approx((25 * 10**2 + 10 * 2**2) / (10**2 + 2**2), abs=0.1)
    assert math.degrees(turn.roll_rad) == pytest.approx(4 * 1.5**2 / (1.5**2 + 2**2), abs=0.1)
    assert turn.focal_px == pytest.approx(camera.K[0, 0], rel=2e-3)
    assert math.degrees(turn.pitch_sigma_rad) == pytest.approx(2 * 10 / math.hypot(2, 10), rel=0.05)
    assert turn.focal_sigma == pytest.approx(0.07, rel=0.05)


@pytest.mark.parametrize(("pitch_deg", "roll_deg", "yaw_deg"), CASES)
def test_lines_correct_what_a_network_expects(pitch_deg: float, roll_deg: float, yaw_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg, yaw_deg=yaw_deg)
    guessed = Camera.from_focal(focal_px=1.1 * float(camera.K[0, 0]), size_px=camera.size_px)
    expected = expecting(pitch_deg + 3, roll_deg - 2)
    turn = find_turn(edges_px(camera), guessed, focal_is_known=False, expected=expected)
    assert math.degrees(turn.pitch_rad) == pytest.approx(pitch_deg, abs=0.5)
    assert math.degrees(turn.roll_rad) == pytest.approx(roll_deg, abs=0.3)
    assert turn.focal_px == pytest.approx(camera.K[0, 0], rel=0.04)  # of the network's error of 10 %
    assert turn.pitch_sigma_rad < expected.up_sigma_rad / 2
    many = np.concatenate([edges_px(camera)] * 10)
    alone = find_turn(many, camera, focal_is_known=True)
    both = find_turn(many, camera, focal_is_known=True, expected=expected)
    assert both.roll_sigma_rad > alone.roll_sigma_rad  # here the lines claim no more than they keep


@pytest.mark.parametrize(("pitch_deg", "roll_deg", "yaw_deg"), CASES)
def test_room_directions_are_those_of_the_frames(pitch_deg: float, roll_deg: float, yaw_deg: float) -> None:
    pitch_rad, roll_rad, yaw_rad = np.radians([pitch_deg, roll_deg, yaw_deg])
    pose = world_from_level_camera(pitch_rad=float(pitch_rad), roll_rad=float(roll_rad))
    left = Rotation.from_euler("y", yaw_rad)  # about up: the heading -z turns to -x
    axes_world = [[0, 1, 0], left.apply([0, 0, -1]), left.apply([1, 0, 0])]
    expected = pose.rotation.inv().apply(axes_world)
    np.testing.assert_allclose(
        room_directions_cam(float(pitch_rad), float(roll_rad), float(yaw_rad)), expected, atol=1e-12
    )


@pytest.mark.parametrize(("pitch_deg", "roll_deg", "yaw_deg"), CASES)
def test_a_known_up_direction_is_kept(pitch_deg: float, roll_deg: float, yaw_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg, yaw_deg=yaw_deg)
    np.testing.assert_allclose(np.degrees(pitch_and_roll_rad(camera.up_cam)), [pitch_deg, roll_deg], atol=1e-9)
    turn = find_turn(edges_px(camera), camera, focal_is_known=True, up_cam=camera.up_cam)
    assert math.degrees(turn.pitch_rad) == pytest.approx(pitch_deg, abs=0.1)
    assert math.degrees(turn.yaw_rad) == pytest.approx(-yaw_deg, abs=0.3)


@pytest.mark.slow
@pytest.mark.parametrize(("pitch_deg", "roll_deg", "yaw_deg"), [(12.0, 0.0, 20.0), (20.0, -2.0, -10.0)])
def test_a_picture_of_a_room_gives_its_turn(pitch_deg: float, roll_deg: float, yaw_deg: float) -> None:
    camera = camera_in_room(pitch_deg=pitch_deg, roll_deg=roll_deg, yaw_deg=yaw_deg, size_px=(480, 360))
    lines = straight_lines(painted_room(camera).photo.rgb)
    turn = find_turn(lines, camera, focal_is_known=True)
    assert math.degrees(turn.pitch_rad) == pytest.approx(pitch_deg, abs=1.5)
    assert math.degrees(turn.roll_rad) == pytest.approx(roll_deg, abs=1.5)
    assert math.degrees(turn.yaw_rad) == pytest.approx(-yaw_deg, abs=2)


def test_lines_are_exact_to_a_tenth_of_a_pixel_at_any_working_size() -> None:
    rgb = np.zeros((900, 1200, 3), np.uint8)
    rgb[:, 600:] = 200  # an edge at x = 600 exactly
    lines = straight_lines(rgb)
    assert len(lines) > 0
    # A step between pixels is drawn on one side of itself, so up to half a working pixel (1.5 px) may stay.
    np.testing.assert_allclose(lines[..., 0], 600, atol=0.8)
