"""A batch of objects as one flat matrix of tokens: which rows belong together, and attention among them.

Rows of one batch item are contiguous and items follow each other, so that objects of different size need no
padding. Dense grids are the special case of equal lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...errors import ShapeError

_FEW = 8  # keys: up to here the fused kernel's way back, on a CPU, takes four times as long as plain products


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """How many rows of a flat (T, ...) tensor each batch item owns."""

    lengths: tuple[int, ...]

    @staticmethod
    def of_coords(coords: Int[Tensor, "T 4"], items: int) -> TokenLayout:
        """Layout of sparse rows (batch, x, y, z). An item may be empty; rows must be sorted by item."""
        batch = coords[:, 0].long()  # (T,)
        lengths = torch.bincount(batch, minlength=items)  # (B,)
        if len(lengths) > items:
            raise ShapeError("coords[:, 0]", f"batch indices below {items}", f"index {len(lengths) - 1}")
        if bool((batch.diff() < 0).any()):
            raise ShapeError("coords[:, 0]", "rows sorted by batch item", "items that are mixed")
        return TokenLayout(tuple(lengths.tolist()))

    @property
    def equal(self) -> bool:
        return len(set(self.lengths)) == 1

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """The rows of each item."""
        return torch.split(x, list(self.lengths))

    def spread(self, vectors: Tensor) -> Tensor:
        """One vector per item (B, C) to one per token (T, C); a single item is left to broadcasting (1, C)."""
        if len(self.lengths) == 1:
            return vectors  # (1, C)
        parts = zip(vectors, self.lengths, strict=True)
        return torch.cat([vector.expand(length, -1) for vector, length in parts])  # (T, C)


def attend(
    q: Float[Tensor, "T H D"],
    k: Float[Tensor, "S H D"],
    v: Float[Tensor, "S H D"],
    of_queries: TokenLayout,
    of_keys: TokenLayout,
) -> Float[Tensor, "T H D"]:
    """Full attention of each item's queries to the keys of the same item, scale 1 / sqrt(D)."""
    if of_queries.equal and of_keys.equal:
        items = len(of_queries.lengths)
        q, k, v = (torch.unflatten(x, 0, (items, -1)).transpose(1, 2) for x in (q, k, v))  # (B, H, N, D)
        mixed = _among_few(q, k, v) if k.shape[2] <= _FEW else scaled_dot_product_attention(q, k, v)  # (B, H, N, D)
        return mixed.transpose(1, 2).flatten(0, 1)  # (T, H, D)
    parts = zip(of_queries.split(q), of_keys.split(k), of_keys.split(v), strict=True)
    one = TokenLayout((0,))  # within one item there is nothing left to tell apart
    return torch.cat([attend(*part, one, one) for part in parts if len(part[0])])  # (T, H, D)


def _among_few(
    q: Float[Tensor, "B H N D"], k: Float[Tensor, "B H S D"], v: Float[Tensor, "B H S D"]
) -> Float[Tensor, "B H N D"]:
    """Attention to a handful of keys, whose weights are no larger than the queries."""
    wide = torch.promote_types(q.dtype, torch.float32)
    weights = torch.softmax((q @ k.mT).to(wide) * q.shape[-1] ** -0.5, dim=-1)  # (B, H, N, S)
    return weights.to(v.dtype) @ v
