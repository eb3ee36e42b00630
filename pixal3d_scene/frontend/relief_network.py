"""The network of reliefs: one object's window of the photo in, how its surface differs from its outline's block out.

A small U-Net (Ronneberger et al., "U-Net", MICCAI 2015). The block is where an object stands by its outline; the
network says how much farther or nearer each pixel is, so that it learns shapes and not rooms.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..weights.sized_network import read_sized, write_sized
from .relief_picture import CHANNELS

_FOLD = 2  # pixels along an edge that become channels


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliefSize:
    """widths: channels at half, a quarter and an eighth of the window. blocks: residual ones, on the way in."""

    widths: tuple[int, int, int] = (48, 96, 160)
    blocks: tuple[int, int, int] = (2, 2, 2)


class ReliefNetwork(nn.Module):
    """Answers log(depth / block) for every pixel of a window."""

    def __init__(self, size: ReliefSize) -> None:
        super().__init__()
        self.size = size
        widths, folded = size.widths, CHANNELS * _FOLD**2
        self.enter = nn.Conv2d(folded, widths[0], 1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.inward = nn.ModuleList(
            nn.Sequential(*(_Residual(w) for _ in range(n))) for w, n in zip(widths, size.blocks, strict=True)
        )
        self.whole = nn.Sequential(nn.Linear(widths[-1], widths[-1]), nn.SiLU(), nn.Linear(widths[-1], widths[-1]))
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.outward = nn.ModuleList(_Residual(w) for w in widths[:-1])
        self.leave = nn.Conv2d(widths[0] + folded, _FOLD**2, 3, padding=1)

    def forward(self, picture: Float[Tensor, "B C n n"]) -> Float[Tensor, "B n n"]:
        """picture: of `relief_picture`."""
        folded = F.pixel_unshuffle(picture, _FOLD)
        x = self.enter(folded)
        levels = []
        for k, blocks in enumerate(self.inward):
            x = self.down[k - 1](x) if k else x
            x = blocks(x)
            levels.append(x)
        x = x + self.whole(x.mean(dim=(2, 3)))[:, :, None, None]
        for k in reversed(range(len(self.outward))):
            x = levels[k] + F.interpolate(self.up[k](x), scale_factor=2, mode="bilinear", align_corners=False)
            x = self.outward[k](x)
        return F.pixel_shuffle(self.leave(torch.cat([x, folded], dim=1)), _FOLD)[:, 0]


def write_reliefs(network: ReliefNetwork, path: Path) -> None:
    """See `write_sized`."""
    write_sized(network, network.size, path)


def read_reliefs(path: Path) -> ReliefNetwork:
    """See `read_sized`; raises BackendMissing for a file that is not whole, or of another network."""
    return read_sized(path, lambda size: ReliefNetwork(ReliefSize(**size)), what="reliefs")


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return F.silu(x + self.steps(x))
