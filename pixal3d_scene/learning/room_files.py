"""Where a training run gets its rooms: a batch per step, from files, or rendered on the spot.

Rendering on a CPU takes longer than a training step, so there each room is used several times: one process renders
into a folder, another trains on what is there. A GPU renders every room anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from .model_pack import ModelPack
from .room_batch import RoomBatch
from .room_cache import read_batch
from .room_stream import room_batches

_LOOK_AGAIN_EVERY = 50  # draws
_COMPOSERS = 8  # processes: a large GPU renders some hundred rooms a second, a core composes a hundred


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


class RenderedRooms:
    """Rooms that are rendered when they are asked for, on the device that trains; a step has its own rooms."""

    def __init__(
        self, pack: ModelPack, *, batch: int, size_px: tuple[int, int], seed: int, device: torch.device
    ) -> None:
        self._pack, self._batch, self._size_px, self._seed, self._device = pack, batch, size_px, seed, device
        self._stream: Iterator[RoomBatch] | None = None
        self._next = 0

    def draw(self, step: int) -> RoomBatch:
        """The batch of a step."""
        if self._stream is None or step != self._next:
            self._stream = room_batches(
                self._pack,
                batch=self._batch,
                size_px=self._size_px,
                seed=self._seed,
                device=self._device,
                start=step,
                workers=_COMPOSERS if self._device.type == "cuda" else 0,
            )
        self._next = step + 1
        return next(self._stream)
