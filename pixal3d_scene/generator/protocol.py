"""What a generator must do, and the seed of each object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ..asset import ObjectAsset
from ..crop import CropVolume
from ..errors import StageFailed
from ..progress import Progress


@runtime_checkable
class ObjectGenerator(Protocol):
    """Makes meshes of crop volumes. `revision` changes whenever the same volume may give another mesh."""

    name: str
    revision: str

    def generate(
        self, volumes: Sequence[CropVolume], seeds: Sequence[int], progress: Progress
    ) -> Iterable[ObjectAsset | StageFailed]:
        """One result per volume, in order; a failure is a value, so that one object cannot end the others.

        A generator that finishes object by object yields each when it is done, so that it is kept even if the run is
        killed before the last one; one that works stage by stage may as well give a list.

        All volumes of a scene come in one call, so that a generator of several networks can work stage by
        stage. A result depends on its own volume and seed only. Calls `progress.step(name)` per object.
        """


def object_seed(seed: int, mask_value: int) -> int:
    """The seed of one object, independent of which other objects there are."""
    return int(np.random.SeedSequence(seed, spawn_key=(mask_value,)).generate_state(1, np.uint64)[0] >> np.uint64(1))
