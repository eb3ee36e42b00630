"""All placements together: each object's own evidence against what touches what.

In: bodies where their own evidence puts them (world, m) and the contacts they should have. Out: a motion per body
and the conditions that had to give way. A nonlinear least-squares problem per group of objects that touch
(`scipy.optimize.least_squares`, trust region with bounds), so that groups do not know of each other:

    minimise  |L^-1 slide|^2 + |translation / stiff|^2 + |contact gap / tolerance|^2 + |overlap / tolerance|^2

with L L^T the covariance of the distances (slow depth errors are shared by neighbours in the picture). Overlaps are
found between the moved meshes, made linear (a point and a way out), and the group is solved again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx
import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from ..room import RoomPlane
from .behind_wall import behind_wall
from .body import AT_REST, Body, Motion
from .overlap import Penetration, Solid, box_pairs, penetration

_ROUNDS = 6
_CONTACT_TOLERANCE_M = 0.0005
_OVERLAP_TOLERANCE_M = 0.002
_YIELDS = 20.0
# Overlaps up to this depth are rounding of meshes and not worth moving anything.
_OVERLAP_COUNTS_M = 0.003
# A contact that stays further apart than this was not made: nothing is moved for it.
_CONTACT_MADE_M = 0.005
# Slow errors of depth lose half their likeness over this share of the picture's longer side.
_LIKENESS_SHARE = 0.2
_MOST_EVALUATIONS = 40
# A slide keeps every pixel and a translation none: translations count as if the foot were known so much better.
_STIFFNESS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """A condition between a body and another one, or the room where `other` is None.

    value_m: distance of the two along `normal` (out of the other, towards the body) while they are at `motions`.
    points: on the body and on the other, in the place of their own evidence. keeps: "contact" wants the value 0,
    "apart" at least 0. tolerance_m: standard deviation that it is allowed.
    """

    body: str
    other: str | None
    what: str
    keeps: str
    normal: Float[np.ndarray, "3"]
    points: tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]
    value_m: float
    motions: tuple[Motion, Motion] = (AT_REST, AT_REST)
    tolerance_m: float = _CONTACT_TOLERANCE_M

    @property
    def members(self) -> tuple[str, ...]:
        return (self.body,) if self.other is None else (self.body, self.other)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveWay:
    """A condition that is not kept. left_m: as `Touch.value_m`, when all is solved."""

    touch: Touch
    left_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JointSolution:
    """motions: by name. gave_way: by the name of the body whose condition it is."""

    motions: dict[str, Motion]
    gave_way: dict[str, tuple[GaveWay, ...]] = field(default_factory=dict)


def solve_jointly(
    bodies: Mapping[str, Body], touches: Sequence[Touch], *, picture_px: float, walls: Sequence[RoomPlane] = ()
) -> JointSolution:
    """Motions of all bodies. touches: the contacts wanted. picture_px: the photo's longer side."""
    conditions = list(touches)
    given_up: list[Touch] = []
    motions = dict.fromkeys(bodies, AT_REST)
    solids = {name: Solid(body.mesh_world) for name, body in bodies.items()}
    resting = {frozenset(t.members) for t in touches if t.other is not None}
    changed = set(bodies)
    for _ in range(_ROUNDS):
        for group in _groups(conditions, touching=changed):
            members = [t for t in conditions if t.body in group]
            solved, impossible = _solve_group({n: bodies[n] for n in sorted(group)}, members, picture_px)
            given_up += impossible
            lost = {id(touch) for touch in impossible}
            conditions = [t for t in conditions if id(t) not in lost]
            motions.update(solved)
        for name in changed:
            if not motions[name].is_none:
                solids[name] = Solid(bodies[name].moved(motions[name]).mesh_world)
        found = _overlaps(bodies, motions, solids, resting, changed)
        found += _in_walls(bodies, motions, solids, walls, changed)
        if not found:
            break
        conditions += found
        changed = set().union(*(g for g in _groups(conditions, touching={m for t in found for m in t.members})))
    by_name: dict[str, tuple[GaveWay, ...]] = {}
    for touch in [*given_up, *conditions]:
        gave = _gave_way(bodies, motions, touch)
        if gave is not None:
            by_name[touch.body] = (*by_name.get(touch.body, ()), gave)
    return JointSolution(motions=motions, gave_way=by_name)


def _groups(conditions: Sequence[Touch], *, touching: Iterable[str]) -> list[set[str]]:
    """Bodies that hang together through conditions, if one of them is in `touching`; in a fixed order."""
    graph: nx.Graph[str] = nx.Graph()
    for touch in conditions:
        graph.add_node(touch.body)
        if touch.other is not None:
            graph.add_edge(touch.body, touch.other)
    wanted = set(touching)
    return sorted((set(g) for g in nx.connected_components(graph) if set(g) & wanted), key=min)


def _solve_group(
    bodies: Mapping[str, Body], touches: Sequence[Touch], picture_px: float
) -> tuple[dict[str, Motion], list[Touch]]:
    """Motions of one group, and the contacts that cannot be made; carriers come before what they carry."""

    def solved(kept: Sequence[Touch]) -> dict[str, Motion]:
        return _Group(bodies, kept, picture_px).solve() if kept else dict.fromkeys(bodies, AT_REST)

    def all_made(motions: Mapping[str, Motion], kept: Sequence[Touch]) -> bool:
        return all(abs(_value_m(bodies, motions, t)) <= _CONTACT_MADE_M for t in kept if _must_be_made(t))

    motions = solved(touches)
    if all_made(motions, touches):
        return motions, []
    # Overlaps give way before contacts do: no overlap, however deep, lifts an object off what it stands on.
    touches = [t if _must_be_made(t) else replace(t, tolerance_m=_YIELDS * t.tolerance_m) for t in touches]
    motions = solved(touches)
    if all_made(motions, touches):
        return motions, []
    kept, impossible = [t for t in touches if not _must_be_made(t)], []
    for touch in _carriers_first([t for t in touches if _must_be_made(t)]):
        motions = solved([*kept, touch])
        if all_made(motions, [*kept, touch]):
            kept.append(touch)
        else:
            impossible.append(touch)
    return solved(kept), impossible


def _must_be_made(touch: Touch) -> bool:
    return touch.keeps == "contact" and touch.tolerance_m <= _CONTACT_TOLERANCE_M


def _carriers_first(contacts: Sequence[Touch]) -> list[Touch]:
    """In the order of how many bodies are below."""
    below = {t.body: t.other for t in contacts}

    def level(name: str | None) -> int:
        return 0 if name is None or name not in below else 1 + level(below[name])

    return sorted(contacts, key=lambda t: (level(t.body), t.body))


class _Group:
    """The least-squares problem of bodies that touch. Unknowns per body: slide, translation (3)."""

    def __init__(self, bodies: Mapping[str, Body], touches: Sequence[Touch], picture_px: float) -> None:
        self._bodies = list(bodies.values())
        self._index = {name: k for k, name in enumerate(bodies)}
        self._touches = touches
        self._whitening = np.linalg.inv(np.linalg.cholesky(_distance_covariance(self._bodies, picture_px)))
        self._stiff_m = _STIFFNESS * np.repeat([b.sigma_shape_m for b in self._bodies], 3)

    def solve(self) -> dict[str, Motion]:
        bound = np.array([b.bounds for b in self._bodies])
        scale = np.array([[b.sigma_log, *[b.sigma_shape_m] * 3] for b in self._bodies])
        found = least_squares(
            self._residuals, np.zeros(bound.size), jac=self._jacobian, bounds=(-bound.ravel(), bound.ravel()),
            x_scale=scale.ravel(), max_nfev=_MOST_EVALUATIONS, xtol=1e-10, ftol=1e-10, gtol=1e-10,
        )  # fmt: skip
        return {name: self._motion(found.x, name) for name in self._index}

    def _motion(self, x: Float[np.ndarray, "n"], name: str) -> Motion:
        k = 4 * self._index[name]
        return Motion(slide=float(x[k]), translation_m=x[k + 1 : k + 4].copy())

    def _residuals(self, x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "m"]:
        values = np.array([self._touch_value(t, x) for t in self._touches])
        x = x.reshape(-1, 4)
        return np.concatenate([self._whitening @ x[:, 0], x[:, 1:].ravel() / self._stiff_m, values])

    def _touch_value(self, touch: Touch, x: Float[np.ndarray, "n"]) -> float:
        bodies = {name: self._bodies[self._index[name]] for name in touch.members}
        motions = {name: self._motion(x, name) for name in touch.members}
        value_m = _value_m(bodies, motions, touch)
        return (min(value_m, 0.0) if touch.keeps == "apart" else value_m) / touch.tolerance_m

    def _jacobian(self, x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "m n"]:
        count = len(self._bodies)
        jacobian = np.zeros((4 * count + len(self._touches), 4 * count))
        slide = 4 * np.arange(count)
        jacobian[np.ix_(np.arange(count), slide)] = self._whitening
        shift = (slide[:, None] + np.arange(1, 4)).ravel()
        jacobian[count + np.arange(3 * count), shift] = 1 / self._stiff_m
        for row, touch in enumerate(self._touches, start=4 * count):
            if touch.keeps == "apart" and self._touch_value(touch, x) >= 0:
                continue
            for name, point, sign in zip(touch.members, touch.points, (1.0, -1.0), strict=False):
                k = 4 * self._index[name]
                away = self._bodies[self._index[name]].slid(float(x[k]), point)
                jacobian[row, k] += sign * float(touch.normal @ away) / touch.tolerance_m
                jacobian[row, k + 1 : k + 4] += sign * touch.normal / touch.tolerance_m
        return jacobian


def _distance_covariance(bodies: Sequence[Body], picture_px: float) -> Float[np.ndarray, "n n"]:
    """Of log distances: own parts on the diagonal, slow parts shared the more the nearer two masks are."""
    slow = np.array([b.slow_log for b in bodies])
    middle = np.stack([b.middle_px for b in bodies])
    apart = np.linalg.norm(middle[:, None] - middle[None], axis=-1) / (_LIKENESS_SHARE * picture_px)
    own = np.array([b.sigma_log**2 - b.slow_log**2 for b in bodies])
    return np.outer(slow, slow) * np.exp(-0.5 * apart**2) + np.diag(own)


def _value_m(bodies: Mapping[str, Body], motions: Mapping[str, Motion], touch: Touch) -> float:
    """Distance of a condition's two sides along its normal, at other motions than those it was found at."""
    value_m = touch.value_m
    for name, point, before, sign in zip(touch.members, touch.points, touch.motions, (1.0, -1.0), strict=False):
        body = bodies[name]
        value_m += sign * float(touch.normal @ (body.apply(motions[name], point) - body.apply(before, point)))
    return value_m


def _gave_way(bodies: Mapping[str, Body], motions: Mapping[str, Motion], touch: Touch) -> GaveWay | None:
    value_m = _value_m(bodies, motions, touch)
    missed_m = abs(value_m) if touch.keeps == "contact" else max(-value_m, 0.0)
    if missed_m <= max(_CONTACT_MADE_M, 2 * touch.tolerance_m):
        return None
    return GaveWay(touch=touch, left_m=value_m)


def _overlaps(
    bodies: Mapping[str, Body],
    motions: Mapping[str, Motion],
    solids: Mapping[str, Solid],
    resting: set[frozenset[str]],
    changed: set[str],
) -> list[Touch]:
    """Pairs of moved bodies that are inside each other, those that rest on each other aside."""
    names = list(bodies)
    found = []
    for i, j in box_pairs([solids[n].bounds for n in names], margin_m=-2 * _OVERLAP_COUNTS_M).tolist():
        first, second = names[i], names[j]
        if frozenset((first, second)) in resting or not {first, second} & changed:
            continue
        inside = penetration(solids[first], solids[second])
        if inside is None or inside.depth_m <= _OVERLAP_COUNTS_M:
            continue
        found.append(_apart(bodies, motions, (first, second), "overlap", inside))
    return found


def _in_walls(
    bodies: Mapping[str, Body],
    motions: Mapping[str, Motion],
    solids: Mapping[str, Solid],
    walls: Sequence[RoomPlane],
    changed: set[str],
) -> list[Touch]:
    """Moved bodies that reach behind a wall."""
    found = []
    for name in sorted(changed):
        for wall in walls:
            inside = behind_wall(solids[name].mesh, wall)
            if inside is not None and inside.depth_m > _OVERLAP_COUNTS_M:
                found.append(_apart(bodies, motions, (name,), wall.name, inside))
    return found


def _apart(
    bodies: Mapping[str, Body],
    motions: Mapping[str, Motion],
    members: tuple[str] | tuple[str, str],
    what: str,
    inside: Penetration,
) -> Touch:
    """The condition that the first of `members` leaves the other one, or the room's wall where there is none."""
    rest_points = [bodies[n].undo(motions[n], inside.at) for n in members]
    return Touch(
        body=members[0],
        other=members[1] if len(members) == 2 else None,
        what=what,
        keeps="apart",
        normal=inside.out,
        points=(rest_points[0], rest_points[-1]),
        value_m=-inside.depth_m,
        motions=(motions[members[0]], motions[members[-1]]),
        tolerance_m=_OVERLAP_TOLERANCE_M,
    )
