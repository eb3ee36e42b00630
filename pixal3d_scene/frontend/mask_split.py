"""Cuts a mask that shows several objects: a mask and its surface in, the masks of its parts out.

Two rules, both about solid things in a room with gravity:
 - what stands free: two surfaces with a depth step between them whose places in plan view do not meet are two
   objects; legs and backs do meet, since the seat or the top lies over them;
 - what rests: a surface that begins on a level top inside the mask, and covers only part of that top's width, rests on
   it; a back or a headboard covers the whole width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .mask_border import trace_border
from .mask_evidence import Surface
from .mask_things import Thing, extent_m, find_things, is_like_thing, pieces_of

_MOST_POINTS = 2000  # of a part that distances are measured to
_STEP_SHARE = 0.03  # of the depth, between neighbouring pixels
_STEEPEST_SHARE = 0.06  # a level surface seen along itself changes its depth from row to row, at most so much
_NEAR_SHARE = 0.025  # of the distance: plan places closer than this, and _NEAR_M, meet
_NEAR_M = 0.06
_NEAR_OF_EXTENT = 0.15  # of the smaller one's extent: a fold of a blanket hides that much of a bed
_CUT_OFF_TIMES = 2.5  # what joins two pieces that the picture's border cuts may lie outside
_MEET_SHARE = 0.1  # of the smaller one's plan: they are one object
_SAME_THING_SHARE = 0.5  # of two things on one top: a shade over its foot, and not a vase beside it
_THINNEST_M = 0.06  # across: legs and poles are no objects of their own
_THING_ATTACHED_SHARE = 0.3  # of a thing's outline may go on into the carrier
_FREE_TOUCHING = 0.05  # of a free piece's outline: farther apart, the mask's author joined what is hidden between
_FREE_ATTACHED_SHARE = 0.6
_FOOT_SHARE = 0.7  # of what is below a thing in the picture is its top
_OCCLUDED_SHARE = 0.25  # of a thing's outline: how wide it is, nobody can tell then
# Where depth alone decides:
_LOWEST_ALONE_M = 0.09  # a thing's height; cushions and arms are lower
_HELD_ABOVE_M = 0.3  # a free part that begins so far above the floor
_HELD_BORDER = 4.0  # and borders on the rest along so many square roots of its area is held by it


RESTS = "rests on another object"
FREE = "stands free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One object of a cut mask. reason: FREE or RESTS, "" for the largest part or the carrier."""

    mask: Bool[np.ndarray, "h w"]
    reason: str


def cut(surface: Surface, *, least_px: int, alone: bool = False) -> tuple[Part, ...]:
    """The objects in one mask: one part if nothing says otherwise.

    least_px: smaller parts are no objects. alone: nothing but depth is asked, so that low things and what hangs in the
    rest are left with it.
    """
    seeds = find_seeds(surface, least_px=least_px)
    if seeds.count < 2:
        return (Part(mask=surface.mask, reason=""),)
    groups, things = group_seeds(surface, seeds)
    return _grown(surface, seeds, groups, things, least_px, alone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeds:
    """Connected pieces of surface without a depth step, 1 to count; the last len(things) of them rest on a top."""

    label_map: Int[np.ndarray, "h w"]
    count: int
    things: tuple[Thing, ...]
    step: Float[np.ndarray, "h w"]


def find_seeds(surface: Surface, *, least_px: int) -> Seeds:
    """The larger pieces of surface between depth steps, those that rest on a top apart from those below."""
    step = depth_step(surface)
    calm = surface.seen & (step < 1)
    fewest = max(0.25 * least_px, 12.0)
    things = find_things(surface, calm, fewest)
    label_map = np.zeros(surface.mask.shape, dtype=np.int64)
    rest = calm.copy()
    for thing in things:
        rest &= ~thing.mask
    pieces = pieces_of(rest, fewest)
    for k, piece in enumerate((*pieces, *(t.mask for t in things)), start=1):
        label_map[piece] = k
    return Seeds(label_map=label_map, count=len(pieces) + len(things), things=things, step=step)


def depth_step(surface: Surface) -> Float[np.ndarray, "h w"]:
    """Change of depth over a pixel's neighbours, 1 = as much as no surface of one object shows."""
    from scipy.ndimage import maximum_filter, minimum_filter

    z_m, seen = surface.z_m, surface.seen
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
    far = maximum_filter(np.where(seen, z_m, -np.inf), footprint=cross, mode="constant", cval=-np.inf)
    near = minimum_filter(np.where(seen, z_m, np.inf), footprint=cross, mode="constant", cval=np.inf)
    change = np.where(seen, (far - near) / np.where(seen, z_m, 1.0), 0.0)
    level = 2 / (surface.focal_px * np.maximum(np.abs(surface.down), 1e-3))  # of a level surface, two rows
    allowed = np.clip(
        2.0 * level, max(_STEP_SHARE, 3 * surface.noise_share), max(_STEEPEST_SHARE, 4 * surface.noise_share)
    )
    return np.asarray(change / allowed)


def group_seeds(surface: Surface, seeds: Seeds) -> tuple[list[int], set[int]]:
    """The object number of every seed (index 0 is unused) and which of these rest on another."""
    cells = [np.zeros((0, 2))] + [surface.plan_m[seeds.label_map == k] for k in range(1, seeds.count + 1)]
    extents_m = [extent_m(c) if len(c) else 0.0 for c in cells]
    distance_m = float(np.median(surface.z_m[surface.seen]))
    closest_m = _NEAR_M + _NEAR_SHARE * distance_m + 2 * surface.noise_share * distance_m
    things = set(range(seeds.count + 1 - len(seeds.things), seeds.count + 1))
    parent = list(range(seeds.count + 1))

    def root(k: int) -> int:
        while parent[k] != k:
            k = parent[k]
        return k

    for a in range(1, seeds.count + 1):
        for b in range(a + 1, seeds.count + 1):
            if (a in things) != (b in things):
                continue
            if not len(cells[a]) or not len(cells[b]):
                continue
            first_thing = seeds.count - len(seeds.things) + 1
            if a in things and seeds.things[a - first_thing].top_m != seeds.things[b - first_thing].top_m:
                continue
            cut_off = all((_at_border(surface) & (seeds.label_map == k)).any() for k in (a, b))
            near_m = max(
                closest_m * (_CUT_OFF_TIMES if cut_off else 1.0), _NEAR_OF_EXTENT * min(extents_m[a], extents_m[b])
            )
            if _meet(cells[a], cells[b], near_m, _SAME_THING_SHARE if a in things else _MEET_SHARE) or _is_niche(
                seeds, surface, a, b
            ):
                parent[max(root(a), root(b))] = min(root(a), root(b))
    return [root(k) for k in range(seeds.count + 1)], {root(k) for k in things}


def _at_border(surface: Surface) -> Bool[np.ndarray, "h w"]:
    """The picture's border, as wide as what seeds keep from it."""
    return _near_px(surface.at_border, 3)


def _meet(a: Float[np.ndarray, "n 2"], b: Float[np.ndarray, "m 2"], near_m: float, share: float) -> bool:
    """Whether of the smaller one's plan cells at least `share` lie near the other's."""
    from scipy.spatial import cKDTree

    cells_a, cells_b = (np.unique(np.round(p / (near_m / 2)).astype(np.int64), axis=0) for p in (a, b))
    if len(cells_a) > len(cells_b):
        cells_a, cells_b = cells_b, cells_a
    distance, _ = cKDTree(cells_b).query(cells_a)
    return bool(np.mean(distance <= 2.0) >= share)


def _is_niche(seeds: Seeds, surface: Surface, a: int, b: int) -> bool:
    """Whether one lies behind the other and is framed by it: the inside of a shelf, the far side of a chair's back."""
    from scipy.ndimage import binary_dilation, binary_fill_holes

    in_a, in_b = seeds.label_map == a, seeds.label_map == b
    back, front = (in_a, in_b) if np.median(surface.z_m[in_a]) > np.median(surface.z_m[in_b]) else (in_b, in_a)
    framed = binary_fill_holes(binary_dilation(front, iterations=2))
    return bool(np.mean(framed[back]) > 0.8)


def _reach_px(surface: Surface, own: Bool[np.ndarray, "h w"], tolerance_m: float) -> int:
    """Rows between a thing's true foot and where it rises above the top's tolerance."""
    return int(np.ceil(tolerance_m * surface.focal_px / float(np.median(surface.z_m[own])))) + 1


def _grown(
    surface: Surface, seeds: Seeds, groups: list[int], things: set[int], least_px: int, alone: bool
) -> tuple[Part, ...]:
    """Every pixel of the mask to a group of seeds, along the steepest depth; parts that do not hold go back."""
    whole = (Part(mask=surface.mask, reason=""),)
    markers = np.asarray(groups)[seeds.label_map]
    top_of: dict[int, Thing] = {}
    for thing in seeds.things:
        number = groups[int(seeds.label_map[thing.mask].max())]
        top_of[number] = thing
        for rows in range(1, _reach_px(surface, thing.mask, thing.tolerance_m) + 1):
            # A thing's foot lies below the tolerance of its top: its seed is moved down to where it meets the top.
            moved = np.zeros_like(thing.mask)
            moved[rows:] = thing.mask[:-rows]
            markers[moved & surface.mask & (surface.y_m <= thing.top_m + thing.tolerance_m)] = number
    for number, thing in top_of.items():
        # Beside the foot the top is the carrier's, however calm the depth is there.
        on_top = thing.top & (markers == 0)
        below = np.bincount(markers[_near_px(thing.top, 3) & (markers != number)], minlength=2)
        below[0] = 0
        if below.any():
            markers[on_top] = int(below.argmax())
    while True:
        numbers = sorted(set(np.unique(markers).tolist()) - {0})
        if len(numbers) < 2:
            return whole
        parts = _flood(surface, seeds.step, markers)
        carrier = max((n for n in numbers if n not in things), key=lambda n: int(parts[n].sum()), default=numbers[0])
        weakest = _weakest(surface, parts, carrier, top_of, least_px, alone)
        if weakest is None:
            break
        into = _neighbour(parts, weakest)
        markers = np.where(markers == weakest, into, markers)
    return tuple(Part(mask=parts[n], reason="" if n == carrier else (RESTS if n in things else FREE)) for n in numbers)


def _flood(
    surface: Surface, step: Float[np.ndarray, "h w"], markers: Int[np.ndarray, "h w"]
) -> dict[int, Bool[np.ndarray, "h w"]]:
    from scipy import ndimage
    from skimage.segmentation import watershed

    relief = np.round(1000 * np.minimum(step, 8.0)).astype(np.int32)
    flooded = watershed(relief, markers, mask=surface.mask, connectivity=2)
    numbers = [int(n) for n in np.unique(markers) if n]
    pieces, count = ndimage.label(surface.mask & (flooded == 0), structure=np.ones((3, 3)))
    if count:
        nearest = np.asarray(numbers)[_nearest_parts(surface, pieces, count, [flooded == n for n in numbers])]
        flooded = np.where(pieces > 0, nearest[pieces - 1], flooded)
    return {n: flooded == n for n in numbers}


def _nearest_parts(
    surface: Surface, pieces: Int[np.ndarray, "h w"], count: int, parts: Sequence[Bool[np.ndarray, "h w"]]
) -> Int[np.ndarray, "count"]:
    """The part nearest to each piece (1 to count) in space; pieces without depth are measured in the picture."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    index = np.arange(1, count + 1)
    points = np.concatenate([surface.plan_m, surface.y_m[..., None]], axis=-1)
    seen = (pieces > 0) & surface.seen
    in_space, in_picture = np.full((2, len(parts), count), np.inf)
    for k, part in enumerate(parts):
        away_px = ndimage.distance_transform_edt(~part)
        in_picture[k] = ndimage.minimum(away_px, pieces, index)
        own = points[part & surface.seen]
        if len(own) and seen.any():
            away_m, _ = cKDTree(own[:: 1 + len(own) // _MOST_POINTS]).query(points[seen])
            np.minimum.at(in_space[k], pieces[seen] - 1, away_m)
    known = np.isfinite(in_space).any(axis=0)
    return np.asarray(np.where(known, in_space, in_picture).argmin(axis=0))


def _near_px(mask: Bool[np.ndarray, "h w"], by: int) -> Bool[np.ndarray, "h w"]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=by))


def _neighbour(parts: dict[int, Bool[np.ndarray, "h w"]], number: int) -> int:
    """The part with the longest common border, the largest one where there is none."""
    from scipy.ndimage import binary_dilation

    ring = binary_dilation(parts[number], iterations=2)
    others = [n for n in parts if n != number]
    return max(others, key=lambda n: (int((ring & parts[n]).sum()), int(parts[n].sum())))


def _weakest(
    surface: Surface,
    parts: dict[int, Bool[np.ndarray, "h w"]],
    carrier: int,
    top_of: dict[int, Thing],
    least_px: int,
    alone: bool,
) -> int | None:
    """The smallest part that is no object of its own; None if all are."""
    for n in sorted(parts, key=lambda n: int(parts[n].sum())):
        if n == carrier:
            continue
        if int(parts[n].sum()) < least_px or not _holds(surface, parts[n], top_of.get(n)):
            return n
        if alone and _is_doubtful(surface, parts[n], top_of.get(n)):
            return n
    return None


def _holds(surface: Surface, part: Bool[np.ndarray, "h w"], thing: Thing | None) -> bool:
    """Whether the border of a part says that it is an object of its own."""
    border = trace_border(surface, part, thing)
    if thing is None:
        return (
            border.touching >= 4
            and border.inside >= _FREE_TOUCHING
            and border.attached <= _FREE_ATTACHED_SHARE
            and _is_body(surface, part)
        )
    if border.foot < _FOOT_SHARE or border.summit > 0.5:
        return False
    if not is_like_thing(surface, part & surface.seen, thing.top, thing.top_m):
        return False
    return border.attached + border.hidden <= _THING_ATTACHED_SHARE and border.occluded <= _OCCLUDED_SHARE


def _is_body(surface: Surface, part: Bool[np.ndarray, "h w"]) -> bool:
    """Whether a part is wider than a leg anywhere."""
    from scipy.ndimage import distance_transform_edt

    seen = part & surface.seen
    if not seen.any():
        return False
    widest_px = 2 * float(distance_transform_edt(np.pad(part, 1)).max())
    return bool(widest_px * float(np.median(surface.z_m[seen])) / surface.focal_px > _THINNEST_M)


def _is_doubtful(surface: Surface, part: Bool[np.ndarray, "h w"], thing: Thing | None) -> bool:
    """Whether a part is low for a thing, or free and still off the floor with the rest around it."""
    from scipy.ndimage import binary_dilation

    heights_m = surface.y_m[part & surface.seen]
    if not len(heights_m):
        return True
    low_m, high_m = np.percentile(heights_m, [3, 97])
    if thing is not None:
        return bool(high_m - low_m < _LOWEST_ALONE_M)
    border_px = int((part & binary_dilation(surface.mask & ~part, np.ones((3, 3)))).sum())
    return bool(low_m > _HELD_ABOVE_M and border_px > _HELD_BORDER * np.sqrt(part.sum()))
