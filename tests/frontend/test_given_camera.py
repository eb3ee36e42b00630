"""The user's camera file: exact values in, everything that is no camera of this photo refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixal3d_scene.errors import InputError
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.frontend.given_camera import read_camera

SIZE = (800, 600)
POSE = world_from_level_camera(height_m=1.4, pitch_rad=0.2, roll_rad=0.03).as_matrix()
GOOD: dict[str, Any] = {
    "width": 800,
    "height": 600,
    "K": [[600.0, 0, 390.0], [0, 610.0, 310.0], [0, 0, 1]],
    "T_world_from_cam": POSE.round(6).tolist(),
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "camera.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    return path


def test_values_are_kept(tmp_path: Path) -> None:
    read = read_camera(write(tmp_path), SIZE)
    np.testing.assert_array_equal(read.camera.K, GOOD["K"])
    np.testing.assert_allclose(read.camera.T_world_from_cam.as_matrix(), POSE, atol=1e-5)
    assert read.pose_known
    assert read.notes == ()


def test_a_stretched_photo_is_told(tmp_path: Path) -> None:
    (note,) = read_camera(write(tmp_path, K=[[600, 0, 390], [0, 1800, 310], [0, 0, 1]]), SIZE).notes
    assert note.startswith("The focal lengths in camera.json differ (600 and 1800 px)")


@pytest.mark.parametrize("without", [True, False])
def test_the_pose_may_be_missing(tmp_path: Path, without: bool) -> None:
    path = write(tmp_path, T_world_from_cam=None)
    if without:
        path.write_text(json.dumps({k: v for k, v in GOOD.items() if k != "T_world_from_cam"}))
    read = read_camera(path, SIZE)
    assert not read.pose_known
    assert "pose is estimated" in read.notes[0]


def mirrored() -> list[list[float]]:
    return (POSE @ np.diag([-1, 1, 1, 1])).tolist()


def opengl() -> list[list[float]]:
    return (POSE @ np.diag([1, -1, -1, 1])).tolist()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"width": 801}, r"801 x 600 px.*photo is 800 x 600 px"),
        ({"width": 600, "height": 800}, "EXIF orientation"),
        ({"width": "800"}, "width"),
        ({"width": 800.5}, "whole number"),
        ({"width": True}, "width"),
        ({"width": None}, "width"),
        ({"height": float("inf")}, "height"),
        ({"K": [[0, 0, 390], [0, 610, 310], [0, 0, 1]]}, "focal length"),
        ({"K": [[-600, 0, 390], [0, 610, 310], [0, 0, 1]]}, "focal length"),
        ({"K": [[4.2, 0, 390], [0, 4.2, 310], [0, 0, 1]]}, "not in millimetres"),
        ({"K": [[6e5, 0, 390], [0, 6e5, 310], [0, 0, 1]]}, "not in millimetres"),
        ({"K": [[float("nan"), 0, 390], [0, 610, 310], [0, 0, 1]]}, "not finite"),
        ({"K": [[600, 0, 390], [0, 610, 310], [0, 0, 2]]}, "camera.json"),
        ({"K": [[600, 0, 390], [0, 610, 310]]}, "shape"),
        ({"K": [[600, 0, 390], [0, 610], [0, 0, 1]]}, "matrix of numbers"),
        ({"K": "wide"}, "matrix of numbers"),
        ({"K": [[10**400, 0, 0], [0, 1, 0], [0, 0, 1]]}, "matrix of numbers"),
        ({"T_world_from_cam": (2 * POSE).tolist()}, "not a rotation"),
        ({"T_world_from_cam": mirrored()}, "not a rotation"),
        ({"T_world_from_cam": opengl()}, "upside down"),
        ({"T_world_from_cam": np.eye(4).tolist()}, "upside down"),
        ({"T_world_from_cam": []}, "shape"),
        ({"T_world_from_cam": [[1e308] * 4] * 4}, "not a rotation"),
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_camera(write(tmp_path, **changes), SIZE)


def test_a_camera_below_the_floor_is_refused(tmp_path: Path) -> None:
    pose = POSE.copy()
    pose[1, 3] = -0.2
    with pytest.raises(InputError, match="not above the floor"):
        read_camera(write(tmp_path, T_world_from_cam=pose.tolist()), SIZE)


def test_keys_that_lack_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"width": 800}')
    with pytest.raises(InputError, match="lacks height, K"):
        read_camera(tmp_path / "c.json", SIZE)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"width": ' + "9" * 5000 + "}", "\x00"])
def test_broken_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(InputError, match=r"JSON|lacks|empty file"):
        read_camera(tmp_path / "c.json", SIZE)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_camera(tmp_path / "c.json", SIZE)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(sorted(GOOD)), value=_JSON)
def test_any_json_value_is_read_or_refused(tmp_path: Path, key: str, value: Any) -> None:
    with contextlib.suppress(InputError):  # anything else fails the test
        assert read_camera(write(tmp_path, **{key: value}), SIZE).camera.size_px == SIZE


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "c.json").write_bytes(data)
    with pytest.raises(InputError):
        read_camera(tmp_path / "c.json", SIZE)


def test_lens_distortion_makes_a_pinhole_of_the_same_pose(tmp_path: Path) -> None:
    plain = read_camera(write(tmp_path), SIZE)
    read = read_camera(write(tmp_path, distortion={"model": "opencv", "k1": -0.1, "p1": 0.001}), SIZE)
    assert plain.rectification is None
    assert read.rectification is not None
    np.testing.assert_array_equal(read.rectification.lens.K, plain.camera.K)
    np.testing.assert_array_equal(read.camera.K, read.rectification.pinhole.K)
    assert read.camera.K[0, 0] < plain.camera.K[0, 0]  # barrel distortion: the pinhole sees further
    np.testing.assert_allclose(
        read.camera.T_world_from_cam.as_matrix(), plain.camera.T_world_from_cam.as_matrix(), atol=1e-12
    )


@pytest.mark.parametrize("distortion", [{"model": "fisheye", "k1": 0.1}, [0.1], {"k9": 0.1}, {"k1": -80.0}])
def test_distortion_that_cannot_be_used_is_refused_with_the_files_name(distortion: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"camera\.json: the distortion"):
        read_camera(write(tmp_path, distortion=distortion), SIZE)
