"""The flow of the structure latent: a volume (B, C, R, R, R), every cell a token, x slowest and z fastest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...conditioning.condition import Condition
from ..rope import ROPE_FREQ, grid_coords
from .tokens import TokenLayout
from .transformer import FlowTransformer, Prepared


class DenseFlow(FlowTransformer):
    """`SparseStructureFlowModel` of the config files. Axes of the volume are x, y, z of the frame `obj`."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**{**config, "rope_freq": ROPE_FREQ})  # the dense model never honoured another one

    def prepare(self, condition: Condition, *, keep: bool = True) -> Prepared:
        """Condition of B objects, `proj` of B R^3 tokens, for any number of `forward` calls."""
        device, items = condition.global_tokens.device, len(condition.global_tokens)
        coords = grid_coords(self.resolution, device).repeat(items, 1)  # (B R^3, 3)
        layout = TokenLayout((self.resolution**3,) * items)
        return self.prepare_tokens(coords, layout, condition, keep=keep)

    def forward(
        self, x: Float[Tensor, "B Cin R R R"], t: Float[Tensor, "B"], prepared: Prepared
    ) -> Float[Tensor, "B Cout R R R"]:
        tokens = x.movedim(1, -1).flatten(0, 3)  # (B R^3, Cin)
        v = self.token_velocity(tokens, t, prepared)  # (B R^3, Cout)
        return v.reshape(len(x), *x.shape[2:], -1).movedim(-1, 1)  # (B, Cout, R, R, R)

    def field(self, prepared: Prepared) -> Callable[[Tensor, float], Tensor]:
        """Velocity as a sampler wants it: of the state and of time in [0, 1]."""
        return lambda x, t: self(x, torch.full((len(x),), 1000 * t, device=x.device), prepared)
