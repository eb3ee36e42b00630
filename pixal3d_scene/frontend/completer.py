"""What a completer must do: the pictures of partly hidden objects in, their hidden parts painted out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8

from ..arrays import check_shape, freeze
from ..crop import CropVolume
from ..errors import StageFailed
from ..progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenPart:
    """An object that something stands in front of, as a completer sees it.

    volume: its crop, wide enough for what may be hidden; the colours of `volume.rgba` are the photo's also outside
    the object. hole: pixels of that picture where something in front hides what is there. hidden_by: names of what
    stands in front.
    """

    volume: CropVolume
    hole: Bool[np.ndarray, "S S"]
    hidden_by: tuple[str, ...]

    def __post_init__(self) -> None:
        check_shape("HiddenPart.hole", self.hole, self.volume.rgba.shape[:2])
        freeze(self, "hole")

    @property
    def name(self) -> str:
        return self.volume.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a completer made of one object, in the picture of its `HiddenPart`: colours, and the mask of the whole
    object, visible and hidden, as alpha. Only what lies in the hole is ever used (`completion_guard`)."""

    rgba: UInt8[np.ndarray, "S S 4"]

    def __post_init__(self) -> None:
        freeze(self, "rgba")


@runtime_checkable
class Completer(Protocol):
    """Paints hidden parts. `revision` changes whenever the same picture may give another completion."""

    name: str
    revision: str

    def complete(
        self, hidden: Sequence[HiddenPart], seeds: Sequence[int], progress: Progress
    ) -> list[Completion | StageFailed]:
        """One result per object, in order; a failure is a value, so that one object cannot end the others.

        All objects of a scene come in one call, so that networks are loaded once. A result depends on its own
        object and seed only. Calls `progress.step(name)` per object.
        """
