"""A complete Pixal3D pipeline folder: tiny networks, random weights, made so that every stage has something to do.

Real weights mark some cells as occupied and grow thin surfaces; random ones would mark all or none. So the structure
decoder's last bias is set such that about `CELLS` of a grid are occupied, and the shape decoder grows each of them
into a flat sheet.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from pixal3d_scene.conditioning.naf import Naf
from pixal3d_scene.generator.checkpoint import NETWORKS

CELLS = 12
STRUCTURE_GRID = 8  # published: 16, decoded to 64^3 and pooled to 32^3; here decoded to 32^3
_HIDDEN, _LATENT = 32, 8
_SHEET_CHILDREN = (0, 1, 2, 3)  # those with z = 0: a sheet across z

_FLOW: dict[str, Any] = {
    "model_channels": 24,
    "cond_channels": _HIDDEN,
    "num_blocks": 2,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "share_mod": True,
    "qk_rms_norm": True,
    "qk_rms_norm_cross": True,
    "image_attn_mode": "proj",
    "dtype": "bfloat16",
    "initialization": "scaled",
}
_SPARSE = {"proj_in_channels": 2 * _HIDDEN, **_FLOW}
_DECODER: dict[str, Any] = {
    "latent_channels": _LATENT,
    "model_channels": [16, 8, 8, 8, 8],
    "num_blocks": [1, 1, 0, 0, 0],
    "use_fp16": True,
}
_NORMALISATION = {"mean": [0.1 * i for i in range(_LATENT)], "std": [1 + 0.1 * i for i in range(_LATENT)]}

# role: (stem, class, args)
NETWORKS_OF_ROLES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sparse_structure_flow_model": (
        "ckpts/ss_flow",
        "SparseStructureFlowModel",
        {**_FLOW, "resolution": STRUCTURE_GRID, "in_channels": 4, "out_channels": 4},
    ),
    "sparse_structure_decoder": (
        "ckpts/ss_dec",
        "SparseStructureDecoder",
        {
            "out_channels": 1,
            "latent_channels": 4,
            "channels": [4, 4, 4],
            "num_res_blocks": 1,
            "num_res_blocks_middle": 1,
            "use_fp16": True,
        },
    ),
    "shape_slat_flow_model_512": (
        "ckpts/shape_512",
        "ElasticSLatFlowModel",
        {**_SPARSE, "resolution": 32, "in_channels": _LATENT, "out_channels": _LATENT},
    ),
    "shape_slat_flow_model_1024": (
        "ckpts/shape_1024",
        "ElasticSLatFlowModel",
        {**_SPARSE, "resolution": 64, "in_channels": _LATENT, "out_channels": _LATENT},
    ),
    "shape_slat_decoder": ("ckpts/shape_dec", "FlexiDualGridVaeDecoder", {**_DECODER, "resolution": 256}),
    "tex_slat_flow_model_1024": (
        "ckpts/tex_1024",
        "ElasticSLatFlowModel",
        {**_SPARSE, "resolution": 64, "in_channels": 2 * _LATENT, "out_channels": _LATENT},
    ),
    "tex_slat_decoder": (
        "ckpts/tex_dec",
        "SparseUnetVaeDecoder",
        {**_DECODER, "out_channels": 6, "pred_subdiv": False},
    ),
}
_SAMPLER = {"name": "FlowEulerGuidanceIntervalSampler", "args": {"sigma_min": 1e-5}}


def write_tiny_pipeline(folder: Path) -> Path:
    """The folder, filled."""
    (folder / "ckpts").mkdir(parents=True)
    for number, (stem, name, args) in enumerate(NETWORKS_OF_ROLES.values()):
        network = _random_network(NETWORKS[name](**args), seed=number)
        if name == "SparseStructureDecoder":
            _occupy(network)
        if name == "FlexiDualGridVaeDecoder":
            _grow_sheets(network)
        _save(folder / stem, name, args, network)
    naf = _random_network(Naf(dim=16, heads=4, kernel_size=3), seed=50)
    (folder / "naf.json").write_text(json.dumps({"name": "NAF", "args": {"dim": 16, "heads": 4, "kernel_size": 3}}))
    save_file(naf.state_dict(), folder / "naf.safetensors")
    _save_dinov3(folder / "dinov3")
    (folder / "pipeline.json").write_text(json.dumps({"name": "Trellis2ImageTo3DPipeline", "args": pipeline_args()}))
    return folder


def pipeline_args() -> dict[str, Any]:
    """As in a published file, and smaller pictures, which `stage_views` allows."""
    return {
        "models": {role: stem for role, (stem, _, _) in NETWORKS_OF_ROLES.items()} | {"other_role": "ckpts/not_there"},
        "sparse_structure_sampler": {**_SAMPLER, "params": {"steps": 25, "guidance_interval": [0.6, 1.0]}},
        "shape_slat_sampler": {**_SAMPLER, "params": {"steps": 25, "guidance_interval": [0.6, 1.0]}},
        "tex_slat_sampler": {**_SAMPLER, "params": {"steps": 25, "guidance_interval": [0.6, 0.9]}},
        "shape_slat_normalization": _NORMALISATION,
        "tex_slat_normalization": _NORMALISATION,
        "stage_views": {
            "structure": [64, None],
            "shape_512": [64, 64],
            "shape_1024": [128, 64],
            "texture_1024": [128, 128],
        },
        "low_vram": True,
    }


def _random_network(network: nn.Module, *, seed: int) -> nn.Module:
    """Every parameter drawn anew, so that every path counts; float32 where the torso is not half precision."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return network.eval()


@torch.no_grad()
def _occupy(decoder: Any) -> None:
    """Shift the logits so that about `CELLS` of them are above 0 for a latent of pure noise."""
    decoder.set_torso_dtype(torch.float32)
    latents = torch.randn(8, 4, *[STRUCTURE_GRID] * 3, generator=torch.Generator().manual_seed(0))
    logits = decoder(latents).flatten()
    share = 1 - CELLS / (4 * STRUCTURE_GRID) ** 3
    threshold = torch.sort(logits).values[int(share * len(logits))]
    decoder.out_layer[2].bias -= threshold
    decoder.set_torso_dtype(torch.float16)


@torch.no_grad()
def _grow_sheets(decoder: Any) -> None:
    for level in decoder.blocks:
        for block in level:
            if hasattr(block, "to_subdiv"):
                block.to_subdiv.weight.zero_()
                block.to_subdiv.bias.copy_(torch.tensor([1.0 if c in _SHEET_CHILDREN else -1.0 for c in range(8)]))
    decoder.output_layer.weight[3:6] *= 0.01
    decoder.output_layer.bias[3:6] = torch.tensor([-1.0, -1.0, 1.0])  # only edges along z are crossed


def _save(stem: Path, name: str, args: dict[str, Any], network: nn.Module) -> None:
    stem.with_name(stem.name + ".json").write_text(json.dumps({"name": name, "args": args}))
    state = network.state_dict()
    if "Flow" in name:  # as published: flows are stored in float32, whatever they run in
        state = {key: tensor.float() for key, tensor in state.items()}
    if name == "SparseStructureFlowModel":
        state["rope_phases"] = torch.ones(STRUCTURE_GRID**3, 6, dtype=torch.complex64)
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, stem.with_name(stem.name + ".safetensors"))


def _save_dinov3(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import DINOv3ViTConfig, DINOv3ViTModel

    config = DINOv3ViTConfig(
        hidden_size=_HIDDEN,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=48,
        num_register_tokens=4,
        patch_size=16,
    )
    model = _random_network(DINOv3ViTModel(config), seed=60)
    model.save_pretrained(folder)  # type: ignore[operator]
