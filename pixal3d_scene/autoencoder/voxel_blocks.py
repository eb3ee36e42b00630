"""Blocks of the sparse networks: ConvNeXt on one level, the residual step down (decoder) and up (encoder) the octree.

Parameter names are those of the published checkpoints. Norms have eps 1e-6; those without parameters leave no key.
"""

from __future__ import annotations

import torch
from torch import nn

from ..sparse.convolution import SubmanifoldConv3d
from ..sparse.subdivision import Subdivision
from ..sparse.tensor import SparseTensor
from .precision import LayerNorm32

_NORM_EPS = 1e-6


class ConvNeXtBlock(nn.Module):
    """x + MLP(norm(conv(x))): ConvNeXt (Liu et al. 2022) with a full 3x3x3 submanifold convolution and SiLU."""

    def __init__(self, channels: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        hidden = int(channels * mlp_ratio)
        self.norm = LayerNorm32(channels, eps=_NORM_EPS)
        self.conv = SubmanifoldConv3d(channels, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, channels))

    def forward(self, x: SparseTensor) -> SparseTensor:
        h = self.conv(x).feats  # (T, C)
        return x.with_feats(x.feats + self.mlp(self.norm(h)))


class UpBlock(nn.Module):
    """From parents to their active children, C_in to C_out channels, as a residual step.

    predicts_subdivision: whether the block has the layer that says which children are active.
    """

    def __init__(self, in_channels: int, out_channels: int, *, predicts_subdivision: bool) -> None:
        super().__init__()
        self.norm1 = LayerNorm32(in_channels, eps=_NORM_EPS)
        self.norm2 = LayerNorm32(out_channels, eps=_NORM_EPS, elementwise_affine=False)
        self.conv1 = SubmanifoldConv3d(in_channels, 8 * out_channels)
        self.conv2 = SubmanifoldConv3d(out_channels, out_channels)
        if predicts_subdivision:
            self.to_subdiv = nn.Linear(in_channels, 8)
        self.skip_repeats = 8 * out_channels // in_channels

    def subdivision_logits(self, x: SparseTensor) -> torch.Tensor:
        """(T, 8): a child is active where its logit is above 0. Reads the block's raw input."""
        return self.to_subdiv(x.feats)

    def forward(self, x: SparseTensor, subdivision: Subdivision) -> SparseTensor:
        h = self.conv1(x.with_feats(nn.functional.silu(self.norm1(x.feats))))  # (T, 8 C_out)
        h = subdivision.split(h.feats)  # (T', C_out)
        h = self.conv2(h.with_feats(nn.functional.silu(self.norm2(h.feats))))  # (T', C_out)
        skip = subdivision.split(x.feats).feats  # (T', C_in / 8)
        return h.with_feats(h.feats + skip.repeat_interleave(self.skip_repeats, dim=1))


class DownBlock(nn.Module):
    """The mirror of `UpBlock`: from children to their parents, C_in to C_out channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm32(in_channels, eps=_NORM_EPS)
        self.norm2 = LayerNorm32(out_channels, eps=_NORM_EPS, elementwise_affine=False)
        self.conv1 = SubmanifoldConv3d(in_channels, out_channels // 8)
        self.conv2 = SubmanifoldConv3d(out_channels, out_channels)
        self.out_channels = out_channels

    def forward(self, x: SparseTensor, subdivision: Subdivision) -> SparseTensor:
        h = self.conv1(x.with_feats(nn.functional.silu(self.norm1(x.feats))))  # (T', C_out / 8)
        h = subdivision.merge(h.feats)  # (T, C_out)
        h = self.conv2(h.with_feats(nn.functional.silu(self.norm2(h.feats))))  # (T, C_out)
        skip = subdivision.merge(x.feats).feats  # (T, 8 C_in)
        groups = skip.reshape(len(skip), self.out_channels, skip.shape[1] // self.out_channels)  # (T, C_out, r)
        return h.with_feats(h.feats + groups.mean(dim=2))
