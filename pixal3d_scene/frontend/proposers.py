"""Networks put together to `MaskProposer`s: by words and boxes, by words alone, by a grid of points.

A network is loaded when it is its turn and given up after it, so that one at a time is on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from ..errors import StageFailed
from ..photo import Photo
from ..weights.device import free_memory
from .detections import Detector, distinct
from .mask_grid import boxes_of
from .prompts import Prompt, PromptableNetwork
from .proposals import MaskProposal

Network = TypeVar("Network")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNetwork(Generic[Network]):
    """A network on the disk, found but not loaded. revision: of its content and of how it is used."""

    name: str
    revision: str
    load: Callable[[], Network]


@runtime_checkable
class WordNetwork(Protocol):
    """A network in memory that segments by words."""

    name: str

    def segment_words(self, photo: Photo, words: Sequence[str]) -> list[MaskProposal]:
        """Labelled masks of the things that the words name."""


class DetectedMasks:
    """Boxes by words, then a mask for each. iou: boxes that overlap more are one thing."""

    def __init__(
        self,
        detector: StoredNetwork[Detector],
        network: StoredNetwork[PromptableNetwork],
        *,
        words: Sequence[str],
        iou: float,
    ) -> None:
        self._detector, self._network, self._words, self._iou = detector, network, tuple(words), iou
        self.name = f"{network.name}+{detector.name}"
        self.revision = f"{detector.revision} {network.revision} {self._words} {iou}"

    def propose(self, photo: Photo) -> tuple[MaskProposal, ...]:
        """One mask per box; see `MaskProposer`."""
        found = self._detector.load().detect(photo, self._words)
        free_memory()
        boxes = np.array([d.box_px for d in found], dtype=np.float64).reshape(-1, 4)
        kept = distinct([d.label for d in found], [d.score for d in found], boxes, iou=self._iou)
        if not kept:
            return ()
        prompts = [Prompt(label=found[i].label, box_px=found[i].box_px, score=found[i].score) for i in kept]
        masks = self._network.load().segment_prompts(photo, prompts)
        free_memory()
        return tuple(mask for mask in masks if mask.mask.any())


class WordMasks:
    """Masks by words alone. iou: masks whose boxes overlap more are one thing."""

    def __init__(self, network: StoredNetwork[WordNetwork], *, words: Sequence[str], iou: float) -> None:
        self._network, self._words, self._iou = network, tuple(words), iou
        self.name = network.name
        self.revision = f"{network.revision} {self._words} {iou}"

    def propose(self, photo: Photo) -> tuple[MaskProposal, ...]:
        """See `MaskProposer`."""
        found = self._network.load().segment_words(photo, self._words)
        free_memory()
        boxes = boxes_of([np.asarray(f.mask) for f in found])
        kept = distinct([f.label for f in found], [f.score for f in found], boxes, iou=self._iou)
        return tuple(found[i] for i in kept)


class GridMasks:
    """Masks of everything, without labels."""

    def __init__(self, network: StoredNetwork[PromptableNetwork]) -> None:
        self._network = network
        self.name = network.name
        self.revision = network.revision

    def propose(self, photo: Photo) -> tuple[MaskProposal, ...]:
        """See `MaskProposer`."""
        found = self._network.load().segment_everything(photo)
        free_memory()
        return tuple(found)


def nothing_found(names: Sequence[str]) -> StageFailed:
    """The error of a photo in which no network found an object."""
    return StageFailed(
        "segment",
        f"{' and '.join(names)} found no object; name what is there with --labels, lower the threshold in a config "
        "file, or give the objects with --boxes or --masks",
    )
