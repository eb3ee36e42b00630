"""A network's depth with a flat room: posed depth and recognised parts in, the room's own surfaces on a box out.

A small network tells well what stands before what and how objects are shaped, but its floors and walls bulge. A box
that fits the photo's colours and the parts that the network recognised (`room_box`) is flat; the network's depth is
scaled onto it and kept for the objects.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from .room_box import fit_room_box
from .room_geometry import carriers_first
from .standing import LevelView, find_foot, settled

_LEAST_ROOM = 0.08  # of the photo
# Robust spread of log(box / network) over the room's pixels. Where it is more, the room is no box, or the photo shows
# too little of it to tell.
_LARGEST_SPREAD = 0.2
# Of where an object meets the floor, against where the network puts it: both are about as uncertain.
_FOOT_WEIGHT = 0.5


def with_room_in_box(
    depth: Depth, photo: Photo, part: UInt8[np.ndarray, "H W"], instances: Instances, *, yaw_rad: float
) -> Depth:
    """The depth with every pixel of the room on a box; as it was, with a note, where no box fits.

    part: index into SHELL_PARTS, 0 for objects. yaw_rad: of the room's walls, see `vanishing.Turn`.
    """
    room = part > 0
    if room.mean() < _LEAST_ROOM or not (room & depth.valid).any():
        return replace(depth, notes=(*depth.notes, "Too little of the room is seen to fit walls to it."))
    box = fit_room_box(
        photo.rgb, room, depth.camera, yaw_rad=yaw_rad, feet_room_m=np.zeros((0, 2)), shell_map=part
    )  # fmt: skip
    shell_m, _ = box.shell(depth.camera)
    log_ratio = np.log(shell_m[room & depth.valid] / depth.z_m[room & depth.valid])
    shift = float(np.median(log_ratio))
    spread = 1.4826 * float(np.median(np.abs(log_ratio - shift)))
    if spread > _LARGEST_SPREAD:
        note = f"The room's depth is no box (they differ by {100 * spread:.0f} %); it is the network's alone."
        return replace(depth, notes=(*depth.notes, note))
    objects_m = np.where(depth.valid, depth.z_m * math.exp(shift), shell_m)
    _stand_on_floor(objects_m, instances, LevelView(depth.camera, box))
    objects_m = np.minimum(objects_m, shell_m)  # nothing is behind the floor, a wall or the ceiling
    walls = ", ".join(
        f"{distance:.1f} m {where}"
        for distance, where in ((box.ahead_m, "ahead"), (box.left_m, "left"), (box.right_m, "right"))
    )
    ceiling = f"a ceiling at {box.ceiling_m:.1f} m" if math.isfinite(box.ceiling_m) else "no ceiling in sight"
    note = (
        f"Floor and walls are those of a box ({walls}, {ceiling}); the network's depth of the objects is scaled by "
        f"{math.exp(shift):.2f} to stand in it, and the room's differs from it by {100 * spread:.0f} %."
    )
    return replace(
        depth,
        z_m=np.where(room, shell_m, objects_m).astype(np.float32),
        valid=depth.valid | room,
        notes=(*depth.notes, note),
    )


def _stand_on_floor(z_m: Float[np.ndarray, "H W"], instances: Instances, level: LevelView) -> None:
    """Move objects in `z_m`, each as a whole, towards where they meet the floor; what they carry moves with them."""
    feet = {
        item.mask_value: settled(find_foot(instances.label_map, item.mask_value), level) for item in instances.items
    }
    shifts: dict[int, float] = {}
    for value in carriers_first(feet):
        foot, mask = feet[value], instances.mask(value)
        if foot.carrier:
            shifts[value] = shifts.get(foot.carrier, 0.0)
        elif foot.hidden or foot.cut or level.hangs(foot):
            shifts[value] = 0.0
        else:
            shifts[value] = _FOOT_WEIGHT * float(np.median(np.log(level.standing_relief(mask, foot) / z_m[mask])))
        z_m[mask] *= math.exp(shifts[value])
