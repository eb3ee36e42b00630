"""Whether a part of a mask is an object of its own: what depth and a network's votes say of both sides, as one figure.

Log-linear; the weights come from rooms that the project renders (docs/front-end.md, `pipelines.fit_mask_seam`).
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from .mask_evidence import Surface
from .mask_voters import RIM_PX
from .object_votes import BoxVotes

_NEAR_PX = 5  # of a part: what lies farther away is not compared with it
_BESIDE_PX = 2.5  # the first pixels beside a border may show either side
_FARTHEST = 1.0  # square roots of a side: pixels that point farther away show a thing too small for the network
_CONTINUES_SHARE = 0.012  # of the depth, as in `mask_border`
_MOST_ON_PLANE = 800  # pixels that a plane is fitted to
_FEWEST_ON_PLANE = 10
_FLAT_SHARE = 0.003  # of the depth
_MIDDLE_SHARE = 0.05  # of the box's longer side: a middle is looked for so far around the place that is pointed to,
_MIDDLE_PX = 3  # or so far
_GAP_M = 0.02
_MOST_OF_SMALLER, _MOST_OF_LARGER = 300, 1500  # places in plan view that are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """What is known of a cut. by_depth: 1 where the depth rules make it, else 0.

    words: half the sum of the differences between what the network calls the two sides, 0 to 1. strangers: log of how
    far a side's pixels point past its own middle, in square roots of its area, at most 1, the worse side's. step: log
    of the change of depth across the border, as a share, less where the surface goes on. apart: log ratio of the two
    sides' median depths, without sign. relief: log of the median distance, as a share of the depth, between the smaller
    side and the plane nearest to it: tops and fronts of one piece of furniture are flat. middle: log of how sure the
    network is that an object has its middle where the smaller side points. gap: log of the median distance, in m, from
    the smaller side to the other one in plan view.
    """

    by_depth: float
    words: float
    strangers: float
    step: float
    apart: float
    relief: float
    middle: float
    gap: float


_WEIGHTS = Seam(by_depth=3.28, words=6.99, strangers=-1.81, step=0.91, apart=1.77, relief=0.91, middle=1.36, gap=0.59)
_BIAS = 1.85


def log_odds(seam: Seam) -> float:
    """Of the two sides being two objects."""
    return _BIAS + sum(w * x for w, x in zip(astuple(_WEIGHTS), astuple(seam), strict=True))


def trace_seam(
    surface: Surface,
    votes: BoxVotes,
    part: Bool[np.ndarray, "h w"],
    inner_px: Float[np.ndarray, "h w"],
    *,
    by_depth: bool,
) -> Seam:
    """The seam between a part of a mask and the rest of it, neither empty.

    inner_px: distance to the mask's outline.
    """
    from scipy.ndimage import distance_transform_edt

    rest = surface.mask & ~part
    smaller, larger = (part, rest) if part.sum() <= rest.sum() else (rest, part)
    sides = []
    for one, other in ((smaller, larger), (larger, smaller)):
        # What lies deep in its side counts: the network's maps are blurred.
        deep_px = np.minimum(np.minimum(inner_px, distance_transform_edt(~other)), RIM_PX)
        sides.append(_Side.of(votes, one, deep_px**2))
    return Seam(
        by_depth=float(by_depth),
        words=0.5 * float(np.abs(sides[0].word - sides[1].word).sum()),
        strangers=math.log(0.1 + min(max(side.stray for side in sides), _FARTHEST)),
        step=_step(surface, smaller),
        apart=_apart(surface, smaller, larger),
        relief=_relief(surface, smaller),
        middle=_middle(votes, sides[0].pointed_px),
        gap=_gap(surface, smaller, larger),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """word: what its pixels are called on average. pointed_px: where they point. stray: see `Seam.strangers`."""

    word: Float32[np.ndarray, "L"]
    pointed_px: Float[np.ndarray, "2"]
    stray: float

    @classmethod
    def of(cls, votes: BoxVotes, side: Bool[np.ndarray, "h w"], weight: Float[np.ndarray, "h w"]) -> _Side:
        rows, columns = np.nonzero(side)
        own_weight = weight[side]
        pointed_px = np.average(votes.pointed_px[side], axis=0, weights=own_weight)
        middle_px = np.array([columns.mean(), rows.mean()]) + 0.5
        return cls(
            word=_mean_word(votes, votes.word_cell[side], own_weight),
            pointed_px=pointed_px,
            stray=float(np.linalg.norm(pointed_px - middle_px) / np.sqrt(len(rows))),
        )


def _mean_word(votes: BoxVotes, cell: Int[np.ndarray, "n"], weight: Float[np.ndarray, "n"]) -> Float32[np.ndarray, "L"]:
    mass = np.bincount(cell, weights=weight)
    there = np.nonzero(mass)[0]
    return np.asarray(votes.word[:, there] @ mass[there] / mass.sum(), dtype=np.float32)


def _step(surface: Surface, part: Bool[np.ndarray, "h w"]) -> float:
    """See `Seam.step`; of the mask's pixels around a part, each against the nearest pixel of the part."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.nonzero(part)
    near = np.s_[
        max(rows.min() - _NEAR_PX, 0) : rows.max() + _NEAR_PX + 1,
        max(columns.min() - _NEAR_PX, 0) : columns.max() + _NEAR_PX + 1,
    ]
    inside = (part & surface.seen)[near]
    change = np.zeros(0)
    if inside.any():
        away, nearest = distance_transform_edt(~inside, return_indices=True)
        ring = (away >= _BESIDE_PX) & (away < _NEAR_PX) & ~part[near] & surface.seen[near]
        z_m = surface.z_m[near]
        change = np.abs(np.log(z_m / z_m[nearest[0], nearest[1]]))[ring]
    if not len(change):
        return math.log(0.01)
    goes_on = float((change <= _CONTINUES_SHARE + 2 * surface.noise_share).mean())
    return math.log(0.01 + float(np.median(change)) * (1 - goes_on))


def _apart(surface: Surface, one: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> float:
    """See `Seam.apart`; 0 where a side has no depth."""
    depths_m = [surface.z_m[side & surface.seen] for side in (one, other)]
    if not all(len(z_m) for z_m in depths_m):
        return 0.0
    return abs(float(np.log(np.median(depths_m[0]) / np.median(depths_m[1]))))


def _relief(surface: Surface, side: Bool[np.ndarray, "h w"]) -> float:
    """See `Seam.relief`. A plane's inverse depth is linear in the picture."""
    rows, columns = np.nonzero(side & surface.seen)
    if len(rows) < _FEWEST_ON_PLANE:
        return math.log(_FLAT_SHARE)
    every = 1 + len(rows) // _MOST_ON_PLANE
    rows, columns = rows[::every], columns[::every]
    per_m = 1 / surface.z_m[rows, columns]
    plane = np.column_stack([np.ones(len(rows)), rows, columns])
    away = np.abs(plane @ np.linalg.lstsq(plane, per_m, rcond=None)[0] / per_m - 1)
    return math.log(_FLAT_SHARE + float(np.median(away)))


def _middle(votes: BoxVotes, pointed_px: Float[np.ndarray, "2"]) -> float:
    """See `Seam.middle`; what is pointed to outside the box is looked for at its border."""
    height, width = votes.at_middle.shape
    column, row = (int(np.clip(at, 0, side - 1)) for at, side in zip(pointed_px, (width, height), strict=True))
    reach = max(_MIDDLE_PX, int(_MIDDLE_SHARE * max(height, width)))
    around = votes.at_middle[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
    return math.log(0.1 + float(around.max()))


def _gap(surface: Surface, smaller: Bool[np.ndarray, "h w"], larger: Bool[np.ndarray, "h w"]) -> float:
    """See `Seam.gap`; none where a side has no depth."""
    from scipy.spatial import cKDTree

    places_m = [
        surface.plan_m[side & surface.seen][:: 1 + int((side & surface.seen).sum()) // most]
        for side, most in ((smaller, _MOST_OF_SMALLER), (larger, _MOST_OF_LARGER))
    ]
    if not all(len(p) for p in places_m):
        return math.log(_GAP_M)
    return math.log(_GAP_M + float(np.median(cKDTree(places_m[1]).query(places_m[0])[0])))
