"""Endless batches of rendered rooms for training; the same seed gives the same rooms. Torch and numpy alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import torch

from .model_pack import ModelPack
from .render_rooms import render_rooms
from .room_batch import RoomBatch
from .room_cache import read_batch, write_batch
from .sample_furniture import Shelf
from .sample_room import sample_room
from .scene_tensors import PackTensors

_SPLIT_OFFSET = {"train": 0, "validation": 1 << 40}  # seeds of the splits never meet


def room_batches(
    pack: ModelPack,
    *,
    batch: int,
    size_px: tuple[int, int],
    seed: int = 0,
    split: str = "train",
    device: torch.device | str = "cpu",
    finer: int = 2,
    cache: Path | None = None,
    start: int = 0,
) -> Iterator[RoomBatch]:
    """Batches of `batch` rooms, rendered as they are asked for: room k of the stream has seed `seed * 2^20 + k`.

    split: whose models furnish the rooms. finer: see `render_rooms`. cache: a folder where batches are kept; those
    found there are read (to half precision of depth) and not rendered. start: number of the first batch.
    """
    shelf = Shelf.of(pack, split)
    tensors = PackTensors.of(pack, device)
    first = (seed << 20) + _SPLIT_OFFSET[split]
    for number in count(start):
        kept = None
        if cache is not None:
            kept = cache / f"{split}_{seed}_{size_px[0]}x{size_px[1]}_{finer}_{batch}_{number:06d}.npz"
        if kept is not None and kept.exists():
            yield read_batch(kept).to(device)
        else:
            seeds = np.arange(first + number * batch, first + (number + 1) * batch).tolist()
            rooms = [sample_room(shelf, s, size_px) for s in seeds]
            made = render_rooms(tensors, rooms, size_px, finer=finer)
            if kept is not None:
                write_batch(made, kept)
            yield made
