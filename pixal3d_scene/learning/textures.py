"""Procedural colours in torch: what a `Material` looks like at points of a surface. Linear RGB, metres.

Patterns are faded out where a pixel is larger than their detail, so that nothing aliases.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .sampled_room import PATTERNS

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float32

_SIDE = 256  # texels of the noise, which repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """P points that are seen. u, v: surface coordinates, m.

    relative: along the thing's axes, in boxes: -0.5 to 0.5, y from 0 to 1.

    own: the mesh's colour. pixel_m: size of a pixel there. row: of the material, see `scene_tensors`.
    """

    u: Float32[Tensor, "P"]
    v: Float32[Tensor, "P"]
    relative: Float32[Tensor, "P 3"]
    own: Float32[Tensor, "P 3"]
    pixel_m: Float32[Tensor, "P"]
    row: Float32[Tensor, "P 12"]


@functools.cache
def noise_atlas(device: torch.device | str) -> Float32[Tensor, "4 S S"]:
    """Four tiles of noise, about -1 to 1: two cloudy ones, a rough one, a white one. Always the same."""
    rng = np.random.default_rng(7)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(_SIDE), np.fft.fftfreq(_SIDE))) * _SIDE
    tiles = []
    for power in (1.8, 1.5, 0.8, 0.0):
        spectrum = np.fft.fft2(rng.normal(size=(_SIDE, _SIDE))) / np.maximum(frequency, 1.0) ** power
        spectrum[0, 0] = 0
        tile = np.fft.ifft2(spectrum).real
        tiles.append(tile / tile.std() / 2)
    return torch.tensor(np.stack(tiles), dtype=torch.float32, device=device).clamp(-1.5, 1.5)


def albedo(surface: Surface, atlas: Float32[Tensor, "4 S S"]) -> Float32[Tensor, "P 3"]:
    """Reflectance at every point."""
    row = surface.row
    pattern = row[:, 0].long()
    first, second = row[:, 1:4], row[:, 4:7]
    scale, turn = row[:, 8], row[:, 9]
    cos, sin = turn.cos(), turn.sin()
    u, v = cos * surface.u + sin * surface.v, cos * surface.v - sin * surface.u
    blend = torch.zeros_like(u)  # from first (0) to second (1)
    gain = torch.ones_like(u)
    for name, function in _PATTERNS.items():
        at = (pattern == PATTERNS.index(name)).nonzero()[:, 0]
        if len(at):
            fade = torch.exp(-((2.5 * surface.pixel_m[at] / scale[at]) ** 2))
            blend[at], gain[at] = function(u[at], v[at], scale[at], fade, surface.relative[at], atlas)
    colour = (first + blend[:, None] * (second - first)) * gain[:, None]
    is_picture = (pattern == PATTERNS.index("picture")).nonzero()[:, 0]
    if len(is_picture):
        colour[is_picture] = _picture(surface, is_picture, colour[is_picture], atlas)
    grey = surface.own.mean(dim=1, keepdim=True)
    own_share = row[:, 7:8]
    is_mesh = (pattern == PATTERNS.index("mesh"))[:, None]
    tinted = colour * (0.25 + 1.5 * grey)  # keeps the light and dark of the mesh's own colours
    coloured = own_share * tinted + (1 - own_share) * colour
    return torch.where(is_mesh, surface.own * first, coloured).clamp(0.005, 0.96)


def _noise(atlas: Tensor, tile: int, u: Tensor, v: Tensor) -> Tensor:
    """A noise tile that repeats every unit of u and v, bilinear."""
    grid = torch.stack([u - u.floor(), v - v.floor()], dim=-1)[None, None] * 2 - 1
    return F.grid_sample(atlas[tile][None, None], grid, padding_mode="border", align_corners=False)[0, 0, 0]


def _hashed(a: Tensor, b: Tensor) -> Tensor:
    """A number in 0 to 1 for every pair of whole numbers."""
    return torch.frac(torch.sin(a * 12.9898 + b * 78.233).abs() * 43758.5)


def _joint(position: Tensor, width: Tensor) -> Tensor:
    """1 on the joints between cells of unit length, else 0."""
    within = position - position.floor()
    return (torch.minimum(within, 1 - within) < width).float()


def _plain(u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(u), 1 + 0.05 * _noise(atlas, 0, u / 3, v / 3) + 0.015 * _noise(atlas, 2, u / 0.4, v / 0.4)


def _planks(
    u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor
) -> tuple[Tensor, Tensor]:
    line = (v / scale).floor()
    along = u / (7 * scale) + _hashed(line, line * 0 + 3)
    value = _hashed(line, along.floor())
    grain = _noise(atlas, 1, u / 2.5 + value * 7, v * 1.7 + value)
    joint = torch.maximum(_joint(v / scale, 0.03 + 0 * u), _joint(along, 0.003 + 0 * u)) * fade
    return (0.75 * value * fade + 0.3 * grain + 0.4 * (1 - fade)).clamp(0, 1), 1 - 0.5 * joint


def _tiles(u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor) -> tuple[Tensor, Tensor]:
    column, line = (u / scale).floor(), (v / scale).floor()
    joint = torch.maximum(_joint(u / scale, 0.025 + 0 * u), _joint(v / scale, 0.025 + 0 * u)) * fade
    value = _hashed(column, line) - 0.5
    return joint, 1 + 0.12 * value * fade + 0.06 * _noise(atlas, 0, u / 2, v / 2)


def _carpet(
    u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor
) -> tuple[Tensor, Tensor]:
    fine = _noise(atlas, 3, u / (8 * scale), v / (8 * scale)) * fade
    return (0.5 + 0.4 * fine + 0.25 * _noise(atlas, 1, u / 3, v / 3)).clamp(0, 1), 1 + 0.1 * fine


def _stripes(
    u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor
) -> tuple[Tensor, Tensor]:
    wave = torch.sin(2 * torch.pi * u / scale) + 0.5 * torch.sin(2 * torch.pi * u / scale * 3.7 + 1)
    return 0.5 + (torch.sigmoid(6 * wave) - 0.5) * fade, torch.ones_like(u)


def _ornament(
    u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor
) -> tuple[Tensor, Tensor]:
    a, b = 2 * torch.pi * u / scale, 2 * torch.pi * v / scale
    wave = torch.cos(a) * torch.cos(b) + 0.6 * torch.cos(2 * a + torch.sin(b)) + 0.4 * torch.cos(a - 3 * b)
    return 0.5 + (torch.sigmoid(4 * wave) - 0.5) * fade, torch.ones_like(u)


def _view(u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor) -> tuple[Tensor, Tensor]:
    height = relative[:, 1] - 0.35 + 0.5 * _noise(atlas, 0, u / 4 / scale, v / 4 / scale)
    return torch.sigmoid(9 * height), 0.75 + 0.4 * _noise(atlas, 1, u / 2, v / 2)


def _border(
    u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor
) -> tuple[Tensor, Tensor]:
    """A rug's figured field, a second figure in its middle, and bands along its edges."""
    out = 2 * relative[:, [0, 2]].abs().amax(dim=1)  # 0 in the middle, 1 at the edge
    field, _ = _ornament(u, v, scale, fade, relative, atlas)
    diamond = 2 * relative[:, [0, 2]].abs().sum(dim=1) < 0.2 + 0.6 * torch.frac(7 * scale)
    field = torch.where(diamond, 1 - field, field)
    bands = (torch.sin((out - 0.7) / 0.3 * (9 + 20 * torch.frac(13 * scale))) > 0).float()
    return torch.where(out > 0.7 + 0.2 * torch.frac(29 * scale), bands, field), torch.ones_like(u)


def _rings(u: Tensor, v: Tensor, scale: Tensor, fade: Tensor, relative: Tensor, atlas: Tensor) -> tuple[Tensor, Tensor]:
    """A round rug, woven from its middle outwards."""
    out = 2 * relative[:, [0, 2]].norm(dim=1)
    wave = torch.sin(out * (8 + 60 * torch.frac(11 * scale)))
    rough = _noise(atlas, 2, u / 0.9, v / 0.9)
    return (0.5 + (torch.sigmoid(5 * wave) - 0.5) * fade.clamp_min(0.3)).clamp(0, 1), 1 + 0.2 * rough


_PATTERNS = {
    "plain": _plain,
    "planks": _planks,
    "tiles": _tiles,
    "carpet": _carpet,
    "stripes": _stripes,
    "ornament": _ornament,
    "view": _view,
    "border": _border,
    "rings": _rings,
}


def _picture(surface: Surface, at: Tensor, colour: Tensor, atlas: Tensor) -> Tensor:
    """Something painted, in a mount and a frame; `turn_rad` of the material says which."""
    row, seed = surface.row[at], surface.row[at, 9]
    u, v = surface.u[at] / (6 * row[:, 8]) + seed, surface.v[at] / (6 * row[:, 8]) + 1.7 * seed
    layers = torch.stack([_noise(atlas, 0, u + 0.31 * k, v + 0.17 * k * k) for k in range(3)], dim=1)
    share = torch.sigmoid(5 * _noise(atlas, 1, u * 0.7, v * 0.7))[:, None]
    painted = row[:, 1:4] * (1 - share) + row[:, 4:7] * share
    painted = painted * (1 + 0.25 * layers + 0.5 * layers[:, :1])
    edge = surface.relative[at] * torch.tensor([1.0, 1.0, 0.0], device=colour.device)
    edge[:, 1] -= 0.5  # the box stands on y = 0
    border = edge.abs().amax(dim=1)
    mount = (torch.frac(seed * 3.7) > 0.5) & (border > 0.36)
    painted = torch.where(mount[:, None], torch.full_like(painted, 0.75), painted)
    frame = (border > 0.46)[:, None]
    return torch.where(frame, row[:, 4:7] * 0.5, painted)
