"""From structured latents to fine voxels: the shape decoder, which grows an octree, and the texture decoder, which
follows it.

A latent row per active cell of the token grid goes in, a row per fine voxel comes out (16 times finer with the five
levels of the published networks), all in `obj` axes. Parameter names are those of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from ..errors import InputError
from ..sparse.subdivision import Subdivision
from ..sparse.tensor import SparseTensor, Voxels
from .dual_grid import DualGrid
from .pbr_voxels import PbrVoxels
from .precision import LayerNorm32, cast_torso
from .voxel_blocks import ConvNeXtBlock, UpBlock

_FINAL_NORM_EPS = 1e-5
_SHAPE_CHANNELS = 7  # vertex offset 3, edge flags 3, split weight 1


@dataclass(frozen=True, slots=True, eq=False)
class DecodedVoxels:
    """What a decoder makes of a latent.

    raw: the network's output per fine voxel. subdivisions: the steps of the octree that were taken, coarse to fine;
    give them to the texture decoder. logits: (T_i, 8) per step, empty for a decoder that only follows.
    """

    raw: SparseTensor
    subdivisions: tuple[Subdivision, ...]
    logits: tuple[torch.Tensor, ...]


class VoxelDecoder(nn.Module):
    """ConvNeXt levels joined by steps down the octree. Arguments are those of the checkpoint's json.

    pred_subdiv: whether the network says itself which children are active. block_args: per level, of which only
    `mlp_ratio` changes the network. Keys that only matter to training are ignored.
    """

    def __init__(
        self,
        *,
        out_channels: int,
        model_channels: Sequence[int],
        latent_channels: int,
        num_blocks: Sequence[int],
        block_type: Sequence[str] | None = None,
        up_block_type: Sequence[str] | None = None,
        block_args: Sequence[Mapping[str, Any]] | None = None,
        use_fp16: bool = False,
        pred_subdiv: bool = True,
        **_unused: object,
    ) -> None:
        super().__init__()
        check_block_types(block_type, "SparseConvNeXtBlock3d")
        check_block_types(up_block_type, "SparseResBlockC2S3d")
        self.pred_subdiv = pred_subdiv
        self.from_latent = nn.Linear(latent_channels, model_channels[0])
        self.blocks = nn.ModuleList()
        for level, (width, depth) in enumerate(zip(model_channels, num_blocks, strict=True)):
            ratio = mlp_ratio_of(block_args, level)
            blocks: list[nn.Module] = [ConvNeXtBlock(width, ratio) for _ in range(depth)]
            if level + 1 < len(model_channels):
                blocks.append(UpBlock(width, model_channels[level + 1], predicts_subdivision=pred_subdiv))
            self.blocks.append(nn.ModuleList(blocks))
        self.final_norm = LayerNorm32(model_channels[-1], eps=_FINAL_NORM_EPS, elementwise_affine=False)
        self.output_layer = nn.Linear(model_channels[-1], out_channels)
        self.set_torso_dtype(torch.float16 if use_fp16 else torch.float32)

    def set_torso_dtype(self, dtype: torch.dtype) -> None:
        """Run everything between the first and the last linear layer in `dtype`, layer norms excepted.

        Another type than the training's can flip voxels whose subdivision logit is near 0.
        """
        self.torso_dtype = dtype
        cast_torso(self.blocks, dtype)

    def forward(self, latent: SparseTensor, guide: Sequence[Subdivision] | None = None) -> DecodedVoxels:
        """Decode a denormalised latent (T, latent_channels).

        guide: subdivisions to follow instead of the network's own; needed if it predicts none. Raises InputError if
        the guide is missing or starts on other voxels than the latent's.
        """
        x = self._enter(latent, guide)  # (T, C_0)
        taken: list[Subdivision] = []
        logits: list[torch.Tensor] = []
        for level in range(len(self.blocks)):
            x, up = self._level(level, x)
            if up is None:
                break
            if self.pred_subdiv:
                logits.append(up.subdivision_logits(x))  # (T_i, 8)
            taken.append(guide[level] if guide else Subdivision(x.voxels, logits[level] > 0))
            x = up(x, taken[level])
        wide = x.feats.to(latent.feats.dtype)  # (T', C)
        return DecodedVoxels(x.with_feats(self.output_layer(self.final_norm(wide))), tuple(taken), tuple(logits))

    def fine_voxels(self, latent: SparseTensor, *, levels: int = 4) -> Voxels:
        """Only the voxels after the first `levels` steps, equal to those that `forward` passes through.

        The features made by the last step feed nothing and are left out.
        """
        x = self._enter(latent, None)  # (T, C_0)
        for level in range(levels):
            x, up = self._level(level, x)
            assert up is not None, f"the decoder has {level} steps, {levels} were asked for"
            subdivision = Subdivision(x.voxels, up.subdivision_logits(x) > 0)
            if level + 1 < levels:
                x = up(x, subdivision)
        return subdivision.children

    def _level(self, level: int, x: SparseTensor) -> tuple[SparseTensor, UpBlock | None]:
        """`x` after the ConvNeXt blocks of a level, and the step that leaves it (None at the finest)."""
        up: UpBlock | None = None
        for block in cast(nn.ModuleList, self.blocks[level]):
            if isinstance(block, UpBlock):
                up = block
            else:
                x = block(x)
        return x, up

    def _enter(self, latent: SparseTensor, guide: Sequence[Subdivision] | None) -> SparseTensor:
        """The first features, on the guide's own voxels if there is one, so that their neighbour table is shared."""
        h = self.from_latent(latent.feats).to(self.torso_dtype)  # (T, C_0)
        if not guide:
            if not self.pred_subdiv:
                raise InputError("This decoder predicts no subdivision: give it the shape decoder's as `guide`.")
            return latent.with_feats(h)
        if not torch.equal(guide[0].parents.coords, latent.coords):
            raise InputError("The guide's coarse voxels are not the latent's: both must list the same cells in order.")
        return SparseTensor(h, guide[0].parents)


class ShapeDecoder(VoxelDecoder):
    """Decodes a shape latent to a flexible dual grid: 7 channels per fine voxel.

    voxel_margin: how far, in voxels, a dual vertex may leave its voxel. (The json's `resolution` is the training's.)
    """

    def __init__(self, *, voxel_margin: float = 0.5, **decoder_args: Any) -> None:
        super().__init__(**{**decoder_args, "out_channels": _SHAPE_CHANNELS})
        self.voxel_margin = voxel_margin

    def dual_grids(self, raw: SparseTensor, *, resolution: int) -> list[DualGrid]:
        """One grid per batch item from this decoder's output (T, 7); `resolution`: fine voxels along a cube edge."""
        grids = []
        for feats, coords in raw.items():
            offset, edge_logits, split_weight = self.heads(feats.detach())  # (N, 3), (N, 3), (N,)
            grids.append(
                DualGrid(
                    coords=coords.cpu().numpy(),
                    offset_vox=offset.cpu().numpy(),
                    edge_flags=(edge_logits > 0).cpu().numpy(),
                    split_weight=split_weight.cpu().numpy(),
                    resolution=resolution,
                )
            )
        return grids

    def heads(self, raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Dual vertex in its voxel (T, 3), edge logits for x, y, z (T, 3), split weight (T,); differentiable."""
        margin = self.voxel_margin
        offset = (1 + 2 * margin) * torch.sigmoid(raw[:, 0:3]) - margin  # (T, 3) in (-margin, 1 + margin)
        return offset, raw[:, 3:6], nn.functional.softplus(raw[:, 6])


class TextureDecoder(VoxelDecoder):
    """Decodes a texture latent to 6 material channels on the voxels of a shape (`guide`)."""

    def __init__(self, *, pred_subdiv: bool = False, **decoder_args: Any) -> None:
        super().__init__(**{**decoder_args, "pred_subdiv": pred_subdiv})

    def attributes(self, raw: SparseTensor) -> SparseTensor:
        """(T, 6): sRGB-coded base colour, metallic, roughness, alpha; 0 to 1 up to overshoot (not clamped)."""
        return raw.with_feats(0.5 * raw.feats + 0.5)

    def pbr_voxels(self, raw: SparseTensor, *, resolution: int) -> list[PbrVoxels]:
        """One material per batch item from this decoder's output (T, 6), cut to [0, 1]."""
        return [
            PbrVoxels(
                coords=coords.cpu().numpy(),
                attributes=attributes.detach().clamp(0, 1).cpu().numpy(),
                resolution=resolution,
            )
            for attributes, coords in self.attributes(raw).items()
        ]


def mlp_ratio_of(block_args: Sequence[Mapping[str, Any]] | None, level: int) -> float:
    """The ConvNeXt expansion of a level; other block arguments (checkpointing) do not change the network."""
    return float(block_args[level].get("mlp_ratio", 4.0)) if block_args else 4.0


def check_block_types(given: Sequence[str] | None, known: str) -> None:
    """Raise InputError if a json asks for a block that does not exist here."""
    unknown = sorted(set(given or ()) - {known})
    if unknown:
        raise InputError(f"Unknown block type {', '.join(unknown)}: this network is built of {known} only.")
