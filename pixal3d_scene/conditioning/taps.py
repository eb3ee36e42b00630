"""Sampling a picture-shaped map at few places: normalised coordinates in, pixels and their weights out.

Bilinear with the outermost pixels continued beyond the border; -1 and 1 are the outer edges of the map (what
`grid_sample` calls align_corners=False, padding "border"). Keeping pixels and weights apart from the values lets
a map that is expensive per pixel be evaluated at the tapped pixels only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag


@dataclass(frozen=True, slots=True, kw_only=True)
class Taps:
    """The K pixels (row * width + column) that make each of T samples, and how much of each."""

    pixels: Int[Tensor, "T K"]
    weights: Float[Tensor, "T K"]

    def weighted_sum(self, values: Float[Tensor, "pixels C"]) -> Float[Tensor, "T C"]:
        """Samples of a map with one row per pixel, without ever holding (T, K, C)."""
        return embedding_bag(self.pixels, values, per_sample_weights=self.weights.to(values), mode="sum")


def bilinear_taps(where: Float[Tensor, "T 2"], shape_hw: tuple[int, int]) -> Taps:
    """The four pixels around each point. where: (x right, y down), -1 to 1 across the map."""
    height, width = shape_hw
    size = torch.tensor([width, height], device=where.device)  # (2,)
    centre = ((where + 1) * size - 1) / 2  # (T, 2) in pixels whose centres are integers
    centre = centre.clamp(torch.zeros_like(size), size - 1)  # (T, 2)
    low = centre.floor()  # (T, 2)
    part = centre - low  # (T, 2) share of the right, of the lower pixel
    x0, y0 = low.long().unbind(1)  # 2 x (T,)
    x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)  # where clamped, the share is 0
    right, down = part.unbind(1)  # 2 x (T,)
    return Taps(
        pixels=torch.stack([y0 * width + x0, y0 * width + x1, y1 * width + x0, y1 * width + x1], dim=1),  # (T, 4)
        weights=torch.stack(
            [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], dim=1
        ),  # (T, 4)
    )
