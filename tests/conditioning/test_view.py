from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_cases import golden_cases

from pixal3d_scene.camera import Camera
from pixal3d_scene.conditioning.field_of_view import CUBE_CORNERS_OBJ, trained_view
from pixal3d_scene.conditioning.view import camera_distance, focal_px, front_view, node_positions, posed_views
from pixal3d_scene.errors import InputError
from pixal3d_scene.frames import cropcam_from_obj


def look_at_centre(yaw_rad: float, pitch_rad: float, distance: float) -> np.ndarray:
    """Camera-to-world, z up: from `yaw` right of the front (-y) and `pitch` above, camera along its -z."""
    back = np.array(
        [
            math.sin(yaw_rad) * math.cos(pitch_rad),
            -math.cos(yaw_rad) * math.cos(pitch_rad),
            math.sin(pitch_rad),
        ]
    )
    right = np.array([math.cos(yaw_rad), math.sin(yaw_rad), 0.0])
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    T[:3, 3] = distance * back
    return T


@pytest.mark.golden
def test_golden_camera_from_fov(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "camera_from_fov"):
        rows = case.inputs["fov_meshscale_extend_size"].tolist()
        got = [
            (camera_distance(fov, mesh_scale=k, extend_px=e, size_px=int(size)), focal_px(fov, int(size)))
            for fov, k, e, size in rows
        ]
        case.check("distance_and_focal_pixels", torch.tensor(got, dtype=torch.float64))


def test_axes_of_the_cube_in_the_picture() -> None:
    view = front_view(0.8, distance=2.0)
    points_obj = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]])
    uv_px, depth = view.project(points_obj, 100)
    f = 50 / math.tan(0.4)
    expected = [[50, 50], [50 + 0.1 * f / 2, 50], [50, 50 - 0.1 * f / 2], [50, 50]]  # right is right, up is up
    torch.testing.assert_close(uv_px, torch.tensor(expected))
    torch.testing.assert_close(depth, torch.tensor([2.0, 2.0, 2.0, 1.9]))  # +z is nearer


def test_mesh_scale_enlarges_the_cube_but_not_the_distance() -> None:
    uv_px, depth = front_view(0.8, distance=2.0, mesh_scale=0.5).project(torch.tensor([[0.1, 0.2, 0.3]]), 100)
    f = 50 / math.tan(0.4)
    torch.testing.assert_close(depth, torch.tensor([2.0 - 0.6]))
    torch.testing.assert_close(uv_px, torch.tensor([[50 + f * 0.2 / 1.4, 50 - f * 0.4 / 1.4]]))


@pytest.mark.parametrize("mesh_scale", [1.0, 0.8])
def test_middle_plane_fills_the_picture(mesh_scale: float) -> None:
    view = front_view(0.6, mesh_scale=mesh_scale)
    uv_px, _ = view.project(torch.tensor([[-0.5, 0.5, 0.0], [0.5, -0.5, 0.0]]), 64)
    torch.testing.assert_close(uv_px, torch.tensor([[0.0, 0.0], [64.0, 64.0]]), atol=1e-4, rtol=0)


def test_agrees_with_the_scene_camera() -> None:
    fov_deg, size = 33.0, 200
    camera = Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=(size, size))
    points_obj = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    T = cropcam_from_obj(scale_m=3.7, camera_distance_obj=camera_distance(math.radians(fov_deg)))
    uv_px, _ = front_view(math.radians(fov_deg)).project(torch.tensor(points_obj), size)
    np.testing.assert_allclose(uv_px.numpy(), camera.project(T.apply(points_obj)), atol=1e-5)


def test_nodes_reach_the_faces_of_the_cube() -> None:
    assert node_positions(torch.tensor([[0, 3, 6]]), 7).tolist() == [[-0.5, 0.0, 0.5]]


def test_one_posed_view_is_the_front_view_wherever_it_stands() -> None:
    points_obj = torch.rand(9, 3) - 0.5
    expected = front_view(0.7, distance=1.8, mesh_scale=0.9).project(points_obj, 64)
    for yaw, pitch in ((0.0, 0.0), (1.2, 0.4)):
        (view,) = posed_views(look_at_centre(yaw, pitch, 1.8)[None], np.array([0.7]), mesh_scale=0.9)
        torch.testing.assert_close(view.project(points_obj, 64), expected)


def test_side_view_sees_depth_as_width() -> None:
    # From the object's right (+x): what is in front (+z) appears on the left, what is up stays up.
    poses = np.stack([look_at_centre(0.0, 0.0, 2.0), look_at_centre(math.pi / 2, 0.0, 2.0)])
    _, side = posed_views(poses, np.array([0.8, 0.8]))
    uv_px, depth = side.project(torch.tensor([[0.0, 0.0, 0.3], [0.0, 0.3, 0.0], [0.3, 0.0, 0.0]]), 100)
    assert uv_px[0, 0] < 49
    assert uv_px[1, 1] < 49
    torch.testing.assert_close(depth, torch.tensor([2.0, 2.0, 1.7]))


@pytest.mark.parametrize("fov_deg", [10.5, 33.0, 69.0])
def test_trained_field_of_view_is_kept_without_error(fov_deg: float) -> None:
    seen = trained_view(Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=(512, 512)))
    assert not seen.clamped
    assert seen.note() is None
    assert seen.placement_error_px() == 0
    assert seen.camera_distance_obj == pytest.approx(0.5 / math.tan(math.radians(fov_deg) / 2))


def test_narrow_field_of_view_is_clamped_and_its_error_told() -> None:
    seen = trained_view(Camera.from_fov(horizontal_fov_deg=4.0, size_px=(512, 512)))
    assert math.degrees(seen.fov_rad) == pytest.approx(10)
    assert seen.camera_distance_obj == pytest.approx(0.5 / math.tan(math.radians(2)))
    # By hand: a corner nearest to the camera appears d / (d - 0.5) farther from the middle than the filled edge.
    generated, true = (0.5 / math.tan(math.radians(fov) / 2) for fov in (10, 4))
    expected_px = 256 * math.sqrt(2) * (generated / (generated - 0.5) - true / (true - 0.5))
    assert seen.placement_error_px() == pytest.approx(expected_px)
    assert f"{expected_px:.1f} px" in str(seen.note())
    # A flat object in the middle plane has no error; the error shrinks with the object.
    assert seen.placement_error_px(CUBE_CORNERS_OBJ * [1, 1, 0]) == pytest.approx(0, abs=1e-9)
    assert seen.placement_error_px(CUBE_CORNERS_OBJ * 0.5) < expected_px / 3


def test_wide_field_of_view_tells_an_unbounded_error() -> None:
    seen = trained_view(Camera.from_fov(horizontal_fov_deg=100.0, size_px=(512, 512)))
    assert math.degrees(seen.fov_rad) == pytest.approx(70)
    assert math.isinf(seen.placement_error_px())
    assert "inf px" in str(seen.note())
    assert seen.placement_error_px(CUBE_CORNERS_OBJ * 0.5) < 512


def test_crop_camera_must_look_through_the_middle() -> None:
    K = np.array([[500.0, 0, 250], [0, 500, 256], [0, 0, 1]])
    with pytest.raises(InputError, match="middle"):
        trained_view(Camera(K=K, size_px=(512, 512)))
