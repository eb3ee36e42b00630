"""What segmentation networks give before anything is decided: masks that may overlap, with labels and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool

from ..arrays import freeze
from ..photo import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskProposal:
    """One mask of a network. mask: pixels of the picture that it was found in; those of one photo share its shape.

    label: a word of the vocabulary, "" where the network has none. score: 0 to 1, comparable within one source.
    source: which network or prompt.
    """

    mask: Bool[np.ndarray, "h w"]
    label: str
    score: float
    source: str

    def __post_init__(self) -> None:
        freeze(self, "mask")


@runtime_checkable
class MaskProposer(Protocol):
    """Finds masks; `revision` changes whenever the same photo may give others."""

    name: str
    revision: str

    def propose(self, photo: Photo) -> tuple[MaskProposal, ...]:
        """Masks of the photo at a working size of the proposer's own choice, with the photo's aspect ratio."""
