"""How far away objects are, from where they meet the floor: masks and posed camera in, depth reliefs out.

Works in a level camera at the photo camera's place, which looks along the box's `ahead` direction: there
verticals stay vertical and the floor at distance `a` is at `drop = height / a`, with drop = (down) / (ahead) and
side = (right) / (ahead) of a ray. m.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from jaxtyping import Bool, Float, Int, UInt16

from ..camera import Camera
from .room_box import FLOOR, RoomBox

_HIDDEN_SHARE = 0.85  # so much of the lower outline against another object means that the foot is hidden
_SMALLEST_THICKNESS_M, _LARGEST_THICKNESS_M = 0.1, 0.9
_THICKNESS_OF_WIDTH = 0.6
_ON_FLOOR_TOLERANCE, _SOLID_SHARE = 0.03, 0.8  # so much of a solid base's outline lies on the floor
_FARTHEST_M = 15.0
_TOUCHING_SHARE, _CARRIED_SHARE = 0.15, 0.6  # of the lowest part of the outline
_LOWEST_PX = 3
_EDGE_ON_DROP = 0.15  # less than 9 degrees below the horizon
_SMALL_ON_CARRIER = 0.3  # of the carrier's pixels
WALL_WORDS = frozenset({"picture", "mirror", "clock"})  # what hangs flat on walls


class Footing(Enum):
    """What an object's distance is taken from: the floor, the floor at the lowest pixel that shows of it, the floor at
    the photo's edge (it is no farther than these two), what carries it, what hides it, the wall."""

    STANDING = 0
    COVERED = 1
    CUT = 2
    CARRIED = 3
    HIDDEN = 4
    HANGING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Foot:
    """The lower outline of one object.

    columns_px, rows_px: the lowest pixel of every mask column. below: label under it, -1 below the photo.
    touched: the object under its lowest part, 0 for none; under_px: (rows, columns) of that object's first pixels.
    touching: how much of the lowest part touches it, 0 to 1, and 0 across a gap.
    sides: how many sides of the lowest part (0 to 2) show the touched object too. small: beside the touched object.
    balanced: its middle is above its lowest part.
    carrier: the object that this one rests on, 0 for none; see `settled`.
    hidden: it ends behind other objects, so that it shows no foot.
    """

    mask_value: int
    columns_px: Int[np.ndarray, "n"]
    rows_px: Int[np.ndarray, "n"]
    below: Int[np.ndarray, "n"]
    touched: int
    under_px: tuple[np.ndarray, np.ndarray]
    touching: float
    sides: int
    small: bool
    balanced: bool
    carrier: int = 0
    hidden: bool = False

    @property
    def free(self) -> Bool[np.ndarray, "n"]:
        """Columns where the outline may be the object's own end; all of them if it has none."""
        own = self.below <= 0
        return own if own.any() else np.ones_like(own)

    @property
    def cut(self) -> bool:
        """The photo may end before the object does."""
        return bool((self.below == -1).any())

    @property
    def covered(self) -> bool:
        """Something stands before its lowest part."""
        return bool((self.below[self.rows_px >= self.rows_px.max() - _LOWEST_PX] > 0).mean() > 0.5)


def find_foot(label_map: UInt16[np.ndarray, "H W"], mask_value: int) -> Foot:
    """The lower outline of an object, and what is under it."""
    mask = label_map == mask_value
    columns = np.flatnonzero(mask.any(axis=0))
    height = mask.shape[0]
    rows = height - 1 - mask[::-1, columns].argmax(axis=0)
    below = np.full(len(columns), -1, dtype=np.int64)
    inside = rows + 1 < height
    below[inside] = label_map[rows[inside] + 1, columns[inside]]
    touched, touching, under_px = _touched(label_map, mask, rows, columns)
    low = columns[rows >= rows.max() - _lowest_band(mask, rows)]
    beside = [c for c in (int(low.min()) - 3, int(low.max()) + 3) if 0 <= c < mask.shape[1]]
    row = int(rows.max()) - _lowest_band(mask, rows)
    middle, slack = float(np.nonzero(mask)[1].mean()), 0.2 * len(columns)
    return Foot(
        mask_value=mask_value,
        columns_px=columns,
        rows_px=rows,
        below=below,
        touched=touched,
        under_px=under_px,
        touching=touching,
        sides=sum(int(label_map[row, c]) == touched for c in beside) if touched else 0,
        small=bool(mask.sum() < _SMALL_ON_CARRIER * (label_map == touched).sum()) if touched else False,
        balanced=bool(low.min() - slack < middle < low.max() + slack),
    )


def _lowest_band(mask: Bool[np.ndarray, "H W"], rows: Int[np.ndarray, "n"]) -> int:
    """Height in pixels of the part of the outline that counts as the object's end."""
    return max(3, round(0.06 * _height(mask, rows)))


def _height(mask: Bool[np.ndarray, "H W"], rows: Int[np.ndarray, "n"]) -> int:
    return int(rows.max()) - int(np.flatnonzero(mask.any(axis=1))[0]) + 1


def _touched(
    label_map: UInt16[np.ndarray, "H W"],
    mask: Bool[np.ndarray, "H W"],
    rows: Int[np.ndarray, "n"],
    columns: Int[np.ndarray, "n"],
) -> tuple[int, float, tuple[np.ndarray, np.ndarray]]:
    """The object most under the lowest part of the outline (0 for none), its share of that part, its pixels there.

    Right under it first; else across a gap of up to a quarter of the object's own height, with share 0.
    """
    low = rows >= rows.max() - _lowest_band(mask, rows)
    gap_px = 1 + _height(mask, rows) // 4
    for reach_px in (1, gap_px):
        down = np.minimum(rows[low] + np.arange(1, reach_px + 1)[:, None], mask.shape[0] - 1)  # (reach, n)
        labels = np.where(mask[down, columns[low]], 0, label_map[down, columns[low]])
        first = (labels > 0).argmax(axis=0)
        under = np.take_along_axis(labels, first[None], axis=0)[0]
        values, counts = np.unique(under[under > 0], return_counts=True)
        if len(values) and counts.max() > _TOUCHING_SHARE * len(under):
            touched = int(values[counts.argmax()])
            here = under == touched
            pixels = np.take_along_axis(down, first[None], axis=0)[0][here], columns[low][here]
            return touched, float(here.mean()) if reach_px == 1 else 0.0, pixels
    return 0, 0.0, (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def settled(foot: Foot, level: LevelView, *, called: str = "") -> Foot:
    """The foot with its carrier, or as hidden, decided from how it touches what is under it.

    called: the object's word. A picture above something, with the wall between the two in sight, hangs there.
    A top seen from above shows on both sides of what stands on it, a little higher than its foot; one at eye level
    does not. What else ends at another object stands behind it, unless that would leave it in the air.
    """
    within = foot.sides == 2 or (foot.small and (foot.sides == 1 or level.at_eye_level(foot.under_px)))
    rests = foot.balanced and foot.touching > _CARRIED_SHARE and within
    hidden = not rests and bool((foot.below > 0).mean() > _HIDDEN_SHARE)
    on_wall = called in WALL_WORDS and foot.touching == 0
    if not rests and not hidden and not on_wall and foot.touched and level.hangs(foot):
        rests, hidden = foot.small, not foot.small
    return replace(foot, carrier=foot.touched if rests else 0, hidden=hidden)


class LevelView:
    """Rays of all pixels in the box's axes, and reliefs of upright objects along them.

    drop, side: of each ray, as above. walls_m: depth along cam z of what is no floor behind each pixel.
    """

    def __init__(self, camera: Camera, box: RoomBox) -> None:
        rays_room = camera.rays_cam() @ box.R_room_from_cam.T  # (H, W, 3)
        self._box = box
        self._ahead = np.maximum(rays_room[..., 0], 0.05)  # beyond 87 degrees to the side it would turn round
        self.side = rays_room[..., 1] / self._ahead
        self.drop = -rays_room[..., 2] / self._ahead
        depths = box.faces_depth_m(rays_room)
        self.walls_m = depths[FLOOR + 1 :].min(axis=0)

    def foot_m(self, foot: Foot) -> Float[np.ndarray, "2"]:
        """(ahead, right) of the nearest point where the object meets the floor."""
        rows, columns = foot.rows_px[foot.free], foot.columns_px[foot.free]
        drop = self.drop[rows, columns]
        lowest = int(np.argsort(drop)[int(0.98 * (len(drop) - 1))])
        ahead_m = self._floor_m(drop[lowest : lowest + 1])[0]
        return np.array([ahead_m, ahead_m * self.side[rows[lowest], columns[lowest]]])

    def hangs(self, foot: Foot) -> bool:
        """The object ends clearly above the line where wall and floor meet."""
        rows, columns = foot.rows_px, foot.columns_px
        lowest = int(self.drop[rows, columns].argmax())
        pixel = rows[lowest], columns[lowest]
        floor_m = self._floor_m(self.drop[pixel][None])[0] / self._ahead[pixel]
        return bool(floor_m > 1.35 * self.walls_m[pixel])

    def wall_relief(self, mask: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "n"]:
        """Depth along cam z of the walls behind a mask's pixels."""
        return 0.99 * self.walls_m[mask]

    def standing_relief(self, mask: Bool[np.ndarray, "H W"], foot: Foot) -> Float[np.ndarray, "n"]:
        """Depth along cam z of an object on the floor.

        Its front is upright over the lower hull of its outline, so that every leg stands at its own distance; where
        its top is below the camera, it is level, as that of a block.
        """
        rows, columns = foot.rows_px[foot.free], foot.columns_px[foot.free]
        own_side, own_drop = self.side[rows, columns], self.drop[rows, columns]
        # Where something stands before it, the object goes on further down: no pixel of it is below the floor.
        base_side, base_drop = _lower_hull(*(v[foot.rows_px, foot.columns_px] for v in (self.side, self.drop)))
        side, drop = self.side[mask], self.drop[mask]
        front_m = float(self._floor_m(base_drop.max()[None])[0])
        width_m = float(np.ptp(side)) * front_m
        thickness_m = float(np.clip(_THICKNESS_OF_WIDTH * width_m, _SMALLEST_THICKNESS_M, _LARGEST_THICKNESS_M))
        # An edge on the floor is straight in (side, drop).
        curtain_m = self._floor_m(np.interp(side, base_side, base_drop))
        on_floor = own_drop > (1 - _ON_FLOOR_TOLERANCE) * np.interp(own_side, base_side, base_drop)
        if on_floor.mean() < _SOLID_SHARE:  # legs: the hull's ends may be overhangs, which would be far behind
            curtain_m = np.minimum(curtain_m, front_m + thickness_m)
        height_m = self._box.camera_height_m
        top_drop = float(np.percentile(drop, 1))
        # A block on the floor: an upright front, and the level top behind it that ends at the outline's highest point.
        top_below_m = float(np.clip(top_drop * (front_m + thickness_m), 0, height_m))  # the camera
        back_m = np.maximum(curtain_m, front_m + thickness_m)
        block_m = np.clip(top_below_m / np.maximum(drop, 1e-6), curtain_m, back_m)
        return np.minimum(block_m / self._ahead[mask], 0.99 * self.walls_m[mask])

    def hidden_ahead_m(self, mask: Bool[np.ndarray, "H W"], in_front_m: float) -> float:
        """A guess for an object whose foot is hidden: between what hides it and the farthest that it can be.

        That is the wall, or where its lowest visible pixel would be if it were the floor.
        """
        farthest_m = min(
            float(np.median(self.walls_m[mask] * self._ahead[mask])),
            float(self._floor_m(self.drop[mask].max()[None])[0]),
        )
        return float(np.sqrt(in_front_m * max(farthest_m, in_front_m)))

    def upright_relief(self, mask: Bool[np.ndarray, "H W"], ahead_m: float) -> Float[np.ndarray, "n"]:
        """Depth along cam z of an upright plane at a distance, not beyond the walls."""
        return np.minimum(ahead_m / self._ahead[mask], 0.99 * self.walls_m[mask])

    def ahead_m(self, depth_m: Float[np.ndarray, "n"], pixels: tuple[np.ndarray, np.ndarray]) -> Float[np.ndarray, "n"]:
        """Distance along the level view from depth along cam z."""
        return depth_m * self._ahead[pixels]

    def at_eye_level(self, pixels: tuple[np.ndarray, np.ndarray]) -> bool:
        """Whether a level top at these pixels would be seen edge-on."""
        return bool(np.median(np.abs(self.drop[pixels])) < _EDGE_ON_DROP)

    def _floor_m(self, drop: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        return self._box.camera_height_m / np.maximum(drop, self._box.camera_height_m / _FARTHEST_M)


def _lower_hull(
    side: Float[np.ndarray, "n"], drop: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k"]]:
    """The lower convex chain of points in a picture whose second axis points down (Andrew's monotone chain)."""
    order = np.lexsort((-drop, side))
    chain: list[tuple[float, float]] = []
    for x, y in zip(side[order].tolist(), drop[order].tolist(), strict=True):
        if chain and x - chain[-1][0] < 1e-9:
            continue
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0) < 0:
                break
            chain.pop()
        chain.append((x, y))
    points = np.array(chain)
    return points[:, 0], points[:, 1]
