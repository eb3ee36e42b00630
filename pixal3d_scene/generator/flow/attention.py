"""Attention of a flow block: among the object's tokens, and from them to the picture.

Tokens are flat (T, C) over all items of a batch. H heads of D = C / H channels. Linear layers may run in half
precision; norms and rotations are computed in float32 and cast back.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...conditioning.condition import Condition
from ..rope import rotate
from .tokens import TokenLayout, attend


class HeadRMSNorm(nn.Module):
    """x / |x| sqrt(D) gamma, over the channels of each head."""

    def __init__(self, heads: int, head_dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(heads, head_dim))

    def forward(self, x: Float[Tensor, "*n H D"]) -> Float[Tensor, "*n H D"]:
        scale = self.gamma * x.shape[-1] ** 0.5  # (H, D)
        return (normalize(x.float(), dim=-1, eps=1e-12) * scale).type_as(x)  # (..., H, D)


class SelfAttention(nn.Module):
    """Full attention among the tokens of one object, with normed and rotated queries and keys."""

    def __init__(self, channels: int, heads: int, *, qk_rms_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.q_rms_norm = HeadRMSNorm(heads, channels // heads) if qk_rms_norm else nn.Identity()
        self.k_rms_norm = HeadRMSNorm(heads, channels // heads) if qk_rms_norm else nn.Identity()
        self.to_out = nn.Linear(channels, channels)

    def forward(
        self, h: Float[Tensor, "T C"], layout: TokenLayout, phasors: Complex[Tensor, "T pairs"]
    ) -> Float[Tensor, "T C"]:
        q, k, v = self.to_qkv(h).unflatten(-1, (3, self.heads, -1)).unbind(1)  # 3 x (T, H, D)
        q = rotate(self.q_rms_norm(q), phasors)  # (T, H, D)
        k = rotate(self.k_rms_norm(k), phasors)  # (T, H, D)
        return self.to_out(attend(q, k, v, layout, layout).flatten(1))  # (T, C)


class ImageTerms(NamedTuple):
    """All that one block takes from the picture; the same in every sampling step.

    k, v: keys and values of the S = B L image tokens. added: the projected feature of every token, (T, C), or
    one vector for all of them, (C,), or None in a block without projection.
    """

    k: Float[Tensor, "S H D"]
    v: Float[Tensor, "S H D"]
    layout: TokenLayout
    added: Tensor | None


class CrossAttention(nn.Module):
    """Attention from object tokens to image tokens; no positions."""

    def __init__(self, channels: int, cond_channels: int, heads: int, *, qk_rms_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels)
        self.to_kv = nn.Linear(cond_channels, 2 * channels)
        self.q_rms_norm = HeadRMSNorm(heads, channels // heads) if qk_rms_norm else nn.Identity()
        self.k_rms_norm = HeadRMSNorm(heads, channels // heads) if qk_rms_norm else nn.Identity()
        self.to_out = nn.Linear(channels, channels)

    def image_terms(self, condition: Condition) -> ImageTerms:
        items, length, _ = condition.global_tokens.shape
        tokens = condition.global_tokens.flatten(0, 1)  # (B L, Cc)
        k, v = self.to_kv(tokens).unflatten(-1, (2, self.heads, -1)).unbind(1)  # 2 x (B L, H, D)
        return ImageTerms(self.k_rms_norm(k), v, TokenLayout((length,) * items), None)

    def forward(self, h: Float[Tensor, "T C"], layout: TokenLayout, terms: ImageTerms) -> Float[Tensor, "T C"]:
        q = self.q_rms_norm(self.to_q(h).unflatten(-1, (self.heads, -1)))  # (T, H, D)
        return self.to_out(attend(q, terms.k, terms.v, layout, terms.layout).flatten(1))  # (T, C)


class ProjectedImageAttention(nn.Module):
    """Cross-attention to the few global tokens plus the feature seen at each token's own projection.

    This sum is what makes Pixal3D pixel-aligned; the second summand does not depend on the object's state.
    """

    def __init__(self, cross_attention: CrossAttention, proj_in_channels: int) -> None:
        super().__init__()
        self.cross_attn_block = cross_attention
        self.proj_linear = nn.Linear(proj_in_channels, cross_attention.to_out.out_features)

    def image_terms(self, condition: Condition) -> ImageTerms:
        terms = self.cross_attn_block.image_terms(condition)
        if condition.proj is None:  # zeros for every token leave the bias alone
            return terms._replace(added=self.proj_linear.bias)  # (C,)
        return terms._replace(added=self.proj_linear(condition.proj))  # (T, C)

    def forward(self, h: Float[Tensor, "T C"], layout: TokenLayout, terms: ImageTerms) -> Float[Tensor, "T C"]:
        return self.cross_attn_block(h, layout, terms) + terms.added  # (T, C)
