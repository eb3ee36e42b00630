"""Boxes with words: what an open-vocabulary detector finds, and which of them are the same thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from ..photo import Photo
from .vocabulary import is_structure


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A box (x0, y0, x1, y1) in pixels of the oriented photo, inside it, with one word and how sure the network is."""

    label: str
    score: float
    box_px: tuple[float, float, float, float]


@runtime_checkable
class Detector(Protocol):
    """A network in memory that finds things by words."""

    name: str

    def detect(self, photo: Photo, words: Sequence[str]) -> list[Detection]:
        """Boxes of the things that the words name, several of one thing among them."""


def distinct(
    labels: Sequence[str], scores: Sequence[float], boxes: Float[np.ndarray, "n 4"], *, iou: float
) -> list[int]:
    """Indices of one box per thing, whatever its words, the surest first: of boxes that overlap more than `iou` the
    surest stays.

    Parts of the room are compared among themselves only: a wall as wide as the photo is no rival of a bed.
    """
    kept: list[int] = []
    for structure in (False, True):
        some = np.array([i for i, label in enumerate(labels) if is_structure(label) == structure], dtype=np.int64)
        score = np.array([scores[i] for i in some], dtype=np.float64)
        kept += some[suppress(boxes[some], score, iou=iou)].tolist()
    return sorted(kept, key=lambda i: -scores[i])


def suppress(boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, "n"], *, iou: float) -> Int[np.ndarray, "m"]:
    """Non-maximum suppression: indices of the boxes that stay, the highest score first."""
    order = np.argsort(-scores, kind="stable")
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), axis=1)
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[order, :2], boxes[best, :2])
        high = np.minimum(boxes[order, 2:], boxes[best, 2:])
        common = np.prod(np.maximum(high - low, 0.0), axis=1)
        union = np.maximum(area[order] + area[best] - common, 1e-12)
        order = order[common / union <= iou]
    return np.array(kept, dtype=np.int64)


def inside_photo(box_px: np.ndarray, size_px: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """The part of a box that the photo shows; None where that is less than a pixel wide or high."""
    x0, x1 = np.clip(box_px[[0, 2]], 0, size_px[0])
    y0, y1 = np.clip(box_px[[1, 3]], 0, size_px[1])
    if x1 - x0 < 1 or y1 - y0 < 1:
        return None
    return float(x0), float(y0), float(x1), float(y1)
