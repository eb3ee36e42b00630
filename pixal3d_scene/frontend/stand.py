"""A camera pose for depth that is there: unposed depth in, the same depth with a posed and scaled camera out.

World: the floor below the camera at the origin, y up, m. In this order: the user's own pose; gravity and floor from
the depth and the photo's lines (`gravity`); without a floor, gravity from ceiling, walls and lines at an assumed
height; without anything, a camera held upright. What is known of the camera's height sets the scale of the depth too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from ..depth import Depth
from ..frames import scaled_pose
from ..instances import SHELL_PARTS, Instances
from .depth_edges import flying_pixels, smeared_share
from .gravity import Stance, find_stance, height_above_floor, stance_on_floor
from .protocols import KnownView
from .surfels import Surfels, find_surfels
from .view import View

_HEIGHT_TOLERANCE = 0.1
_LEAST_ROOM = 0.05  # of the picture that must show no object before objects are left out
_HARDLY_FLYING = 0.0005  # of the pixels: edges seen at three degrees are everywhere
# Of the pixels at depth steps that fly. Measured: true depth of ten rooms 0.01 to 0.20, the most with many leaves;
# steps smeared over one pixel at seven of ten places 0.26 to 0.52.
_CRISP = 0.22
_GUESSED_RAD = math.radians(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is taken where nothing tells it. fallback_fov_deg: of the photo's longer side."""

    camera_height_m: float
    fallback_fov_deg: float


def without_flying_pixels(depth: Depth) -> Depth:
    """The same depth without what hangs between two surfaces, and a note where that is more than a few pixels.

    A map whose steps are crisp stays as it is: what looks like flying there is thin, and true.
    """
    flying = flying_pixels(depth.z_m, depth.valid, depth.camera)
    count = int(flying.sum())
    if smeared_share(depth.z_m, depth.valid, flying) < _CRISP:
        return depth
    notes = depth.notes
    if count > _HARDLY_FLYING * flying.size:
        share = 100 * count / flying.size
        notes = (
            *notes,
            f"{count} depth values ({share:.1f} %) lie between a near and a far surface, as blurred edges do; ignored.",
        )
    return replace(depth, valid=depth.valid & ~flying, notes=notes)


def stand_in_depth(
    view: View, depth: Depth, instances: Instances | None, known: KnownView, *, assumed: Assumed, rescale: bool
) -> Depth:
    """Depth with the best pose there is; its notes are the view's, how the pose was found, and its own.

    depth: in the view's camera, of any pose. rescale: a known pose sets the scale of this depth (an estimate); else
    the depth's own scale is taken as the user's word, unless the user states the camera's height.
    """
    surfels = find_surfels(depth, room_pixels(depth, instances))
    if view.pose_given:
        found_m = height_above_floor(surfels, view.camera.up_cam, size_px=view.camera.size_px)
        posed, notes = _at_known_pose(view, depth, found_m, rescale=rescale)
    else:
        stance = find_stance(
            surfels,
            view.turn,
            size_px=depth.camera.size_px,
            is_floor=_recognised(surfels, instances, "floor"),
        )
        posed, notes = _at_stance(view, depth, stance, known, assumed, lowest_m=_lowest(surfels.points_cam, stance))
    return replace(posed, notes=(*view.notes, *notes, *depth.notes))


def stand_on_floor(
    view: View,
    depth: Depth,
    instances: Instances | None,
    on_floor: Bool[np.ndarray, "H W"],
    known: KnownView,
    *,
    assumed: Assumed,
) -> Depth:
    """The same for a small network's depth, which bulges but comes with pixels that are known as floor.

    Gravity is the view's own; see `stance_on_floor`. A known pose sets the scale.
    """
    room = room_pixels(depth, instances)
    stance = stance_on_floor(depth, on_floor, room, view.turn)
    if view.pose_given:
        posed, notes = _at_known_pose(view, depth, stance.height_m, rescale=True)
    else:
        lowest_m = _lowest(depth.points_cam()[room], stance)
        posed, notes = _at_stance(view, depth, stance, known, assumed, lowest_m=lowest_m)
    return replace(posed, notes=(*view.notes, *notes, *depth.notes))


def room_pixels(depth: Depth, instances: Instances | None) -> Bool[np.ndarray, "H W"]:
    """Valid pixels of no object; all valid ones where the masks are not known or leave hardly any."""
    if instances is None:
        return np.asarray(depth.valid)
    room = depth.valid & (instances.label_map == 0)
    return room if room.sum() > _LEAST_ROOM * room.size else np.asarray(depth.valid)


def scaled(depth: Depth, factor: float) -> Depth:
    """Depth and camera pose together, so that the floor stays at y = 0."""
    camera = depth.camera
    return replace(
        depth,
        z_m=(depth.z_m * factor).astype(np.float32),
        camera=camera.at(scaled_pose(camera.T_world_from_cam, factor)),
    )


def towards_usual_height(depth: Depth, *, usual_m: float, weight: float) -> Depth:
    """Depth and pose scaled so that the camera's height is the weighted geometric mean of its own and the usual one.

    For an estimate whose scale is about as uncertain as how high people hold cameras. weight: of the usual height.
    """
    own_m = float(depth.camera.centre_world[1])
    if math.isclose(own_m, usual_m):  # it was the usual one that stood in, which has been told
        return depth
    factor = (usual_m / own_m) ** weight
    note = (
        f"The camera is taken to be {own_m * factor:.2f} m above the floor, between the {own_m:.2f} m of the depth "
        f"and the usual {usual_m:g} m. All sizes hang on it; --camera-height or --known-size settles them."
    )
    return replace(scaled(depth, factor), notes=(*depth.notes, note))


def _recognised(surfels: Surfels, instances: Instances | None, part: str) -> Bool[np.ndarray, "n"] | None:
    """Pieces in whose middle a segmenter saw this part of the room; None where no segmenter looked."""
    if instances is None or instances.shell_map is None:
        return None
    columns, rows = surfels.centres_px.astype(np.int64).T
    return np.asarray(instances.shell_map[rows, columns] == SHELL_PARTS.index(part))


def _at_known_pose(view: View, depth: Depth, found_m: float | None, *, rescale: bool) -> tuple[Depth, list[str]]:
    """found_m: of the camera above the floor in the depth, if there is one."""
    posed = replace(depth, camera=view.camera)
    stated_m = float(view.camera.centre_world[1])
    if found_m is None:
        return posed, []
    if rescale:
        note = (
            f"The depth is scaled by {stated_m / found_m:.3f}, so that its floor ({found_m:.2f} m below the camera) is "
            f"where the camera file has it ({stated_m:.2f} m)."
        )
        return replace(posed, z_m=(depth.z_m * (stated_m / found_m)).astype(np.float32)), [note]
    if abs(math.log(found_m / stated_m)) > math.log(1 + _HEIGHT_TOLERANCE):
        return posed, [
            f"The depth's floor is {found_m:.2f} m below the camera, but the camera file says {stated_m:.2f} m; check "
            "the units of both."
        ]
    return posed, []


def _lowest(points_cam: Float[np.ndarray, "n 3"], stance: Stance) -> float:
    """How far below the camera the lowest points are: no floor is above them."""
    return float(np.percentile(-points_cam @ stance.up_cam, 99)) if len(points_cam) else 0.0


def _at_stance(
    view: View, depth: Depth, stance: Stance, known: KnownView, assumed: Assumed, *, lowest_m: float
) -> tuple[Depth, list[str]]:
    notes = [_gravity_note(stance)]
    stated_m, found_m = known.camera_height_m, stance.height_m
    if found_m is None:
        if stated_m is not None:
            height_m, how = stated_m, "as stated"
        elif lowest_m > assumed.camera_height_m:
            height_m, how = lowest_m, "that above the lowest point seen; --camera-height sets it"
        else:
            height_m, how = assumed.camera_height_m, "assumed; --camera-height sets it"
        notes.append(
            f"No floor was found in the depth: the camera's height ({height_m:.2f} m) is {how}, and the floor lies "
            "where that puts it."
        )
        return replace(depth, camera=view.camera.at(stance.pose(height_m))), notes
    sigma_cm = max(100 * (stance.height_sigma_m or 0.0), 1.0)
    notes.append(
        f"By its depth the floor is {found_m:.2f} m below the camera (uncertain by {sigma_cm:.0f} cm); it is "
        f"{100 * stance.floor_share:.0f} % of what is seen of the room."
    )
    posed = replace(depth, camera=view.camera.at(stance.pose(found_m)))
    if stated_m is None:
        return posed, notes
    factor = stated_m / found_m
    if abs(math.log(factor)) > math.log(1 + _HEIGHT_TOLERANCE):
        notes.append(
            f"The stated camera height ({stated_m:g} m) does not agree with the depth ({found_m:.2f} m); the stated "
            "height counts."
        )
    notes.append(f"Depth and camera are scaled by {factor:.3f} to the stated camera height ({stated_m:g} m).")
    return scaled(posed, factor), notes


def _gravity_note(stance: Stance) -> str:
    sigma_deg = max(math.degrees(stance.sigma_rad), 0.1)
    if stance.sigma_rad > _GUESSED_RAD:
        return (
            f"Nothing in the photo tells which way is down (uncertain by {sigma_deg:.0f} degrees): the scene may be "
            "tilted; --camera sets the camera's pose."
        )
    return f"Which way is down is taken from {_and(stance.told_by)} (uncertain by {sigma_deg:.1f} degrees)."


def _and(kinds: tuple[str, ...]) -> str:
    words = [
        {"lines": "the photo's straight lines", "network": "the front-end network"}.get(kind, f"the {kind}")
        for kind in kinds
    ]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "nothing"
