"""The room as a box from one photo: picture, free pixels and posed camera in, wall distances and shell depth out.

Axes of the box ("room"): ahead, right, up, with the camera above the origin; m. `ahead` is the wall direction
nearest to the camera's heading. The box is the one whose five visible faces split the picture into the most
even colours, as in layout estimation by Hedau, Hoiem and Forsyth, "Recovering the Spatial Layout of Cluttered
Rooms", ICCV 2009 (section 3), with a likelihood of colours beside learned labels, or in their place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image
from scipy.spatial.transform import Rotation

from ..camera import Camera
from ..frames import WORLD_UP
from ..instances import SHELL_PARTS

FLOOR, CEILING, AHEAD, LEFT, RIGHT = range(5)

_WORKING_SIDE_PX = 128
_COLOUR_SAMPLES = 150.0  # pixels of one surface are not independent: so many of them speak
_LOG_SIGMA = {"ahead_m": 0.5, "left_m": 0.6, "right_m": 0.6, "ceiling_m": 0.12}
_USUAL_M = {"ahead_m": 4.5, "left_m": 2.5, "right_m": 2.5, "ceiling_m": 2.6}
_STEPS = {"ahead_m": 24, "left_m": 18, "right_m": 18, "ceiling_m": 10}
_LIMITS_M = {"ahead_m": (1.2, 12.0), "left_m": (0.6, 8.0), "right_m": (0.6, 8.0), "ceiling_m": (2.3, 4.0)}
_WALLS = ("ahead_m", "left_m", "right_m")
_NEVER_M = 1e6
# A segmenter's word for floor, wall or ceiling: right nine times of ten, and neighbouring pixels err together.
_SHELL_SAMPLES, _SHELL_WRONG = 150.0, 0.1
# A small network's depth of the room's surfaces is right within some 15 %, and neighbouring pixels err together.
_SEEN_SAMPLES, _SEEN_SIGMA = 40.0, 0.15
_PART_OF_FACE = np.array([SHELL_PARTS.index(part) for part in ("floor", "ceiling", "wall", "wall", "wall")])
_IN_WALLS = ("window", "door")
# Shadows and wall colours can look like a low ceiling. A room is seldom lower than 2.3 m (building codes), and a
# ceiling must be some 400 times (e^6) likelier than the picture without one.
_CEILING_MUST_EXPLAIN = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomBox:
    """R_room_from_cam: rows are the ahead, right and up directions in cam. Distances from the camera, m;
    ceiling_m above the floor, infinite where the picture shows none."""

    R_room_from_cam: Float[np.ndarray, "3 3"]
    camera_height_m: float
    ahead_m: float
    left_m: float
    right_m: float
    ceiling_m: float

    def faces_depth_m(self, rays_room: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "5 *n"]:
        """Depth along cam z (rays have z = 1 in cam) at which each ray meets each face's plane; huge if never."""
        ahead, right, up = rays_room[..., 0], rays_room[..., 1], rays_room[..., 2]
        towards = np.stack([-up, up, ahead, -right, right])
        distance_m = np.array(
            [self.camera_height_m, self.ceiling_m - self.camera_height_m, self.ahead_m, self.left_m, self.right_m]
        ).reshape(5, *([1] * (towards.ndim - 1)))
        return np.where(towards > distance_m / _NEVER_M, distance_m / np.maximum(towards, 1e-12), _NEVER_M)

    def shell(self, camera: Camera) -> tuple[Float[np.ndarray, "H W"], Int[np.ndarray, "H W"]]:
        """Depth along cam z of the empty room for every pixel, and the face that is seen there."""
        depths = self.faces_depth_m(camera.rays_cam() @ self.R_room_from_cam.T)
        return depths.min(axis=0), depths.argmin(axis=0)


def room_axes(camera: Camera, yaw_rad: float) -> Float[np.ndarray, "3 3"]:
    """`R_room_from_cam`: the level heading of the camera turned by `yaw_rad` to the left, its right, and up."""
    forward_world = camera.T_world_from_cam.rotation.apply([0.0, 0.0, 1.0])
    level = forward_world - (forward_world @ WORLD_UP) * WORLD_UP
    if np.linalg.norm(level) < 1e-3:  # straight down or up: the photo's upper edge is ahead
        level = camera.T_world_from_cam.rotation.apply([0.0, -1.0, 0.0]) * [1.0, 0.0, 1.0]
    ahead = Rotation.from_rotvec(yaw_rad * WORLD_UP).apply(level / np.linalg.norm(level))
    axes_world = np.stack([ahead, np.cross(ahead, WORLD_UP), WORLD_UP])
    return np.asarray(axes_world @ camera.T_world_from_cam.rotation.as_matrix())


def fit_room_box(
    rgb: UInt8[np.ndarray, "H W 3"],
    free: Bool[np.ndarray, "H W"],
    camera: Camera,
    *,
    yaw_rad: float,
    feet_room_m: Float[np.ndarray, "n 2"],
    shell_map: UInt8[np.ndarray, "H W"] | None = None,
    seen_m: Float[np.ndarray, "H W"] | None = None,
) -> RoomBox:
    """The box whose faces have the most even colours on the `free` pixels (those of no object).

    feet_room_m: (ahead, right) where objects seem to stand; most of them are within the walls. shell_map: parts of the
    room that a segmenter recognised, see `Instances`. seen_m: a network's depth along cam z in the camera's scale, 0
    where it says nothing.
    """
    height_m = float(camera.centre_world[1])
    usual: dict[str, Any] = dict(_USUAL_M)
    if len(feet_room_m):
        usual["ahead_m"] = float(np.clip(1.2 * np.percentile(feet_room_m[:, 0], 80), 2.0, 8.0))
    usual["ceiling_m"] = max(usual["ceiling_m"], height_m + 0.8)
    box = RoomBox(R_room_from_cam=room_axes(camera, yaw_rad), camera_height_m=height_m, **usual)
    evidence = _Evidence(rgb, free, camera, box.R_room_from_cam, feet_room_m, usual, shell_map, seen_m)
    closed = _search(box, evidence)
    open_box = _search(replace(box, ceiling_m=np.inf), evidence)
    if evidence.top_m(open_box) > _tallest_m(height_m):
        return closed  # the photo looks up: whatever the colours say, no room is as high as its walls would be
    return closed if evidence.cost(open_box) - evidence.cost(closed) > _CEILING_MUST_EXPLAIN else open_box


def _tallest_m(camera_height_m: float) -> float:
    """The highest ceiling that is looked for."""
    return max(_LIMITS_M["ceiling_m"][1], camera_height_m + 1.5)


def _search(box: RoomBox, evidence: _Evidence) -> RoomBox:
    """Sweep each distance, and all walls together, over its whole range; then refine in shrinking steps."""
    best_cost = evidence.cost(box)
    for _ in range(3):
        before = best_cost
        for name in _fitted(box):
            steps = _STEPS[name]
            low, high = _LIMITS_M[name]
            if name == "ceiling_m":
                low, high = max(low, box.camera_height_m + 0.3), _tallest_m(box.camera_height_m)
            for value in np.geomspace(low, high, steps):
                box, best_cost = _better(box, best_cost, evidence, {name: float(value)})
        for factor in np.geomspace(0.4, 2.5, 17):
            scaled = {n: getattr(box, n) * float(factor) for n in _WALLS}
            box, best_cost = _better(box, best_cost, evidence, scaled)
        if before - best_cost < 0.5:
            break
    for step in (1.06, 1.03, 1.015):
        for names in ((n,) for n in _fitted(box)), (_WALLS,), ((n,) for n in _fitted(box)):
            for group in names:
                for factor in (step, 1 / step):
                    moved = {n: getattr(box, n) * factor for n in group}
                    box, best_cost = _better(box, best_cost, evidence, moved)
    return box


def _fitted(box: RoomBox) -> tuple[str, ...]:
    """The distances to search for; a box without a ceiling has none to its ceiling."""
    return tuple(_STEPS) if np.isfinite(box.ceiling_m) else _WALLS


def _better(box: RoomBox, cost: float, evidence: _Evidence, change: dict[str, float]) -> tuple[RoomBox, float]:
    """The box after the change if it costs less, else as it was."""
    values: Any = change
    candidate = replace(box, **values)
    if candidate.ceiling_m < max(_LIMITS_M["ceiling_m"][0], candidate.camera_height_m + 0.2):
        return box, cost
    candidate_cost = evidence.cost(candidate)
    return (candidate, candidate_cost) if candidate_cost < cost else (box, cost)


class _Evidence:
    """Minus the logarithm of the posterior of a box: colours, recognised parts and depth of its faces, feet, usual
    sizes."""

    def __init__(
        self,
        rgb: UInt8[np.ndarray, "H W 3"],
        free: Bool[np.ndarray, "H W"],
        camera: Camera,
        R_room_from_cam: Float[np.ndarray, "3 3"],
        feet_room_m: Float[np.ndarray, "n 2"],
        usual_m: dict[str, float],
        shell_map: UInt8[np.ndarray, "H W"] | None,
        seen_m: Float[np.ndarray, "H W"] | None,
    ) -> None:
        from skimage.color import rgb2lab

        shrink = max(camera.size_px) / _WORKING_SIDE_PX
        size_px = (max(8, round(camera.size_px[0] / shrink)), max(8, round(camera.size_px[1] / shrink)))
        small = Image.fromarray(np.asarray(rgb)).resize(size_px, Image.Resampling.BOX)
        share = Image.fromarray(np.asarray(free, dtype=np.float32)).resize(size_px, Image.Resampling.BOX)
        clear = np.asarray(share) > 0.95
        lab = rgb2lab(np.asarray(small))[clear] * [0.5, 1.0, 1.0]  # light falls unevenly: hue says more
        self._rays_room = camera.resized(size_px).rays_cam()[clear] @ R_room_from_cam.T
        first = np.concatenate([np.ones((len(lab), 1)), lab], axis=1)
        i, j = np.triu_indices(4)
        self._moments = first[:, i] * first[:, j]  # (n, 10)
        self._feet, self._usual_m = feet_room_m, usual_m
        self._part = np.zeros(len(lab), dtype=np.int64)
        if shell_map is not None:
            part = np.asarray(Image.fromarray(np.asarray(shell_map)).resize(size_px, Image.Resampling.NEAREST))[clear]
            in_wall = np.isin(part, [SHELL_PARTS.index(name) for name in _IN_WALLS])
            self._part = np.where(in_wall, SHELL_PARTS.index("wall"), part).astype(np.int64)
        self._seen_m = np.zeros(len(lab))
        if seen_m is not None:
            seen = Image.fromarray(np.asarray(seen_m, dtype=np.float32))
            self._seen_m = np.asarray(seen.resize(size_px, Image.Resampling.NEAREST), dtype=np.float64)[clear]

    def cost(self, box: RoomBox) -> float:
        prior = sum((np.log(getattr(box, k) / self._usual_m[k]) / _LOG_SIGMA[k]) ** 2 for k in _fitted(box)) / 2
        outside = np.maximum.reduce(
            [
                self._feet[:, 0] / box.ahead_m - 1,
                self._feet[:, 1] / box.right_m - 1,
                -self._feet[:, 1] / box.left_m - 1,
                np.zeros(len(self._feet)),
            ]
        )
        return float(
            self._colour_cost(box)
            + self._part_cost(box)
            + self._depth_cost(box)
            + prior
            + np.minimum((outside / 0.1) ** 2, 4.0).sum() / 2
        )

    def top_m(self, box: RoomBox) -> float:
        """How high above the floor the walls of the box would be seen."""
        if not len(self._rays_room):
            return 0.0
        up_m = box.faces_depth_m(self._rays_room).min(axis=0) * self._rays_room[:, 2]
        return box.camera_height_m + float(np.percentile(up_m, 99))

    def _part_cost(self, box: RoomBox) -> float:
        known = self._part > 0
        if not known.any():
            return 0.0
        face = box.faces_depth_m(self._rays_room[known]).argmin(axis=0)
        wrong = float((_PART_OF_FACE[face] != self._part[known]).mean())
        return wrong * _SHELL_SAMPLES * float(np.log((1 - _SHELL_WRONG) / _SHELL_WRONG))

    def _depth_cost(self, box: RoomBox) -> float:
        known = self._seen_m > 0
        if not known.any():
            return 0.0
        away = np.log(box.faces_depth_m(self._rays_room[known]).min(axis=0) / self._seen_m[known]) / _SEEN_SIGMA
        return float(np.log1p(away**2).mean()) * _SEEN_SAMPLES  # Cauchy: windows and mirrors are far off

    def _colour_cost(self, box: RoomBox) -> float:
        if not len(self._rays_room):
            return 0.0
        face = box.faces_depth_m(self._rays_room).argmin(axis=0)
        sums = np.stack([np.bincount(face, weights=m, minlength=5) for m in self._moments.T], axis=-1)  # (5, 10)
        total = 0.0
        for s in sums:
            n = s[0]
            if n < 4:
                continue
            mean = s[1:4] / n
            second = np.zeros((3, 3))
            second[np.triu_indices(3)] = s[4:] / n
            second = second + np.triu(second, 1).T
            total += n / 2 * float(np.linalg.slogdet(second - np.outer(mean, mean) + 4 * np.eye(3))[1])
        return total / len(self._rays_room) * _COLOUR_SAMPLES
