"""Objects in batches: who goes together, what a failure costs, and what memory that runs out does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from pixal3d_scene.generator.batching import BatchLimit, is_out_of_memory, run_batches


class Recorder:
    """Work that remembers its batches and fails where it is told to."""

    def __init__(self, fails: Callable[[Sequence[int]], Exception | None] = lambda _: None) -> None:
        self.batches: list[list[int]] = []
        self.done: list[int] = []
        self._fails = fails

    def __call__(self, batch: Sequence[int]) -> None:
        self.batches.append(list(batch))
        error = self._fails(batch)
        if error is not None:
            raise error
        self.done += batch


def starved_above(most: int) -> Callable[[Sequence[int]], Exception | None]:
    return lambda batch: torch.OutOfMemoryError("no room") if len(batch) > most else None


def run(work: Recorder, items: list[int], *, objects: int, tokens: int = 1000) -> list:
    return run_batches(items, work, BatchLimit(objects=objects, tokens=tokens), lambda item: item)


def test_batches_keep_order_and_both_limits() -> None:
    work = Recorder()
    outcomes = run(work, [5, 5, 5, 40, 5, 200, 5], objects=3, tokens=50)
    assert work.batches == [[5, 5, 5], [40, 5], [200], [5]]  # one that is too large goes alone
    assert all(o.error is None and o.halved_to == [] for o in outcomes)


def test_no_items_no_work() -> None:
    work = Recorder()
    assert run(work, [], objects=3) == []
    assert work.batches == []


def test_memory_that_runs_out_halves_for_the_rest() -> None:
    work = Recorder(starved_above(2))
    outcomes = run(work, list(range(8)), objects=7)
    assert work.batches == [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2], [0], [1], [2], [3], [4], [5], [6], [7]]
    assert work.done == list(range(8))
    assert [o.halved_to for o in outcomes] == [[3, 1]] * 3 + [[3]] * 4 + [[]]
    assert all(o.error is None for o in outcomes)


def test_one_that_does_not_fit_alone_is_left_and_the_others_go_on() -> None:
    work = Recorder(lambda batch: MemoryError() if 3 in batch else None)
    outcomes = run(work, [1, 2, 3, 4], objects=4)
    assert work.done == [1, 2, 4]
    assert [o.error is not None for o in outcomes] == [False, False, True, False]


def test_another_error_is_the_culprits_alone() -> None:
    work = Recorder(lambda batch: ValueError("three") if 3 in batch else None)
    outcomes = run(work, [1, 2, 3, 4, 5], objects=4)
    assert work.batches == [[1, 2, 3, 4], [1], [2], [3], [4], [5]]
    assert [type(o.error) for o in outcomes] == [type(None), type(None), ValueError, type(None), type(None)]
    assert all(o.halved_to == [] for o in outcomes)


def test_errors_keep_no_tensors_alive() -> None:
    work = Recorder(starved_above(0))
    [outcome] = run(work, [1], objects=1)
    assert outcome.error is not None
    assert outcome.error.__traceback__ is None
    assert outcome.error.__context__ is None


def test_the_user_can_interrupt() -> None:
    def interrupt(_: Sequence[int]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batches([1], interrupt, BatchLimit(objects=1, tokens=1), lambda item: item)


def test_what_counts_as_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(1 << 50, dtype=torch.float64)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
