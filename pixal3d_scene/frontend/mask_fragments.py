"""Puts the fragments of one object together: pairs of masks that touch, or that something nearer keeps apart.

Regions in, regions out; all at the working size. Needs depth: without it only pieces of one label are joined.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from .mask_evidence import DepthEvidence, Surface
from .mask_region import Box, Region, united_box
from .mask_seam import log_odds, trace_seam
from .mask_split import cut
from .object_votes import ObjectVotes

_TOUCH_PX = 4
_STRIP_PX = 9  # on both sides of a border: on them the surface is compared
_BLOCK_PX = 12
_GOES_ON = 0.7  # of the blocks along a border
_GOES_ON_TOLERANCE = 0.012  # of the depth
_FEWEST_BLOCKS = 1
_LONG_BORDER = 0.12  # of the smaller one's square root of area
_LEVEL_OVERLAP = 0.25  # of the heights on both sides of a border
_HIDDEN_SHARE = 0.7  # of a gap that something nearer fills
_WIDEST_GAP = 1.2  # of the smaller one's square root of area
_SMALLEST_SHARE = 0.15  # of the larger one's area: what is smaller is a thing beside it rather than a piece of it
_SMALL_SHARE = 1 / 3  # of the larger one's area: what is smaller
_ON_SHARE = 0.4  # and has so much of its outline along the larger one lies on it
_VOTED_TWO = -3.75  # log-odds of two objects, of which depth knows no step: pieces of one have less


def join_fragments(
    regions: list[Region], evidence: DepthEvidence | None, least_px: int, votes: ObjectVotes | None = None
) -> list[Region]:
    """Joins until no pair belongs together. votes: of a network that may keep pairs apart, see `clean_masks`."""
    current = list(regions)
    if evidence is None:
        return current
    refused: set[tuple[int, int]] = set()
    while True:
        pairs = [
            (a, b)
            for i, a in enumerate(current)
            for b in current[i + 1 :]
            if (id(a), id(b)) not in refused and _may_belong(a, b, least_px)
        ]
        joined = None
        for a, b in pairs:
            if belong_together(a, b, evidence, least_px) and not (votes and _voted_two(a, b, evidence, votes)):
                joined = a, b
                break
            refused.add((id(a), id(b)))
        if joined is None:
            return current
        a, b = joined
        box = united_box(a.box, b.box, margin=0)
        first = a if a.score >= b.score else b
        label = first.label or a.label or b.label
        whole = first.with_pixels(a.at(box) | b.at(box), box, *a.flags, *b.flags, "merged")
        current[current.index(a)] = replace(whole, label=label)
        current.remove(b)


def _may_belong(a: Region, b: Region, least_px: int) -> bool:
    """The same label or none, near each other, neither much smaller, and not cut apart before."""
    if a.label and b.label and a.label != b.label:
        return False
    if a.cut_from and a.cut_from == b.cut_from:
        return False
    smaller, larger = sorted((a.area_px, b.area_px))
    if smaller < max(least_px, _SMALLEST_SHARE * larger):
        return False
    reach = _WIDEST_GAP * np.sqrt(smaller)
    return all(x.start - reach < y.stop and y.start - reach < x.stop for x, y in zip(a.box, b.box, strict=True))


def belong_together(a: Region, b: Region, evidence: DepthEvidence, least_px: int) -> bool:
    """Whether two masks show one object: its surface goes on across their border and nothing says they are two."""
    from scipy.ndimage import distance_transform_edt

    shape = (evidence.z_m.shape[0], evidence.z_m.shape[1])
    size = float(np.sqrt(min(a.area_px, b.area_px)))
    reach = int(np.ceil(_WIDEST_GAP * size)) + _STRIP_PX
    near = _between(a, b, reach, shape)
    in_a, in_b = a.at(near), b.at(near)
    in_b = in_b & ~in_a
    if not in_a.any() or not in_b.any():
        return False
    to_a, to_b = (np.asarray(distance_transform_edt(~m)) for m in (in_a, in_b))
    gap_px = float(to_b[in_a].min())
    if gap_px > max(_WIDEST_GAP * size, _TOUCH_PX):
        return False
    if gap_px <= _TOUCH_PX:
        if int((in_a & (to_b <= _TOUCH_PX)).sum()) / _TOUCH_PX < _LONG_BORDER * size:
            return False
        small, large = sorted((a, b), key=lambda r: r.area_px)
        if small.area_px < _SMALL_SHARE * large.area_px and _lies_on(small, large, shape):
            return False
        reach_px = float(_STRIP_PX)
    else:
        between = ~in_a & ~in_b & (to_a + to_b < gap_px + 3)
        if not _is_hidden(between, near, evidence, in_a | in_b):
            return False
        reach_px = gap_px + _STRIP_PX
    surface = evidence.surface(in_a | in_b, near)
    w = np.where(surface.seen, 1 / surface.z_m, 0.0)
    strip_a, strip_b = (m & surface.seen & (to <= reach_px) for m, to in ((in_a, to_b), (in_b, to_a)))
    if _continuity(w, strip_a, strip_b, reach_px, surface.noise_share) < _GOES_ON:
        return False
    if _is_level_border(surface, in_a & (to_b <= reach_px), in_b & (to_a <= reach_px)):
        return False
    whole = united_box(a.box, b.box, margin=0)
    all_a, all_b = a.at(whole), b.at(whole)
    parts = cut(
        evidence.surface(all_a | all_b, whole),
        least_px=max(min(a.area_px, b.area_px) // 3, least_px // 2, 12),
    )
    return len(parts) == 1 or not any(_iou(p.mask, m) > 0.5 for p in parts for m in (all_a, all_b))


def _voted_two(a: Region, b: Region, evidence: DepthEvidence, votes: ObjectVotes) -> bool:
    """Whether a network takes for two objects what the depth would join."""
    from scipy.ndimage import distance_transform_edt

    box = united_box(a.box, b.box, margin=0)
    surface = evidence.surface(a.at(box) | b.at(box), box)
    part = b.at(box) & ~a.at(box)
    inner_px = distance_transform_edt(np.pad(surface.mask, 1))[1:-1, 1:-1]
    box_votes = votes.of_box(box, (evidence.z_m.shape[0], evidence.z_m.shape[1]))
    return log_odds(trace_seam(surface, box_votes, part, inner_px, by_depth=False)) > _VOTED_TWO


def _lies_on(small: Region, large: Region, shape: tuple[int, int]) -> bool:
    """Whether a mask lies on a larger one, as a plate on a table: a piece would have more of an outline of its own."""
    from scipy.ndimage import binary_dilation

    box = united_box(small.box, small.box, margin=_TOUCH_PX, shape=shape)
    pixels = small.at(box)
    ring = binary_dilation(pixels, iterations=_TOUCH_PX) & ~pixels
    return bool((ring & large.at(box)).sum() > _ON_SHARE * ring.sum())


def _is_level_border(surface: Surface, strip_a: Bool[np.ndarray, "h w"], strip_b: Bool[np.ndarray, "h w"]) -> bool:
    """Whether one lies above the other along a level line: there one thing stands on another."""
    seen_a, seen_b = strip_a & surface.seen, strip_b & surface.seen
    if not seen_a.any() or not seen_b.any():
        return False
    (low_a, high_a), (low_b, high_b) = (np.percentile(surface.y_m[s], [10, 90]) for s in (seen_a, seen_b))
    plan_m = surface.plan_m[seen_a | seen_b]
    long_m = float(np.linalg.norm(np.ptp(np.percentile(plan_m, [5, 95], axis=0), axis=0)))
    overlap_m = min(high_a, high_b) - max(low_a, low_b)
    return bool(overlap_m < _LEVEL_OVERLAP * min(high_a - low_a, high_b - low_b) and long_m > high_a - low_a)


def _between(a: Region, b: Region, reach: int, shape: tuple[int, int]) -> Box:
    """The part of the picture that is within reach of both."""
    wide = [united_box(r.box, r.box, margin=reach, shape=shape) for r in (a, b)]
    rows, columns = (
        slice(max(x.start, y.start), max(min(x.stop, y.stop), max(x.start, y.start) + 1))
        for x, y in zip(*wide, strict=True)
    )
    return rows, columns


def _is_hidden(
    between: Bool[np.ndarray, "h w"], box: Box, evidence: DepthEvidence, pair: Bool[np.ndarray, "h w"]
) -> bool:
    """Whether something nearer than both fills the gap between two masks."""
    valid, z_m = evidence.valid[box], evidence.z_m[box]
    gap, ours = between & valid, pair & valid
    if not gap.any() or not ours.any():
        return False
    nearer = z_m[gap] < float(np.percentile(z_m[ours], 30)) * (1 - 0.03)
    return bool(nearer.mean() >= _HIDDEN_SHARE)


def _continuity(
    w: Float[np.ndarray, "h w"],
    strip_a: Bool[np.ndarray, "h w"],
    strip_b: Bool[np.ndarray, "h w"],
    reach_px: float,
    noise_share: float,
) -> float:
    """Share of the blocks along a border in which each side's plane foretells the other side's depth.

    On a plane 1 / z is linear in the picture; where an upright surface meets a level one the planes do not agree.
    """
    block = int(max(_BLOCK_PX, 2.2 * reach_px))  # wide enough for both sides
    rows, columns = np.nonzero(strip_a | strip_b)
    if not len(rows):
        return 0.0
    good = total = 0
    for r0 in _starts(int(rows.min()), int(rows.max()) + 1, block):
        for c0 in _starts(int(columns.min()), int(columns.max()) + 1, block):
            at = np.s_[max(r0, 0) : max(r0 + block, 0), max(c0, 0) : max(c0 + block, 0)]
            points = [np.argwhere(s[at]).astype(np.float64) for s in (strip_a, strip_b)]
            if min(len(p) for p in points) < 12:
                continue
            values = [w[at][s[at]] for s in (strip_a, strip_b)]
            total += 1
            off = max(
                _foretold(points[0], values[0], points[1], values[1]),
                _foretold(points[1], values[1], points[0], values[0]),
            )
            good += off < _GOES_ON_TOLERANCE + 2.0 * noise_share
    return good / total if total >= _FEWEST_BLOCKS else 0.0


def _starts(low: int, high: int, block: int) -> list[int]:
    """Blocks laid out from the middle, so that a mirrored picture has the mirrored blocks."""
    count = max(-(-(high - low) // block), 1)
    first = (low + high - count * block) // 2
    return [first + k * block for k in range(count)]


def _foretold(
    at: Float[np.ndarray, "n 2"],
    values: Float[np.ndarray, "n"],
    there: Float[np.ndarray, "m 2"],
    found: Float[np.ndarray, "m"],
) -> float:
    """Relative error of the mean that a plane through some points foretells at others."""
    middle = at.mean(axis=0)
    A = np.column_stack([at - middle, np.ones(len(at))])
    fit, *_ = np.linalg.lstsq(A, values, rcond=None)
    foretold = float(np.mean((there - middle) @ fit[:2] + fit[2]))
    mean = float(np.mean(found))
    plain = float(np.mean(values))
    # A short strip foretells its slope badly: no slope is the other honest guess.
    return min(abs(foretold - mean), abs(plain - mean) * 2) / max(mean, 1e-9)


def _iou(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    return float((a & b).sum() / max(int((a | b).sum()), 1))
