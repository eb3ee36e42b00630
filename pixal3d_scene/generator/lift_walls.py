"""Nothing reaches through the walls: a solid and the room in, the solid cut at the walls out (box frame, metres)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from ..room import Room
from .lift_volume import Solid

# Fitted walls lie off by about this much; an object that touches its wall must not lose its back.
_SLACK_M = 0.03


def cut_at_walls(solid: Solid, room: Room | None, seen_world: Float[np.ndarray, "n 3"]) -> Solid:
    """The part of the solid that is inside the room.

    A wall moves back as far as the visible surface itself reaches behind it: the photo knows better, and around
    the corner of a room that is no box the extension of a wall says nothing.
    """
    if room is None:
        return solid
    grid, field = solid.grid, solid.field
    origin, *steps = (grid.box.world_from_box(grid.low_box + offset) for offset in _grid_steps(grid.spacing_m))
    for plane in room.walls:
        behind_m = max(0.0, -float(plane.distance_m(seen_world).min()))
        slopes = [float((step - origin) @ plane.normal_world) for step in steps]
        along = [slope * np.arange(n) for slope, n in zip(slopes, grid.shape, strict=True)]
        inside_m = float(plane.distance_m(origin)) + behind_m + _SLACK_M
        distance_m = inside_m + along[0][:, None, None] + along[1][None, :, None] + along[2][None, None, :]
        field = np.minimum(field, np.clip(distance_m, -grid.cut_m, grid.cut_m).astype(np.float32))
    return replace(solid, field=field)


def _grid_steps(spacing_m: float) -> Float[np.ndarray, "4 3"]:
    """The grid's first point and its neighbours along the three axes, as offsets in the box."""
    return spacing_m * np.concatenate([np.zeros((1, 3)), np.eye(3)])
