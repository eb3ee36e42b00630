"""The gravity-aligned box of an object: its visible points in, the box completed away from the camera out.

Frames: `world` metres in; `box` is the world turned about the vertical so that the box's sides are its axes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ..frames import WORLD_UP
from ..mesh.plan_box import plan_of, smallest_yaw_rad
from .lift_view import ObjectView, conflict_share

# A visible part this flat against its width shows a front only: neither top nor side tells the depth.
_FLAT = 0.25
# Cabinets, shelves and wardrobes are built 0.6 m deep or less.
_STANDARD_DEPTH_M = 0.6
# Depth of a front that stands free, as a share of its smaller side.
_PLATE = 0.3
# Share of mirrored points that may fall into seen-free space by noise when a symmetry is exact.
_NOISE = 0.03
# A symmetric thing is symmetric within this share of its size.
_UNEVEN = 0.02
# Of a thing above the camera the underside is seen: its box has room for this thickness, as a share of its size.
_ABOVE = 0.03
_GROWTH_STEPS = 24
# Of a round thing nearly half the depth is seen; what would have to grow more is no symmetric thing.
_MOST_GROWTH = 2.2
_GROWTH_POINTS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """R_world_from_box: a turn about the vertical. low, high: corners in box, metres."""

    R_world_from_box: Rotation
    low: Float[np.ndarray, "3"]
    high: Float[np.ndarray, "3"]

    @property
    def size_m(self) -> Float[np.ndarray, "3"]:
        return self.high - self.low

    @property
    def middle(self) -> Float[np.ndarray, "3"]:
        return (self.low + self.high) / 2

    def corners_world(self) -> Float[np.ndarray, "8 3"]:
        unit = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)
        return self.world_from_box(self.low + unit * self.size_m)

    def world_from_box(self, points_box: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points of the box's frame in world."""
        return np.asarray(points_box @ self.R_world_from_box.as_matrix().T)

    def around(self, points_world: Float[np.ndarray, "n 3"]) -> Box:
        """Grown to hold the points as well, but not downwards."""
        if not len(points_world):
            return self
        points = self.box_from_world(points_world)
        low, high = np.minimum(self.low, points.min(axis=0)), np.maximum(self.high, points.max(axis=0))
        low[1] = self.low[1]
        return replace(self, low=low, high=high)

    def box_from_world(self, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points of world in the box's frame."""
        return np.asarray(points_world @ self.R_world_from_box.as_matrix())

    def mirrored(self, points_box: Float[np.ndarray, "n 3"], axes: tuple[int, ...]) -> Float[np.ndarray, "n 3"]:
        """Points of the box's frame with the given axes flipped about the box's middle."""
        points = np.array(points_box)
        for axis in axes:
            points[:, axis] = 2 * self.middle[axis] - points[:, axis]
        return points

    def stretched(self, axis: int, away: float, size_m: float) -> Box:
        """The side that faces away from the camera moved, so that the box is `size_m` along `axis`."""
        low, high = self.low.copy(), self.high.copy()
        if away > 0:
            high[axis] = low[axis] + size_m
        else:
            low[axis] = high[axis] - size_m
        return replace(self, low=low, high=high)


def visible_box(
    points_world: Float[np.ndarray, "n 3"], eye_world: Float[np.ndarray, "3"], *, bottom_m: float, slack_m: float
) -> Box:
    """The box of the visible points down to `bottom_m`. slack_m: a point stands for a pixel of this half size."""
    R_world_from_box = Rotation.from_rotvec(smallest_yaw_rad(plan_of(points_world)) * WORLD_UP)
    points = points_world @ R_world_from_box.as_matrix()
    low, high = points.min(axis=0) - slack_m, points.max(axis=0) + slack_m
    low[1] = bottom_m
    if eye_world[1] < low[1]:
        high[1] += _ABOVE * float((high - low).max())
    return Box(R_world_from_box=R_world_from_box, low=low, high=high)


def deepest_box(box: Box, eye_world: Float[np.ndarray, "3"]) -> Box:
    """The largest box that `complete_box` can make of a visible box: as deep as it is wide."""
    for axis in (0, 2):
        away = _away(box, axis, eye_world)
        box = box.stretched(axis, away, max(float(box.size_m[axis]), float(box.size_m[2 - axis])))
    return box


def complete_box(
    box: Box, points_world: Float[np.ndarray, "n 3"], surroundings_world: Float[np.ndarray, "m 3"], view: ObjectView
) -> Box:
    """The box of the visible points grown away from the camera where the far side cannot be among them.

    A mere front gets a depth: back to a wall that is near enough, otherwise that of a plate. Anything else grows
    until its mirror image contradicts the photo nowhere, if that makes it symmetric at all: so a ball's visible
    half becomes a ball, and a box seen over its corner stays as it is.
    """
    eye_world = view.camera.centre_world
    if is_front(box):
        axis = _thin_axis(box)
        plate_m = max(_PLATE * _smaller_side_m(box), float(box.size_m[axis]))
        depth_m = depth_to_wall_m(box, surroundings_world, eye_world) or plate_m
        return box.stretched(axis, _away(box, axis, eye_world), depth_m)
    for axis in (0, 2):
        box = _grow_to_symmetry(box, axis, _away(box, axis, eye_world), points_world, view)
    return box


def is_front(box: Box) -> bool:
    """Whether what is seen is as flat as a front: the rest of a cabinet or a board does not show at all."""
    axis = _thin_axis(box)
    return bool(box.size_m[axis] < _FLAT * min(box.size_m[2 - axis], box.size_m[1]))


def _thin_axis(box: Box) -> int:
    return 0 if box.size_m[0] < box.size_m[2] else 2


def _away(box: Box, axis: int, eye_world: Float[np.ndarray, "3"]) -> float:
    """+1 where the far side along the axis is the high one."""
    return 1.0 if box.middle[axis] > box.box_from_world(eye_world[None])[0, axis] else -1.0


def depth_to_wall_m(
    box: Box, surroundings_world: Float[np.ndarray, "m 3"], eye_world: Float[np.ndarray, "3"]
) -> float | None:
    """Depth of a mere front that stands against a wall; None where none is near enough behind it.

    surroundings_world: what the photo shows around the object; the farthest of it is the wall.
    """
    if not len(surroundings_world):
        return None
    axis = _thin_axis(box)
    away = _away(box, axis, eye_world)
    front = box.low[axis] if away > 0 else box.high[axis]
    wall_m = float(np.quantile(away * (box.box_from_world(surroundings_world)[:, axis] - front), 0.95))
    near = float(box.size_m[axis]) < wall_m < min(_smaller_side_m(box), _STANDARD_DEPTH_M) * 1.25
    return wall_m if near else None


def _smaller_side_m(box: Box) -> float:
    """Of a front."""
    return float(min(box.size_m[2 - _thin_axis(box)], box.size_m[1]))


def _grow_to_symmetry(
    box: Box, axis: int, away: float, points_world: Float[np.ndarray, "n 3"], view: ObjectView
) -> Box:
    """The smallest stretch along the axis whose mirror image contradicts the photo no more, else the same box."""
    step = max(1, len(points_world) // _GROWTH_POINTS)
    points_box = box.box_from_world(points_world[::step])
    seen_m, other_m = float(box.size_m[axis]), float(box.size_m[2 - axis])
    sizes_m = np.linspace(seen_m, max(seen_m, min(other_m, _MOST_GROWTH * seen_m)), _GROWTH_STEPS)
    boxes = [box.stretched(axis, away, float(size)) for size in sizes_m]
    pixel_m = float(np.median(view.camera.cam_from_world(points_world)[:, 2])) / view.camera.K[0, 0]
    slack_m = 2 * pixel_m + _UNEVEN * float(box.size_m.max())
    copies = [b.world_from_box(b.mirrored(points_box, (axis,))) for b in boxes]
    conflict = np.array([conflict_share(view, copy, slack_m=slack_m) for copy in copies])
    if conflict.min() > _NOISE or conflict[0] - conflict.min() < _NOISE:
        return box
    smallest_m = sizes_m[np.argmax(conflict <= conflict.min() + _NOISE / 10)]
    # A conflict shows only beyond the slack: the box that just has none is too small by it.
    return box.stretched(axis, away, float(min(smallest_m + slack_m, sizes_m[-1])))
