"""Rendered rooms on disk, drawn at random: a folder of `room_cache` files in, a batch per step out.

Rendering on a CPU takes longer than a training step, so each room is used several times. The folder may grow while it
is read: one process renders, another trains.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from .room_batch import RoomBatch
from .room_cache import read_batch

_LOOK_AGAIN_EVERY = 50  # draws


class RoomFiles:
    """Files whose names begin with `split`. The same step and the same files give the same batch."""

    def __init__(self, folder: Path, split: str, *, seed: int) -> None:
        self._folder, self._split, self._seed = folder, split, seed
        self._paths: list[Path] = []

    def draw(self, step: int) -> RoomBatch:
        """One file's batch; raises InputError where there is none."""
        if step % _LOOK_AGAIN_EVERY == 0 or not self._paths:
            self._paths = self.paths()
        return read_batch(self._paths[int(np.random.default_rng([self._seed, step]).integers(len(self._paths)))])

    def paths(self) -> list[Path]:
        """All files there are now; raises InputError where there is none."""
        paths = sorted(self._folder.glob(f"{self._split}_*.npz"))
        paths = [path for path in paths if not path.name.endswith(".part.npz")]
        if not paths:
            raise InputError(
                f"{self._folder} holds no rendered rooms to train on ({self._split}_*.npz); "
                "render some first (docs/training-data.md)."
            )
        return paths
