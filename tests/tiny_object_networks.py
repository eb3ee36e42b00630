"""A complete folder of small object networks: tiny, with random weights, such that every stage has something to do.

As in `tiny_pipeline`: the structure decoder's last bias is set such that about `CELLS` cells are occupied, and the
shape decoder grows each of them into a flat sheet.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from pixal3d_scene.conditioning.two_scale import OWN_CHANNELS
from pixal3d_scene.conditioning.view_encoder import ViewEncoder
from pixal3d_scene.generator.checkpoint import NETWORKS

CELLS = 60
PICTURE_PX, RESOLUTION, CUBE_OVER_CROP = 64, 64, 1.4
_STRUCTURE_GRID, _STRUCTURE_LATENT, _SHAPE_LATENT, _MATERIAL_LATENT = 8, 4, 6, 5
_ENCODER: dict[str, Any] = {
    "widths": [8, 8, 16, 16],
    "blocks": [1, 1, 1],
    "attention_layers": 1,
    "channels": 16,
    "fine_channels": 8,
}
_FLOW: dict[str, Any] = {
    "model_channels": 24,
    "cond_channels": _ENCODER["channels"],
    "proj_in_channels": _ENCODER["channels"] + ViewEncoder(**_ENCODER).fine_channels + OWN_CHANNELS,
    "num_blocks": 2,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "share_mod": True,
    "qk_rms_norm": True,
    "qk_rms_norm_cross": True,
    "image_attn_mode": "proj",
}
_DECODER: dict[str, Any] = {"model_channels": [16, 8, 8], "num_blocks": [1, 1, 0], "use_fp16": False}

# role: (stem, class, args)
OBJECT_NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "view_encoder": ("view_encoder", "ViewEncoder", _ENCODER),
    "sparse_structure_flow_model": (
        "structure_flow",
        "SparseStructureFlowModel",
        {
            **_FLOW,
            "resolution": _STRUCTURE_GRID,
            "in_channels": _STRUCTURE_LATENT,
            "out_channels": _STRUCTURE_LATENT,
        },
    ),
    "sparse_structure_decoder": (
        "structure_decoder",
        "SparseStructureDecoder",
        {
            "out_channels": 1,
            "latent_channels": _STRUCTURE_LATENT,
            "channels": [8, 8, 8],
            "num_res_blocks": 1,
            "num_res_blocks_middle": 1,
        },
    ),
    "shape_slat_flow_model_512": (
        "shape_flow",
        "SLatFlowModel",
        {**_FLOW, "resolution": 16, "in_channels": _SHAPE_LATENT, "out_channels": _SHAPE_LATENT},
    ),
    "shape_slat_decoder": (
        "shape_decoder",
        "FlexiDualGridVaeDecoder",
        {**_DECODER, "latent_channels": _SHAPE_LATENT, "resolution": RESOLUTION},
    ),
    "tex_slat_flow_model_1024": (
        "material_flow",
        "SLatFlowModel",
        {**_FLOW, "resolution": 16, "in_channels": _MATERIAL_LATENT + _SHAPE_LATENT, "out_channels": _MATERIAL_LATENT},
    ),
    "tex_slat_decoder": (
        "material_decoder",
        "SparseUnetVaeDecoder",
        {**_DECODER, "latent_channels": _MATERIAL_LATENT, "out_channels": 6, "pred_subdiv": False},
    ),
}


def write_object_networks(folder: Path) -> Path:
    """The folder, filled; weights in half precision, as trained ones are kept."""
    folder.mkdir(parents=True)
    for number, (stem, name, args) in enumerate(OBJECT_NETWORKS.values()):
        network = _random_network(NETWORKS[name](**args), seed=number)
        if name == "SparseStructureDecoder":
            _occupy(network)
        if name == "FlexiDualGridVaeDecoder":
            _grow_sheets(network)
        (folder / f"{stem}.json").write_text(json.dumps({"name": name, "args": args}))
        halves = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
        save_file(halves, folder / f"{stem}.safetensors")
    write_object_pipeline(folder)
    return folder


def write_object_pipeline(folder: Path, **changes: object) -> None:
    """pipeline.json with other args; None removes a key."""
    args = {key: value for key, value in (object_pipeline_args() | changes).items() if value is not None}
    (folder / "pipeline.json").write_text(json.dumps({"name": "SmallObjectNetworks", "args": args}))


def object_pipeline_args() -> dict[str, Any]:
    stems = {role: stem for role, (stem, _, _) in OBJECT_NETWORKS.items()}
    params = {"steps": 5, "rescale_t": 3.0, "guidance_strength": 1.5}
    sampler = {"name": "FlowEulerGuidanceIntervalSampler", "args": {"sigma_min": 1e-5}, "params": params}
    return {
        "view_encoder": stems.pop("view_encoder"),
        "models": stems,
        "cube_over_crop": CUBE_OVER_CROP,
        "picture_px": PICTURE_PX,
        "resolution": RESOLUTION,
        "sparse_structure_sampler": sampler,
        "shape_slat_sampler": sampler,
        "tex_slat_sampler": sampler,
        "shape_slat_normalization": _spread(_SHAPE_LATENT),
        "tex_slat_normalization": _spread(_MATERIAL_LATENT),
    }


def _spread(channels: int) -> dict[str, list[float]]:
    return {"mean": [0.1 * i for i in range(channels)], "std": [1 + 0.1 * i for i in range(channels)]}


def _random_network(network: nn.Module, *, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return network.eval()


@torch.no_grad()
def _occupy(decoder: Any) -> None:
    latents = torch.randn(8, _STRUCTURE_LATENT, *[_STRUCTURE_GRID] * 3, generator=torch.Generator().manual_seed(0))
    logits = decoder(latents).flatten()
    share = 1 - CELLS / (4 * _STRUCTURE_GRID) ** 3
    decoder.out_layer[2].bias -= torch.sort(logits).values[int(share * len(logits))]


@torch.no_grad()
def _grow_sheets(decoder: Any) -> None:
    for level in decoder.blocks:
        for block in level:
            if hasattr(block, "to_subdiv"):
                block.to_subdiv.weight.zero_()
                block.to_subdiv.bias.copy_(torch.tensor([1.0 if c < 4 else -1.0 for c in range(8)]))  # z = 0
    decoder.output_layer.weight[3:6] *= 0.01
    decoder.output_layer.bias[3:6] = torch.tensor([-1.0, -1.0, 1.0])  # only edges along z are crossed
