"""Cuts a mask that shows several objects: a mask and its surface in, the masks of its parts out.

Two rules, both about solid things in a room with gravity:
 - what stands free: two surfaces with a depth step between them whose places in plan view do not meet are two
   objects; legs and backs do meet, since the seat or the top lies over them;
 - what rests: a surface that begins on a level top inside the mask, and covers only part of that top's width, rests on
   it; a back or a headboard covers the whole width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .mask_evidence import Surface

_STEP_SHARE = 0.03  # of the depth, between neighbouring pixels
_STEEPEST_SHARE = 0.06  # a level surface seen along itself changes its depth from row to row, at most so much
_CONTINUES_SHARE = 0.012  # of the depth, some pixels apart
_NEAR_SHARE = 0.025  # of the distance: plan places closer than this, and _NEAR_M, meet
_NEAR_M = 0.06
_NEAR_OF_EXTENT = 0.15  # of the smaller one's extent: a fold of a blanket hides that much of a bed
_CUT_OFF_TIMES = 2.5  # what joins two pieces that the picture's border cuts may lie outside
_MEET_SHARE = 0.1  # of the smaller one's plan: they are one object
_SAME_THING_SHARE = 0.5  # of two things on one top: a shade over its foot, and not a vase beside it
_THINNEST_M = 0.06  # across: legs and poles are no objects of their own
_TOP_SHARE = 0.03  # of the mask: level tops show at least so much
_FEWEST_TOP_PX = 40
_LEVEL_M = 0.012
_EDGE_M = 0.03  # an edge may stand up so far above its top
_SLOPE_ROWS = 3  # over which a surface's slope is measured
_FLAT = 0.45  # of an upright surface's change of height
_QUIET = 0.002  # noise as a share of the depth
_LOWEST_TOP_M = 0.05  # feet and rugs are no tops
_NARROWEST_TOP_M = 0.03  # standard deviation across
_LOWEST_THING_M = 0.065
_LOWEST_EDGE_M = 0.78  # lower ones are the arms of chairs
_EDGE_SHARE = 0.4  # of the mask's columns
_LYING_M = 1.7  # a top as long as a person,
_LYING_BELOW_M = 0.72  # and low: pillows and blankets belong to the bed
_HIGH_THING_M = 0.3
_FOOT_M = 0.25
_WITH_THIN_PARTS = 1.8  # times the area without
_SEAT_BELOW_M = 0.71  # a seat at most, with a tenth for a wrong scale: on it stands a back;
_WIDEST_ON_SEAT = 0.42  # of the seat's width, at a thing's foot
_WIDEST_ON_TABLE = 0.72
_LARGEST_THING = 0.6  # of the mask
_OVERHANG = 0.16  # of the top's width
_REARMOST, _FOREMOST = -0.1, 0.97
_WIDEST_ABOVE = 1.0  # anywhere: a shade is wider than the lamp's foot
_THING_ATTACHED_SHARE = 0.3  # of a thing's outline may go on into the carrier
_SUMMIT = 0.2  # of a thing's height, from above: nothing of the carrier is over it
_FREE_TOUCHING = 0.05  # of a free piece's outline: farther apart, the mask's author joined what is hidden between
_FREE_ATTACHED_SHARE = 0.6
_FEW_PX = 8
_FOOT_SHARE = 0.35  # of what is below a thing in the picture is its top
_OCCLUDED_SHARE = 0.25  # of a thing's outline: how wide it is, nobody can tell then

RESTS = "rests on another object"
FREE = "stands free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One object of a cut mask. reason: FREE or RESTS, "" for the largest part or the carrier."""

    mask: Bool[np.ndarray, "h w"]
    reason: str


def cut(surface: Surface, *, least_px: int) -> tuple[Part, ...]:
    """The objects in one mask: one part if nothing says otherwise. least_px: smaller parts are no objects."""
    seeds = find_seeds(surface, least_px=least_px)
    if seeds.count < 2:
        return (Part(mask=surface.mask, reason=""),)
    groups, things = group_seeds(surface, seeds)
    return _grown(surface, seeds, groups, things, least_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A piece that rests on a level top. mask: where it clearly rises above the top. top: the top's pixels, at the height top_m."""

    mask: Bool[np.ndarray, "h w"]
    top: Bool[np.ndarray, "h w"]
    top_m: float
    tolerance_m: float


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
    pieces = _pieces(rest, fewest)
    for k, piece in enumerate((*pieces, *(t.mask for t in things)), start=1):
        label_map[piece] = k
    return Seeds(label_map=label_map, count=len(pieces) + len(things), things=things, step=step)


def find_things(surface: Surface, calm: Bool[np.ndarray, "h w"], fewest: float) -> tuple[Thing, ...]:
    """What rests on the level tops of a mask, the largest first."""
    found = []
    level = level_pixels(surface)
    tops_m, tolerance_m = level_tops(surface, level)
    edges_m = [e for e in level_edges(surface, tolerance_m) if all(abs(e - t) > 2 * tolerance_m for t in tops_m)]
    for top_m in (*tops_m, *edges_m):
        top = (level | np.isin(top_m, edges_m)) & (np.abs(surface.y_m - top_m) <= tolerance_m)
        above = surface.seen & (surface.y_m > top_m + tolerance_m)
        for piece in _with_thin_parts(_pieces(calm & above, fewest), above):
            if is_like_thing(surface, piece, top, top_m):
                found.append(Thing(mask=piece, top=top, top_m=top_m, tolerance_m=tolerance_m))
    return tuple(sorted(found, key=lambda t: -int(t.mask.sum())))


def is_like_thing(surface: Surface, piece: Bool[np.ndarray, "h w"], top: Bool[np.ndarray, "h w"], top_m: float) -> bool:
    """Whether a piece above a top is as high and as narrow as a thing, and stands within the top's plan."""
    height_m = float(np.percentile(surface.y_m[piece], 95)) - top_m
    plan_m = surface.plan_m[top]
    lies = top_m < _LYING_BELOW_M and _extent_m(plan_m) > _LYING_M
    if height_m < (_HIGH_THING_M if lies else _LOWEST_THING_M):
        return False
    if piece.sum() > _LARGEST_THING * surface.mask.sum():
        return False
    foot_m = surface.plan_m[piece & (surface.y_m < top_m + _FOOT_M)]
    if len(plan_m) < 5:
        return False
    if len(foot_m) < 5:  # a shade whose pole is too thin to be seen
        return _relative_width(surface.plan_m[piece], plan_m) <= _WIDEST_ABOVE
    widest = _WIDEST_ON_SEAT if top_m < _SEAT_BELOW_M else _WIDEST_ON_TABLE
    if _relative_width(foot_m, plan_m) > widest or _relative_width(surface.plan_m[piece], plan_m) > _WIDEST_ABOVE:
        return False
    return _stands_within(surface, foot_m, plan_m)


def _stands_within(surface: Surface, foot_m: Float[np.ndarray, "n 2"], top_m: Float[np.ndarray, "m 2"]) -> bool:
    """Whether a foot lies within a top, across the view and along it (where half of the foot is hidden)."""
    along = np.median(foot_m, axis=0) - surface.camera_plan_m
    along = along / max(float(np.linalg.norm(along)), 1e-9)
    across = np.array([-along[1], along[0]])
    left, right = np.percentile(top_m @ across, [3, 97])
    foot_left, foot_right = np.percentile(foot_m @ across, [5, 95])
    margin = _OVERHANG * max(float(right - left), 1e-6)
    if foot_left < left - margin or foot_right > right + margin:
        return False
    near, far = np.percentile(top_m @ along, [3, 97])
    middle = float(np.percentile(foot_m @ along, [10, 90]).mean())
    # From the rear of the top, as a share of its depth.
    at = (far - middle) / max(float(far - near), 1e-6)
    return bool(_REARMOST <= at <= _FOREMOST)


def _extent_m(plan_m: Float[np.ndarray, "n 2"]) -> float:
    """Largest extent in plan view, without stray points."""
    return float(np.ptp(np.percentile(plan_m @ _axes(), [3, 97], axis=0), axis=0).max())


def _axes() -> Float[np.ndarray, "2 A"]:
    angles = np.deg2rad(np.arange(0, 180, 15))
    return np.stack([np.cos(angles), np.sin(angles)])


def _with_thin_parts(
    pieces: list[Bool[np.ndarray, "h w"]], above: Bool[np.ndarray, "h w"]
) -> list[Bool[np.ndarray, "h w"]]:
    """A piece that is alone in what is connected above a top takes all of it: the pole below a shade, the leaves."""
    from scipy import ndimage

    connected, count = ndimage.label(above)
    owner = [int(np.bincount(connected[p]).argmax()) for p in pieces]
    areas = np.bincount(connected.ravel())
    return [
        connected == k if owner.count(k) == 1 and areas[k] < _WITH_THIN_PARTS * p.sum() else p
        for p, k in zip(pieces, owner, strict=True)
    ]


def _pieces(mask: Bool[np.ndarray, "h w"], fewest: float) -> list[Bool[np.ndarray, "h w"]]:
    """Connected pieces of a mask without its rim, which noise may connect."""
    from scipy import ndimage

    label_map, count = ndimage.label(ndimage.binary_erosion(mask))
    areas = np.bincount(label_map.ravel(), minlength=count + 1)
    return [label_map == k for k in range(1, count + 1) if areas[k] >= fewest]


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


def level_pixels(surface: Surface) -> Bool[np.ndarray, "h w"]:
    """Pixels of surfaces that face up: their height changes from row to row far less than an upright surface's."""
    reach = _SLOPE_ROWS if surface.noise_share < _QUIET else 2 * _SLOPE_ROWS
    per_row_m = surface.z_m / surface.focal_px
    level = surface.seen & (surface.down > 0.02)
    known = np.zeros_like(level)
    for rows in (reach, -reach):
        there = np.roll(surface.seen, rows, axis=0)
        there[: max(rows, 0)], there[len(there) + min(rows, 0) :] = False, False
        change = np.abs(np.roll(surface.y_m, rows, axis=0) - surface.y_m)
        flat = change < _FLAT * reach * per_row_m
        # At the top's own edge one side is enough.
        known |= there & flat
    return level & known


def level_tops(surface: Surface, level: Bool[np.ndarray, "h w"]) -> tuple[tuple[float, ...], float]:
    """Heights of the level surfaces that face up, ascending, and how far a pixel may be from them.

    A level surface puts all of its pixels at one height. Depth noise moves a point along its ray, which changes
    its height by the ray's slope only.
    """
    from scipy.ndimage import uniform_filter1d

    y_m = surface.y_m[level]
    if len(y_m) < _FEWEST_TOP_PX:
        return (), _LEVEL_M
    sigma_m = 1.5 * surface.noise_share * float(np.median((surface.z_m * surface.down)[level]))
    half_m = _LEVEL_M + sigma_m
    step_m = half_m / 2
    low = float(y_m.min())
    bins = np.bincount(np.round((y_m - low) / step_m).astype(np.int64)).astype(np.float64)
    on = 5 * uniform_filter1d(bins, 5, mode="constant")
    tops: list[float] = []
    for k in np.argsort(-on, kind="stable"):
        if on[k] < max(_TOP_SHARE * int(surface.mask.sum()), _FEWEST_TOP_PX) or len(tops) >= 4:
            break
        near = np.abs(y_m - (low + k * step_m)) < 2 * half_m
        height_m = float(np.median(y_m[near]))
        if height_m < _LOWEST_TOP_M or any(abs(height_m - other) < 4 * half_m for other in tops):
            continue
        if _spreads(surface, level & (np.abs(surface.y_m - height_m) < half_m)):
            tops.append(height_m)
    return tuple(sorted(tops)), half_m


def level_edges(surface: Surface, half_m: float) -> tuple[float, ...]:
    """Heights at which the mask's upper outline runs level over many columns: tops seen from the side or from below."""
    columns = np.nonzero(surface.seen.sum(axis=0) > 6)[0]
    if len(columns) < 12:
        return ()
    highest = np.argmax(surface.seen[:, columns], axis=0)
    y_m = np.median([surface.y_m[highest + d, columns] for d in (1, 2, 3)], axis=0)
    candidates = np.unique(np.round(y_m / half_m)) * half_m
    shares = [float((np.abs(y_m - c) < half_m).mean()) for c in candidates]
    best = int(np.argmax(shares))
    near = np.abs(y_m - candidates[best]) < half_m
    height_m = float(np.median(y_m[near]))
    return (height_m,) if shares[best] >= _EDGE_SHARE and height_m >= _LOWEST_EDGE_M else ()


def _spreads(surface: Surface, top: Bool[np.ndarray, "h w"]) -> bool:
    """Whether a top covers an area in plan view: the upper edge of a back or a rail does not."""
    plan = surface.plan_m[top]
    if len(plan) < _FEWEST_TOP_PX:
        return False
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(plan.T)), 0))
    noise_m = surface.noise_share * float(np.median(surface.z_m[top]))
    return bool(spread[0] > _NARROWEST_TOP_M + 1.5 * noise_m)


def group_seeds(surface: Surface, seeds: Seeds) -> tuple[list[int], set[int]]:
    """The object number of every seed (index 0 is unused) and which of these rest on another."""
    cells = [np.zeros((0, 2))] + [surface.plan_m[seeds.label_map == k] for k in range(1, seeds.count + 1)]
    extents_m = [_extent_m(c) if len(c) else 0.0 for c in cells]
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
            if _meet(cells[a], cells[b], near_m, _SAME_THING_SHARE if a in things else _MEET_SHARE) or _is_niche(seeds, surface, a, b):
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


def _relative_width(thing: Float[np.ndarray, "n 2"], top: Float[np.ndarray, "m 2"]) -> float:
    """Largest extent of the thing's foot relative to the top's, over all directions in plan view."""
    if len(thing) < 5:
        return 0.0
    own, of_top = (np.ptp(np.percentile(p @ _axes(), [4, 96], axis=0), axis=0) for p in (thing, top))
    return float(np.max(own) / max(float(np.max(of_top)), 1e-6))


def _reach_px(surface: Surface, own: Bool[np.ndarray, "h w"], tolerance_m: float) -> int:
    """Rows between a thing's true foot and where it rises above the top's tolerance."""
    return int(np.ceil(tolerance_m * surface.focal_px / float(np.median(surface.z_m[own])))) + 1


def _grown(surface: Surface, seeds: Seeds, groups: list[int], things: set[int], least_px: int) -> tuple[Part, ...]:
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
        weakest = _weakest(surface, parts, carrier, top_of, least_px)
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
    for k in range(1, count + 1):
        piece = pieces == k
        flooded[piece] = min(numbers, key=lambda n: _distance_m(surface, piece, flooded == n))
    return {n: flooded == n for n in numbers}


def _distance_m(surface: Surface, piece: Bool[np.ndarray, "h w"], part: Bool[np.ndarray, "h w"]) -> float:
    """Between the nearest points of two pieces in space; pieces without depth are measured in the picture."""
    from scipy.spatial import cKDTree

    in_space = [m & surface.seen for m in (piece, part)]
    if all(m.any() for m in in_space):
        a, b = (np.column_stack([surface.plan_m[m], surface.y_m[m]]) for m in in_space)
    else:
        a, b = (np.argwhere(m).astype(np.float64) for m in (piece, part))
    return float(cKDTree(b[:: 1 + len(b) // 2000]).query(a[:: 1 + len(a) // 200])[0].min())


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
    surface: Surface, parts: dict[int, Bool[np.ndarray, "h w"]], carrier: int, top_of: dict[int, Thing], least_px: int
) -> int | None:
    """The smallest part that is no object of its own; None if all are."""
    for n in sorted(parts, key=lambda n: int(parts[n].sum())):
        if n == carrier:
            continue
        if int(parts[n].sum()) < least_px or not _holds(surface, parts[n], top_of.get(n)):
            return n
    return None


def _holds(surface: Surface, part: Bool[np.ndarray, "h w"], thing: Thing | None) -> bool:
    """Whether the border of a part says that it is an object of its own."""
    border = trace_border(surface, part, thing)
    if thing is None:
        return border.touching >= 4 and border.inside >= _FREE_TOUCHING and border.attached <= _FREE_ATTACHED_SHARE and _is_body(surface, part)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """What lies along the outline of a part, as shares of `touching`, the pixels where it meets the rest of the mask.

    inside: share of the outline that these are. attached: the same surface going on. hidden: a nearer surface. The rest is farther away, or the top that it stands
    on. foot: share of that top in what is below the part. summit: attached or hidden in the outline of the part's
    highest end. occluded: of the outline outside the mask too, where something else hides the part.
    """

    touching: int
    inside: float
    attached: float
    hidden: float
    foot: float
    summit: float
    occluded: float


def trace_border(surface: Surface, part: Bool[np.ndarray, "h w"], thing: Thing | None) -> Border:
    """Compares the depth on both sides of a part's outline, some pixels away from it."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    inner = part & surface.seen
    calm = binary_erosion(inner)
    inner = calm if calm.any() else inner
    if not inner.any():
        return Border(touching=0, inside=0.0, attached=1.0, hidden=0.0, foot=0.0, summit=1.0, occluded=0.0)
    rows, columns = np.nonzero(part)
    box = np.s_[max(rows.min() - 6, 0) : rows.max() + 7, max(columns.min() - 6, 0) : columns.max() + 7]
    away, nearest = distance_transform_edt(~inner[box], return_indices=True)
    z_m, y_m = surface.z_m[box], surface.y_m[box]
    ring = (away >= 2.5) & (away < 5) & ~part[box] & surface.measured[box]
    change = z_m / z_m[nearest[0], nearest[1]] - 1
    tolerance = _CONTINUES_SHARE + 2 * surface.noise_share
    inside, outside = ring & surface.mask[box], ring & ~surface.mask[box]
    lower = np.zeros_like(inside) if thing is None else y_m <= thing.top_m + thing.tolerance_m + _EDGE_M
    carries = inside & lower & (change <= tolerance)
    other = inside & ~lower
    attached, hidden = other & (np.abs(change) <= tolerance), other & (change < -tolerance)
    below = inside & (np.arange(len(ring))[:, None] - nearest[0] > 0.8 * away)
    low_m, high_m = np.percentile(surface.y_m[inner], [2, 98])
    high = inside & (y_m[nearest[0], nearest[1]] > high_m - _SUMMIT * (high_m - low_m))
    return Border(
        touching=int(inside.sum()),
        inside=_share(inside, ring),
        attached=_share(attached, inside),
        hidden=_share(hidden, inside),
        # A foot at the top's edge has little of it below: any of it counts then.
        foot=_share(carries & below, below) if below.sum() >= _FEW_PX else float(carries.sum() >= _FEW_PX),
        summit=_share((attached | hidden) & high, high) if high.sum() >= _FEW_PX else 0.0,
        occluded=_share(outside & (change < -tolerance), ring),
    )


def _share(part: Bool[np.ndarray, "h w"], whole: Bool[np.ndarray, "h w"]) -> float:
    return float(part.sum() / max(int(whole.sum()), 1))
