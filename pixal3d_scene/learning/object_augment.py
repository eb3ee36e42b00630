"""More objects from the objects there are: mirrored, in other colours, coarser, with worse masks and worse depth.

What enters is a batch as `object_files.ObjectFiles.draw(..., edges=True)` gives it, on any device; what leaves has
picture and depth on the object's pixels alone. Shapes and cameras stay true: only mirroring changes the shape.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .augment import recoloured
from .object_batch import BACKGROUND, OBJECT, ObjectBatch, ObjectGrid

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float, Float32, UInt8

# How often a picture is made coarser, its mask eroded and dilated, its depth dropped, quantised and given holes.
_COARSER, _ERODED, _DILATED, _DROPPED, _QUANTISED, _HOLES = 0.3, 0.2, 0.2, 0.2, 0.15, 0.2
_NOISE, _SMOOTH_ERROR = 0.05, 0.03  # of depth, at most
_MOST_ERODED = 0.3  # of the object's pixels; thin ones would vanish


def augment_objects(batch: ObjectBatch, generator: torch.Generator) -> ObjectBatch:
    """Each object on its own; `generator` is on the CPU."""
    batch = mirrored(batch, _happens(len(batch), 0.5, generator))
    picture = _coarser(recoloured(batch.picture, generator), batch.z_m > 0, generator)
    batch = replace(batch, picture=picture, region=_other_masks(batch, generator))
    return replace(batch, z_m=_worse_depth(batch.z_m, generator)).without_edges()


def mirrored(batch: ObjectBatch, which: Bool[Tensor, "B"]) -> ObjectBatch:
    """Left and right exchanged, in picture and shape alike, of the objects that `which` names."""
    turn = which.to(batch.picture.device)[:, None, None]
    return replace(
        batch,
        picture=torch.where(turn[:, None], batch.picture.flip(-1), batch.picture),
        region=torch.where(turn, batch.region.flip(-1), batch.region),
        z_m=torch.where(turn, batch.z_m.flip(-1), batch.z_m),
        grids=tuple(mirrored_grid(g) if w else g for g, w in zip(batch.grids, which.tolist(), strict=True)),
    )


def mirrored_grid(grid: ObjectGrid) -> ObjectGrid:
    """The grid of the mesh mirrored at x = 0.

    An edge along x keeps its voxel. Edges along y and z lie at their voxel's far side in x, which mirroring makes the
    near side: there the next voxel owns them.
    """
    side = grid.resolution
    coords = grid.coords.long()
    key = (coords[:, 0] * side + coords[:, 1]) * side + coords[:, 2]  # ascending: voxels are sorted
    before = torch.searchsorted(key, key - side * side).clamp_max(len(key) - 1)
    there = key[before] == key - side * side
    flags = torch.cat([grid.edge_flags[:, :1], grid.edge_flags[before][:, 1:] & there[:, None]], dim=1)
    offset = torch.cat([1 - grid.offset_vox[:, :1], grid.offset_vox[:, 1:]], dim=1)
    x = side - 1 - coords[:, 0]
    order = ((x * side + coords[:, 1]) * side + coords[:, 2]).argsort()
    return ObjectGrid(
        coords=torch.cat([x[:, None].to(torch.uint8), grid.coords[:, 1:]], dim=1)[order],
        offset_vox=offset[order],
        edge_flags=flags[order],
        attributes=grid.attributes[order],
        resolution=side,
    )


def _happens(count: int, probability: float, generator: torch.Generator) -> Bool[Tensor, "B"]:
    return torch.rand(count, generator=generator) < probability


def _coarser(
    picture: UInt8[Tensor, "B 3 S S"], known: Bool[Tensor, "B S S"], generator: torch.Generator
) -> UInt8[Tensor, "B 3 S S"]:
    """Some as if they were few pixels in the photo: averaged to a coarser grid, and back. known: with a colour."""
    factors = torch.rand(len(picture), generator=generator) * 2.5 + 1.5
    result = picture.clone()
    for b in _happens(len(picture), _COARSER, generator).nonzero()[:, 0].tolist():
        weight = known[b][None, None].float()
        small = max(8, round(picture.shape[-1] / float(factors[b])))
        both = torch.cat([picture[b][None].float() * weight, weight], dim=1)
        both = F.interpolate(both, size=(small, small), mode="area")
        both = F.interpolate(both, size=picture.shape[-2:], mode="bilinear", align_corners=False)[0]
        result[b] = (both[:3] / both[3:].clamp_min(1e-3)).round().clamp(0, 255) * known[b]
    return result


def _other_masks(batch: ObjectBatch, generator: torch.Generator) -> UInt8[Tensor, "B S S"]:
    """Some a pixel smaller, some a pixel larger, as far as picture and depth reach."""
    device = batch.region.device
    own = batch.region == OBJECT
    inner, outer = ~_grown(~own), _grown(own) & (batch.z_m > 0)
    draw = torch.rand(len(batch), generator=generator).to(device)
    thick = inner.sum(dim=(1, 2)) >= (1 - _MOST_ERODED) * own.sum(dim=(1, 2))
    eroded = (draw < _ERODED) & thick
    dilated = (draw >= 1 - _DILATED)[:, None, None]
    region = torch.where(eroded[:, None, None] & own & ~inner, BACKGROUND, batch.region)
    return torch.where(dilated & outer, OBJECT, region).to(torch.uint8)


def _grown(mask: Bool[Tensor, "B S S"]) -> Bool[Tensor, "B S S"]:
    return F.max_pool2d(mask[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0


def _worse_depth(z_m: Float32[Tensor, "B S S"], generator: torch.Generator) -> Float32[Tensor, "B S S"]:
    """As depth networks and sensors err: noise, smooth waves, steps, holes, or nothing at all."""
    count, side = len(z_m), z_m.shape[-1]

    def draw(*shape: int) -> Float[Tensor, "..."]:
        return torch.rand(count, *shape, generator=generator)

    def waves(cells: int) -> Float32[Tensor, "B S S"]:
        coarse = torch.randn((count, 1, cells, cells), generator=generator)
        return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)[:, 0]

    smooth = waves(4)
    smooth = smooth / smooth.abs().amax(dim=(1, 2), keepdim=True) * _SMOOTH_ERROR * draw(1, 1)
    noise = torch.randn(z_m.shape, generator=generator) * _NOISE * draw(1, 1).square()  # most have little
    worse = z_m * (1 + smooth + noise).clamp_min(0.5).to(z_m.device)
    step_m = (0.005 + 0.045 * draw(1, 1)).to(z_m.device)
    quantised = _happens(count, _QUANTISED, generator).to(z_m.device)[:, None, None]
    worse = torch.where(quantised, (worse / step_m).round().clamp_min(1) * step_m, worse)
    holes = (waves(12) > 0.6 + draw(1, 1)) & _happens(count, _HOLES, generator)[:, None, None]
    nothing = holes | _happens(count, _DROPPED, generator)[:, None, None]
    return torch.where(nothing.to(z_m.device) | (z_m == 0), 0.0, worse)
