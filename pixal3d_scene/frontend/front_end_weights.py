"""The front-end network's weights as one file: safetensors, with the network's size in its metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import BackendMissing
from .front_end_network import FrontEndConfig, FrontEndNetwork


def write_front_end(network: FrontEndNetwork, path: Path, *, half: bool = True) -> None:
    """half: floating point values as float16."""
    tensors = {
        name: value.half() if half and value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    save_file(tensors, path, metadata={"config": json.dumps(asdict(network.config))})


def read_front_end(path: Path) -> FrontEndNetwork:
    """The network, ready to answer, in float32.

    Raises BackendMissing for a file that is not whole, or of another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["config"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BackendMissing(
            f"The front-end weights {path} cannot be read ({error}); give the file that training wrote."
        ) from error
    sizes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    config = FrontEndConfig(**sizes)
    network = FrontEndNetwork(config)
    wanted = network.state_dict()
    wrong = sorted(wanted.keys() ^ tensors.keys())
    wrong += sorted(k for k in wanted.keys() & tensors.keys() if wanted[k].shape != tensors[k].shape)
    if wrong:
        raise BackendMissing(f"The front-end weights {path} do not fit the network: {', '.join(wrong[:5])}.")
    network.load_state_dict({name: value.to(wanted[name].dtype) for name, value in tensors.items()})
    return network.eval()
