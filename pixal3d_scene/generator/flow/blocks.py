"""The parts of a diffusion transformer (Peebles & Xie 2023, "DiT") around attention: time, norms, block.

Tokens are flat (T, C) over all items of a batch; what depends on time is one vector per item (B, ...).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from .attention import CrossAttention, ImageTerms, ProjectedImageAttention, SelfAttention
from .tokens import TokenLayout

_HALF = 128  # frequencies of the time embedding


class TimestepEmbedder(nn.Module):
    """t in [0, 1000] to a vector: cosines, then sines, of 128 frequencies, then two linear layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * _HALF, channels), nn.SiLU(), nn.Linear(channels, channels))

    def forward(self, t: Float[Tensor, "B"]) -> Float[Tensor, "B C"]:
        i = torch.arange(_HALF, dtype=torch.float32, device=t.device)  # (half,)
        angles = t.float()[:, None] * torch.exp(-math.log(10000) * i / _HALF)  # (B, half)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))  # (B, C)


def layer_norm(x: Float[Tensor, "T C"], affine: nn.LayerNorm | None = None) -> Float[Tensor, "T C"]:
    """LayerNorm of the blocks: eps 1e-6, float32 maths, cast back."""
    weight, bias = (affine.weight, affine.bias) if affine is not None else (None, None)
    return torch.nn.functional.layer_norm(x.float(), x.shape[-1:], weight, bias, eps=1e-6).type_as(x)  # (T, C)


class FeedForward(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(channels, width), nn.GELU(approximate="tanh"), nn.Linear(width, channels))

    def forward(self, h: Float[Tensor, "T C"]) -> Float[Tensor, "T C"]:
        return self.mlp(h)  # (T, C)


class ModulatedBlock(nn.Module):
    """Self-attention, image attention, feed-forward; the first and the last are shifted, scaled and gated by time.

    share_mod: time arrives as the 6 C modulation of a layer that all blocks share, and each block adds a learned
    vector; otherwise it arrives as the embedding (B, C) and each block has a layer of its own.
    """

    def __init__(
        self,
        self_attn: SelfAttention,
        cross_attn: CrossAttention | ProjectedImageAttention,
        mlp: FeedForward,
        *,
        channels: int,
        share_mod: bool,
    ) -> None:
        super().__init__()
        self.share_mod = share_mod
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.self_attn, self.cross_attn, self.mlp = self_attn, cross_attn, mlp
        if share_mod:
            self.modulation = nn.Parameter(torch.zeros(6 * channels))
        else:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(channels, 6 * channels))

    def forward(
        self,
        x: Float[Tensor, "T C"],
        time: Float[Tensor, "B Cm"],
        layout: TokenLayout,
        phasors: Complex[Tensor, "T pairs"],
        terms: ImageTerms,
    ) -> Float[Tensor, "T C"]:
        modulation = (
            (self.modulation + time).type_as(time) if self.share_mod else self.adaLN_modulation(time)
        )  # (B, 6C)
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = (
            layout.spread(part)  # (T or 1, C)
            for part in modulation.chunk(6, dim=-1)
        )
        h = layer_norm(x) * (1 + scale_msa) + shift_msa  # (T, C)
        x = x + gate_msa * self.self_attn(h, layout, phasors)  # (T, C)
        x = x + self.cross_attn(layer_norm(x, self.norm2), layout, terms)  # (T, C)
        h = layer_norm(x) * (1 + scale_mlp) + shift_mlp  # (T, C)
        return x + gate_mlp * self.mlp(h)  # (T, C)
