"""Assets in, placements out: every object where the photo says, standing on what it stands on.

Each object is placed by its own evidence first (`evidence`); what it stands on follows (`contact`, `support`); then
all are solved together (`joint`). What is moved, what had to give way and what floats is said in the warnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..asset import ObjectAsset
from ..crop import CropVolume
from ..frames import WORLD_UP, Similarity
from ..room import Room
from ..scene_graph import Contact, Placement
from .body import Body
from .contact import seen_contacts
from .evidence import noise_of, place_alone
from .joint import GaveWay, Touch, solve_jointly
from .near_planes import planes_near
from .node_frame import node_frame
from .noise import DepthNoise
from .support import Support, find_supports, wall_contacts

# Corrections below this are rounding of a voxel grid and not worth a remark.
_WORTH_A_REMARK_M = 0.03
_FEWEST_AGREE = 0.6
# Contacts closer than this are contacts.
_TOUCHES_M = 0.005
# The floor as the photo shows it: contacts with the room this near to y = 0.
_FLOOR_M = 0.06
# How closely what hangs meets the wall; where a fit of the wall differs by a hair, nothing is moved for it.
_WALL_TOLERANCE_M, _WALL_HAIR_M = 0.005, 0.003
# What is left of the depth's slow error in the place of a wall, which is fitted to much of the picture.
_WALL_SHARE_OF_NOISE = 0.5


def solve_layout(
    assets: Sequence[ObjectAsset],
    volumes: Sequence[CropVolume],
    room: Room,
    *,
    snap_m: float,
    known_T_node_from_obj: Mapping[str, Similarity] | None = None,
) -> tuple[Placement, ...]:
    """One placement per asset, in order.

    snap_m: the largest gap between an object and its support that is closed, if the object's uncertainty allows it.
    known_T_node_from_obj: of objects whose size and node frame are not to change, by name.
    """
    known = known_T_node_from_obj or {}
    noise = noise_of(volumes)
    bodies = {v.name: place_alone(a, v, noise) for a, v in zip(assets, volumes, strict=True)}
    bodies |= {name: bodies[name].with_scale(T.scale) for name, T in known.items()}
    rooms = {v.name: planes_near(room, v) for v in volumes}
    supports = find_supports(bodies, _seen(volumes, noise), rooms, reach_m=snap_m)
    touches = [t for name, s in supports.items() if (t := _wanted(bodies[name], s, bodies, room, rooms[name]))]
    picture_px = float(max(volumes[0].depth.camera.size_px)) if volumes else 1.0
    solution = solve_jointly(bodies, touches, picture_px=picture_px, walls=room.walls)
    moved = {name: body.moved(solution.motions[name]) for name, body in bodies.items()}
    supports = {name: _with_walls(support, moved[name], room, noise) for name, support in supports.items()}
    return tuple(
        _placement(
            v, bodies[v.name], moved, room, supports[v.name], solution.gave_way.get(v.name, ()), known.get(v.name)
        )
        for v in volumes
    )


def _seen(volumes: Sequence[CropVolume], noise: DepthNoise) -> dict[str, dict[str, float]]:
    """What each object visibly touches, by name; "floor" where the room goes on at the floor's height."""
    names = {volume.instance.mask_value: volume.name for volume in volumes}
    seen: dict[str, dict[str, float]] = {}
    for volume in volumes:
        heights_m = seen_contacts(volume, noise)
        contacts = {names[value]: height_m for value, height_m in heights_m.items() if value in names}
        reach_m = _FLOOR_M + 2 * noise.correlated * float(volume.depth.camera.centre_world[1])
        if 0 in heights_m and abs(heights_m[0]) < reach_m:
            contacts["floor"] = heights_m[0]
        seen[volume.name] = contacts
    return seen


def _wanted(body: Body, support: Support, bodies: Mapping[str, Body], room: Room, near: Room) -> Touch | None:
    """The contact that the solution should make; None where the object is known to float.

    near: the room as the depth shows it around the object, in which the gap to a wall was measured; the object comes
    to the wall of the room itself.
    """
    if support.floats:
        return None
    if support.relation == "on":
        at_support = support.at_world - support.gap_m * WORLD_UP
        other = support.parent if support.parent in bodies else None
        return Touch(
            body=body.name, other=other, what=support.parent, keeps="contact", normal=np.array(WORLD_UP),
            points=(support.at_world, at_support), value_m=support.gap_m,
        )  # fmt: skip
    plane, plane_near = (next(p for p in r.planes if p.name == support.parent) for r in (room, near))
    gap_m = support.gap_m + float(plane.distance_m(support.at_world) - plane_near.distance_m(support.at_world))
    if abs(gap_m) <= _WALL_HAIR_M:
        return None
    return Touch(
        body=body.name, other=None, what=support.parent, keeps="contact", normal=plane.normal_world,
        points=(support.at_world, support.at_world), value_m=gap_m, tolerance_m=_WALL_TOLERANCE_M,
    )  # fmt: skip


def _with_walls(support: Support, placed: Body, room: Room, noise: DepthNoise) -> Support:
    """The walls that an object touches where it stands in the end, which is known better than the wall is."""
    tolerance_m = _WALL_SHARE_OF_NOISE * noise.correlated * placed.distance_m
    walls = wall_contacts(placed.mesh_world, room, tolerance_m=tolerance_m)
    return replace(support, further=(*support.further, *(w for w in walls if w.parent != support.parent)))


def _placement(
    volume: CropVolume,
    body: Body,
    moved: Mapping[str, Body],
    room: Room,
    support: Support,
    gave_way: Sequence[GaveWay],
    known_T_node_from_obj: Similarity | None,
) -> Placement:
    placed = moved[volume.name]
    if known_T_node_from_obj is None:
        touched = {s.parent for s in (support, *support.further) if s.relation == "against"}
        T_world_from_node = node_frame(
            placed.mesh_world,
            placed.eye_world,
            touched_walls_world=[wall.normal_world for wall in room.walls if wall.name in touched],
            walls_world=[wall.normal_world for wall in room.walls],
        )
        T_node_from_obj = Similarity.from_rigid(T_world_from_node).inverse() @ placed.T_world_from_obj
    else:
        T_node_from_obj = known_T_node_from_obj
        T_world_from_node = (placed.T_world_from_obj @ T_node_from_obj.inverse()).as_rigid()
    fit = body.fit
    moved_m = float(np.linalg.norm(placed.mesh_world.bounds.mean(axis=0) - body.mesh_world.bounds.mean(axis=0)))
    left_m = _gap_left_m(body, support, gave_way)
    return Placement(
        name=volume.name,
        T_world_from_node=T_world_from_node,
        T_node_from_obj=T_node_from_obj,
        parent=support.parent,
        relation=support.relation,
        residual_m=None if fit is None else fit.residual_m,
        inlier_ratio=None if fit is None else fit.inlier_ratio,
        warnings=tuple(_warnings(body, support, moved_m, left_m, gave_way)),
        sigma_scale=body.sigma_log,
        conditioning=None if fit is None else fit.conditioning,
        sigma_m=body.sigma_m,
        moved_m=moved_m,
        contacts=_contacts(support, left_m, placed, body),
    )


def _gap_left_m(body: Body, support: Support, gave_way: Sequence[GaveWay]) -> float:
    """What is left of the gap to the support; the solution closes it or gives the contact up."""
    left = [gave.left_m for gave in gave_way if gave.touch.keeps == "contact"]
    if left:
        return left[0]
    floats = support.relation == "on" and support.floats
    return support.gap_m if floats else 0.0


def _warnings(body: Body, support: Support, moved_m: float, left_m: float, gave_way: Sequence[GaveWay]) -> list[str]:
    warnings = []
    if body.fit is None:
        warnings.append("No usable depth on this object: its distance is a guess.")
    elif body.fit.inlier_ratio < _FEWEST_AGREE:
        warnings.append(
            f"Only {body.fit.inlier_ratio:.0%} of its pixels have a depth that fits this distance: it may stand "
            "elsewhere."
        )
    if moved_m > _WORTH_A_REMARK_M:
        warnings.append(
            f"Moved {moved_m:.2f} m from where its depth has it ({moved_m / body.sigma_m:.1f} times the uncertainty), "
            "so that it meets what it touches."
        )
    if abs(left_m) > _TOUCHES_M:
        where = f"the {support.parent}" if support.parent in ("floor", "ceiling") else support.parent
        given_up = any(g.touch.keeps == "contact" for g in gave_way)
        why = "its depth or its neighbours contradict a closed gap" if given_up else "too much to close by itself"
        what = {"on": "Its foot is", "hangs": "Its top is", "against": "Its back is"}[support.relation]
        sides = {"on": ("above", "below"), "hangs": ("below", "above"), "against": ("before", "behind")}[
            support.relation
        ]
        side = sides[0] if left_m > 0 else sides[1]
        warnings.append(f"{what} {abs(left_m):.2f} m {side} {where}: {why}. Move it by hand.")
    if support.bare:
        warnings.append(f"The photo shows it on {support.parent}, whose mesh has no surface there: nothing carries it.")
    return warnings + _still_inside(gave_way)


def _still_inside(gave_way: Sequence[GaveWay]) -> list[str]:
    """One sentence per other object, of the deepest place, however many places there are."""
    places: dict[str, list[GaveWay]] = {}
    for g in gave_way:
        if g.touch.keeps == "apart":
            places.setdefault(g.touch.other or g.touch.what, []).append(g)
    return [
        f"It reaches {100 * max(abs(g.left_m) for g in found):.1f} cm into {other}"
        f"{f' (at {len(found)} places)' if len(found) > 1 else ''}: apart, they would contradict the photo. Move one "
        "by hand if it shows."
        for other, found in places.items()
    ]


def _contacts(support: Support, left_m: float, placed: Body, body: Body) -> tuple[Contact, ...]:
    """The support first, unless it is not reached, then whatever else is touched; places move with the object."""
    shift = placed.mesh_world.bounds.mean(axis=0) - body.mesh_world.bounds.mean(axis=0)
    found = [support] if abs(left_m) <= _TOUCHES_M else []
    return tuple(
        Contact(
            other=s.parent,
            relation=s.relation,
            confidence=s.confidence,
            gap_m=left_m if s is support else s.gap_m - support.gap_m * (s.relation == "on"),
            middle_world=np.asarray(s.at_world, dtype=np.float64) + shift * (s.relation == "on" or s is support),
            area_m2=s.area_m2,
        )
        for s in (*found, *support.further)
    )
