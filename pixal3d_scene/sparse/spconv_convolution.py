"""The submanifold convolution by spconv 2.x: fast on CUDA; on the CPU a cross-check without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from ..errors import BackendMissing
from .tensor import SparseTensor, Voxels


def convolve_spconv(x: SparseTensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Features (T, C_out) of `x` (T, C_in) convolved with weight (C_out, 3, 3, 3, C_in) and bias (C_out,).

    Raises BackendMissing without spconv. spconv knows no bfloat16, which is therefore computed in float32.
    """
    if not len(x.voxels):
        return x.feats.new_zeros(0, len(weight))
    dtype = torch.float32 if x.feats.dtype == torch.bfloat16 else x.feats.dtype
    with _safe_threads(x.feats.device):
        template = x.voxels.table(_spconv_template)
        layer = _layer(weight.shape[4], weight.shape[0])
        parameters = {"weight": weight.to(dtype), "bias": bias.to(dtype)}
        result = torch.func.functional_call(layer, parameters, (template.replace_feature(x.feats.to(dtype)),))
    return result.features.to(x.feats.dtype)


def _spconv_template(voxels: Voxels) -> Any:
    """spconv's own sparse tensor of a level; its dictionary keeps the neighbour table for the next convolutions."""
    xyz = voxels.coords[:, 1:]  # (T, 3)
    low = xyz.amin(dim=0)  # (3,)
    shape = (xyz.amax(dim=0) - low + 1).tolist()
    indices = torch.cat([voxels.coords[:, :1], xyz - low], dim=1).contiguous()  # (T, 4)
    return _spconv().SparseConvTensor(indices.new_zeros(len(indices), 1).float(), indices, shape, voxels.batch_size)


@cache
def _layer(in_channels: int, out_channels: int) -> torch.nn.Module:
    """spconv's layer of a size; its own weights stay unused on the meta device."""
    layer: torch.nn.Module = _spconv().SubMConv3d(in_channels, out_channels, 3, indice_key="level")
    return layer.to("meta")


def _spconv() -> Any:
    try:
        import spconv.pytorch
    except ImportError as error:
        raise BackendMissing(
            f"The spconv back-end is not installed ({error}): pip install 'pixal3d-scene[spconv-cpu]'."
        ) from error
    return spconv.pytorch


@contextmanager
def _safe_threads(device: torch.device) -> Iterator[None]:
    """One thread on the CPU: spconv's CPU kernel races with more (https://github.com/traveller59/spconv/issues/679)."""
    if device.type != "cpu":
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
