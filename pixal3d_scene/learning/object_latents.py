"""What the flows learn to draw: the latents of trained autoencoders, which stay as they are.

Structure latents are written with a spread of 1 (`object_networks.scale_structure_latent`); those of shape and material
are normalised per channel, as a pipeline's flows expect them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..autoencoder.structure import StructureDecoder, StructureEncoder
from ..autoencoder.voxel_encoder import ShapeEncoder, VoxelEncoder
from ..errors import InputError
from ..generator.checkpoint import load_network
from ..generator.pipeline_file import Checkpoint, Normalisation
from .object_batch import ObjectBatch
from .object_inputs import occupancy, voxel_targets
from .object_networks import LatentSizes


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLatents:
    """Of B objects. cells: rows (item, x, y, z) of the token grid, sorted; shape and material per cell, normalised."""

    structure: Float[Tensor, "B C n n n"]
    cells: Int[Tensor, "T 4"]
    shape: Float[Tensor, "T Cs"]
    material: Float[Tensor, "T Cm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenAutoencoders:
    """The networks and normalisations of two finished runs."""

    structure_encoder: StructureEncoder
    structure_decoder: StructureDecoder
    shape_encoder: ShapeEncoder
    material_encoder: VoxelEncoder
    shape_normalisation: Normalisation
    material_normalisation: Normalisation

    @torch.no_grad()
    def latents(self, batch: ObjectBatch) -> ObjectLatents:
        """The means: what is drawn need not be blurred by the autoencoders' own noise."""
        targets = voxel_targets(batch)
        shape, material = self.shape_encoder(targets.shape).mean, self.material_encoder(targets.material).mean
        return ObjectLatents(
            structure=self.structure_encoder(occupancy(batch))[0].float(),
            cells=shape.coords,
            shape=normalised(shape.feats.float(), self.shape_normalisation),
            material=normalised(material.feats.float(), self.material_normalisation),
        )

    def sizes(self, batch: ObjectBatch) -> LatentSizes:
        """Of the latents of any batch."""
        latents = self.latents(batch)
        return LatentSizes(
            structure=latents.structure.shape[1],
            shape=latents.shape.shape[1],
            material=latents.material.shape[1],
            structure_grid=latents.structure.shape[2],
        )

    def to(self, device: torch.device) -> FrozenAutoencoders:
        for network in (self.structure_encoder, self.structure_decoder, self.shape_encoder, self.material_encoder):
            network.to(device)
        return self


def read_autoencoders(folder: Path) -> FrozenAutoencoders:
    """Of a folder in which the runs `structure` and `voxels` have ended; raises InputError where they have not."""
    stems = ("structure/structure_encoder", "structure/structure_decoder", "voxels/shape_encoder")
    stems = (*stems, "voxels/material_encoder")
    normalisation = folder / "voxels" / "normalisation.json"
    missing = [s for s in stems if not (folder / f"{s}.safetensors").is_file()]
    if missing or not normalisation.is_file():
        raise InputError(
            f"{folder} has no finished autoencoders ({', '.join(missing) or normalisation}); train objects-structure "
            "and objects-voxels into it first."
        )
    networks = [
        load_network(Checkpoint(config=folder / f"{stem}.json", weights=folder / f"{stem}.safetensors"), cache=False)
        for stem in stems
    ]
    spread = json.loads(normalisation.read_text())
    shape, material = (
        Normalisation(mean=tuple(of["mean"]), std=tuple(of["std"])) for of in (spread["shape"], spread["material"])
    )
    return FrozenAutoencoders(
        structure_encoder=cast(StructureEncoder, networks[0]),
        structure_decoder=cast(StructureDecoder, networks[1]),
        shape_encoder=cast(ShapeEncoder, networks[2]),
        material_encoder=cast(VoxelEncoder, networks[3]),
        shape_normalisation=shape,
        material_normalisation=material,
    )


def normalised(latent: Float[Tensor, "T C"], by: Normalisation) -> Float[Tensor, "T C"]:
    """The inverse of `cascade.denormalised`."""
    mean, std = (latent.new_tensor(values) for values in (by.mean, by.std))  # (C,) each
    return (latent - mean) / std
