"""Masks that show the same thing, or a part of another mask's thing: which stay, and why the others go.

Regions in, regions out; all at the working size.
"""

from __future__ import annotations

import numpy as np

from .mask_border import trace_border
from .mask_evidence import DepthEvidence, Surface
from .mask_region import Region, overlap_px
from .mask_split import cut

_SAME_IOU = 0.7
_INSIDE_SHARE = 0.85  # of the smaller mask
_PART_OF_LARGER = 0.8  # of the larger one's area at most
_STEP_BORDER_SHARE = 0.35  # of the common outline may go on where the smaller one is an object of its own
# Words for what belongs to a piece of furniture, whatever the depth says.
PART_WORDS = frozenset(
    [
        "cushion",
        "pillow",
        "backrest",
        "back",
        "seat",
        "leg",
        "armrest",
        "arm",
        "drawer",
        "handle",
        "knob",
        "shelf",
        "board",
        "frame",
        "headboard",
        "mattress",
        "blanket",
        "duvet",
        "tabletop",
        "top",
        "base",
        "stand",
        "foot",
        "wheel",
        "lampshade",
        "shade",
        "pot",
        "screen",
        "keyboard",
    ]
)

Dropped = list[tuple[Region, str]]


def drop_duplicates(regions: list[Region]) -> tuple[list[Region], Dropped]:
    """Of masks that overlap by most of their union the first one stays (the best score, then the largest)."""
    kept: list[Region] = []
    dropped: Dropped = []
    areas: list[int] = []
    for region in regions:
        area = region.area_px
        twin, best = None, _SAME_IOU
        for other, other_area in zip(kept, areas, strict=True):
            if min(area, other_area) < _SAME_IOU * max(area, other_area):
                continue
            shared = overlap_px(region, other)
            iou = shared / (area + other_area - shared)
            if iou >= best:
                twin, best = other, iou
        if twin is None:
            kept.append(region)
            areas.append(area)
        else:
            dropped.append((region, f"shows the same as another mask (IoU {best:.2f})"))
    return kept, dropped


def resolve_nested(regions: list[Region], evidence: DepthEvidence | None) -> tuple[list[Region], Dropped]:
    """A mask inside another one is a part of it and goes, or an object on or before it and is taken out of it."""
    order = sorted(range(len(regions)), key=lambda k: (-regions[k].area_px, k))
    current: dict[int, Region] = dict(enumerate(regions))
    dropped: Dropped = []
    for at, small in enumerate(order):
        area = current[small].area_px
        # The smallest mask around it decides: a cup in a table in a corner of the room belongs to the table.
        for large in reversed(order[:at]):
            if large not in current or small not in current or area > _PART_OF_LARGER * current[large].area_px:
                continue
            shared = overlap_px(current[small], current[large])
            if shared < _INSIDE_SHARE * area:
                continue
            if is_object_of_its_own(current[small], current[large], evidence):
                whole = current[large]
                pixels = whole.pixels & ~current[small].at(whole.box)
                if pixels.any():
                    current[large] = whole.with_pixels(pixels, whole.box, "split")
            else:
                name = current[large].label or "another mask"
                dropped.append((current.pop(small), f"is a part of {name}"))
            break
    return [current[k] for k in range(len(regions)) if k in current], dropped


def is_object_of_its_own(small: Region, large: Region, evidence: DepthEvidence | None) -> bool:
    """Whether a mask inside another one shows another object: by the labels, else by the depth along its outline.

    Without labels and depth it is a part: networks propose parts far more often than they merge objects.
    """
    if small.label and large.label and small.label != large.label:
        return small.label.split()[-1] not in PART_WORDS
    if small.label and small.label == large.label:
        return False
    if evidence is None:
        return False
    surface = evidence.surface(large.pixels, large.box)
    inside = small.at(large.box) & surface.mask
    if not (inside & surface.seen).any():
        return False
    if _is_cut_out(surface, inside):
        return True
    border = trace_border(surface, inside, None)
    return border.touching >= 8 and border.attached <= _STEP_BORDER_SHARE


def _is_cut_out(surface: Surface, inside: np.ndarray) -> bool:
    parts = cut(surface, least_px=max(int(0.5 * inside.sum()), 30))
    if len(parts) < 2:
        return False
    best = max((p.mask & inside).sum() / (p.mask | inside).sum() for p in parts)
    return bool(best > 0.5)
