"""The object networks of a training run by their settings, and their files as a published pipeline has them.

A description is the class name and the constructor's arguments of a checkpoint's json; networks are built from it here
and, strictly, by `generator.checkpoint.load_network`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from ..conditioning.two_scale import OWN_CHANNELS
from ..conditioning.view_picture import VIEW_CHANNELS
from ..generator.checkpoint import NETWORKS
from .training_settings import FlowSettings, FlowSize, StructureSettings, VoxelSettings

_ATTRIBUTES = 6
VIEW_ENCODER = "view_encoder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a checkpoint's json says."""

    name: str
    args: Mapping[str, Any]

    def build(self) -> nn.Module:
        return NETWORKS[self.name](**self.args)


def structure_autoencoder(chosen: StructureSettings) -> dict[str, Description]:
    """By the stems of their files."""
    same = {
        "latent_channels": chosen.latent_channels,
        "num_res_blocks": chosen.res_blocks,
        "num_res_blocks_middle": chosen.middle_blocks,
    }
    down, up = list(reversed(chosen.channels)), list(chosen.channels)
    return {
        "structure_encoder": Description(
            name="SparseStructureEncoder", args={"in_channels": 1, "channels": down, **same}
        ),
        "structure_decoder": Description(
            name="SparseStructureDecoder", args={"out_channels": 1, "channels": up, **same}
        ),
    }


def voxel_autoencoders(chosen: VoxelSettings) -> dict[str, Description]:
    """By the stems of their files."""
    shape = _levels(chosen.shape_channels, chosen.shape_blocks, chosen.shape_latent, chosen.mlp_ratio)
    material = _levels(chosen.material_channels, chosen.material_blocks, chosen.material_latent, chosen.mlp_ratio)
    return {
        "shape_encoder": Description(name="FlexiDualGridVaeEncoder", args=_mirrored(shape)),
        "shape_decoder": Description(name="FlexiDualGridVaeDecoder", args=shape),
        "material_encoder": Description(
            name="SparseUnetVaeEncoder", args={"in_channels": _ATTRIBUTES, **_mirrored(material)}
        ),
        "material_decoder": Description(
            name="SparseUnetVaeDecoder", args={"out_channels": _ATTRIBUTES, "pred_subdiv": False, **material}
        ),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentSizes:
    """Channels of the three latents, and cells along an edge of the structure's."""

    structure: int
    shape: int
    material: int
    structure_grid: int


def flow_networks(chosen: FlowSettings, latents: LatentSizes, *, token_grid: int) -> dict[str, Description]:
    """The view encoder and the three flows, by the stems of their files."""
    proj_channels = chosen.view.channels + chosen.view.fine_channels + len(VIEW_CHANNELS) + OWN_CHANNELS

    def flow(name: str, size: FlowSize, grid: int, inside: int, outside: int) -> Description:
        args = {
            "resolution": grid,
            "in_channels": inside,
            "out_channels": outside,
            "model_channels": size.width,
            "cond_channels": chosen.view.channels,
            "proj_in_channels": proj_channels,
            "num_blocks": size.blocks,
            "num_heads": size.heads,
            "mlp_ratio": chosen.mlp_ratio,
            "share_mod": True,
            "qk_rms_norm": True,
            "qk_rms_norm_cross": True,
            "image_attn_mode": "proj",
        }
        return Description(name=name, args=args)

    s, g, m = latents.structure, latents.shape, latents.material
    return {
        VIEW_ENCODER: Description(name="ViewEncoder", args=chosen.view.model_dump(mode="json")),
        "structure_flow": flow("SparseStructureFlowModel", chosen.structure, latents.structure_grid, s, s),
        "shape_flow": flow("SLatFlowModel", chosen.shape, token_grid, g, g),
        "texture_flow": flow("SLatFlowModel", chosen.texture, token_grid, g + m, m),
    }


def write_network(stem: Path, description: Description, network: nn.Module) -> None:
    """STEM.json and STEM.safetensors, in half precision."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stored = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    stem.with_name(f"{stem.name}.safetensors").write_bytes(save(stored))
    text = json.dumps({"name": description.name, "args": dict(description.args)}, indent=2)
    stem.with_name(f"{stem.name}.json").write_text(text + "\n")


@torch.no_grad()
def scale_structure_latent(encoder: nn.Module, decoder: nn.Module, std: float) -> None:
    """Make the structure latent `std` times smaller, in place, without changing what is decoded.

    A pipeline has no normalisation for this latent, and a flow wants it about as spread as its noise.
    """
    last: nn.Conv3d = encoder.out_layer[2]  # type: ignore[index, assignment]
    channels = last.out_channels // 2  # means first, then log-variances
    last.weight[:channels] /= std
    last.bias[:channels] /= std  # type: ignore[index]
    last.bias[channels:] -= 2 * torch.tensor(std).log()  # type: ignore[index]
    first: nn.Conv3d = decoder.input_layer  # type: ignore[assignment]
    first.weight *= std


def _levels(channels: tuple[int, ...], blocks: tuple[int, ...], latent: int, mlp_ratio: float) -> dict[str, Any]:
    """Arguments of a voxel decoder, coarse level first."""
    return {
        "model_channels": list(channels),
        "num_blocks": list(blocks),
        "latent_channels": latent,
        "block_args": [{"mlp_ratio": mlp_ratio}] * len(channels),
    }


def _mirrored(levels: Mapping[str, Any]) -> dict[str, Any]:
    """Of the encoder: fine level first."""
    turned = {key: list(reversed(levels[key])) for key in ("model_channels", "num_blocks")}
    return {**levels, **turned}
