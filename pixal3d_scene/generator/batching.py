"""Objects through a network, as many at once as memory allows; memory that runs out halves the number.

A failure belongs to the object that caused it: a batch that fails is divided until the culprit is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from ..weights.device import free_memory

Item = TypeVar("Item")


@dataclass(slots=True)
class BatchLimit:
    """The most objects, and tokens of all objects together, in one batch. Lowered for the rest of the scene."""

    objects: int
    tokens: int


@dataclass(slots=True)
class Outcome:
    """Of one object. halved_to: the numbers of objects at once that were tried after memory ran out."""

    error: Exception | None = None
    halved_to: list[int] = field(default_factory=list)


def run_batches(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], None],
    limit: BatchLimit,
    tokens_of: Callable[[Item], int],
) -> list[Outcome]:
    """`work` on all items in order, in batches within `limit`; `work` must leave nothing behind where it fails."""
    outcomes = [Outcome() for _ in items]
    tokens = [tokens_of(item) for item in items]
    waiting = list(range(len(items)))
    while waiting:
        batch = _next_batch(waiting, tokens, limit)
        error = _attempt(work, [items[i] for i in batch])
        half = len(batch) // 2
        if error is not None and half and is_out_of_memory(error):
            limit.objects = half
            for i in batch:
                outcomes[i].halved_to.append(half)
            continue
        if error is not None and half:  # someone in this batch fails: find out who
            for i in batch:
                outcomes[i].error = _attempt(work, [items[i]])
        elif error is not None:
            outcomes[batch[0]].error = error
        waiting = waiting[len(batch) :]
    return outcomes


def is_out_of_memory(error: BaseException) -> bool:
    """Of the GPU, or of the machine, whose allocator raises a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _next_batch(waiting: Sequence[int], tokens: Sequence[int], limit: BatchLimit) -> list[int]:
    """The first object whatever its size, and those after it that still fit."""
    batch, total = [waiting[0]], tokens[waiting[0]]
    for i in waiting[1 : limit.objects]:
        total += tokens[i]
        if total > limit.tokens:
            break
        batch.append(i)
    return batch


def _attempt(work: Callable[[Sequence[Item]], None], batch: Sequence[Item]) -> Exception | None:
    """The error that ended the work, if one did: without traceback, whose frames hold what filled the memory."""
    try:
        work(batch)
        return None
    except Exception as error:  # whatever it is, it must not end the other objects
        failure = error.with_traceback(None)
        failure.__context__ = None
    free_memory()
    return failure
