"""The sparse structure: a dense latent volume in, occupancy logits and the list of active cells out.

Volumes are (B, C, X, Y, Z) in `obj` axes. Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..errors import InputError
from .precision import ChannelLayerNorm32, cast_torso

_NORM_EPS = 1e-5


class StructureDecoder(nn.Module):
    """Latent (B, latent_channels, n, n, n) to occupancy logits (B, out_channels, 4n, 4n, 4n) with three `channels`.

    Arguments are those of the checkpoint's json; keys that only matter to training are ignored.
    """

    def __init__(
        self,
        *,
        out_channels: int,
        latent_channels: int,
        channels: Sequence[int],
        num_res_blocks: int,
        num_res_blocks_middle: int = 2,
        norm_type: str = "layer",
        use_fp16: bool = False,
        **_unused: object,
    ) -> None:
        super().__init__()
        _check_norm(norm_type)
        self.input_layer = nn.Conv3d(latent_channels, channels[0], 3, padding=1)
        self.middle_block = nn.Sequential(*(ResidualBlock(channels[0]) for _ in range(num_res_blocks_middle)))
        blocks: list[nn.Module] = []
        for level, width in enumerate(channels):
            blocks += [ResidualBlock(width) for _ in range(num_res_blocks)]
            if level + 1 < len(channels):
                blocks.append(ShuffleUpsample(width, channels[level + 1]))
        self.blocks = nn.Sequential(*blocks)
        self.out_layer = nn.Sequential(
            ChannelLayerNorm32(channels[-1], eps=_NORM_EPS),
            nn.SiLU(),
            nn.Conv3d(channels[-1], out_channels, 3, padding=1),
        )
        self.set_torso_dtype(torch.float16 if use_fp16 else torch.float32)

    def set_torso_dtype(self, dtype: torch.dtype) -> None:
        """Run the residual and upsampling blocks in `dtype`."""
        self.torso_dtype = dtype
        cast_torso(self.middle_block, dtype)
        cast_torso(self.blocks, dtype)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Logits of occupancy; a cell is occupied where its logit is above 0."""
        h = self.input_layer(latent)  # (B, channels[0], n, n, n)
        h = self.blocks(self.middle_block(h.to(self.torso_dtype)))  # (B, channels[-1], 4n, 4n, 4n)
        return self.out_layer(h.to(latent.dtype))


class StructureEncoder(nn.Module):
    """The decoder's mirror: an occupancy volume (B, in_channels, 4n, 4n, 4n) to the latent's mean and log-variance.

    Both are (B, latent_channels, n, n, n). Halving is a convolution of kernel and stride 2.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        latent_channels: int,
        channels: Sequence[int],
        num_res_blocks: int,
        num_res_blocks_middle: int = 2,
        norm_type: str = "layer",
        use_fp16: bool = False,
        **_unused: object,
    ) -> None:
        super().__init__()
        _check_norm(norm_type)
        self.input_layer = nn.Conv3d(in_channels, channels[0], 3, padding=1)
        blocks: list[nn.Module] = []
        for level, width in enumerate(channels):
            blocks += [ResidualBlock(width) for _ in range(num_res_blocks)]
            if level + 1 < len(channels):
                blocks.append(StrideDownsample(width, channels[level + 1]))
        self.blocks = nn.Sequential(*blocks)
        self.middle_block = nn.Sequential(*(ResidualBlock(channels[-1]) for _ in range(num_res_blocks_middle)))
        self.out_layer = nn.Sequential(
            ChannelLayerNorm32(channels[-1], eps=_NORM_EPS),
            nn.SiLU(),
            nn.Conv3d(channels[-1], 2 * latent_channels, 3, padding=1),
        )
        self.set_torso_dtype(torch.float16 if use_fp16 else torch.float32)

    def set_torso_dtype(self, dtype: torch.dtype) -> None:
        """Run the residual and downsampling blocks in `dtype`."""
        self.torso_dtype = dtype
        cast_torso(self.blocks, dtype)
        cast_torso(self.middle_block, dtype)

    def forward(self, occupancy: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the latent."""
        h = self.input_layer(occupancy)  # (B, channels[0], 4n, 4n, 4n)
        h = self.middle_block(self.blocks(h.to(self.torso_dtype)))  # (B, channels[-1], n, n, n)
        mean, logvar = self.out_layer(h.to(occupancy.dtype)).chunk(2, dim=1)  # (B, latent_channels, n, n, n) each
        return mean, logvar


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), width unchanged."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelLayerNorm32(channels, eps=_NORM_EPS)
        self.norm2 = ChannelLayerNorm32(channels, eps=_NORM_EPS)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv1(nn.functional.silu(self.norm1(x)))  # (B, C, X, Y, Z)
        return x + self.conv2(nn.functional.silu(self.norm2(h)))


class ShuffleUpsample(nn.Module):
    """Doubles the volume: a convolution to eight times the channels, then `pixel_shuffle_3d`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, 8 * out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return pixel_shuffle_3d(self.conv(x))


class StrideDownsample(nn.Module):
    """Halves the volume."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def pixel_shuffle_3d(x: torch.Tensor) -> torch.Tensor:
    """(B, 8 C, X, Y, Z) to (B, C, 2X, 2Y, 2Z); channel 8 c + 4 ix + 2 iy + iz goes to offset (ix, iy, iz).

    x is the most significant bit, the opposite of the sparse decoders' `Subdivision`.
    """
    batch, channels, *size = x.shape
    x = x.reshape(batch, channels // 8, 2, 2, 2, *size)  # (B, C, ix, iy, iz, X, Y, Z)
    x = x.permute(0, 1, 5, 2, 6, 3, 7, 4)  # (B, C, X, ix, Y, iy, Z, iz)
    return x.reshape(batch, channels // 8, *(2 * n for n in size))


def occupied_coords(logits: torch.Tensor, *, pool: int = 1, threshold: float = 0.0) -> torch.Tensor:
    """Cells (T, 4) int32, rows (batch, x, y, z) in lexicographic order, of logits (B, 1, X, Y, Z) above `threshold`.

    pool: side of the cubes of which one occupied cell suffices; the published cascade takes 64^3 to 32^3 with 2.
    """
    occupied = (logits[:, 0] > threshold).float()  # (B, X, Y, Z)
    return nn.functional.max_pool3d(occupied, pool).nonzero().to(torch.int32)


def _check_norm(norm_type: str) -> None:
    if norm_type != "layer":
        raise InputError(f"norm_type {norm_type!r} of the structure network is unknown; published is 'layer' only.")
