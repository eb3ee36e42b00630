"""The networks of one scene: each read once, on the device only while it works, given up after its last use.

The shelf knows the order of use. It can read the next network while the present one runs, for CUDA into page-locked
memory, so that neither the disk nor the bus is waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from ..errors import InputError
from ..weights.device import free_memory

Network = TypeVar("Network", bound=nn.Module)


class NetworkShelf:
    """load: reads a network by its role onto the CPU. plan: roles in the order of use; a role may come twice.

    park: between two uses a network waits in the machine's memory instead of the device's. read_ahead: one network
    ahead; worth it where the device computes and the CPU is idle.
    """

    def __init__(
        self,
        load: Callable[[str], nn.Module],
        plan: Sequence[str],
        device: torch.device,
        *,
        park: bool,
        read_ahead: bool,
    ) -> None:
        self._load, self._device, self._park, self._reads_ahead = load, device, park, read_ahead
        self._plan = list(plan)
        self._here: dict[str, nn.Module] = {}
        self._coming: dict[str, Future[nn.Module]] = {}
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="next-network")

    def extend(self, plan: Sequence[str]) -> None:
        """Further uses after those planned so far."""
        self._plan += plan

    @contextmanager
    def use(self, role: str, kind: type[Network]) -> Iterator[Network]:
        """The network of a role on the device, for the duration of the block.

        Raises InputError where the role's checkpoint holds another kind of network.
        """
        self._plan.remove(role)
        network = self._fetch(role)
        if not isinstance(network, kind):
            raise InputError(
                f"The checkpoint of {role} is a {type(network).__name__}, not a {kind.__name__}; the pipeline file "
                "names the wrong one."
            )
        self._here[role] = network.to(self._device, non_blocking=True)
        self._prefetch()
        try:
            yield network
        finally:
            if role not in self._plan:
                del self._here[role]
            elif self._park:
                network.to("cpu")
            del network
            free_memory()

    def close(self) -> None:
        """Drop everything; a read that is under way is waited for."""
        self._reader.shutdown(cancel_futures=True)
        self._coming.clear()
        self._here.clear()
        free_memory()

    def _fetch(self, role: str) -> nn.Module:
        if role in self._here:
            return self._here[role]
        if role in self._coming:
            return self._coming.pop(role).result()
        return self._load(role)

    def _prefetch(self) -> None:
        upcoming = next((role for role in self._plan if role not in self._here), None)
        if self._reads_ahead and upcoming is not None and not self._coming:
            self._coming[upcoming] = self._reader.submit(self._load_pinned, upcoming)

    def _load_pinned(self, role: str) -> nn.Module:
        network = self._load(role)
        if self._device.type != "cuda":
            return network
        return network._apply(lambda tensor: tensor.pin_memory())  # type: ignore[no-untyped-call]
