"""The flow of shape and material latents: one feature vector per active cell, (T, C) with coords (T, 4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...conditioning.condition import Condition
from .tokens import TokenLayout
from .transformer import FlowTransformer, Prepared


class SparseFlow(FlowTransformer):
    """`SLatFlowModel` of the config files. Its `resolution` is only informative: coordinates may go further."""

    def prepare(self, condition: Condition, coords: Int[Tensor, "T 4"], *, keep: bool = True) -> Prepared:
        """Condition and cells (batch, x, y, z), sorted by batch item, for any number of `forward` calls."""
        layout = TokenLayout.of_coords(coords, len(condition.global_tokens))
        return self.prepare_tokens(coords[:, 1:], layout, condition, keep=keep)

    def forward(
        self,
        x: Float[Tensor, "T Cx"],
        t: Float[Tensor, "B"],
        prepared: Prepared,
        concat_cond: Float[Tensor, "T Cc"] | None = None,
    ) -> Float[Tensor, "T Cout"]:
        """concat_cond: further channels of every token that are no noise (for material: the shape latent)."""
        tokens = x if concat_cond is None else torch.cat([x, concat_cond], dim=-1)  # (T, Cin)
        return self.token_velocity(tokens, t, prepared)  # (T, Cout)

    def field(
        self, prepared: Prepared, concat_cond: Float[Tensor, "T Cc"] | None = None
    ) -> Callable[[Tensor, float], Tensor]:
        """Velocity as a sampler wants it: of the state and of time in [0, 1]."""
        items = len(prepared.layout.lengths)
        return lambda x, t: self(x, torch.full((items,), 1000 * t, device=x.device), prepared, concat_cond)
