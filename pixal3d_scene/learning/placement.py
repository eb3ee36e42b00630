"""Where furniture may stand: spots against walls, in corners, in the middle, at a table, on top of something.

Spots are (x, z, yaw) on the floor in world (metres, radians). Footprints are rectangles seen from above, given by
their four corners (x, z) in order; two pieces never share floor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .composed_room import PlacedObject
from .furniture import CATALOGUE, Size
from .shell import RoomSize, Wall, WallFrame

GAP_M = 0.04  # between pieces, and between a piece and a wall
_TRIES = 40
_TABLES = {"dining chair": ("dining table", "desk", "round table"), "office chair": ("desk",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place on the floor or on a top: (x, z) in world, yaw from node to world."""

    x_m: float
    z_m: float
    yaw_rad: float

    def footprint(self, size_m: Size, margin_m: float = 0.0) -> Float[np.ndarray, "4 2"]:
        """Corners (x, z) of a piece of this size here, widened by `margin_m` on all sides."""
        half = np.array([size_m[0], size_m[2]]) / 2 + margin_m
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        cos, sin = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        turned = np.stack([cos * corners[:, 0] + sin * corners[:, 1], cos * corners[:, 1] - sin * corners[:, 0]], -1)
        return turned + np.array([self.x_m, self.z_m])


def overlap(a: Float[np.ndarray, "4 2"], b: Float[np.ndarray, "4 2"]) -> bool:
    """Whether two rectangles share area (separating axes: the four edge directions)."""
    for rectangle in (a, b):
        for edge in (rectangle[1] - rectangle[0], rectangle[3] - rectangle[0]):
            on_a, on_b = a @ edge, b @ edge
            if on_a.max() <= on_b.min() or on_b.max() <= on_a.min():
                return False
    return True


def inside_room(footprint: Float[np.ndarray, "4 2"], room_m: RoomSize) -> bool:
    """Whether a footprint lies within the walls; room_m: (width, depth, height)."""
    x, z = footprint.T
    return bool(x.min() >= 0 and x.max() <= room_m[0] and z.max() <= 0 and z.min() >= -room_m[1])


def find_spot(
    kind: str, size_m: Size, room_m: RoomSize, standing: Sequence[PlacedObject], rng: np.random.Generator
) -> Spot | None:
    """A free spot on the floor for a piece, as its kind likes it; None if none was found."""
    taken = [item.footprint_world for item in standing if item.parent == 0]
    for spot in _wishes(kind, size_m, room_m, standing, rng):
        own = spot.footprint(size_m, GAP_M)
        if inside_room(spot.footprint(size_m, 0.5 * GAP_M), room_m) and not any(overlap(own, other) for other in taken):
            return spot
    return None


def find_top(
    size_m: Size, carrier: PlacedObject, others: Sequence[PlacedObject], rng: np.random.Generator, *, facing: bool
) -> Spot | None:
    """A free spot on a carrier's top; `facing`: with its front where the carrier's is, near its middle."""
    round_top = CATALOGUE[carrier.kind].round_plan
    w, _, d = carrier.size_m
    carried = [item.footprint_world for item in others if item.parent == carrier.mask_value]
    for _ in range(_TRIES):
        turn = 0.0 if facing else rng.uniform(-np.pi, np.pi)
        x, z = (0.0, 0.0) if facing else (rng.uniform(-0.5, 0.5) * w, rng.uniform(-0.5, 0.5) * d)
        own = Spot(x_m=x, z_m=z, yaw_rad=turn).footprint(size_m, 0.01)  # in the carrier's node frame
        fits = np.hypot(*own.T).max() < w / 2 if round_top else bool((np.abs(own) < [w / 2, d / 2]).all())
        at = carrier.T_world_from_node.apply(np.array([x, 0.0, z]))
        spot = Spot(x_m=float(at[0]), z_m=float(at[2]), yaw_rad=carrier.yaw_rad + turn)
        if fits and not any(overlap(spot.footprint(size_m, 0.01), other) for other in carried):
            return spot
    return None


def _wishes(
    kind: str, size_m: Size, room_m: RoomSize, standing: Sequence[PlacedObject], rng: np.random.Generator
) -> Iterator[Spot]:
    """Spots in the order in which they are tried."""
    tables = [item for item in standing if item.kind in _TABLES.get(kind, ())]
    for table in tables:
        yield from _at_table(size_m, table, rng)
    place = CATALOGUE[kind].place
    for _ in range(_TRIES):
        if place == "wall":
            yield _against_wall(size_m, room_m, rng)
        elif place == "corner" and rng.random() < 0.8:
            yield _in_corner(size_m, room_m, rng)
        else:
            yield _in_the_middle(size_m, room_m, rng)


def _against_wall(size_m: Size, room_m: RoomSize, rng: np.random.Generator) -> Spot:
    walls: tuple[Wall, ...] = ("back", "left", "right")
    frame = WallFrame.of(walls[rng.choice(3, p=(0.6, 0.2, 0.2))], room_m)
    along = rng.uniform(size_m[0] / 2, max(frame.length_m - size_m[0] / 2, size_m[0] / 2 + 0.01))
    x, _, z = frame.point(along, 0.0, size_m[2] / 2 + rng.uniform(GAP_M, 0.08))
    return Spot(x_m=float(x), z_m=float(z), yaw_rad=frame.yaw_rad)


def _in_corner(size_m: Size, room_m: RoomSize, rng: np.random.Generator) -> Spot:
    reach = max(size_m[0], size_m[2]) / 2 + rng.uniform(GAP_M, 0.3)
    x = reach if rng.random() < 0.5 else room_m[0] - reach
    return Spot(x_m=float(x), z_m=float(-room_m[1] + reach), yaw_rad=rng.uniform(-np.pi, np.pi))


def _in_the_middle(size_m: Size, room_m: RoomSize, rng: np.random.Generator) -> Spot:
    """Anywhere in the back two thirds, most often square to the walls or facing the middle of the room."""
    x, z = rng.uniform(0.3, room_m[0] - 0.3), rng.uniform(-room_m[1] + 0.3, -0.3 * room_m[1])
    inwards = np.arctan2(room_m[0] / 2 - x, -0.4 * room_m[1] - z)
    yaw = rng.choice([rng.normal(0.0, 0.1), inwards + rng.normal(0.0, 0.3), rng.uniform(-np.pi, np.pi)])
    return Spot(x_m=float(x), z_m=float(z), yaw_rad=float(yaw))


def _at_table(size_m: Size, table: PlacedObject, rng: np.random.Generator) -> Iterator[Spot]:
    """In front of the sides of a table, looking at it; a desk has a seat in front only."""
    quarter_turns = [0] if table.kind == "desk" else list(rng.permutation(4))
    for quarter in quarter_turns:
        turn = float(quarter) * np.pi / 2
        out = table.size_m[2 if quarter % 2 == 0 else 0] / 2 + size_m[2] / 2 + rng.uniform(0.06, 0.2)
        at = table.T_world_from_node.apply(np.array([np.sin(turn) * out, 0.0, np.cos(turn) * out]))
        yaw = table.yaw_rad + turn + np.pi + rng.normal(0.0, 0.12)
        yield Spot(x_m=float(at[0]), z_m=float(at[2]), yaw_rad=float(yaw))
