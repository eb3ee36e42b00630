"""The 3x3x3 submanifold convolution: one function, two back-ends.

    out[n] = bias + sum over d in {-1, 0, 1}^3 of weight[:, dx+1, dy+1, dz+1, :] @ feats[n + d]

with missing neighbours skipped and the active voxels unchanged (Graham and van der Maaten 2017). `torch` is the
reference: exact, differentiable, on every device. `spconv` is faster on CUDA.
"""

from __future__ import annotations

import logging
import math
from functools import cache
from importlib import import_module, metadata

import torch
from torch import nn

from .table_convolution import WIDEST, convolve_table
from .tensor import Backend, SparseTensor
from .torch_convolution import convolve_torch

_log = logging.getLogger(__name__)


def submanifold_conv3d(x: SparseTensor, weight: torch.Tensor, bias: torch.Tensor) -> SparseTensor:
    """Convolve `x` (T, C_in) with weight (C_out, 3, 3, 3, C_in), kernel axes x, y, z, and bias (C_out,)."""
    backend = x.voxels.backend or choose_backend(x.feats.device.type)
    if backend == "spconv":
        from .spconv_convolution import convolve_spconv

        return x.with_feats(convolve_spconv(x, weight, bias))
    if x.voxels.backend is None and x.feats.device.type == "cpu" and min(weight.shape[0], weight.shape[4]) <= WIDEST:
        return x.with_feats(convolve_table(x, weight, bias))
    return x.with_feats(convolve_torch(x, weight, bias))


@cache
def choose_backend(device_type: str) -> Backend:
    """The back-end of a device, decided once; the log says which and why."""
    backend, reason = _preferred_backend(device_type)
    _log.info("Sparse convolution on %s: %s, because %s.", device_type, backend, reason)
    return backend


def _preferred_backend(device_type: str) -> tuple[Backend, str]:
    if device_type != "cuda":
        return "torch", "spconv gives wrong numbers on the CPU with more than one thread"
    wheels = sorted(metadata.packages_distributions().get("spconv", []))
    if not wheels:
        return "torch", "spconv is not installed (pip install 'pixal3d-scene[spconv-cu126]' next to a CUDA 12 torch)"
    cuda_major = (torch.version.cuda or "none").split(".")[0]
    # Wheels are named spconv-cu126, spconv-cu118, ...; the plain `spconv` is built for the CPU.
    if not any(wheel.startswith(f"spconv-cu{cuda_major}") for wheel in wheels):
        return "torch", f"the installed {', '.join(wheels)} does not fit the CUDA {torch.version.cuda} of torch"
    try:
        import_module("spconv.pytorch")
    except (ImportError, OSError) as error:
        return "torch", f"{', '.join(wheels)} cannot be imported ({error})"
    return "spconv", f"{', '.join(wheels)} fits the CUDA {torch.version.cuda} of torch"


class SubmanifoldConv3d(nn.Module):
    """Learned 3x3x3 submanifold convolution; parameters `weight` (C_out, 3, 3, 3, C_in) and `bias` (C_out,)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(27 * in_channels)  # as torch initialises its own convolutions
        self.weight = nn.Parameter(torch.zeros(out_channels, 3, 3, 3, in_channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out_channels).uniform_(-bound, bound))

    def forward(self, x: SparseTensor) -> SparseTensor:
        return submanifold_conv3d(x, self.weight, self.bias)
