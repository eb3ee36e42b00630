"""A small network of our own in one file: safetensors in half precision, with the network's size in the metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..errors import BackendMissing

_Network = TypeVar("_Network", bound=nn.Module)


def write_sized(network: nn.Module, size: Any, path: Path) -> None:
    """size: a dataclass, what `build` of `read_sized` makes the same network of; its values are tuples of numbers."""
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    save_file(tensors, path, metadata={"size": json.dumps(asdict(size))})


def read_sized(path: Path, build: Callable[[Mapping[str, Any]], _Network], *, what: str) -> _Network:
    """Ready to answer, in float32. what: the network is for, as a message names it.

    Raises BackendMissing for a file that is not whole, or of another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["size"])
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = build({name: tuple(value) for name, value in facts.items()})
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BackendMissing(
            f"The weights of {what} {path} cannot be read ({error}); give the file that training wrote."
        ) from error
    return network.eval()
