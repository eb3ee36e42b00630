"""The gravity-aligned box of an object: its visible points in, the box completed away from the camera out.

Frames: `world` metres in; `box` is the world turned about the vertical so that the box's sides are its axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ..frames import WORLD_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """R_world_from_box: a turn about the vertical. low, high: corners in box, metres."""

    R_world_from_box: Rotation
    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]

    @property
    def size_m(self) -> Float[np.ndarray, "3"]:
        return self.high - self.low

    def corners_world(self) -> Float[np.ndarray, "8 3"]:
        unit = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)
        return self.world_from_box(self.low + unit * self.size_m)

    def world_from_box(self, points_box: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points of the box's frame in world."""
        return np.asarray(points_box @ self.R_world_from_box.as_matrix().T)

    def box_from_world(self, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points of world in the box's frame."""
        return np.asarray(points_world @ self.R_world_from_box.as_matrix())


def box_yaw_rad(points_world: Float[np.ndarray, "n 3"]) -> float:
    """Turn about the vertical of the smallest rectangle around the footprint of the points."""
    from scipy.spatial import ConvexHull, QhullError

    footprint = points_world[:, [0, 2]]
    try:
        corners = footprint[ConvexHull(footprint).vertices]
    except QhullError:  # all points on one line
        direction = np.ptp(footprint, axis=0)
        return float(np.arctan2(-direction[1], direction[0]))
    sides = np.roll(corners, -1, axis=0) - corners
    # The smallest rectangle shares a side with the hull (Freeman and Shapira 1975).
    yaws_rad = np.unique(np.mod(np.arctan2(-sides[:, 1], sides[:, 0]), np.pi / 2))
    turned = np.stack([footprint_in_box(corners, yaw) for yaw in yaws_rad])  # (n, corners, 2)
    return float(yaws_rad[np.argmin(np.prod(np.ptp(turned, axis=1), axis=-1))])


def footprint_in_box(footprint_world: Float[np.ndarray, "n 2"], yaw_rad: float) -> Float[np.ndarray, "n 2"]:
    """(x, z) of world in a frame turned by yaw about +y."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    x, z = footprint_world[:, 0], footprint_world[:, 1]
    return np.stack([c * x - s * z, s * x + c * z], axis=-1)


def complete_box(
    points_world: Float[np.ndarray, "n 3"],
    surroundings_world: Float[np.ndarray, "m 3"],
    eye_world: Float[np.ndarray, "3"],
    *,
    bottom_m: float,
    slack_m: float,
) -> Box:
    """The box of the visible points, grown away from the camera where only a front is seen."""
    R_world_from_box = Rotation.from_rotvec(box_yaw_rad(points_world) * WORLD_UP)
    R = R_world_from_box.as_matrix()
    points = points_world @ R
    low, high = points.min(axis=0) - slack_m, points.max(axis=0) + slack_m
    low[1] = bottom_m
    eye = eye_world @ R
    around = surroundings_world @ R
    axis = 0 if high[0] - low[0] < high[2] - low[2] else 2
    other_m = high[2 - axis] - low[2 - axis]
    height_m = high[1] - low[1]
    seen_m = high[axis] - low[axis]
    if seen_m < FLAT * min(other_m, height_m):
        away = np.sign((low[axis] + high[axis]) / 2 - eye[axis])
        deepest_m = min(other_m, height_m, STANDARD_DEPTH_M)
        front = low[axis] if away > 0 else high[axis]
        wall_m = float(np.quantile(away * (around[:, axis] - front), 0.95)) if len(around) else np.inf
        depth_m = max(wall_m if seen_m < wall_m < deepest_m * 1.25 else PLATE * min(other_m, height_m), seen_m)
        if away > 0:
            high[axis] = low[axis] + depth_m
        else:
            low[axis] = high[axis] - depth_m
    return Box(R_world_from_box=R_world_from_box, low=low, high=high)


# A visible part this flat against its width shows a front only: neither top nor side tells the depth.
FLAT = 0.25
# Cabinets, shelves and wardrobes are built 0.6 m deep or less.
STANDARD_DEPTH_M = 0.6
# Depth of a front that stands free, as a share of its smaller side.
PLATE = 0.3
