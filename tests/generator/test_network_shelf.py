"""Networks of a scene: read once, given up after their last use, of the right kind."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

from pixal3d_scene.errors import InputError
from pixal3d_scene.generator.network_shelf import NetworkShelf


class Counting:
    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.alive: weakref.WeakSet[nn.Module] = weakref.WeakSet()

    def __call__(self, role: str) -> nn.Module:
        self.loaded.append(role)
        network = nn.Linear(2, 2)
        self.alive.add(network)
        return network


def shelf_of(load: Counting, *plan: str) -> NetworkShelf:
    return NetworkShelf(load, plan, torch.device("cpu"), park=True, read_ahead=False)


def test_read_once_and_given_up_after_the_last_use() -> None:
    load = Counting()
    shelf = shelf_of(load, "a", "b", "a", "c")
    with shelf.use("a", nn.Linear) as first:
        kept = id(first)
    del first
    gc.collect()
    assert len(load.alive) == 1  # it is needed again
    with shelf.use("b", nn.Linear):
        pass
    with shelf.use("a", nn.Linear) as again:
        assert id(again) == kept
    del again
    gc.collect()
    assert len(load.alive) == 0
    assert load.loaded == ["a", "b"]


def test_unplanned_uses_are_mistakes() -> None:
    shelf = shelf_of(Counting(), "a")
    with pytest.raises(ValueError, match="not in list"), shelf.use("b", nn.Linear):
        pass


def test_further_uses_read_again() -> None:
    load = Counting()
    shelf = shelf_of(load, "a")
    for _ in range(2):
        with shelf.use("a", nn.Linear):
            pass
        shelf.extend(["a"])
    assert load.loaded == ["a", "a"]


def test_another_kind_of_network_is_named() -> None:
    with (
        pytest.raises(InputError, match=r"checkpoint of a is a Linear, not a Conv3d"),
        shelf_of(Counting(), "a").use("a", nn.Conv3d),
    ):
        pass


def test_given_up_after_an_error_too() -> None:
    load = Counting()
    shelf = shelf_of(load, "a")
    with pytest.raises(RuntimeError), shelf.use("a", nn.Linear):
        raise RuntimeError
    gc.collect()
    assert len(load.alive) == 0
    shelf.close()


def test_reading_ahead_is_one_network_and_no_second_reading() -> None:
    load = Counting()
    shelf = NetworkShelf(load, ("a", "b", "a", "c"), torch.device("cpu"), park=True, read_ahead=True)
    with shelf.use("a", nn.Linear):
        shelf._coming["b"].result()
        assert load.loaded == ["a", "b"]
    with shelf.use("b", nn.Linear):  # a is still here, so c is next
        shelf._coming["c"].result()
    for role in ("a", "c"):
        with shelf.use(role, nn.Linear):
            pass
    assert load.loaded == ["a", "b", "c"]
    shelf.close()


def test_an_error_while_reading_ahead_comes_when_the_network_is_wanted() -> None:
    def load(role: str) -> nn.Module:
        if role == "b":
            raise InputError("b is damaged")
        return nn.Linear(2, 2)

    shelf = NetworkShelf(load, ("a", "b"), torch.device("cpu"), park=False, read_ahead=True)
    with shelf.use("a", nn.Linear):
        pass
    with pytest.raises(InputError, match="b is damaged"), shelf.use("b", nn.Linear):
        pass
    shelf.close()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_networks_come_to_cuda_through_pinned_memory() -> None:
    load = Counting()
    shelf = NetworkShelf(load, ("a", "b"), torch.device("cuda"), park=True, read_ahead=True)
    with shelf.use("a", nn.Linear) as network:
        assert network.weight.is_cuda
        assert next(shelf._coming["b"].result().parameters()).is_pinned()
    with shelf.use("b", nn.Linear) as network:
        assert network.weight.is_cuda
    assert load.loaded == ["a", "b"]
    shelf.close()
