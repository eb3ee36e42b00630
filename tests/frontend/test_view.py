"""Which source of the camera wins, and that every guess is told."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from painted_room import camera_in_room, painted_room

from pixal3d_scene.camera import Camera
from pixal3d_scene.frontend.protocols import KnownView
from pixal3d_scene.frontend.vanishing import ExpectedTurn, room_directions_cam
from pixal3d_scene.frontend.view import EstimatedCamera, View, see_view, stand_view

CAMERA = camera_in_room(pitch_deg=14, yaw_deg=15, fov_deg=65.0, size_px=(480, 360))
PHOTO = painted_room(CAMERA).photo


def view_of(known: KnownView, focal_px: float | None = None) -> View:
    photo = replace(PHOTO, focal_px=focal_px)
    return stand_view(see_view(photo, known, fallback_fov_deg=60.0), known, camera_height_m=1.5)


def test_the_given_camera_wins_over_everything() -> None:
    view = view_of(KnownView(camera=CAMERA, horizontal_fov_deg=90.0, camera_height_m=3.0), focal_px=123.0)
    np.testing.assert_array_equal(view.camera.K, CAMERA.K)
    np.testing.assert_array_equal(view.camera.T_world_from_cam.as_matrix(), CAMERA.T_world_from_cam.as_matrix())
    assert view.pose_given
    assert len(view.notes) == 2
    assert all("the camera file counts" in n and "65 degrees" in n for n in view.notes)
    assert view_of(KnownView(camera=CAMERA)).notes == ()


def test_the_field_of_view_wins_over_exif() -> None:
    view = view_of(KnownView(horizontal_fov_deg=71.0, camera_height_m=1.1), focal_px=123.0)
    assert view.camera.horizontal_fov_deg == pytest.approx(71)
    assert view.camera.centre_world[1] == pytest.approx(1.1)
    assert [n for n in view.notes if "field of view" in n] == [
        "The field of view of --fov (71 degrees) and of the photo's EXIF data (126 degrees) do not agree; --fov counts."
    ]


@pytest.mark.parametrize(("ratio", "told"), [(1.08, False), (1.12, True), (0.93, False), (0.89, True)])
def test_the_networks_camera_is_last_and_told_where_it_disagrees(ratio: float, told: bool) -> None:
    estimated = EstimatedCamera(
        camera=Camera.from_focal(focal_px=400.0 * ratio, size_px=PHOTO.size_px), source="the depth network"
    )
    with_exif = replace(PHOTO, focal_px=400.0)
    view = see_view(with_exif, KnownView(), fallback_fov_deg=60.0, estimated=estimated)
    assert view.camera.K[0, 0] == 400
    assert any("do not agree" in n and "62 degrees" in n for n in view.notes) == told
    without = see_view(replace(PHOTO, focal_px=None), KnownView(), fallback_fov_deg=60.0, estimated=estimated)
    assert without.camera.K[0, 0] == pytest.approx(400 * ratio)  # and not what the straight lines say
    assert any("taken from the depth network" in n for n in without.notes)


def test_a_network_that_knows_its_error_is_corrected_by_straight_lines() -> None:
    expected = ExpectedTurn(up_cam=CAMERA.up_cam, up_sigma_rad=math.radians(2), log_focal_sigma=0.07)
    true_px = float(CAMERA.K[0, 0])
    camera = Camera.from_focal(focal_px=1.1 * true_px, size_px=PHOTO.size_px)
    estimated = EstimatedCamera(camera=camera, source="the network", expected=expected)
    view = see_view(PHOTO, KnownView(), fallback_fov_deg=60.0, estimated=estimated)
    assert abs(math.log(view.camera.K[0, 0] / true_px)) < 0.75 * math.log(1.1)
    assert any("taken from the network and the photo's straight lines" in n for n in view.notes)
    assert (
        math.degrees(math.acos(room_directions_cam(view.turn.pitch_rad, view.turn.roll_rad, 0.0)[0] @ CAMERA.up_cam))
        < 1
    )
    known = see_view(PHOTO, KnownView(horizontal_fov_deg=71.0), fallback_fov_deg=60.0, estimated=estimated)
    assert known.camera.horizontal_fov_deg == pytest.approx(71)
    assert known.turn.focal_sigma == 0


def test_straight_lines_win_over_the_usual_field_of_view() -> None:
    view = view_of(KnownView())
    assert view.camera.horizontal_fov_deg == pytest.approx(65, abs=4)
    assert any("field of view" in n and "estimated" in n for n in view.notes)
    assert any("height" in n and "assumed" in n for n in view.notes)
    assert view.camera.centre_world[1] == pytest.approx(1.5)
    assert math.degrees(math.acos(view.camera.up_cam @ CAMERA.up_cam)) < 2


@pytest.mark.parametrize("turned", [False, True])
def test_a_plain_photo_gets_the_usual_view_and_says_so(turned: bool) -> None:
    plain = np.full((300, 400, 3), 128, np.uint8)
    photo = replace(PHOTO, rgb=plain.transpose(1, 0, 2).copy() if turned else plain)
    view = stand_view(see_view(photo, KnownView(), fallback_fov_deg=60.0), KnownView(), camera_height_m=1.5)
    longer = view.camera.vertical_fov_deg if turned else view.camera.horizontal_fov_deg
    assert longer == pytest.approx(60, abs=0.5)
    assert sum("guessed" in n for n in view.notes) == 2


def test_a_camera_without_pose_keeps_its_intrinsics_and_is_posed() -> None:
    bare = Camera(K=CAMERA.K, size_px=CAMERA.size_px)
    view = view_of(KnownView(camera=bare, pose_known=False))
    np.testing.assert_array_equal(view.camera.K, CAMERA.K)
    assert not view.pose_given
    assert math.degrees(math.acos(view.camera.up_cam @ CAMERA.up_cam)) < 1.5
