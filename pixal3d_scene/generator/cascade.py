"""The stages of Pixal3D on tensors, for a batch of objects each: noise and conditions in, a textured grid out.

    structure     noise 16^3 -> latent -> occupied cells of the 32^3 grid
    coarse shape  a latent per cell; the shape decoder's octree then tells where the fine surface runs
    fine shape    a latent per token of a finer grid, R = resolution / 16
    texture       a latent per token, seeing the shape
    decode        dual grid and materials on the same fine voxels

Cells and tokens are int32 rows (x, y, z) of one object, in the axes of `obj`. Latents are normalised (as sampled)
unless said otherwise. Nothing here knows of files, of other objects' stages or of memory limits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..autoencoder.dual_grid import DualGrid
from ..autoencoder.pbr_voxels import PbrVoxels
from ..autoencoder.structure import StructureDecoder, occupied_coords
from ..autoencoder.token_grid import choose_token_grid, quantise_to_tokens
from ..autoencoder.voxel_decoder import ShapeDecoder, TextureDecoder
from ..conditioning.condition import Condition
from ..sparse.tensor import SparseTensor, Voxels
from .flow import DenseFlow, SparseFlow
from .pipeline_file import Normalisation
from .sampler import FlowSampler, dense_std, sparse_std

COARSE_GRID = 32  # cells per edge of the coarse shape
VOXELS_PER_TOKEN = 16
UPSAMPLING_STEPS = 4  # 2^4 = VOXELS_PER_TOKEN


def sample_structure(
    flow: DenseFlow, sampler: FlowSampler, condition: Condition, noise: Float[Tensor, "B C R R R"], *, keep: bool
) -> Float[Tensor, "B C R R R"]:
    """The structure latent of every object of a batch. keep: see `FlowTransformer.prepare_tokens`."""
    conditional = flow.field(flow.prepare(condition, keep=keep))
    unconditional = flow.field(flow.prepare(condition.dropped(), keep=keep))
    return sampler.sample(noise, conditional, unconditional, dense_std)


def occupied_cells(
    decoder: StructureDecoder, latent: Float[Tensor, "1 C R R R"], *, grid: int = COARSE_GRID
) -> Int[Tensor, "N 3"]:
    """Cells of the coarse grid (`grid` along an edge) that hold a part of the object, x slowest and z fastest."""
    logits = decoder(latent)  # (1, 1, 64, 64, 64) as published
    return occupied_coords(logits, pool=logits.shape[-1] // grid)[:, 1:]


def sample_latents(
    flow: SparseFlow,
    sampler: FlowSampler,
    condition: Condition,
    cells: Sequence[Int[Tensor, "_ 3"]],
    noise: Sequence[Float[Tensor, "_ C"]],
    concat: Sequence[Float[Tensor, "_ Cc"]] | None = None,
    *,
    keep: bool,
) -> list[Tensor]:
    """A latent (N, C) per object. concat: for texture, the shape latent of every cell."""
    coords = with_items(cells)
    beside = None if concat is None else torch.cat(list(concat))
    conditional = flow.field(flow.prepare(condition, coords, keep=keep), beside)
    unconditional = flow.field(flow.prepare(condition.dropped(), coords, keep=keep), beside)
    lengths = tuple(len(c) for c in cells)
    x = sampler.sample(torch.cat(list(noise)), conditional, unconditional, sparse_std(lengths))
    return list(torch.split(x, list(lengths)))


def surface_voxels(
    decoder: ShapeDecoder, cells: Int[Tensor, "N 3"], shape: Float[Tensor, "N C"], normalisation: Normalisation
) -> Int[Tensor, "T 3"]:
    """Voxels of the 512^3 grid where the coarse shape has its surface; the decoder's last features are left out."""
    latent = SparseTensor(denormalised(shape, normalisation), Voxels(with_items([cells]), batch_size=1))
    return decoder.fine_voxels(latent, levels=UPSAMPLING_STEPS).coords[:, 1:]


def token_grid(voxels: Int[Tensor, "T 3"], *, resolution: int, max_tokens: int) -> tuple[Int[Tensor, "M 3"], int]:
    """Tokens of the finest grid up to `resolution` that keeps below `max_tokens`, and its resolution.

    At 1024 and below the resolution is taken as it is.
    """
    fine = with_items([voxels])
    if resolution <= 1024:
        tokens = quantise_to_tokens(fine, token_resolution=resolution // VOXELS_PER_TOKEN)
        return tokens[:, 1:], resolution
    tokens, possible = choose_token_grid(fine, resolution=resolution, max_tokens=max_tokens)
    return tokens[:, 1:], possible


def decode(
    shape_decoder: ShapeDecoder,
    texture_decoder: TextureDecoder,
    tokens: Int[Tensor, "M 3"],
    shape: Float[Tensor, "M Cs"],
    texture: Float[Tensor, "M Ct"],
    *,
    shape_normalisation: Normalisation,
    texture_normalisation: Normalisation,
    resolution: int,
) -> tuple[DualGrid, PbrVoxels]:
    """One object's dual grid, and the materials of its voxels: the texture decoder follows the shape's octree."""
    voxels = Voxels(with_items([tokens]), batch_size=1)
    decoded = shape_decoder(SparseTensor(denormalised(shape, shape_normalisation), voxels))
    [grid] = shape_decoder.dual_grids(decoded.raw, resolution=resolution)
    latent = SparseTensor(denormalised(texture, texture_normalisation), voxels)
    painted = texture_decoder(latent, guide=decoded.subdivisions)
    [pbr] = texture_decoder.pbr_voxels(painted.raw, resolution=resolution)
    return grid, pbr


def denormalised(latent: Float[Tensor, "N C"], normalisation: Normalisation) -> Float[Tensor, "N C"]:
    """From what is sampled to what the decoders were trained on. (The texture flow sees the shape as sampled.)"""
    mean, std = (latent.new_tensor(values) for values in (normalisation.mean, normalisation.std))  # (C,) each
    return latent * std + mean


def with_items(cells: Sequence[Int[Tensor, "_ 3"]]) -> Int[Tensor, "T 4"]:
    """Rows (item, x, y, z) of several objects, one after the other."""
    return torch.cat([torch.nn.functional.pad(c.int(), (1, 0), value=item) for item, c in enumerate(cells)])
