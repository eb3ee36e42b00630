"""The submanifold convolution in plain torch: gather, multiply, add; once per offset.

A surface fills 6 to 9 of a voxel's 27 neighbours, so that lists of pairs beat one wide product over all 27.
"""

from __future__ import annotations

import torch
from torch import nn

from .neighbours import HALF_OFFSETS, neighbour_pairs
from .tensor import SparseTensor

# Pairs per product: bounds the gathered copies, which would otherwise outgrow the result at full resolution.
_CHUNK_PAIRS = 1 << 18


def convolve_torch(x: SparseTensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Features (T, C_out) of `x` (T, C_in) convolved with weight (C_out, 3, 3, 3, C_in) and bias (C_out,).

    Half precision sums in float32. Within one offset every voxel receives at most one term, so the order of additions
    is fixed and the result is reproducible on CUDA too.
    """
    feats = x.feats  # (T, C_in)
    pairs = x.voxels.table(neighbour_pairs)
    taps = weight.permute(1, 2, 3, 4, 0)  # (3, 3, 3, C_in, C_out)
    out = nn.functional.linear(feats, weight[:, 1, 1, 1], bias)  # (T, C_out)
    out = out.to(torch.promote_types(out.dtype, torch.float32))
    for (dx, dy, dz), rows, neighbours in zip(HALF_OFFSETS, pairs.rows, pairs.neighbours, strict=True):
        ahead, behind = taps[1 + dx, 1 + dy, 1 + dz], taps[1 - dx, 1 - dy, 1 - dz]  # (C_in, C_out)
        for a, b in zip(torch.split(rows, _CHUNK_PAIRS), torch.split(neighbours, _CHUNK_PAIRS), strict=True):
            out.index_add_(0, a, (feats.index_select(0, b) @ ahead).to(out.dtype))
            out.index_add_(0, b, (feats.index_select(0, a) @ behind).to(out.dtype))
    return out.to(feats.dtype)
