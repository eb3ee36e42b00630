"""The photo's camera from what is known and what can be seen: photo and `KnownView` in, a posed `Camera` out.

Each value comes from the best source there is: the user's camera, the user's field of view, EXIF, what the depth
network estimates, straight lines in the photo, and last a usual value. Where two sources that know the focal length
do not agree, both numbers are told. World: the floor below the camera at the origin, y up, m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform

from ..camera import Camera
from ..frames import world_from_level_camera
from ..photo import Photo
from .protocols import KnownView
from .vanishing import ExpectedTurn, Turn, find_turn, pitch_and_roll_rad, straight_lines

_SURE_PITCH_SIGMA_RAD = math.radians(4)
_SURE_FOCAL_SIGMA = 0.12
_FOCAL_TOLERANCE = 0.1  # relative; zoom, crops and the networks' own error stay below it


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """camera: with the user's own pose if `pose_given`, else to be posed.

    turn: from straight lines in the photo, and from a network that told what it expects.
    """

    camera: Camera
    pose_given: bool
    turn: Turn
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedCamera:
    """What came with the depth. source: as a note names it: "the depth network".

    expected: the same network's gravity and uncertainty, to be fused with the photo's straight lines; without it the
    intrinsics are taken as they are.
    """

    camera: Camera
    source: str
    expected: ExpectedTurn | None = None


def see_view(
    photo: Photo, known: KnownView, *, fallback_fov_deg: float, estimated: EstimatedCamera | None = None
) -> View:
    """Intrinsics of the photo's camera and its turn against the room, with notes; the height comes later.

    fallback_fov_deg: of the photo's longer side, where nothing else tells it. estimated: counts where neither the
    user nor EXIF knows better.
    """
    expected = None if estimated is None else estimated.expected
    camera, notes = _known_intrinsics(photo, known, estimated)
    focal_is_known = camera is not None
    if camera is None:
        camera = _from_longer_side(fallback_fov_deg, photo.size_px)
    pose_given = known.camera is not None and known.pose_known
    up_cam = camera.up_cam if pose_given else None
    fused = estimated if expected is not None and estimated is not None and camera is estimated.camera else None
    turn = find_turn(
        straight_lines(photo.rgb),
        camera,
        focal_is_known=focal_is_known and fused is None,
        up_cam=up_cam,
        expected=expected,
    )
    if fused is not None:
        camera = Camera.from_focal(focal_px=turn.focal_px, size_px=photo.size_px)
        notes[0] = (
            f"The field of view ({camera.horizontal_fov_deg:.0f} degrees) is taken from {fused.source} and the "
            "photo's straight lines."
        )
    if not focal_is_known:
        camera = Camera.from_focal(focal_px=turn.focal_px, size_px=photo.size_px)
        how = "estimated from straight lines" if turn.focal_sigma < _SURE_FOCAL_SIGMA else "guessed"
        fov_deg = camera.horizontal_fov_deg
        notes.append(f"The field of view ({fov_deg:.0f} degrees) is {how}; --fov or --camera sets it.")
    return View(camera=camera, pose_given=pose_given, turn=turn, notes=tuple(notes))


def stand_view(view: View, known: KnownView, *, camera_height_m: float) -> View:
    """The same view with a posed camera: the user's pose, else the seen turn at the known or assumed height.

    camera_height_m: where `known` has none.
    """
    if view.pose_given:
        return view
    notes = list(view.notes)
    height_m = known.camera_height_m
    if height_m is None:
        height_m = camera_height_m
        notes.append(
            f"The camera's height ({height_m:g} m) is assumed and sets the size of everything; --camera-height sets it."
        )
    turn = view.turn
    how = "estimated from straight lines" if turn.pitch_sigma_rad < _SURE_PITCH_SIGMA_RAD else "guessed"
    notes.append(
        f"The camera's pitch ({math.degrees(turn.pitch_rad):.0f} degrees down) and roll "
        f"({math.degrees(turn.roll_rad):.1f} degrees) are {how}; --camera sets them."
    )
    pose = world_from_level_camera(height_m=height_m, pitch_rad=turn.pitch_rad, roll_rad=turn.roll_rad)
    return replace(view, camera=view.camera.at(pose), notes=tuple(notes))


def pose_from_up(up_cam: Float[np.ndarray, "3"], *, height_m: float) -> RigidTransform:
    """`T_world_from_cam` above the world's origin, heading along -z, from the unit vector against gravity."""
    pitch_rad, roll_rad = pitch_and_roll_rad(up_cam)
    return world_from_level_camera(height_m=height_m, pitch_rad=pitch_rad, roll_rad=roll_rad)


def _known_intrinsics(
    photo: Photo, known: KnownView, estimated: EstimatedCamera | None
) -> tuple[Camera | None, list[str]]:
    """The camera of the best source that knows the focal length (None without one), and notes.

    Its pose is that of `known.camera`, if any.
    """
    size_px = photo.size_px
    sources: list[tuple[str, Camera]] = []
    if known.camera is not None:
        sources.append(("the camera file", known.camera))
    if known.horizontal_fov_deg is not None:
        sources.append(("--fov", Camera.from_fov(horizontal_fov_deg=known.horizontal_fov_deg, size_px=size_px)))
    if photo.focal_px is not None:
        sources.append(("the photo's EXIF data", Camera.from_focal(focal_px=photo.focal_px, size_px=size_px)))
    if estimated is not None:
        sources.append((estimated.source, estimated.camera))
    if not sources:
        return None, []
    (source, camera), *others = sources
    fov_deg = camera.horizontal_fov_deg
    notes = []
    if known.camera is None and known.horizontal_fov_deg is None:
        notes.append(f"The field of view ({fov_deg:.0f} degrees) is taken from {source}.")
    notes += [
        f"The field of view of {source} ({fov_deg:.0f} degrees) and of {other} ({theirs.horizontal_fov_deg:.0f} "
        f"degrees) do not agree; {source} counts."
        for other, theirs in others
        if abs(math.log(theirs.K[0, 0] / camera.K[0, 0])) > math.log(1 + _FOCAL_TOLERANCE)
    ]
    return camera, notes


def _from_longer_side(fov_deg: float, size_px: tuple[int, int]) -> Camera:
    """The usual field of view belongs to the longer side, so that a portrait photo is not taken for a wide one."""
    focal_px = max(size_px) / 2 / math.tan(math.radians(fov_deg) / 2)
    return Camera.from_focal(focal_px=focal_px, size_px=size_px)
