"""The class names of published checkpoints, and the networks here that they stand for."""

from __future__ import annotations

from torch import nn

from .structure import StructureDecoder, StructureEncoder
from .voxel_decoder import ShapeDecoder, TextureDecoder
from .voxel_encoder import ShapeEncoder, VoxelEncoder

# `name` of a checkpoint's json -> class; construct it with the json's `args`.
AUTOENCODERS: dict[str, type[nn.Module]] = {
    "FlexiDualGridVaeDecoder": ShapeDecoder,
    "FlexiDualGridVaeEncoder": ShapeEncoder,
    "SparseStructureDecoder": StructureDecoder,
    "SparseStructureEncoder": StructureEncoder,
    "SparseUnetVaeDecoder": TextureDecoder,
    "SparseUnetVaeEncoder": VoxelEncoder,
}
