"""Which device a network runs on: a name from the settings in, a torch device out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from ..errors import BackendMissing, InputError
from ..settings import DEVICE_NAMES, is_device_name

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """ "auto" is CUDA where there is one, else the CPU.

    Raises InputError for a name that no device has, BackendMissing for a device that is not there.
    """
    import torch

    if not is_device_name(name):
        raise InputError(f"There is no device {name!r}; choose {DEVICE_NAMES}.")

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


def half_precision(device: torch.device) -> AbstractContextManager[object]:
    """Autocast where it is faster: bfloat16 on CUDA, float16 where the GPU has none; float32 on a CPU."""
    import torch

    if device.type != "cuda":
        return nullcontext()
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.autocast("cuda", dtype=dtype)


def free_memory() -> None:
    """Give cached GPU memory back, so that another network or shape of work finds room."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
