"""Where a network's votes would cut a mask: the surface of a mask and its votes in, possible parts of it out.

Pixels that point to the same middle are voters of one object. Their border is only as sharp as the network's maps, so
it is moved to the depth step nearby, as watersheds are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from .mask_evidence import Surface
from .object_votes import BoxVotes

RIM_PX = 6.0  # so far inside a mask the network's maps are hardly blurred by what is beside it
_MOST_VOTERS = 1500
_ROUNDS = 25
_SMOOTH_PX = 7
_LEAST_PIECE = 0.2  # of the largest piece of a part
_UNSURE_PX = 5.0  # on both sides of the voters' border
_SAME_IOU = 0.92


def voted_parts(
    surface: Surface,
    votes: BoxVotes,
    step: Float[np.ndarray, "h w"],
    inner_px: Float[np.ndarray, "h w"],
    *,
    least_px: int,
) -> list[Bool[np.ndarray, "h w"]]:
    """Parts of a mask whose pixels point elsewhere than the rest; they may overlap, for none is decided.

    step: depth steps, see `mask_split.depth_step`. inner_px: distance to the mask's outline. Both a part and what it
    leaves have least_px.
    """
    found: list[Bool[np.ndarray, "h w"]] = []
    for voters in _voters(surface.mask, votes, inner_px):
        part = _in_pieces(voters, surface.mask)
        if not least_px <= part.sum() <= surface.mask.sum() - least_px:
            continue
        part = _at_depth_step(surface, step, part)
        if not least_px <= part.sum() <= surface.mask.sum() - least_px:
            continue
        if all(_iou(part, p) <= _SAME_IOU and _iou(surface.mask & ~part, p) <= _SAME_IOU for p in found):
            found.append(part)
    return found


def _voters(
    mask: Bool[np.ndarray, "h w"], votes: BoxVotes, inner_px: Float[np.ndarray, "h w"]
) -> Iterator[Bool[np.ndarray, "h w"]]:
    """Two groups of votes, three groups, and the middles that the network itself found."""
    apart = max(1, int(np.sqrt(mask.sum() / _MOST_VOTERS)))
    some = np.zeros_like(mask)
    some[::apart, ::apart] = True
    some &= mask
    pointed, weight = votes.pointed_px[some], np.minimum(inner_px[some], RIM_PX)
    for count in (2, 3):
        middles = _group(pointed, weight, count)
        if middles is not None:
            owner = _nearest(votes.pointed_px, middles)
            yield from (mask & (owner == k) for k in range(count))
    if len(votes.middles_px):
        owner = _nearest(votes.pointed_px, votes.middles_px)
        yield from (mask & (owner == k) for k in np.unique(owner[mask]))


def _group(
    places: Float[np.ndarray, "n 2"], weight: Float[np.ndarray, "n"], count: int
) -> Float[np.ndarray, "count 2"] | None:
    """Means of `count` groups (Lloyd 1982), begun along the longest axis; None where one remains empty."""
    if weight.sum() <= 0:
        return None
    mean = np.average(places, axis=0, weights=weight)
    away = places - mean
    axis = np.linalg.eigh((away * weight[:, None]).T @ away)[1][:, -1]
    along = away @ axis
    start = np.array([along.min(), along.max()]) if count == 2 else np.quantile(along, (np.arange(count) + 0.5) / count)
    middles = mean + start[:, None] * axis
    for _ in range(_ROUNDS):
        nearest = _nearest(places, middles)
        mass = np.bincount(nearest, weights=weight, minlength=count)
        if (mass <= 0).any():
            return None
        moved = np.stack([np.bincount(nearest, weights=weight * p, minlength=count) / mass for p in places.T], axis=-1)
        if np.allclose(moved, middles, atol=0.1):
            break
        middles = moved
    return middles


def _nearest(places: Float[np.ndarray, "*n 2"], middles: Float[np.ndarray, "k 2"]) -> Int[np.ndarray, "*n"]:
    return np.asarray(((places[..., None, :] - middles) ** 2).sum(axis=-1).argmin(axis=-1))


def _in_pieces(part: Bool[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The part with a smooth outline and without small pieces."""
    from scipy.ndimage import label, uniform_filter

    own, all_of_it = (uniform_filter(m.astype(np.float64), _SMOOTH_PX, mode="constant") for m in (part, mask))
    pieces, _ = label(mask & (own > 0.5 * all_of_it))
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    return np.isin(pieces, np.nonzero(areas > _LEAST_PIECE * areas.max())[0])


def _at_depth_step(
    surface: Surface, step: Float[np.ndarray, "h w"], part: Bool[np.ndarray, "h w"]
) -> Bool[np.ndarray, "h w"]:
    """The part with its border moved to the steepest depth within a few pixels."""
    from scipy.ndimage import distance_transform_edt
    from skimage.segmentation import watershed

    rest = surface.mask & ~part
    markers = np.zeros(part.shape, dtype=np.int32)
    for number, one, other in ((1, part, rest), (2, rest, part)):
        away = distance_transform_edt(~other)
        markers[one & (away > min(_UNSURE_PX, 0.5 * away[one].max()))] = number
    relief = np.round(1000 * np.minimum(step, 8.0)).astype(np.int32)
    return np.asarray(watershed(relief, markers, mask=surface.mask, connectivity=2) == 1)


def _iou(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    return float((a & b).sum() / max(int((a | b).sum()), 1))
