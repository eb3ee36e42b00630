"""A network's depth with a flat room: posed depth and recognised parts in, the room's own surfaces on a box out.

A small network tells well what stands before what and how objects are shaped, but its floors and walls bulge. A box
that fits the photo's colours and the parts that the network recognised (`room_box`) is flat. The network's depth is
scaled onto it and, for the objects, averaged with where their outlines meet the floor (`standing`).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import distance_transform_edt

from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from .room_box import fit_room_box
from .room_geometry import place_objects
from .standing import LevelView, find_foot

_LEAST_ROOM = 0.08  # of the photo
# Robust spread of log(box / network) over the room's pixels. Where it is more, the room is no box, or the photo shows
# too little of it to tell.
_LARGEST_SPREAD = 0.2
_BLURRED_SHARE = 1.5 * 2 / 256  # of the longer side: one and a half pixels of the network's maps


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
    # Where the network puts an object, and where its outline says that it stands, are about as uncertain.
    standing_m = shell_m.copy()
    feet = {item.mask_value: find_foot(instances.label_map, item.mask_value) for item in instances.items}
    standing_notes = place_objects(standing_m, instances, feet, LevelView(depth.camera, box))
    for item in instances.items:
        _average(objects_m, standing_m, instances.mask(item.mask_value), depth.valid)
    objects_m = np.minimum(objects_m, shell_m)  # nothing is behind the floor, a wall or the ceiling
    walls = ", ".join(
        f"{distance:.1f} m {where}"
        for distance, where in ((box.ahead_m, "ahead"), (box.left_m, "left"), (box.right_m, "right"))
    )
    ceiling = f"a ceiling at {box.ceiling_m:.1f} m" if math.isfinite(box.ceiling_m) else "no ceiling in sight"
    note = (
        f"Floor and walls are those of a box ({walls}, {ceiling}); the network's depth of the objects is scaled by "
        f"{math.exp(shift):.2f} to stand in it, and averaged with where their outlines meet the floor."
    )
    return replace(
        depth,
        z_m=np.where(room, shell_m, objects_m).astype(np.float32),
        valid=depth.valid | room | (instances.label_map > 0),
        notes=(*depth.notes, note, *standing_notes),
    )


def _average(
    z_m: Float[np.ndarray, "H W"],
    standing_m: Float[np.ndarray, "H W"],
    mask: Bool[np.ndarray, "H W"],
    valid: Bool[np.ndarray, "H W"],
) -> None:
    """Put the geometric mean of both depths into an object's pixels of `z_m`.

    The network sees edges a pixel or two of its own wide. There the object goes on as it is farther inside, relative
    to `standing_m`.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    mask, ratio = mask[window], (z_m[window] / standing_m[window])
    blurred_px = _BLURRED_SHARE * max(z_m.shape)
    inside = mask & valid[window] & (distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > blurred_px)
    if not inside.any():
        inside = mask & valid[window]
    if inside.any():
        nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
        ratio = ratio[tuple(nearest)]
    else:
        ratio = np.ones_like(ratio)
    z_m[window] = np.where(mask, standing_m[window] * np.sqrt(ratio), z_m[window])
