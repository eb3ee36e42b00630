"""The user's own masks, cleaned where asked for: `Instances` in, `Instances` with the same values out.

Specks go, pinholes are filled, and a mask that shows several objects is cut where the depth says so; the carrier keeps
its value, the parts cut off get values of their own above the largest. Nothing is joined, dropped or renamed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..depth import Depth
from ..instances import Instance, Instances
from .given_masks import instances_from_label_map
from .hygiene import least_cut_px, tidy
from .mask_cut import HOW_CUT, cut_with_votes
from .mask_evidence import gather_evidence
from .mask_region import Region
from .object_votes import ObjectVotes

_LARGEST_VALUE = 65535


def clean_given(given: Instances, depth: Depth | None, votes: ObjectVotes | None = None) -> Instances:
    """The user's objects with their masks cleaned; the notes say what was done to which.

    depth: of the same photo; without it no mask is cut, and a note says so. votes: see `clean_masks`.
    """
    shape = given.label_map.shape
    evidence = None if depth is None else gather_evidence(depth, (shape[1], shape[0]))
    label_map = np.array(given.label_map)
    notes, flags = [], {}
    next_value = int(label_map.max()) + 1
    for item in given.items:
        mask = given.mask(item.mask_value)
        region = Region(pixels=mask, top=0, left=0, label="", score=1.0)
        before = region.with_pixels(mask, region.box)
        box = before.box
        taken = (label_map[box] > 0) & ~before.pixels
        # Holes are filled only where no other object is.
        tidied = tidy(before, shape, evidence, taken).at(box) & ~taken
        changed_px = int((tidied != before.pixels).sum())
        label_map[box][before.pixels] = 0
        label_map[box][tidied] = item.mask_value
        if changed_px:
            notes.append(f"{item.name}: {changed_px} px of specks and pinholes cleaned.")
        if evidence is None:
            continue
        parts = cut_with_votes(evidence.surface(tidied, box), box, shape, votes, least_px=least_cut_px(shape))
        main = max(parts, key=lambda p: (p.reason == "", int(p.mask.sum())))
        for part in parts:
            if part is not main and next_value <= _LARGEST_VALUE:
                label_map[box][part.mask] = next_value
                new = Instance(mask_value=next_value).name
                notes.append(f"{item.name}: {int(part.mask.sum())} px cut off as {new}, which {part.reason}.")
                flags[item.mask_value] = flags[next_value] = "split"
                next_value += 1
    if evidence is not None:
        notes.append(HOW_CUT[votes is not None])
    else:
        notes.append("Masks that show several objects are cut only with depth that was there first; give --depth.")
    cleaned = instances_from_label_map(label_map, source=given.source, notes=(*given.notes, *notes))
    items = tuple(
        replace(i, flags=(*i.flags, flags[i.mask_value])) if i.mask_value in flags else i for i in cleaned.items
    )
    return replace(cleaned, items=items)
