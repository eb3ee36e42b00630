"""NAF, Neighborhood Attention Filtering: low-res features and a sharp guide picture in, features per pixel out.

Every pixel of the target is a convex mixture of the K x K low-res cells around it; the weights are an attention
from the pixel's own look (query) to the cells' looks (keys), both from a small image encoder. The published form
enlarges keys and values to the target and attends with a dilation; since they are constant within a cell, the
cells themselves serve, and single pixels can be evaluated alone (`NafMap.sample`).

Frames: maps are (rows, columns); the guide picture has values in [0, 1], not normalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ..errors import ShapeError
from .taps import Taps

_PIXELS_AT_ONCE = 4096  # bounds the gathered keys to some 350 MB at the official size


class _ConvUnit(nn.Module):
    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, channels)
        self.conv1 = _same_conv(channels, channels, kernel)
        self.norm2 = nn.GroupNorm(8, channels)
        self.conv2 = _same_conv(channels, channels, kernel)
        self.act = nn.SiLU()

    def forward(self, x: Float[Tensor, "1 C H W"]) -> Float[Tensor, "1 C H W"]:
        x = self.conv1(self.act(self.norm1(x)))  # (1, C, H, W)
        return self.conv2(self.act(self.norm2(x)))  # (1, C, H, W)


def _same_conv(channels_in: int, channels_out: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, padding_mode="reflect")


def _branch(channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(_same_conv(3, channels, kernel), _ConvUnit(channels, kernel), _ConvUnit(channels, kernel))


class _PictureRope(nn.Module):
    """Rotary position in two axes: rows turn the first quarter of a head's channels, columns the second.

    Channel k pairs with channel k + D / 2. Coordinates run from -1 to 1 over the map, at pixel centres.
    """

    periods: Tensor

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        j = torch.arange(head_dim // 4)
        self.register_buffer("periods", 100.0 ** (j / (head_dim // 4)))  # (D / 4,)

    def forward(self, x: Float[Tensor, "heads D H W"]) -> Float[Tensor, "heads D H W"]:
        height, width = x.shape[-2:]
        rows, columns = (
            2 * math.pi * ((torch.arange(n, device=x.device) + 0.5) / n * 2 - 1) / self.periods[:, None]
            for n in (height, width)
        )  # (D / 4, H), (D / 4, W)
        shape = (len(self.periods), height, width)
        angles = torch.cat([rows[:, :, None].expand(shape), columns[:, None, :].expand(shape)])  # (D / 2, H, W)
        first, second = x.chunk(2, dim=1)  # 2 x (heads, D / 2, H, W)
        cos, sin = angles.cos(), angles.sin()  # 2 x (D / 2, H, W)
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=1)  # (heads, D, H, W)


class _GuideEncoder(nn.Module):
    """How each pixel looks: a branch that sees single pixels beside one that sees 3 x 3 neighbourhoods."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.encoder = _branch(dim // 2, kernel=1)
        self.sem_encoder = _branch(dim // 2, kernel=3)
        self.rope = _PictureRope(dim // heads)

    def forward(self, picture: Float[Tensor, "3 Hp Wp"], target_hw: tuple[int, int]) -> Float[Tensor, "heads D H W"]:
        largest = tuple(min(n, 4 * target) for n, target in zip(picture.shape[1:], target_hw, strict=True))
        guide = picture[None]  # (1, 3, Hp, Wp)
        if largest != tuple(picture.shape[1:]):
            guide = interpolate(guide, largest, mode="bilinear", align_corners=False)
        branches = (self.encoder, self.sem_encoder)
        looks = torch.cat([adaptive_avg_pool2d(branch(guide), target_hw)[0] for branch in branches])  # (dim, H, W)
        return self.rope(torch.unflatten(looks, 0, (self.heads, -1)))  # (heads, D, H, W)


@dataclass(frozen=True, slots=True, kw_only=True)
class NafMap:
    """A feature map of `target_hw` pixels that exists only where it is asked for."""

    queries: Float[Tensor, "pixels heads D"]
    keys: Float[Tensor, "cells heads D"]
    values: Float[Tensor, "heads cells Ch"]
    target_hw: tuple[int, int]
    cells_hw: tuple[int, int]
    kernel: int

    def sample(self, taps: Taps) -> Float[Tensor, "T C"]:
        """Weighted sums of pixels of the map."""
        at_once = max(_PIXELS_AT_ONCE // taps.pixels.shape[1], 1)
        parts = zip(torch.split(taps.pixels, at_once), torch.split(taps.weights, at_once), strict=True)
        return torch.cat([self._sample(pixels, weights) for pixels, weights in parts])  # (T, C)

    def dense(self) -> Float[Tensor, "C H W"]:
        """The whole map."""
        pixels = torch.arange(math.prod(self.target_hw), device=self.queries.device)[:, None]  # (H W, 1)
        every = Taps(pixels=pixels, weights=torch.ones_like(pixels, dtype=self.values.dtype))
        return torch.unflatten(self.sample(every).T, 1, self.target_hw)  # (C, H, W)

    def _sample(self, pixels: Int[Tensor, "T K"], weights: Float[Tensor, "T K"]) -> Float[Tensor, "T C"]:
        cells = self._cells_around(pixels)  # (T, K, n)
        logits = torch.einsum("tkhd,tknhd->htkn", self.queries[pixels], self.keys[cells])  # (heads, T, K, n)
        attention = (logits * self.queries.shape[-1] ** -0.5).softmax(dim=-1)  # (heads, T, K, n)
        mixture = (attention * weights[..., None]).flatten(2)  # (heads, T, K n): of each sample, over cells
        heads = zip(mixture, self.values, strict=True)
        return torch.cat([Taps(pixels=cells.flatten(1), weights=w).weighted_sum(v) for w, v in heads], dim=1)  # (T, C)

    def _cells_around(self, pixels: Int[Tensor, "T K"]) -> Int[Tensor, "T K n"]:
        """The kernel x kernel cells around each pixel's own cell, moved inwards at the border."""
        window = torch.arange(self.kernel, device=pixels.device)  # (kernel,)
        rows, columns = (
            (index // (target // cells) - self.kernel // 2).clamp(0, cells - self.kernel)[..., None] + window
            for index, target, cells in zip(
                (pixels // self.target_hw[1], pixels % self.target_hw[1]), self.target_hw, self.cells_hw, strict=True
            )
        )  # 2 x (T, K, kernel)
        return (rows[..., :, None] * self.cells_hw[1] + columns[..., None, :]).flatten(2)  # (T, K, n)


class Naf(nn.Module):
    """The upsampler; `dim`, `heads` and `kernel_size` of the released weights are the defaults."""

    def __init__(self, dim: int = 256, heads: int = 4, kernel_size: int = 9) -> None:
        super().__init__()
        self.heads, self.kernel = heads, kernel_size
        self.image_encoder = _GuideEncoder(dim, heads)

    def forward(
        self, picture: Float[Tensor, "3 Hp Wp"], features: Float[Tensor, "C h w"], target_hw: tuple[int, int]
    ) -> NafMap:
        """The features of one picture at `target_hw`, a multiple of their own size, which is at least the kernel's."""
        cells_hw = (features.shape[1], features.shape[2])
        if min(cells_hw) < self.kernel or any(t % c for t, c in zip(target_hw, cells_hw, strict=True)):
            raise ShapeError("NAF's target", f"a multiple of {cells_hw}, at least {self.kernel} cells", target_hw)
        looks = self.image_encoder(picture, target_hw)  # (heads, D, H, W)
        return NafMap(
            queries=looks.flatten(2).permute(2, 0, 1),  # (H W, heads, D)
            keys=adaptive_avg_pool2d(looks, cells_hw).flatten(2).permute(2, 0, 1).contiguous(),  # (h w, heads, D)
            values=torch.unflatten(features.flatten(1), 0, (self.heads, -1)).transpose(1, 2).contiguous(),
            target_hw=target_hw,
            cells_hw=cells_hw,
            kernel=self.kernel,
        )
