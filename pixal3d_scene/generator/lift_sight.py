"""The first look at an object, which everything in `lift` builds on: believed pixels, foot, visible box, what is cut.

Frames: `photo` pixels, `world` metres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..crop import CropVolume
from ..errors import StageFailed
from .lift_box import Box, complete_box, deepest_box, visible_box
from .lift_cut import CutBox, look_at_cut
from .lift_extent import grown_box
from .lift_foot import Foot, find_foot
from .lift_view import ObjectView, look_at_object
from .lift_visible import believed_pixels, points_at, surroundings_world

# Fewer visible points than this say nothing about a shape.
FEWEST_POINTS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """seen: pixels of the mask whose depth can be believed; points_world: theirs. pixel_m: what one covers there.

    box: around them, down to the foot. cut: the same box, facing the camera, with what cuts it off.
    """

    seen: Bool[np.ndarray, "H W"]
    points_world: Float[np.ndarray, "n 3"]
    pixel_m: float
    foot: Foot
    box: Box
    cut: CutBox


def look(volume: CropVolume) -> Sight:
    """Raises StageFailed where the depth shows too little of the object."""
    seen = believed_pixels(volume)
    if seen.sum() < FEWEST_POINTS:
        raise StageFailed(
            "generate", f"only {int(seen.sum())} of its pixels have a usable depth", object_name=volume.name
        )
    camera = volume.depth.camera
    points_world = points_at(volume, *np.nonzero(seen))
    pixel_m = float(np.median(volume.depth.z_m[seen])) / float(camera.K[0, 0])
    foot = find_foot(volume, seen, points_world)
    box = visible_box(points_world, camera.centre_world, bottom_m=foot.bottom_m, slack_m=pixel_m / 2)
    return Sight(
        seen=seen,
        points_world=points_world,
        pixel_m=pixel_m,
        foot=foot,
        box=box,
        cut=look_at_cut(volume, seen, points_world, box),
    )


def box_by_symmetry(volume: CropVolume, sight: Sight) -> tuple[Box, bool]:
    """Around the whole object as its mirror images and walls have it; whether the photo's border cuts it off."""
    grown = grown_box(sight.cut)
    visible = sight.box if grown is None else grown
    view = view_around(volume, sight.seen, deepest_box(visible, volume.depth.camera.centre_world))
    return complete_box(visible, sight.points_world, surroundings_world(volume), view), grown is not None


def view_around(volume: CropVolume, seen: Bool[np.ndarray, "H W"], box: Box) -> ObjectView:
    """The part of the photo that shows the mask and the whole box, as a view of the object."""
    camera = volume.depth.camera
    width, height = camera.size_px
    rows, columns = np.flatnonzero(volume.mask.any(axis=1)), np.flatnonzero(volume.mask.any(axis=0))
    corners_cam = camera.cam_from_world(box.corners_world())
    if (corners_cam[:, 2] < 0.05).any():  # the box reaches the camera: look at everything
        return look_at_object(volume, seen, (0, 0, width, height))
    corners_px = camera.project(corners_cam)
    low = np.minimum(corners_px.min(axis=0), [columns[0], rows[0]]) - 2
    high = np.maximum(corners_px.max(axis=0), [columns[-1] + 1, rows[-1] + 1]) + 2
    left, top = (int(v) for v in np.clip(np.floor(low), 0, [width, height]))
    right, bottom = (int(v) for v in np.clip(np.ceil(high), 0, [width, height]))
    return look_at_object(volume, seen, (left, top, right, bottom))
