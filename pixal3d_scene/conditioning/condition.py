"""What a flow model sees of the picture: a few global tokens, and one feature per object token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A batch of B objects with T tokens in all.

    global_tokens: image tokens for cross-attention (Pixal3D: class and register tokens, L = 5).
    proj: the feature back-projected to each token, in the order of the tokens (dense grids: x slowest, z fastest).
    None stands for zeros, and for models that take none.
    """

    global_tokens: Float[Tensor, "B L Cc"]
    proj: Float[Tensor, "T Cp"] | None = None

    def dropped(self) -> Condition:
        """The condition of the unconditional pass: zeros in both places."""
        return Condition(global_tokens=torch.zeros_like(self.global_tokens))

    def to(self, target: torch.device | torch.dtype) -> Condition:
        proj = None if self.proj is None else self.proj.to(target)
        return Condition(global_tokens=self.global_tokens.to(target), proj=proj)


def join_conditions(conditions: Sequence[Condition]) -> Condition:
    """One batch of several objects, in order; either all of them have projected features or none."""
    proj = [c.proj for c in conditions if c.proj is not None]
    if len(proj) not in (0, len(conditions)):
        raise ValueError("Some conditions have projected features and some have none.")
    return Condition(
        global_tokens=torch.cat([c.global_tokens for c in conditions]),  # (B, L, Cc)
        proj=torch.cat(proj) if proj else None,  # (T, Cp)
    )
