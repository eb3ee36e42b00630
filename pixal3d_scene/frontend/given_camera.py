"""The user's own camera: a JSON file in, a `Camera` of the oriented photo out, its pose where the file has one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import RigidTransform, Rotation

from ..camera import Camera
from ..distortion import Distortion
from ..errors import InputError
from .given_picture import check_size, read_bytes
from .rectify import Rectification

_KEYS = ("width", "height", "K", "T_world_from_cam", "distortion")
_NARROWEST_DEG, _WIDEST_DEG = 2.0, 170.0  # horizontally; beyond, mistaken units are likelier than such a lens
_LARGEST_STRETCH = 1.25
_RIGID_TOLERANCE = 1e-3  # files carry about six digits


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenCamera:
    """A camera as read. Where `pose_known` is False, `camera` has its default pose, which means nothing.

    camera: without distortion, so not that of the photo's own pixels where there is a rectification.
    """

    camera: Camera
    pose_known: bool
    rectification: Rectification | None = None
    notes: tuple[str, ...] = ()


def read_camera(path: Path, size_px: tuple[int, int]) -> GivenCamera:
    """Read `{"width", "height", "K", "T_world_from_cam", "distortion"}`; the last two may be missing.

    K: 3x3, pixels, pixel centres at +0.5. T_world_from_cam: 4x4, rigid, metres; cam has x right, y down, z
    forward, world has y up and the floor at y = 0. distortion: see `Distortion.from_facts`; K is then that of the
    distorted photo. size_px: (width, height) of the oriented photo.
    Raises InputError for a missing or damaged file, another size, a focal length that no room is photographed with, a
    matrix that is not rigid, or a camera upside down or below the floor.
    """
    content = _load(path)
    stated_px = (_whole_number(content, "width", path), _whole_number(content, "height", path))
    check_size(path, stated_px, size_px, what="camera")
    K = _matrix(content, "K", (3, 3), path)
    rectification = None
    try:
        camera = Camera(K=K, size_px=size_px)
        _refuse_odd_view(camera)
        if content.get("distortion") is not None:
            rectification = Rectification.of(camera, Distortion.from_facts(content["distortion"]))
            camera = rectification.pinhole
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    notes: list[str] = []
    if unread := sorted(set(content) - set(_KEYS)):
        notes.append(f"{path.name} has {', '.join(unread)}, which is not read; {', '.join(_KEYS)} are.")
    if not (0 < K[0, 2] < size_px[0] and 0 < K[1, 2] < size_px[1]):
        notes.append(f"The principal point in {path.name} lies outside the photo.")
    if not 1 / _LARGEST_STRETCH < K[0, 0] / K[1, 1] < _LARGEST_STRETCH:
        notes.append(
            f"The focal lengths in {path.name} differ ({K[0, 0]:.4g} and {K[1, 1]:.4g} px): only a photo that was "
            "stretched has such; check K."
        )
    if content.get("T_world_from_cam") is None:
        notes.append(f"{path.name} has no T_world_from_cam; the camera's pose is estimated.")
        return GivenCamera(camera=camera, pose_known=False, rectification=rectification, notes=tuple(notes))
    pose = _rigid(_matrix(content, "T_world_from_cam", (4, 4), path), path)
    return GivenCamera(camera=camera.at(pose), pose_known=True, rectification=rectification, notes=tuple(notes))


def _refuse_odd_view(camera: Camera) -> None:
    fov_deg = camera.horizontal_fov_deg
    if not _NARROWEST_DEG < fov_deg < _WIDEST_DEG:
        raise InputError(
            f"a focal length of {camera.K[0, 0]:.4g} px is a field of view of {fov_deg:.2g} degrees, which no photo of "
            "a room has; K is in pixels of this photo, not in millimetres."
        )


def _load(path: Path) -> dict[str, Any]:
    data = read_bytes(path, what="camera")
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise InputError(f"The camera {path} is not valid JSON ({error}); give width, height and K.") from error
    if not isinstance(content, dict):
        raise InputError(f"The camera {path} is not a JSON object; give width, height and K.")
    missing = [key for key in ("width", "height", "K") if key not in content]
    if missing:
        raise InputError(f"The camera {path} lacks {', '.join(missing)}; give width, height and K.")
    return content


def _whole_number(content: dict[str, Any], key: str, path: Path) -> int:
    value = content[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value in (_INF, -_INF):
        raise InputError(f"The camera {path} has {key} {value!r}; give the photo's {key} in pixels.")
    if value != int(value):
        raise InputError(f"The camera {path} has {key} {value!r}; give a whole number of pixels.")
    return int(value)


_INF = float("inf")


def _matrix(content: dict[str, Any], key: str, shape: tuple[int, int], path: Path) -> np.ndarray:
    try:
        matrix = np.array(content[key])
        if matrix.dtype.kind not in "fiu":
            raise ValueError("not numbers")
        matrix = matrix.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"The camera {path} has a {key} that is not a matrix of numbers; give {shape[0]} rows of {shape[1]}."
        ) from error
    if matrix.shape != shape:
        raise InputError(f"The camera {path} has a {key} of shape {matrix.shape}; expected {shape}.")
    if not np.isfinite(matrix).all():
        raise InputError(f"The camera {path} has a {key} with a value that is not finite; give numbers.")
    return matrix


def _rigid(matrix: np.ndarray, path: Path) -> RigidTransform:
    R = matrix[:3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        orthonormal = np.allclose(R @ R.T, np.eye(3), atol=_RIGID_TOLERANCE)
    if not orthonormal or np.linalg.det(R) < 0 or not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise InputError(
            f"The camera {path} has a T_world_from_cam that is not a rotation with a translation; "
            "it must not scale, shear or mirror, and its last row is 0 0 0 1."
        )
    if R[1, 1] > 0.5:  # the camera's y axis points down in the photo, so not up in the world
        raise InputError(
            f"The camera {path} stands upside down; its axes must be x right, y down, z forward (OpenCV), "
            "and the world's y must point up."
        )
    if matrix[1, 3] <= 0:
        raise InputError(
            f"The camera {path} stands at y = {matrix[1, 3]:g} m, not above the floor (y = 0); "
            "put the world's origin on the floor, or leave T_world_from_cam out."
        )
    return RigidTransform.from_components(matrix[:3, 3], Rotation.from_matrix(R))
