"""A network's depth with a flat room: posed depth and recognised parts in, the room's own surfaces on a box out.

A small network tells well what stands before what and how objects are shaped, but its floors and walls bulge. A box
that fits the photo's colours and the parts that the network recognised (`room_box`) is flat. The network's depth is
scaled onto it and, for the objects, fused with where their outlines meet the floor (`standing`).
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
from .standing import Footing, LevelView, find_foot

_LEAST_ROOM = 0.08  # of the photo
_MOSTLY, _LEAST_RUG = 0.5, 0.01  # of an object's pixels, and of the photo
_STANDS = 0.85  # of the floor's distance: nearer than that, the network sees something that is no floor
# Robust spread of log(box / network) over the room's pixels. Where it is more, the room is no box, or the photo shows
# too little of it to tell.
_LARGEST_SPREAD = 0.2
# Of the network's distance beside the one that the foot tells. Log errors on validation rooms: network .10 to .20,
# feet on the floor .06, carried .13, hidden .20.
_SEEN_WEIGHT = {
    Footing.STANDING: 0.2,
    Footing.COVERED: 0.5,
    Footing.CARRIED: 0.5,
    Footing.HIDDEN: 0.8,
    Footing.HANGING: 0.5,
}
_SEEN_SIGMA = 0.2  # of the network's distance, log
_SEEN_SHAPE = 0.25  # weight of the network's relief; a block is nearer to most things
_BLURRED_SHARE = 1.5 * 2 / 256  # of the longer side: one and a half pixels of the network's maps


def with_room_in_box(
    depth: Depth,
    photo: Photo,
    part: UInt8[np.ndarray, "H W"],
    instances: Instances,
    *,
    yaw_rad: float,
    rug: Bool[np.ndarray, "H W"] | None = None,
) -> Depth:
    """The depth with every pixel of the room on a box; as it was, with a note, where no box fits.

    part: index into SHELL_PARTS, 0 for objects. yaw_rad: of the room's walls, see `vanishing.Turn`. rug: pixels of what
    lies flat on the floor; an object that is mostly rug stays there, but for what clearly stands on it.
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
    feet = {item.mask_value: find_foot(instances.label_map, item.mask_value) for item in instances.items}

    def join(
        mask: Bool[np.ndarray, "H W"], relief_m: Float[np.ndarray, "n"], footing: Footing
    ) -> Float[np.ndarray, "n"]:
        if rug is not None and mask.mean() > _LEAST_RUG and rug[mask].mean() > _MOSTLY:
            # What stands on the rug and is in its mask does not lie flat with it.
            stands = ~rug[mask] & (objects_m[mask] < _STANDS * shell_m[mask])
            return np.where(stands, objects_m[mask], shell_m[mask])
        return _joined(mask, relief_m, objects_m, depth.valid, footing)

    standing_notes = place_objects(placed_m, instances, feet, LevelView(depth.camera, box), join=join)
    walls = ", ".join(
        f"{distance:.1f} m {where}"
        for distance, where in ((box.ahead_m, "ahead"), (box.left_m, "left"), (box.right_m, "right"))
    )
    ceiling = f"a ceiling at {box.ceiling_m:.1f} m" if math.isfinite(box.ceiling_m) else "no ceiling in sight"
    note = (
        f"Floor and walls are those of a box ({walls}, {ceiling}); the network's depth of the objects is scaled by "
        f"{math.exp(shift):.2f} to stand in it, and fused with where their outlines meet the floor."
    )
    return replace(
        depth,
        z_m=np.where(room | (instances.label_map > 0), placed_m, np.minimum(objects_m, shell_m)).astype(np.float32),
        valid=depth.valid | room | (instances.label_map > 0),
        notes=(*depth.notes, note, *standing_notes),
    )


def _joined(
    mask: Bool[np.ndarray, "H W"],
    relief_m: Float[np.ndarray, "n"],
    seen_m: Float[np.ndarray, "H W"],
    valid: Bool[np.ndarray, "H W"],
    footing: Footing,
) -> Float[np.ndarray, "n"]:
    """Depth of a mask's pixels from a relief by the object's foot and from the network's depth.

    Distance and shape are weighed apart, in logarithms. The network sees edges a pixel or two of its own wide: there
    the object goes on as it is farther inside, relative to the relief.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inner = mask[window]
    log_ratio = np.zeros(inner.shape)
    log_ratio[inner] = np.log(seen_m[window][inner] / relief_m)
    blurred_px = _BLURRED_SHARE * max(mask.shape)
    inside = inner & valid[window] & (distance_transform_edt(np.pad(inner, 1))[1:-1, 1:-1] > blurred_px)
    if not inside.any():
        inside = inner & valid[window]
    if not inside.any():
        return relief_m
    nearest = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    log_ratio = log_ratio[tuple(nearest)][inner]
    away = float(np.median(log_ratio))  # of the network, beyond the relief
    moved = _nearer(away) if footing is Footing.CUT else _SEEN_WEIGHT[footing] * away
    return relief_m * np.exp(moved + _SEEN_SHAPE * (log_ratio - away))


def _nearer(away: float) -> float:
    """How far to move what can only be nearer than it was put: the mean of the network's distribution, cut at 0.

    away: log of the network's distance over the one that it was put at.
    """
    beta = -away / _SEEN_SIGMA
    density = math.exp(-beta * beta / 2) / math.sqrt(2 * math.pi)
    share = 0.5 * math.erfc(-beta / math.sqrt(2))
    return away - _SEEN_SIGMA * density / share if share > 1e-6 else -_SEEN_SIGMA / 4
