"""From fine voxels to structured latents, for training and round trips: the decoders' mirror image.

Features of a shape's fine voxels go in (any row order), mean and log-variance per active cell of the token grid come
out, together with the octree that the decoders may follow (`guide`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from ..sparse.subdivision import Subdivision, ancestry, octree_order
from ..sparse.tensor import SparseTensor, Voxels
from .dual_grid import DualGrid
from .precision import LayerNorm32, cast_torso
from .voxel_blocks import ConvNeXtBlock, DownBlock
from .voxel_decoder import check_block_types, mlp_ratio_of

_FINAL_NORM_EPS = 1e-5
_SHAPE_CHANNELS = 6  # vertex offset 3, edge flags 3


@dataclass(frozen=True, slots=True, eq=False)
class EncodedVoxels:
    """Distribution of the latent, and the way back to the fine voxels.

    mean, logvar: (T, latent_channels). fine_order: (T',) row of the encoder's input for each fine voxel in octree
    order, the order in which a decoder guided by `subdivisions` lists its output.
    """

    mean: SparseTensor
    logvar: SparseTensor
    subdivisions: tuple[Subdivision, ...]
    fine_order: torch.Tensor

    def sample(self, generator: torch.Generator | None = None) -> SparseTensor:
        """A latent drawn from the distribution (T, latent_channels); noise comes from the CPU, as everywhere."""
        noise = torch.randn(self.mean.feats.shape, generator=generator).to(self.mean.feats)  # (T, latent_channels)
        return self.mean.with_feats(self.mean.feats + noise * (0.5 * self.logvar.feats).exp())


class VoxelEncoder(nn.Module):
    """ConvNeXt levels joined by steps up the octree; the texture encoder with 6 `in_channels` (attributes in [-1, 1]).

    Arguments mirror `VoxelDecoder`'s.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        model_channels: Sequence[int],
        latent_channels: int,
        num_blocks: Sequence[int],
        block_type: Sequence[str] | None = None,
        down_block_type: Sequence[str] | None = None,
        block_args: Sequence[Mapping[str, Any]] | None = None,
        use_fp16: bool = False,
        **_unused: object,
    ) -> None:
        super().__init__()
        check_block_types(block_type, "SparseConvNeXtBlock3d")
        check_block_types(down_block_type, "SparseResBlockS2C3d")
        self.input_layer = nn.Linear(in_channels, model_channels[0])
        self.blocks = nn.ModuleList()
        for level, (width, depth) in enumerate(zip(model_channels, num_blocks, strict=True)):
            ratio = mlp_ratio_of(block_args, level)
            blocks: list[nn.Module] = [ConvNeXtBlock(width, ratio) for _ in range(depth)]
            if level + 1 < len(model_channels):
                blocks.append(DownBlock(width, model_channels[level + 1]))
            self.blocks.append(nn.ModuleList(blocks))
        self.final_norm = LayerNorm32(model_channels[-1], eps=_FINAL_NORM_EPS, elementwise_affine=False)
        self.to_latent = nn.Linear(model_channels[-1], 2 * latent_channels)
        self.set_torso_dtype(torch.float16 if use_fp16 else torch.float32)

    def set_torso_dtype(self, dtype: torch.dtype) -> None:
        """Run everything between the first and the last linear layer in `dtype`, layer norms excepted."""
        self.torso_dtype = dtype
        cast_torso(self.blocks, dtype)

    def forward(self, fine: SparseTensor) -> EncodedVoxels:
        """Encode the features (T', in_channels) of the fine voxels."""
        levels = len(self.blocks) - 1
        order = octree_order(fine.coords, levels)  # (T',)
        voxels = Voxels(fine.coords[order], batch_size=fine.voxels.batch_size, backend=fine.voxels.backend)
        subdivisions = ancestry(voxels, levels)
        finest = subdivisions[-1].children if subdivisions else voxels
        x = SparseTensor(self.input_layer(fine.feats[order]).to(self.torso_dtype), finest)  # (T', C_0)
        for level, blocks in enumerate(self.blocks):
            for block in cast(nn.ModuleList, blocks):
                x = block(x, subdivisions[-1 - level]) if isinstance(block, DownBlock) else block(x)
        wide = self.final_norm(x.feats.to(fine.feats.dtype))  # (T, C)
        mean, logvar = self.to_latent(wide).chunk(2, dim=1)  # (T, latent_channels) each
        return EncodedVoxels(x.with_feats(mean), x.with_feats(logvar), subdivisions, order)


class ShapeEncoder(VoxelEncoder):
    """Encodes flexible dual grids."""

    def __init__(self, **encoder_args: Any) -> None:
        super().__init__(**{**encoder_args, "in_channels": _SHAPE_CHANNELS})


def shape_encoder_input(grids: Sequence[DualGrid]) -> SparseTensor:
    """A batch of dual grids as the shape encoder reads them: (T', 6), vertex offset - 0.5 and edge flags - 0.5."""
    coords = [
        torch.cat([torch.full((len(g.coords), 1), i), torch.from_numpy(g.coords.copy())], dim=1)
        for i, g in enumerate(grids)
    ]  # (T_i, 4) each
    feats = [
        torch.cat([torch.from_numpy(g.offset_vox.copy()), torch.from_numpy(g.edge_flags.copy()).float()], dim=1) - 0.5
        for g in grids
    ]  # (T_i, 6) each
    return SparseTensor(torch.cat(feats).float(), Voxels(torch.cat(coords), batch_size=len(grids)))
