"""A network's depth with a flat room: posed depth and recognised parts in, the room's own surfaces on a box out.

A small network tells well what stands before what, but its floors and walls bulge. A box that fits the photo's colours
and the parts that the network recognised (`room_box`) is flat. The network's depth is scaled onto it. Objects are
blocks where their outlines meet the floor (`standing`), and a second network, which looks at one object at a time and
hears both, says how their surfaces differ from these (`object_reliefs`).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from .object_reliefs import ObjectReliefs, small_picture
from .relief_picture import SeenRelief
from .room_box import fit_room_box
from .room_geometry import place_objects
from .standing import Footing, LevelView, find_foot

_LEAST_ROOM = 0.08  # of the photo
_MOSTLY, _LEAST_RUG = 0.5, 0.01  # of an object's pixels, and of the photo
_STANDS = 0.85  # of the floor's distance: nearer than that, the network sees something that is no floor
_BEFORE_WALL, _MOSTLY_BEFORE = 0.99, 0.9  # of the wall's distance, for this share of an object's pixels
_EDGE_BAND = 0.02  # of the photo's height
# Robust spread of log(box / network) over the room's pixels. Where it is more, the room is no box, or the photo shows
# too little of it to tell.
_LARGEST_SPREAD = 0.2


def with_room_in_box(
    depth: Depth,
    photo: Photo,
    part: UInt8[np.ndarray, "H W"],
    instances: Instances,
    *,
    yaw_rad: float,
    reliefs: ObjectReliefs,
    rug: Bool[np.ndarray, "H W"] | None = None,
) -> Depth:
    """The depth with every pixel of the room on a box; as it was, with a note, where no box fits.

    part: index into SHELL_PARTS, 0 for objects. yaw_rad: of the room's walls, see `vanishing.Turn`. reliefs: who
    looks at objects one by one. rug: pixels of what lies flat on the floor; an object that is mostly rug stays there,
    but for what clearly stands on it.
    """
    room = part > 0
    if room.mean() < _LEAST_ROOM or not (room & depth.valid).any():
        return replace(depth, notes=(*depth.notes, "Too little of the room is seen to fit walls to it."))
    box = fit_room_box(
        photo.rgb,
        room,
        depth.camera,
        yaw_rad=yaw_rad,
        feet_room_m=np.zeros((0, 2)),
        shell_map=part,
        seen_m=np.where(depth.valid, depth.z_m, 0.0),
    )
    shell_m, _ = box.shell(depth.camera)
    log_ratio = np.log(shell_m[room & depth.valid] / depth.z_m[room & depth.valid])
    shift = float(np.median(log_ratio))
    spread = 1.4826 * float(np.median(np.abs(log_ratio - shift)))
    if spread > _LARGEST_SPREAD:
        note = f"The room's depth is no box (they differ by {100 * spread:.0f} %); it is the network's alone."
        return replace(depth, notes=(*depth.notes, note))
    objects_m = np.where(depth.valid, depth.z_m * math.exp(shift), shell_m)
    placed_m = shell_m.copy()
    lying = [] if rug is None else [i.mask_value for i in instances.items if _is_rug(instances.mask(i.mask_value), rug)]
    # A rug carries and hides no more than the floor does.
    upright = np.where(np.isin(instances.label_map, lying), 0, instances.label_map).astype(np.uint16)
    feet = {
        item.mask_value: find_foot(instances.label_map if item.mask_value in lying else upright, item.mask_value)
        for item in instances.items
    }
    level, rgb = LevelView(depth.camera, box), small_picture(photo)

    def join(
        mask: Bool[np.ndarray, "H W"], relief_m: Float[np.ndarray, "n"], footing: Footing
    ) -> Float[np.ndarray, "n"]:
        if rug is not None and _is_rug(mask, rug):
            # What stands on the rug and is in its mask does not lie flat with it.
            stands = ~rug[mask] & (objects_m[mask] < _STANDS * shell_m[mask])
            return np.where(stands, objects_m[mask], shell_m[mask])
        seen = SeenRelief(relief_m=relief_m, network_m=objects_m[mask], usable=depth.valid[mask], footing=footing)
        farther = reliefs.farther(rgb, mask, (instances.label_map > 0) & ~mask, seen, level)
        if footing is Footing.HANGING:  # as flat as its wall
            farther = np.full_like(farther, np.median(farther))
        if footing is Footing.CUT:  # the floor at the photo's edge is behind what the edge cuts off, whatever is seen
            height_px = mask.shape[0]  # the last row counts, also where it is more than the band
            at_edge = np.nonzero(mask)[0] >= min((1 - _EDGE_BAND) * height_px, height_px - 1)
            farther = farther - max(float(np.median(farther[at_edge])), 0.0)
        shaped_m = relief_m * np.exp(farther)
        # What would reach into a wall stands before it as it is, rather than be flattened against it.
        into_wall = float(np.quantile(shaped_m / level.walls_m[mask], _MOSTLY_BEFORE)) / _BEFORE_WALL
        return shaped_m / max(into_wall, 1.0)

    standing_notes = place_objects(placed_m, instances, feet, level, join=join)
    walls = ", ".join(
        f"{distance:.1f} m {where}"
        for distance, where in ((box.ahead_m, "ahead"), (box.left_m, "left"), (box.right_m, "right"))
    )
    ceiling = f"a ceiling at {box.ceiling_m:.1f} m" if math.isfinite(box.ceiling_m) else "no ceiling in sight"
    note = (
        f"Floor and walls are those of a box ({walls}, {ceiling}); the network's depth is scaled by "
        f"{math.exp(shift):.2f} to stand in it; objects are shaped by what a network sees of each beside where its "
        "outline meets the floor."
    )
    return replace(
        depth,
        z_m=np.where(room | (instances.label_map > 0), placed_m, np.minimum(objects_m, shell_m)).astype(np.float32),
        valid=depth.valid | room | (instances.label_map > 0),
        notes=(*depth.notes, note, *standing_notes),
    )


def _is_rug(mask: Bool[np.ndarray, "H W"], rug: Bool[np.ndarray, "H W"]) -> bool:
    return bool(mask.mean() > _LEAST_RUG and rug[mask].mean() > _MOSTLY)
