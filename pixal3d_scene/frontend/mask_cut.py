"""Cuts a mask that shows several objects, with a network's votes where there are some: the parts of it out.

What the depth rules (`mask_split`) and the voters (`mask_voters`) suggest is weighed alike (`mask_seam`): votes find
what depth does not show, and keep whole what only looks like a step.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from .mask_evidence import Surface
from .mask_seam import Seam, log_odds, trace_seam
from .mask_split import Part, cut, depth_step
from .mask_voters import voted_parts
from .object_votes import Box, BoxVotes, ObjectVotes

VOTED = "is another object in the front-end network's eyes"
HOW_CUT = {
    False: "Masks of several objects were looked for by depth alone, without the front-end network.",
    True: "Masks of several objects were looked for by depth and by the front-end network's votes.",
}
_SURE = 0.4  # log-odds of a cut that is made,
_SURE_AGAIN = 3.0  # and of one more in the same mask: most masks of several objects show two
_SAME_IOU = 0.9  # with what depth says alike
_OTHER_IOU = 0.3  # with a part that is cut off already
_WITHIN = 0.9  # of a part that is cut off lies in one part that is left


def cut_with_votes(
    surface: Surface, box: Box, shape: tuple[int, ...], votes: ObjectVotes | None, *, least_px: int
) -> tuple[Part, ...]:
    """As `mask_split.cut`, but that votes, where there are some, decide together with depth.

    box: of the mask, in a photo of (height, width) `shape`.
    """
    if votes is None:
        return cut(surface, least_px=least_px, alone=True)
    parts = [Part(mask=surface.mask, reason="")]
    if surface.mask.sum() < 2 * least_px:  # nothing to look at
        return tuple(parts)
    box_votes = votes.of_box(box, (shape[0], shape[1]))
    weighed = [(log_odds(seam), part) for part, seam in suggest_cuts(surface, box_votes, least_px=least_px)]
    for odds, part in sorted(weighed, key=lambda w: -w[0]):
        if odds < (_SURE if len(parts) == 1 else _SURE_AGAIN):
            break
        parts = _cut_off(parts, part, least_px)
    return tuple(parts)


def suggest_cuts(surface: Surface, votes: BoxVotes, *, least_px: int) -> list[tuple[Part, Seam]]:
    """All parts that depth or votes would cut off, and what is known of each cut."""
    from scipy.ndimage import distance_transform_edt

    inner_px = distance_transform_edt(np.pad(surface.mask, 1))[1:-1, 1:-1]
    by_depth = [part for part in cut(surface, least_px=least_px) if part.reason]
    voted = [
        Part(mask=_smaller_side(mask, surface.mask), reason=VOTED)
        for mask in voted_parts(surface, votes, depth_step(surface), inner_px, least_px=least_px)
        if all((mask & p.mask).sum() <= _SAME_IOU * (mask | p.mask).sum() for p in by_depth)
    ]
    return [
        (part, trace_seam(surface, votes, part.mask, inner_px, by_depth=part.reason != VOTED))
        for part in (*by_depth, *voted)
    ]


def _smaller_side(part: Bool[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    rest = mask & ~part
    return part if part.sum() <= rest.sum() else rest


def _cut_off(parts: list[Part], off: Part, least_px: int) -> list[Part]:
    """The parts with one more, where it lies in one of them and is none of those that are cut off already."""
    if any(p.reason and (p.mask & off.mask).sum() > _OTHER_IOU * (p.mask | off.mask).sum() for p in parts):
        return parts
    host = max(parts, key=lambda p: int((p.mask & off.mask).sum()))
    inside, rest = host.mask & off.mask, host.mask & ~off.mask
    if inside.sum() < max(_WITHIN * off.mask.sum(), least_px) or rest.sum() < least_px:
        return parts
    left = [Part(mask=rest, reason=p.reason) if p is host else p for p in parts]
    return [*left, Part(mask=inside, reason=off.reason)]
