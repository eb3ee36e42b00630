"""From overlapping mask proposals to objects: proposals in, `Instances` of the oriented photo out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..depth import Depth
from ..instances import SHELL_PARTS, Instance, Instances
from .proposals import MaskProposal
from .working_picture import mask_at


def clean_masks(
    proposals: Sequence[MaskProposal],
    *,
    size_px: tuple[int, int],
    depth: Depth | None,
    source: str,
    max_objects: int,
    min_area_share: float,
    notes: tuple[str, ...] = (),
) -> Instances:
    """The highest score wins every pixel; nothing is cleaned."""
    del depth
    label_map = np.zeros(size_px[::-1], dtype=np.uint16)
    shell_map = np.zeros(size_px[::-1], dtype=np.uint8)
    items: list[Instance] = []
    for found in sorted(proposals, key=lambda p: -p.score):
        mask = mask_at(np.asarray(found.mask), size_px)
        if found.label in SHELL_PARTS[1:]:
            shell_map[mask & (shell_map == 0)] = SHELL_PARTS.index(found.label)
            continue
        mask = mask & (label_map == 0)
        if len(items) < max_objects and mask.mean() >= min_area_share:
            items.append(Instance(mask_value=len(items) + 1, label=found.label or "object", score=found.score))
            label_map[mask] = len(items)
    shell_map[label_map > 0] = 0
    return Instances(label_map=label_map, items=tuple(items), source=source, notes=notes, shell_map=shell_map)
