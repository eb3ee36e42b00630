"""Which parts of a decoder or encoder may run in half precision.

Weights of linear layers and convolutions inside the torso take the torso's type; layer norms, and the layers that lead
into and out of the torso, stay in float32.
"""

from __future__ import annotations

import torch
from torch import nn

from ..sparse.convolution import SubmanifoldConv3d


def cast_torso(torso: nn.Module, dtype: torch.dtype) -> None:
    """Convert the linear and convolution weights inside `torso`, in place."""
    for module in torso.modules():
        if isinstance(module, nn.Linear | nn.Conv3d | SubmanifoldConv3d):
            module.to(dtype)


class LayerNorm32(nn.LayerNorm):
    """Layer norm over the last axis, computed in float32 (or wider) and cast back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return nn.functional.layer_norm(wide, self.normalized_shape, self.weight, self.bias, self.eps).to(x.dtype)


class ChannelLayerNorm32(LayerNorm32):
    """The same over the channel axis of a volume (B, C, X, Y, Z)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
