"""Rotary positions in three axes: integer token coordinates in, unit phasors and rotated queries/keys out.

Each axis turns its own third of the channel pairs, at frequencies r0 / r1^(j/F) (Su et al. 2021, "RoFormer",
carried to three axes). A pair are two ADJACENT channels. Coordinates are raw grid indices x, y, z: neither
centred nor divided by the resolution, so that a larger grid only adds larger angles.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

ROPE_FREQ = (1.0, 10000.0)


def rope_phasors(
    coords: Int[Tensor, "T 3"], head_dim: int, rope_freq: tuple[float, float] = ROPE_FREQ
) -> Complex[Tensor, "T pairs"]:
    """exp(i angle) for the head_dim / 2 channel pairs of every token; pairs that no axis needs stay unturned."""
    pairs = head_dim // 2
    per_axis = pairs // coords.shape[1]  # F
    j = torch.arange(per_axis, dtype=torch.float32, device=coords.device)  # (F,)
    frequencies = rope_freq[0] / rope_freq[1] ** (j / per_axis)  # (F,)
    angles = (coords.float()[:, :, None] * frequencies).flatten(1)  # (T, 3 F): all of x, all of y, all of z
    angles = torch.nn.functional.pad(angles, (0, pairs - angles.shape[1]))  # (T, pairs)
    return torch.polar(torch.ones_like(angles), angles)  # (T, pairs)


def rotate(x: Float[Tensor, "T H D"], phasors: Complex[Tensor, "T pairs"]) -> Float[Tensor, "T H D"]:
    """Turn every channel pair of all heads of a token by the token's phasors; float32 maths, dtype kept."""
    as_complex = torch.view_as_complex(torch.unflatten(x.float(), -1, (-1, 2)))  # (T, H, pairs)
    turned = torch.view_as_real(as_complex * phasors[:, None])  # (T, H, pairs, 2)
    return turned.flatten(-2).type_as(x)  # (T, H, D)


def grid_coords(resolution: int, device: torch.device | None = None) -> Int[Tensor, "R3 3"]:
    """Coordinates of all cells of a resolution^3 grid, x slowest, z fastest."""
    axis = torch.arange(resolution, dtype=torch.int32, device=device)
    return torch.cartesian_prod(axis, axis, axis)  # (R^3, 3)
