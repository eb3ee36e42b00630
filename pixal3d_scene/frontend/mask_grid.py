"""Masks of everything: a grid of points asks a promptable network, and what it is unsure of or says twice is dropped.

After Kirillov et al., "Segment Anything", ICCV 2023 (appendix B, automatic mask generation), without its further
crops: the predicted IoU, the stability of the mask when the threshold moves, and non-maximum suppression of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from .detections import suppress

if TYPE_CHECKING:
    import torch

_STABILITY_OFFSET = 1.0
_SAME_BOX_IOU = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSettings:
    """points: along each side. quality: least predicted IoU. stability: least IoU of the masks at logits of +-1."""

    points: int = 32
    quality: float = 0.88
    stability: float = 0.95
    batch: int = 64


def grid_points(size_px: tuple[int, int], per_side: int) -> Float[np.ndarray, "n 2"]:
    """Centres of per_side x per_side equal cells of a picture, row by row, in its pixels."""
    steps = (np.arange(per_side) + 0.5) / per_side
    x, y = np.meshgrid(steps * size_px[0], steps * size_px[1])
    return np.stack([x.ravel(), y.ravel()], axis=1)


def sure(logits: torch.Tensor, quality: torch.Tensor, settings: GridSettings) -> torch.Tensor:
    """(n,) which of (n, h, w) mask logits with (n,) predicted IoUs the network is sure of; empty masks never."""
    inner = (logits > _STABILITY_OFFSET).sum((-1, -2))
    outer = (logits > -_STABILITY_OFFSET).sum((-1, -2))
    stability = inner / outer.clamp(min=1)
    filled = (logits > 0).any(-1).any(-1)
    return (quality >= settings.quality) & (stability >= settings.stability) & filled


def distinct_masks(masks: Bool[np.ndarray, "n h w"], quality: Float[np.ndarray, "n"]) -> Int[np.ndarray, "m"]:
    """Indices of the masks that stay when those with nearly the same box are said once; empty ones go too."""
    boxes = boxes_of(list(masks))
    filled = np.flatnonzero(boxes[:, 2] > boxes[:, 0])
    return filled[suppress(boxes[filled], quality[filled].astype(np.float64), iou=_SAME_BOX_IOU)]


def boxes_of(masks: Sequence[Bool[np.ndarray, "h w"]]) -> Float[np.ndarray, "n 4"]:
    """Box (x0, y0, x1, y1) of every mask in its own pixels, edge to edge; all 0 for an empty one."""
    boxes = np.zeros((len(masks), 4))
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
