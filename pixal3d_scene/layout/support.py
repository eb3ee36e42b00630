"""What each object stands on: the floor, another object, a wall or the ceiling.

Meshes in world (y up, floor at 0), the contacts that the photo shows and the room's planes enter. An object
stands on another one when the photo shows their contact, or when, straight below its foot, that object's upper
side is at the foot's height.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..asset import Mesh
from ..mesh.raycast import Raycaster
from ..room import Room
from ..scene_graph import Relation

# The foot is the part of an object within this share of its height above its lowest point.
_FOOT_SHARE = 0.05
# From the foot's points upwards, where the downward rays start: a support may reach a little into the object.
_START_ABOVE_M = 0.10
# Share of the foot that must have the carrier below it: a vase may overhang a table, a table not a rug.
_FEWEST_FOOT_SHARE = 0.3
_WALL_GAP_M = 0.12
# What a wall carries does not reach far into the room: a clock, a shelf, a wall cabinet.
_WALL_REACH_M = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """parent: "floor", "ceiling", "wall_…" or an object's name. gap_m: foot above support (negative: inside)."""

    parent: str
    relation: Relation
    gap_m: float


def find_supports(
    meshes_world: Mapping[str, Mesh], seen: Mapping[str, Mapping[str, float]], room: Room, *, reach_m: float
) -> dict[str, Support]:
    """The support of every object; never a cycle.

    seen: per object the names it visibly touches with the height (m) of the contact (`contact.seen_contacts`).
    reach_m: the largest gap that still counts as contact.
    """
    names = list(meshes_world)
    boxes = {name: mesh.bounds for name, mesh in meshes_world.items()}
    supports: dict[str, Support] = {}
    for name, mesh in meshes_world.items():
        foot_m = float(mesh.vertices[:, 1].min())
        candidates = [Support(parent="floor", relation="on", gap_m=foot_m)] if abs(foot_m) <= reach_m else []
        for other in names:
            if other == name or not _may_carry(boxes[other], boxes[name], reach_m):
                continue
            height_m = seen.get(name, {}).get(other)
            if height_m is not None and abs(foot_m - height_m) <= reach_m:
                gap_m: float | None = foot_m - height_m
            else:
                gap_m = gap_above(mesh, meshes_world[other], reach_m=reach_m)
            if gap_m is not None:
                candidates.append(Support(parent=other, relation="on", gap_m=gap_m))
        if candidates:
            supports[name] = min(candidates, key=lambda s: (abs(s.gap_m), s.parent))
        else:
            others = {other: boxes[other] for other in names if other != name}
            supports[name] = _over_another(boxes[name], others, reach_m) or _without_ground(mesh, room, foot_m)
    return _without_cycles(supports, meshes_world)


def gap_above(mesh_world: Mesh, carrier_world: Mesh, *, reach_m: float) -> float | None:
    """Height of the foot of a mesh above the upper side of another one, None where they do not meet.

    Rays go straight down from the foot; the median over those that hit within reach is the gap.
    """
    foot = foot_points(mesh_world)
    start = foot + np.array([0.0, _START_ABOVE_M + reach_m, 0.0])
    hits = Raycaster([carrier_world]).cast(start, np.broadcast_to([0.0, -1.0, 0.0], start.shape))
    lowest_m = float(mesh_world.vertices[:, 1].min())
    top_m = start[:, 1] - hits.t
    near = hits.hit & (np.abs(lowest_m - top_m) <= reach_m)
    if near.mean() < _FEWEST_FOOT_SHARE:
        return None
    # The highest part of the support carries: the 90th percentile ignores a stray triangle.
    return lowest_m - float(np.percentile(top_m[near], 90))


def foot_points(mesh_world: Mesh) -> Float[np.ndarray, "n 3"]:
    """Up to 400 vertices of the lowest part of a mesh."""
    y = mesh_world.vertices[:, 1]
    height_m = float(np.ptp(y))
    foot = np.flatnonzero(y <= y.min() + max(_FOOT_SHARE * height_m, 1e-4))
    if len(foot) > 400:
        foot = foot[np.linspace(0, len(foot) - 1, 400).astype(np.int64)]
    return np.array(mesh_world.vertices[foot], dtype=np.float64)


def _may_carry(carrier_box: Float[np.ndarray, "2 3"], box: Float[np.ndarray, "2 3"], reach_m: float) -> bool:
    """Boxes overlap seen from above, and the carrier's lowest point is below the foot."""
    (low_c, high_c), (low, high) = carrier_box.tolist(), box.tolist()
    overlap = high_c[0] >= low[0] and low_c[0] <= high[0] and high_c[2] >= low[2] and low_c[2] <= high[2]
    return overlap and low_c[1] < low[1] - 0.02 and low[1] - high_c[1] <= reach_m


def _over_another(
    box: Float[np.ndarray, "2 3"], others: Mapping[str, Float[np.ndarray, "2 3"]], reach_m: float
) -> Support | None:
    """An object that touches nothing, but hovers at the height of another one's highest point, within its outline.

    What holds it there is hidden or missing in the mesh below; in mid-air it would be worse off.
    """
    low, high = box
    middle_xz = ((low + high) / 2)[[0, 2]]
    below = []
    for name, (low_o, high_o) in others.items():
        within = (low_o[[0, 2]] <= middle_xz).all() and (middle_xz <= high_o[[0, 2]]).all()
        gap_m = float(low[1] - high_o[1])
        if within and abs(gap_m) <= reach_m and low_o[1] < low[1] - 0.02:
            below.append((abs(gap_m), name, gap_m))
    if not below:
        return None
    _, name, gap_m = min(below)
    return Support(parent=name, relation="on", gap_m=gap_m)


def _without_ground(mesh: Mesh, room: Room, foot_m: float) -> Support:
    """Nothing below within reach: a wall or the ceiling may hold it; else it floats above the floor."""
    top_m = float(mesh.vertices[:, 1].max())
    for plane in room.planes:
        if plane.name == "ceiling" and abs(float(plane.corners_world[0, 1]) - top_m) < _WALL_GAP_M:
            return Support(parent="ceiling", relation="hangs", gap_m=float(plane.corners_world[0, 1]) - top_m)
    spans = [(w.name, *np.percentile(w.distance_m(mesh.vertices), [2, 98])) for w in room.walls]
    near = [(abs(a), name, float(a)) for name, a, b in spans if abs(a) < _WALL_GAP_M and b < _WALL_REACH_M]
    if near:
        _, name, gap = min(near)
        return Support(parent=name, relation="against", gap_m=gap)
    return Support(parent="floor", relation="on", gap_m=foot_m)


def _without_cycles(supports: dict[str, Support], meshes_world: Mapping[str, Mesh]) -> dict[str, Support]:
    """Break a ring of objects that stand on each other at its lowest member, which goes to the floor."""
    result = dict(supports)
    for name in supports:
        seen = [name]
        while (parent := result[seen[-1]].parent) in result and parent not in seen:
            seen.append(parent)
        if parent in seen:
            ring = seen[seen.index(parent) :]
            lowest = min(ring, key=lambda n: (float(meshes_world[n].vertices[:, 1].min()), n))
            foot_m = float(meshes_world[lowest].vertices[:, 1].min())
            result[lowest] = Support(parent="floor", relation="on", gap_m=foot_m)
    return result
