"""What rests on a level top inside a mask: pieces of surface that begin on it and are no back, arm or headboard.

In: a `Surface`. Out: `Thing`s, masks in the surface's box. A back covers most of the seat's width or stands at its
rim; a thing stands within the top and is narrower.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .mask_evidence import Surface
from .mask_tops import level_edges, level_pixels, level_tops

_LOWEST_THING_M = 0.065
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A piece that rests on a level top.

    mask: where it clearly rises above the top. top: the top's pixels, at the height top_m.
    """

    mask: Bool[np.ndarray, "h w"]
    top: Bool[np.ndarray, "h w"]
    top_m: float
    tolerance_m: float


def find_things(surface: Surface, calm: Bool[np.ndarray, "h w"], fewest: float) -> tuple[Thing, ...]:
    """What rests on the level tops of a mask, the largest first."""
    found = []
    level = level_pixels(surface)
    tops_m, tolerance_m = level_tops(surface, level)
    edges_m = [e for e in level_edges(surface, tolerance_m) if all(abs(e - t) > 2 * tolerance_m for t in tops_m)]
    for top_m in (*tops_m, *edges_m):
        top = (level | np.isin(top_m, edges_m)) & (np.abs(surface.y_m - top_m) <= tolerance_m)
        above = surface.seen & (surface.y_m > top_m + tolerance_m)
        for piece in _with_thin_parts(pieces_of(calm & above, fewest), above):
            if is_like_thing(surface, piece, top, top_m):
                found.append(Thing(mask=piece, top=top, top_m=top_m, tolerance_m=tolerance_m))
    return tuple(sorted(found, key=lambda t: -int(t.mask.sum())))


def is_like_thing(surface: Surface, piece: Bool[np.ndarray, "h w"], top: Bool[np.ndarray, "h w"], top_m: float) -> bool:
    """Whether a piece above a top is as high and as narrow as a thing, and stands within the top's plan."""
    height_m = float(np.percentile(surface.y_m[piece], 95)) - top_m
    plan_m = surface.plan_m[top]
    lies = top_m < _LYING_BELOW_M and extent_m(plan_m) > _LYING_M
    if height_m < (_HIGH_THING_M if lies else _LOWEST_THING_M):
        return False
    if piece.sum() > _LARGEST_THING * surface.mask.sum():
        return False
    foot_m = surface.plan_m[piece & (surface.y_m < top_m + _FOOT_M)]
    if len(plan_m) < 5:
        return False
    if len(foot_m) < 5:  # a shade whose pole is too thin to be seen
        return relative_width(surface.plan_m[piece], plan_m) <= _WIDEST_ABOVE
    widest = _WIDEST_ON_SEAT if top_m < _SEAT_BELOW_M else _WIDEST_ON_TABLE
    if relative_width(foot_m, plan_m) > widest or relative_width(surface.plan_m[piece], plan_m) > _WIDEST_ABOVE:
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


def relative_width(thing: Float[np.ndarray, "n 2"], top: Float[np.ndarray, "m 2"]) -> float:
    """Largest extent of the thing's foot relative to the top's, over all directions in plan view."""
    if len(thing) < 5:
        return 0.0
    own, of_top = (np.ptp(np.percentile(p @ _axes(), [4, 96], axis=0), axis=0) for p in (thing, top))
    return float(np.max(own) / max(float(np.max(of_top)), 1e-6))


def extent_m(plan_m: Float[np.ndarray, "n 2"]) -> float:
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

    connected, _ = ndimage.label(above)
    owner = [int(np.bincount(connected[p]).argmax()) for p in pieces]
    areas = np.bincount(connected.ravel())
    return [
        connected == k if owner.count(k) == 1 and areas[k] < _WITH_THIN_PARTS * p.sum() else p
        for p, k in zip(pieces, owner, strict=True)
    ]


def pieces_of(mask: Bool[np.ndarray, "h w"], fewest: float) -> list[Bool[np.ndarray, "h w"]]:
    """Connected pieces of a mask without its rim, which noise may connect."""
    from scipy import ndimage

    label_map, count = ndimage.label(ndimage.binary_erosion(mask))
    areas = np.bincount(label_map.ravel(), minlength=count + 1)
    return [label_map == k for k in range(1, count + 1) if areas[k] >= fewest]
