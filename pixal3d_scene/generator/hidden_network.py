"""The network of hidden sides: what the photo says in the cells around an object in, the whole object's solid out.

A small U-Net in three dimensions (Ronneberger et al., "U-Net", MICCAI 2015; Dai et al., "Shape Completion using
3D-Encoder-Predictor CNNs", CVPR 2017, completes scans with one). Furniture is symmetric, so the network sees every
cell's mirror images beside it; the numbers of `lift_cut` tell sizes, the camera's place and what cuts the object off.

The sides of the whole object's box are an answer of their own: no cell beyond what is seen may be sure to be filled,
and yet it is sure that the object goes on. Each side stands between where the cells, and where symmetry, have it.
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
from .hidden_cells import CELLS, CHANNELS, LANDMARKS, SYMMETRIC, WALLS
from .lift_cut import FEATURES, SIDES

_FLIPS: tuple[tuple[int, ...], ...] = ((), (-3,), (-1,), (-3, -1))  # of x, y, z: none, left-right, back-front, both
_FOLD = 2  # cells along an edge that become channels
_PLACES = 4  # channels that tell where a cell is: inside the symmetric box, before the walls
_NEAR, _FAR = 0.1, 0.5  # of the box: distances at which these are full


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenSize:
    """widths: channels at half, a quarter and an eighth of the cells. blocks: on the way in."""

    widths: tuple[int, int, int] = (32, 80, 160)
    blocks: tuple[int, int, int] = (1, 2, 2)


class HiddenNetwork(nn.Module):
    """Answers logits: is the cell inside the object? And the sides of its box, told as landmarks are."""

    mean: Tensor
    std: Tensor

    def __init__(self, size: HiddenSize) -> None:
        super().__init__()
        self.size = size
        widths, blocks = size.widths, size.blocks
        folded = (CHANNELS + _PLACES) * _FOLD**3
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.whole = nn.Sequential(nn.Linear(FEATURES, 128), nn.SiLU(), nn.Linear(128, sum(widths)))
        self.widths = widths
        self.enter = nn.Conv3d(folded * len(_FLIPS), widths[0], 1)
        self.down = nn.ModuleList(nn.Conv3d(a, b, 2, stride=2) for a, b in itertools.pairwise(widths))
        self.inward = nn.ModuleList(
            nn.Sequential(*(_Residual(w) for _ in range(n))) for w, n in zip(widths, blocks, strict=True)
        )
        self.up = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.outward = nn.ModuleList(_Residual(w) for w in widths[:-1])
        self.leave = nn.Conv3d(widths[0] + folded, _FOLD**3, 3, padding=1)
        self.sides = nn.Sequential(
            nn.Linear(sum(widths) + LANDMARKS + SIDES + 3 * CELLS, 160), nn.SiLU(), nn.Dropout(0.1),
            nn.Linear(160, 2 * SIDES),
        )  # fmt: skip

    def forward(
        self, evidence: Float[Tensor, "B C n n n"], features: Float[Tensor, "B F"], landmarks: Float[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B n n n"], Float[Tensor, "B 6"]]:
        """evidence, landmarks: of `hidden_cells`, evidence -1 to 1. features: of `lift_cut`."""
        evidence = torch.cat([evidence, _place_channels(landmarks)], dim=1)
        folded = _folded(evidence)
        x = self.enter(torch.cat([_folded(evidence.flip(axes)) for axes in _FLIPS], dim=1))
        told = self.whole((features - self.mean) / self.std)
        whole = told[:, :, None, None, None].split(self.widths, dim=1)
        levels = []
        for k, blocks in enumerate(self.inward):
            x = self.down[k - 1](x) if k else x
            x = blocks(x + whole[k])
            levels.append(x)
        for k in reversed(range(len(self.outward))):
            x = levels[k] + F.interpolate(self.up[k](x), scale_factor=2, mode="nearest")
            x = self.outward[k](x)
        cells = _unfolded(self.leave(torch.cat([x, folded], dim=1)))
        return cells, self._sides_between(cells, told, landmarks)

    def _sides_between(
        self, cells: Float[Tensor, "B n n n"], told: Float[Tensor, "B W"], landmarks: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B 6"]:
        # How sure the surest cell of each slab is, along each axis.
        slabs = torch.stack([cells.amax(dim=[d for d in (1, 2, 3) if d != axis]) for axis in (1, 2, 3)], dim=1)
        sure = slabs.float().sigmoid()
        low = 1 - sure.cummax(dim=2).values.mean(dim=2)
        high = sure.flip(2).cummax(dim=2).values.mean(dim=2)
        by_cells = torch.cat([low, high], dim=1)
        known = torch.cat([told, landmarks, by_cells, torch.tanh(slabs / 4).flatten(1)], dim=1)
        weight, more = self.sides(known).float().split(SIDES, dim=1)
        share = weight.sigmoid()
        return share * landmarks[:, SYMMETRIC] + (1 - share) * by_cells + _NEAR * more


def write_hidden(network: HiddenNetwork, path: Path) -> None:
    """See `write_sized`."""
    write_sized(network, network.size, path)


def read_hidden(path: Path) -> HiddenNetwork:
    """See `read_sized`; raises BackendMissing for a file that is not whole, or of another network."""
    return read_sized(path, lambda size: HiddenNetwork(HiddenSize(**size)), what="hidden sides")


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.steps = nn.Sequential(
            nn.Conv3d(width, width, 3, padding=1, bias=False), nn.BatchNorm3d(width), nn.SiLU(),
            nn.Conv3d(width, width, 3, padding=1, bias=False), nn.BatchNorm3d(width),
        )  # fmt: skip

    def forward(self, x: Float[Tensor, "B C d h w"]) -> Float[Tensor, "B C d h w"]:
        return F.silu(x + self.steps(x))


def _place_channels(landmarks: Float[Tensor, "B L"]) -> Float[Tensor, "B 4 n n n"]:
    """How far inside the symmetric box, and before the walls behind, at the left and right, each cell lies; -1 to 1."""
    at = (torch.arange(CELLS, device=landmarks.device, dtype=landmarks.dtype) + 0.5) / CELLS
    sides = landmarks[:, SYMMETRIC, None]
    inside = torch.minimum(at - sides[:, :3], sides[:, 3:] - at) / _NEAR  # (B, 3, n)
    x, y, z = inside.unbind(dim=1)
    box = torch.minimum(torch.minimum(x[:, :, None, None], y[:, None, :, None]), z[:, None, None, :])
    behind, left, right = landmarks[:, WALLS, None].unbind(dim=1)  # (B, 1)
    walls = [
        ((at - behind) / _FAR)[:, None, None, :],
        ((at - left) / _FAR)[:, :, None, None],
        ((right - at) / _FAR)[:, :, None, None],
    ]
    return torch.stack([box, *(w.expand_as(box) for w in walls)], dim=1).clamp(-1, 1)


def _folded(values: Float[Tensor, "B C n n n"]) -> Float[Tensor, "B _ m m m"]:
    batch, channels, m = *values.shape[:2], CELLS // _FOLD
    split = values.reshape(batch, channels, m, _FOLD, m, _FOLD, m, _FOLD).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return split.reshape(batch, channels * _FOLD**3, m, m, m)


def _unfolded(values: Float[Tensor, "B 8 m m m"]) -> Float[Tensor, "B n n n"]:
    batch, m = len(values), CELLS // _FOLD
    split = values.reshape(batch, _FOLD, _FOLD, _FOLD, m, m, m).permute(0, 4, 1, 5, 2, 6, 3)
    return split.reshape(batch, CELLS, CELLS, CELLS)
