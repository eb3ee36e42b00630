"""Training the autoencoders of shape and material: fine voxels through latents on the tokens' cells and back.

Losses as the published networks' without the rendered ones: at this size, training on two cores, the voxels themselves
say enough. The material decoder follows the true octree, as it will follow the shape decoder's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..autoencoder.voxel_decoder import DecodedVoxels, ShapeDecoder, TextureDecoder
from ..autoencoder.voxel_encoder import EncodedVoxels, ShapeEncoder, VoxelEncoder
from ..sparse.tensor import SparseTensor
from .object_batch import ObjectBatch
from .object_inputs import VoxelTargets, voxel_targets
from .structure_task import divergence

_VERTEX_WEIGHT = 10.0  # squared voxel edges, against nats
_MATERIAL_WEIGHT = 5.0  # mean absolute error of attributes in 0 to 1, against nats
_KL_WEIGHT = 3e-3
_COLOUR_CHANNELS = 3


class Encoded(NamedTuple):
    """Of shape and material, on the same tokens."""

    shape: EncodedVoxels
    material: EncodedVoxels


class VoxelAutoencoders(nn.Module):
    """Shape and material, which share tokens, octree and training, but no weights."""

    def __init__(
        self,
        shape_encoder: ShapeEncoder,
        shape_decoder: ShapeDecoder,
        material_encoder: VoxelEncoder,
        material_decoder: TextureDecoder,
    ) -> None:
        super().__init__()
        self.shape_encoder, self.shape_decoder = shape_encoder, shape_decoder
        self.material_encoder, self.material_decoder = material_encoder, material_decoder

    def encode(self, targets: VoxelTargets) -> Encoded:
        return Encoded(self.shape_encoder(targets.shape), self.material_encoder(targets.material))

    def forward(
        self, targets: VoxelTargets, generator: torch.Generator | None, *, guided: bool = True
    ) -> tuple[Encoded, DecodedVoxels, DecodedVoxels]:
        """What was encoded, and shape and material decoded from it.

        generator: of the latents' noise; None decodes the means. guided: along the true octree, else along the one that
        the shape decoder finds.
        """
        encoded = self.encode(targets)
        shape, material = (e.mean if generator is None else e.sample(generator) for e in encoded)
        truth = encoded.shape.subdivisions if guided else None
        decoded = self.shape_decoder(shape, guide=truth)
        return encoded, decoded, self.material_decoder(material, guide=decoded.subdivisions)


class VoxelTask:
    """See `training.Task`. draw: the training batch of a step. validation: batches that are never trained on."""

    def __init__(
        self,
        model: VoxelAutoencoders,
        draw: Callable[[int], ObjectBatch],
        validation: Sequence[ObjectBatch],
        *,
        seed: int,
    ) -> None:
        self.model: nn.Module = model
        self._heads = model.shape_decoder.heads  # has no weights
        self._draw, self._validation, self._seed = draw, validation, seed

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        targets = voxel_targets(self._draw(step).to(next(model.parameters()).device))
        encoded, shape, material = model(targets, generator)
        order = encoded.shape.fine_order
        true_shape, true_material = targets.shape.feats[order], targets.material.feats[order]  # (T, 6) each
        offset, edge_logits, _ = self._heads(shape.raw.feats.float())
        edges = F.binary_cross_entropy_with_logits(edge_logits, (true_shape[:, 3:] > 0).float())
        vertices = F.mse_loss(offset, true_shape[:, :3] + 0.5)
        levels = [
            F.binary_cross_entropy_with_logits(logits.float(), step_down.active.float())
            for logits, step_down in zip(shape.logits, encoded.shape.subdivisions, strict=True)
        ]
        octree = torch.stack(levels).sum()
        attributes = F.l1_loss(material.raw.feats.float(), true_material) / 2  # raw runs from -1 to 1
        kl = torch.stack([divergence(e.mean.feats.float(), e.logvar.feats.float()) for e in encoded]).sum()
        loss = edges + _VERTEX_WEIGHT * vertices + octree + _MATERIAL_WEIGHT * attributes + _KL_WEIGHT * kl
        return {
            "loss": loss, "edges": edges, "vertices": vertices, "octree": octree, "attributes": attributes, "kl": kl,
        }  # fmt: skip

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        device = next(model.parameters()).device
        rows = [self._figures(model, voxel_targets(batch.to(device))) for batch in self._validation]
        return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}

    def _figures(self, model: nn.Module, targets: VoxelTargets) -> dict[str, float]:
        encoded, shape, material = model(targets, None)
        order = encoded.shape.fine_order
        true_shape, true_material = targets.shape.feats[order], targets.material.feats[order]
        offset, edge_logits, _ = self._heads(shape.raw.feats.float())
        error = (material.raw.feats.float() - true_material)[:, :_COLOUR_CHANNELS].abs().mean() / 2
        _, free, _ = model(targets, None, guided=False)
        return {
            "iou_voxels": voxel_iou(free.raw, targets.shape),
            "edges_right": float(((edge_logits > 0) == (true_shape[:, 3:] > 0)).float().mean()),
            "vertex_error_vox": float((offset - true_shape[:, :3] - 0.5).norm(dim=1).mean()),
            "colour_error": float(error),
            "shape_std": float(encoded.shape.mean.feats.float().std()),
            "material_std": float(encoded.material.mean.feats.float().std()),
        }


def voxel_iou(a: SparseTensor, b: SparseTensor) -> float:
    """Intersection over union of the voxels of two batches on the same grid, all items together."""
    keys = [_keys(x.coords) for x in (a, b)]
    both = int(torch.isin(keys[0], keys[1]).sum())
    return both / max(len(keys[0]) + len(keys[1]) - both, 1)


def _keys(coords: Tensor) -> Tensor:
    """One number per row (item, x, y, z) of a grid of less than 1024 voxels an edge."""
    item, x, y, z = coords.long().unbind(dim=1)
    return ((item * 1024 + x) * 1024 + y) * 1024 + z
