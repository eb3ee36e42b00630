"""Upright boxes in a room: which of them meet. A row: x, z, yaw, half width, half depth, bottom, top (world, m, rad)."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float


def meeting(a: Float[np.ndarray, "n 7"], b: Float[np.ndarray, "m 7"], slack_m: float = 0.0) -> Bool[np.ndarray, "n m"]:
    """Whether boxes share space; `slack_m`: how far they may reach into each other without being said to meet."""
    dx, dz = b[None, :, 0] - a[:, None, 0], b[None, :, 1] - a[:, None, 1]  # (n, m)
    turn = b[None, :, 2] - a[:, None, 2]
    c, s = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    aw, ad, bw, bd = a[:, None, 3], a[:, None, 4], b[None, :, 3], b[None, :, 4]
    gaps = []
    for boxes, first, second, other_first, other_second in ((a[:, None], aw, ad, bw, bd), (b[None], bw, bd, aw, ad)):
        cos, sin = np.cos(boxes[..., 2]), np.sin(boxes[..., 2])
        gaps.append(np.abs(dx * cos - dz * sin) - (first + other_first * c + other_second * s))
        gaps.append(np.abs(dx * sin + dz * cos) - (second + other_first * s + other_second * c))
    gaps.append(np.maximum(a[:, None, 5] - b[None, :, 6], b[None, :, 5] - a[:, None, 6]))
    return np.max(gaps, axis=0) < -slack_m


def inside(boxes: Float[np.ndarray, "n 7"], width_m: float, depth_m: float) -> Bool[np.ndarray, "n"]:
    """Whether boxes lie within the walls of a room whose middle is the origin."""
    c, s = np.abs(np.cos(boxes[:, 2])), np.abs(np.sin(boxes[:, 2]))
    reach_x = boxes[:, 3] * c + boxes[:, 4] * s
    reach_z = boxes[:, 3] * s + boxes[:, 4] * c
    return (np.abs(boxes[:, 0]) + reach_x <= width_m / 2) & (np.abs(boxes[:, 1]) + reach_z <= depth_m / 2)
