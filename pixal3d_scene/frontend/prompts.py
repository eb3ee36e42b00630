"""What a promptable segmentation network is asked: boxes and points in pixels of the oriented photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from ..photo import Photo
from .proposals import MaskProposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One object, shown by a box or by points. Pixels of the oriented photo, centres at +0.5.

    box_px: (x0, y0, x1, y1), its edges. points_px: on the object; negative_px: beside it. score: of whoever asks.
    """

    label: str = "object"
    box_px: tuple[float, float, float, float] | None = None
    points_px: tuple[tuple[float, float], ...] = ()
    negative_px: tuple[tuple[float, float], ...] = ()
    score: float = 1.0

    def clicks(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, 2) points, those on the object first, and (n,) labels: 1 on it, 0 beside it."""
        points = np.array([*self.points_px, *self.negative_px], dtype=np.float64).reshape(-1, 2)
        labels = np.array([1] * len(self.points_px) + [0] * len(self.negative_px), dtype=np.int64)
        return points, labels

    @property
    def ambiguous(self) -> bool:
        """One click may mean a thing or its part: a network then gives three masks, and the surest is taken."""
        return self.box_px is None and len(self.points_px) + len(self.negative_px) == 1


@runtime_checkable
class PromptableNetwork(Protocol):
    """A network in memory that turns prompts into masks. Masks come at `working_size_px` of the photo."""

    name: str

    def segment_prompts(self, photo: Photo, prompts: Sequence[Prompt]) -> list[MaskProposal]:
        """One mask per prompt, in order; it may be empty."""

    def segment_everything(self, photo: Photo) -> list[MaskProposal]:
        """Masks of a grid of points, without labels, those that the network is sure of."""


def in_batches(prompts: Sequence[Prompt], size: int) -> Iterator[list[Prompt]]:
    """The prompts in order, neighbouring boxes together, at most `size` of them; a prompt with points alone."""
    batch: list[Prompt] = []
    for prompt in prompts:
        alone = bool(prompt.points_px)
        if batch and (alone or len(batch) >= size or batch[0].points_px):
            yield batch
            batch = []
        batch.append(prompt)
    if batch:
        yield batch


def in_network_px(points_px: np.ndarray, photo_px: tuple[int, int], network_px: tuple[int, int]) -> np.ndarray:
    """Photo points as the SAM family counts them: index of a pixel, whose centre is at the whole number.

    Points and the corners of boxes alike: the networks add the half pixel back before they embed them.
    """
    scale = np.array(network_px, dtype=np.float64) / np.array(photo_px, dtype=np.float64)
    return points_px * scale - 0.5


def proposal(mask: np.ndarray, prompt: Prompt, quality: float, source: str) -> MaskProposal:
    """A prompt's mask; its score is the prompt's times the network's own estimate of the mask's IoU."""
    score = float(np.clip(prompt.score * np.clip(quality, 0.0, 1.0), 0.0, 1.0))
    return MaskProposal(mask=mask, label=prompt.label, score=score, source=source)
