"""Point maps of other programs: the same depth as the points have, whatever way the intrinsics are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from painted_room import camera_in_room, furniture, painted_room
from rendered_scene import RenderedScene

from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.given import GivenDepth
from pixal3d_scene.frontend.given_depth import read_depth_file
from pixal3d_scene.frontend.protocols import KnownView

CAMERA = camera_in_room(pitch_deg=17, roll_deg=2, yaw_deg=-12, height_m=1.27)
NORMALISED = np.diag([1 / CAMERA.size_px[0], 1 / CAMERA.size_px[1], 1.0]) @ CAMERA.K


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    return painted_room(CAMERA, furniture())


def write(folder: Path, scene: RenderedScene, **changed: np.ndarray | None) -> Path:
    arrays = {"points": scene.depth.points_cam().astype(np.float32), "intrinsics": CAMERA.K, **changed}
    np.savez(folder / "p.npz", **{k: v for k, v in arrays.items() if v is not None})
    return folder / "p.npz"


@pytest.mark.parametrize("intrinsics", [CAMERA.K, NORMALISED, NORMALISED[None].astype(np.float32), None])
def test_intrinsics_in_pixels_normalised_or_missing(
    tmp_path: Path, scene: RenderedScene, intrinsics: np.ndarray | None
) -> None:
    file = read_depth_file(write(tmp_path, scene, intrinsics=intrinsics), CAMERA.size_px)
    assert file.camera is not None
    np.testing.assert_allclose(file.camera.K, CAMERA.K, atol=0.05)
    np.testing.assert_allclose(file.z_m, scene.depth.z_m, rtol=1e-6)
    assert file.valid.all()
    assert file.notes == ()


def test_masked_points_are_not_valid_and_may_be_anything(tmp_path: Path, scene: RenderedScene) -> None:
    points = scene.depth.points_cam()
    mask = np.ones(points.shape[:2], dtype=bool)
    mask[:30], points[:30] = False, np.nan
    for kind in (bool, np.float32, np.uint8):
        file = read_depth_file(write(tmp_path, scene, points=points, mask=mask.astype(kind)), CAMERA.size_px)
        np.testing.assert_array_equal(file.valid, mask)
        assert file.notes == ()  # the file says itself that they do not count
    points[40] = np.inf
    file = read_depth_file(write(tmp_path, scene, points=points, mask=mask), CAMERA.size_px)
    assert not file.valid[40].any()
    assert any("320 of 76800" in n for n in file.notes)


@pytest.mark.parametrize("turn", [np.diag([1.0, -1.0, -1.0]), np.diag([1.0, -1.0, 1.0]), np.eye(3)[[1, 0, 2]]])
@pytest.mark.parametrize("intrinsics", [CAMERA.K, None])
def test_other_axes_are_refused(
    tmp_path: Path, scene: RenderedScene, turn: np.ndarray, intrinsics: np.ndarray | None
) -> None:
    path = write(tmp_path, scene, points=scene.depth.points_cam() @ turn.T, intrinsics=intrinsics)
    with pytest.raises(InputError, match=r"no valid pixel|x right, y down, z forward|focal length"):
        read_depth_file(path, CAMERA.size_px)


def test_world_points_and_foreign_intrinsics_are_refused(tmp_path: Path, scene: RenderedScene) -> None:
    with pytest.raises(InputError, match="beside the pixels"):
        read_depth_file(write(tmp_path, scene, points=scene.depth.points_world() + np.array([0, 0, 9])), CAMERA.size_px)
    with pytest.raises(InputError, match="beside the pixels that the intrinsics"):
        read_depth_file(write(tmp_path, scene, intrinsics=np.diag([2.0, 2.0, 1.0]) @ CAMERA.K), CAMERA.size_px)


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"points": np.ones((24, 32, 3))}, r"32 x 24 px.*320 x 240 px"),
        ({"points": np.ones((240, 320))}, r"points of shape \(240, 320\)"),
        ({"points": np.ones((240, 320, 3), dtype=complex)}, "plain numbers"),
        ({"mask": np.ones((24, 32), dtype=bool)}, r"mask of shape \(24, 32\)"),
        ({"intrinsics": np.ones(4)}, "3 rows of 3"),
        ({"mask": np.zeros((240, 320), dtype=bool)}, "no valid pixel"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, scene: RenderedScene, changed: dict[str, np.ndarray], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        read_depth_file(write(tmp_path, scene, **changed), CAMERA.size_px)


def test_its_camera_counts_where_nothing_else_is_known(tmp_path: Path, scene: RenderedScene) -> None:
    estimator = GivenDepth(write(tmp_path, scene), camera_height_m=1.5, fallback_fov_deg=60.0)
    depth = estimator.estimate(scene.photo, scene.instances, KnownView())
    np.testing.assert_allclose(depth.camera.K, CAMERA.K, atol=1e-6)
    assert depth.camera.centre_world[1] == pytest.approx(1.27, abs=0.01)
    given = estimator.estimate(scene.photo, None, KnownView(horizontal_fov_deg=40.0))
    assert given.camera.horizontal_fov_deg == pytest.approx(40)
    assert any("the point map" in n and "--fov counts" in n for n in given.notes)
