"""Which device a network runs on: a name from the settings in, a torch device out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BackendMissing

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one, else the CPU. Raises BackendMissing for a device that is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BackendMissing(
            f"The device {name} is not there: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices. "
            "Use --device cpu, or install a torch that fits the GPU's driver."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise BackendMissing(f"The device mps is not there for torch {torch.__version__}; use --device cpu.")
    return device
