"""Upright boxes seen from above: the one of least plan area about points, and the sides of one at a given yaw.

Frame: `world` (y up, m). A yaw is a turn about +y; the box's width is along its turned x, its depth along its turned z.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull, QhullError


def plan_of(points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "k 2"]:
    """(x, z) of the corners of the convex hull seen from above; the two ends where all points are on one line."""
    plan = np.asarray(points_world, dtype=np.float64)[:, [0, 2]]
    try:
        return np.asarray(plan[ConvexHull(plan).vertices])
    except (QhullError, ValueError):
        along = np.lexsort(plan.T)  # by z, then x: the ends of the line, with the sign of its slope
        return plan[along[[0, -1]]]


def smallest_yaw_rad(plan_world: Float[np.ndarray, "k 2"]) -> float:
    """Yaw, 0 to a quarter turn, of the rectangle of least area about corners of `plan_of`; of a line, its own."""
    if len(plan_world) == 2:
        direction = plan_world[1] - plan_world[0]
        return float(np.arctan2(-direction[1], direction[0]))
    sides = np.roll(plan_world, -1, axis=0) - plan_world
    # The smallest rectangle shares a side with the hull (Freeman and Shapira 1975).
    yaws_rad = np.unique(np.mod(np.arctan2(-sides[:, 1], sides[:, 0]), np.pi / 2))
    areas_m2 = [np.prod(sides_m(plan_world, yaw)) for yaw in yaws_rad]
    return float(yaws_rad[np.argmin(areas_m2)])


def sides_m(plan_world: Float[np.ndarray, "k 2"], yaw_rad: float) -> Float[np.ndarray, "2"]:
    """Width and depth, m, of the box at a yaw about points seen from above."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    x, z = plan_world[:, 0], plan_world[:, 1]
    return np.array([np.ptp(c * x - s * z), np.ptp(s * x + c * z)])
