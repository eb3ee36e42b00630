"""What each object stands on: the floor, another object, a wall or the ceiling.

Bodies in world (y up, floor at 0), the contacts that the photo shows and the room's planes enter. Every possible
support has a gap; the likeliest one is that whose gap is smallest in terms of how well both heights are known, and
that the photo shows. A second support is kept beside it; walls that an object touches are asked for in the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..asset import Mesh
from ..room import Room, RoomPlane
from ..scene_graph import Relation
from .behind_wall import SEEN_THROUGH_M, STRAYS_PERCENT, beside
from .body import Body
from .overlap import box_pairs
from .patch import Column, Patch, rest_on, rest_on_floor

_WALL_GAP_M = 0.12
# What a wall carries does not reach far into the room: a clock, a shelf, a wall cabinet.
_WALL_REACH_M = 0.7
# A carrier reaches further down than what it carries.
_LOWER_M = 0.02
# Meshes end this unevenly where they touch.
_UNEVEN_M = 0.01
# Cost, in squared standard deviations, of a contact that the photo does not show; of one that no mesh shows; and the
# cost at which nothing at all is as likely.
_UNSEEN_COST = 4.0
_NO_PATCH_COST = 2.0
_NONE_COST = 9.0
# With this much of the foot above the carrier's mesh, the mesh tells the gap better than a few noisy pixels do.
_WHOLE_FOOT_SHARE = 0.5
# A carrier's mesh this far below the contact that the photo shows does not bear it.
_BARE_M = 0.03
# A second support is level with the first one within this.
_LEVEL_M = 0.02
_TOUCHES_WALL_M, _TOUCHES_SIGMAS = 0.03, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """parent: "floor", "ceiling", "wall_…" or an object's name. gap_m: foot above support (negative: inside).

    confidence: 0 to 1, against the other supports in question. cost: squared standard deviations.
    at_world, area_m2: the patch in which they meet, the object still in its own place. further: other contacts.
    floats: nothing is within reach; the floor is its parent for want of another. bare: the photo shows the contact, but
    the carrier's mesh has nothing there.
    """

    parent: str
    relation: Relation
    gap_m: float
    at_world: Float[np.ndarray, "3"]
    area_m2: float = 0.0
    cost: float = 0.0
    confidence: float = 0.0
    further: tuple[Support, ...] = ()
    floats: bool = False
    bare: bool = False


def find_supports(
    bodies: Mapping[str, Body], seen: Mapping[str, Mapping[str, float]], rooms: Mapping[str, Room], *, reach_m: float
) -> dict[str, Support]:
    """The support of every object; never a cycle.

    rooms: per object the room as the depth shows it there (`near_planes`). seen: per object the names ("floor" among
    them) it visibly touches with the height (m) of the contact (`contact.seen_contacts`). reach_m: the largest gap that
    still counts as contact.
    """
    columns = {name: Column(body.mesh_world) for name, body in bodies.items()}
    carriers = _possible_carriers(columns, reach_m)
    supports = {}
    for name, body in bodies.items():
        reached_m = _reach_m(body, reach_m)
        candidates = [_on_floor(body, columns[name], "floor" in seen.get(name, {}))]
        candidates += [
            found
            for other in (*carriers[name], *_unplaced_below(name, carriers[name], seen, bodies))
            if (found := _on_object(body, columns[name], bodies[other], columns[other], seen.get(name, {}), reach_m))
        ]
        candidates = [c for c in candidates if abs(c.gap_m) <= reached_m]
        if not candidates:
            over = _over_another(columns[name].bounds, {o: columns[o].bounds for o in carriers[name]}, reach_m)
            candidates = [
                over or _without_ground(columns[name], rooms[name], _wall_reach_m(body), sure=body.fit is not None)
            ]
        supports[name] = _likeliest(candidates)
    return _without_cycles(supports, columns)


def _reach_m(body: Body, reach_m: float) -> float:
    """An object without evidence of its distance reaches as far as that is unknown."""
    if body.fit is not None:
        return reach_m
    lowest_m = float(body.mesh_world.bounds[0, 1])
    return max(reach_m, 2.5 * body.sigma_log * abs(float(body.eye_world[1]) - lowest_m))


def _unplaced_below(
    name: str, carriers: Sequence[str], seen: Mapping[str, Mapping[str, float]], bodies: Mapping[str, Body]
) -> list[str]:
    """Objects seen under the foot whose own distance is a guess: they may carry it, wherever the guess puts them."""
    return [o for o in seen.get(name, {}) if o in bodies and bodies[o].fit is None and o not in carriers]


def _wall_reach_m(body: Body) -> float:
    """The same for walls and ceiling."""
    return _WALL_GAP_M if body.fit is not None else max(_WALL_GAP_M, 2.5 * body.sigma_m)


def _on_floor(body: Body, column: Column, seen: bool) -> Support:
    patch = rest_on_floor(column)
    return _candidate("floor", patch, _foot_sigma_m(body, body.sigma_log), seen=seen)


def _on_object(
    body: Body, column: Column, carrier: Body, carrier_column: Column, seen: Mapping[str, float], reach_m: float
) -> Support | None:
    """The contact of two bodies: of their meshes, or, where the carrier's lacks what is hidden, as the photo shows."""
    # Slow depth errors move both alike: what counts is what each has of its own.
    own = np.sqrt(sum(max(b.sigma_log**2 - b.slow_log**2, 0.0) for b in (body, carrier)))
    sigma_m = float(np.hypot(_foot_sigma_m(body, float(own)), carrier.sigma_shape_m))
    patch = rest_on(column, carrier_column, reach_m=reach_m)
    height_m = seen.get(carrier.name)
    foot_m = float(column.bounds[0, 1])
    bare = False
    if height_m is not None and (patch is None or patch.share < _WHOLE_FOOT_SHARE):
        middle = column.foot.mean(axis=0) if patch is None else patch.middle_world
        area_m2 = 0.0 if patch is None else patch.area_m2
        bare = patch is None or patch.gap_m - (foot_m - height_m) > _BARE_M
        patch = Patch(gap_m=foot_m - height_m, share=1.0, middle_world=middle, area_m2=area_m2)
    if patch is None:
        return None
    return replace(_candidate(carrier.name, patch, sigma_m, seen=height_m is not None), bare=bare)


def _foot_sigma_m(body: Body, sigma_log: float) -> float:
    """How well the height of the foot is known: a slide moves it by its height below the camera."""
    below_m = float(body.eye_world[1]) - float(body.mesh_world.bounds[0, 1])
    return float(np.linalg.norm([below_m * sigma_log, body.sigma_shape_m, _UNEVEN_M]))


def _candidate(parent: str, patch: Patch, sigma_m: float, *, seen: bool) -> Support:
    cost = (patch.gap_m / sigma_m) ** 2 + (0.0 if seen else _UNSEEN_COST)
    return Support(
        parent=parent, relation="on", gap_m=patch.gap_m, at_world=patch.middle_world, area_m2=patch.area_m2, cost=cost
    )


def _likeliest(candidates: Sequence[Support]) -> Support:
    """The cheapest candidate, with its share of the likelihood, and what else it stands on."""
    ordered = sorted(candidates, key=lambda s: (s.cost, s.parent))
    best = ordered[0]
    costs = np.array([*(s.cost for s in ordered), max(best.cost, _NONE_COST)])
    likelihood = np.exp(-0.5 * (costs - costs.min()))
    shares = likelihood / likelihood.sum()
    level = [
        replace(s, confidence=float(share))
        for s, share in zip(ordered[1:], shares[1:], strict=False)
        if s.relation == "on" and abs(s.gap_m - best.gap_m) <= _LEVEL_M
    ]
    return replace(best, confidence=float(shares[0]), further=tuple(level))


def _possible_carriers(columns: Mapping[str, Column], reach_m: float) -> dict[str, list[str]]:
    """For every object the others whose box is under its own, overlapping it seen from above."""
    names = list(columns)
    result: dict[str, list[str]] = {name: [] for name in names}
    for i, j in box_pairs([columns[n].bounds for n in names], margin_m=reach_m).tolist():
        for name, other in ((names[i], names[j]), (names[j], names[i])):
            (low_c, high_c), (low, high) = columns[other].bounds.tolist(), columns[name].bounds.tolist()
            overlap = high_c[0] >= low[0] and low_c[0] <= high[0] and high_c[2] >= low[2] and low_c[2] <= high[2]
            if overlap and low_c[1] < low[1] - _LOWER_M and low[1] - high_c[1] <= reach_m:
                result[name].append(other)
    return result


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
        if within and abs(gap_m) <= reach_m:
            below.append((abs(gap_m), name, gap_m))
    if not below:
        return None
    _, name, gap_m = min(below)
    at_world = np.array([middle_xz[0], low[1], middle_xz[1]])
    return Support(
        parent=name, relation="on", gap_m=gap_m, at_world=at_world, cost=_UNSEEN_COST + _NO_PATCH_COST, bare=True
    )  # fmt: skip


def _without_ground(column: Column, room: Room, wall_reach_m: float, *, sure: bool) -> Support:
    """Nothing below within reach: a wall or the ceiling may hold it; else it floats above the floor.

    sure: the depth said where it is; otherwise whatever is nearest holds it.
    """
    low, high = column.bounds
    top = np.array([(low[0] + high[0]) / 2, high[1], (low[2] + high[2]) / 2])
    near = []
    for plane in room.planes:
        gap_m = float(plane.corners_world[0, 1] - high[1])
        if plane.name == "ceiling" and abs(gap_m) < wall_reach_m:
            near.append(Support(parent="ceiling", relation="hangs", gap_m=gap_m, at_world=top, cost=_UNSEEN_COST))
    if near and sure:
        return near[0]
    for wall in room.walls:
        gap_m, reach_m, at_world = _wall_distance(wall, column)
        behind_m = max(wall_reach_m, SEEN_THROUGH_M)  # what the photo shows is behind a wall by errors alone
        if -behind_m < gap_m < wall_reach_m and reach_m < (_WALL_REACH_M if sure else np.inf):
            near.append(
                Support(parent=wall.name, relation="against", gap_m=gap_m, at_world=at_world, cost=_UNSEEN_COST)
            )
    if near:
        return min(near, key=lambda s: (abs(s.gap_m), s.parent))
    return replace(_above_floor(column), cost=_NONE_COST + _UNSEEN_COST, floats=True)


def _above_floor(column: Column) -> Support:
    patch = rest_on_floor(column)
    return Support(parent="floor", relation="on", gap_m=patch.gap_m, at_world=patch.middle_world, area_m2=patch.area_m2)


def _wall_distance(wall: RoomPlane, column: Column) -> tuple[float, float, Float[np.ndarray, "3"]]:
    """Distance of the nearest and of the farthest part of a mesh from a wall, and where it is nearest."""
    distance_m = wall.distance_m(column.mesh_world.vertices)
    near_m, far_m = np.percentile(distance_m, [STRAYS_PERCENT, 100 - STRAYS_PERCENT])
    at_world = column.mesh_world.vertices[distance_m <= near_m + _UNEVEN_M].mean(axis=0)
    return float(near_m), float(far_m), np.asarray(at_world, dtype=np.float64)


def wall_contacts(mesh_world: Mesh, room: Room, *, tolerance_m: float) -> tuple[Support, ...]:
    """Walls that an object touches with its side, whatever it stands on. tolerance_m: standard deviation of the gap."""
    contacts, column = [], Column(mesh_world)
    for wall in room.walls:
        gap_m, far_m, at_world = _wall_distance(wall, column)
        near = abs(gap_m) <= max(_TOUCHES_WALL_M, _TOUCHES_SIGMAS * tolerance_m)
        if near and far_m > 0 and beside(wall, at_world):
            confidence = float(np.exp(-0.5 * (gap_m / max(_UNEVEN_M, tolerance_m)) ** 2))
            contacts.append(
                Support(parent=wall.name, relation="against", gap_m=gap_m, at_world=at_world, confidence=confidence)
            )
    return tuple(contacts)


def _without_cycles(supports: dict[str, Support], columns: Mapping[str, Column]) -> dict[str, Support]:
    """Break a ring of objects that stand on each other at its lowest member, which goes to the floor."""
    result = dict(supports)
    for name in supports:
        seen = [name]
        while (parent := result[seen[-1]].parent) in result and parent not in seen:
            seen.append(parent)
        if parent in seen:
            ring = seen[seen.index(parent) :]
            lowest = min(ring, key=lambda n: (float(columns[n].bounds[0, 1]), n))
            result[lowest] = _above_floor(columns[lowest])
    return result
