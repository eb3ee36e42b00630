"""Endless batches of rendered rooms for training; the same seed gives the same rooms. Torch and numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import torch

from .model_pack import ModelPack
from .render_rooms import render_rooms
from .room_batch import RoomBatch
from .room_cache import read_batch, write_batch
from .sample_furniture import Shelf
from .sample_room import sample_room
from .sampled_room import SampledRoom
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
    workers: int = 0,
    start: int = 0,
) -> Iterator[RoomBatch]:
    """Batches of `batch` rooms, rendered as they are asked for: room k of the stream has seed `seed * 2^20 + k`.

    split: whose models furnish the rooms. finer: see `render_rooms`. cache: a folder where batches are kept; those
    found there are read (to half precision of depth) and not rendered. start: number of the first batch.
    workers: processes that compose rooms ahead, for a device that renders faster than one core composes.
    """
    shelf = Shelf.of(pack, split)
    tensors = PackTensors.of(pack, device)
    first = first_seed(seed, split)
    compose = _composer(shelf, size_px, workers)
    for number in count(start):
        kept = None
        if cache is not None:
            kept = cache / f"{split}_{seed}_{size_px[0]}x{size_px[1]}_{finer}_{batch}_{number:06d}.npz"
        if kept is not None and kept.exists():
            yield read_batch(kept).to(device)
        else:
            made = render_rooms(tensors, compose(first + number * batch, batch), size_px, finer=finer)
            if kept is not None:
                write_batch(made, kept)
            yield made


def first_seed(seed: int, split: str) -> int:
    """The seed of the first room of a stream."""
    return (seed << 20) + _SPLIT_OFFSET[split]


def _composer(shelf: Shelf, size_px: tuple[int, int], workers: int) -> Callable[[int, int], list[SampledRoom]]:
    """A function of (first seed, number of rooms); with workers it has the next batches composed meanwhile."""
    if workers == 0:
        return lambda first, count: _compose(shelf, first, count, size_px)
    # Spawned, not forked: CUDA does not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_receive, initargs=(shelf,))
    ahead: dict[int, Future[list[SampledRoom]]] = {}

    def compose(first: int, count: int) -> list[SampledRoom]:
        for k in range(2 * workers):
            start = first + k * count
            if start not in ahead:
                ahead[start] = pool.submit(_compose_received, start, count, size_px)
        return ahead.pop(first).result()

    return compose


def _compose(shelf: Shelf, first: int, count: int, size_px: tuple[int, int]) -> list[SampledRoom]:
    return [sample_room(shelf, seed, size_px) for seed in range(first, first + count)]


_received: list[Shelf] = []  # in a worker: the pack, sent once


def _receive(shelf: Shelf) -> None:
    _received[:] = [shelf]


def _compose_received(first: int, count: int, size_px: tuple[int, int]) -> list[SampledRoom]:
    return _compose(_received[0], first, count, size_px)
