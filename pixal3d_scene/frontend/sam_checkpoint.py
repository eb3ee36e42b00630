"""SAM 1 from a safetensors file: the file in, a network of the package segment-anything out, strictly.

Two spellings of the same weights are read: that of the official checkpoints (converted once from .pth, see
docs/weights.md) and that of the hub's copies, which differ in names only. The size follows from the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import InputError
from ..weights.network_folder import WEIGHTS_FILE
from .torchvision_stand_in import import_segment_anything

_MOST_NAMES = 4  # in an error message
_DECODER_HEADS = 8  # the one number that no tensor tells; all published sizes have it
_PIXEL_MEAN, _PIXEL_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]

# Of the hub's names, in this order, to the official ones.
_OFFICIAL_NAMES = (
    (r"^(shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$",
     "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
    (r"^vision_encoder\.", "image_encoder."),
    (r"^image_encoder\.patch_embed\.projection\.", "image_encoder.patch_embed.proj."),
    (r"^image_encoder\.layers\.", "image_encoder.blocks."),
    (r"\.neck\.conv1\.", ".neck.0."), (r"\.neck\.layer_norm1\.", ".neck.1."),
    (r"\.neck\.conv2\.", ".neck.2."), (r"\.neck\.layer_norm2\.", ".neck.3."),
    (r"\.mask_embed\.conv1\.", ".mask_downscaling.0."), (r"\.mask_embed\.layer_norm1\.", ".mask_downscaling.1."),
    (r"\.mask_embed\.conv2\.", ".mask_downscaling.3."), (r"\.mask_embed\.layer_norm2\.", ".mask_downscaling.4."),
    (r"\.mask_embed\.conv3\.", ".mask_downscaling.6."),
    (r"\.point_embed\.", ".point_embeddings."),
    (r"\.upscale_conv1\.", ".output_upscaling.0."), (r"\.upscale_layer_norm\.", ".output_upscaling.1."),
    (r"\.upscale_conv2\.", ".output_upscaling.3."),
    (r"\.layer_norm_final_attn\.", ".norm_final_attn."), (r"\.layer_norm(\d)\.", r".norm\1."),
    (r"(_mlps\.\d|iou_prediction_head)\.layers\.0\.", r"\1.layers.1."),
    (r"(_mlps\.\d|iou_prediction_head)\.proj_in\.", r"\1.layers.0."),
    (r"(_mlps\.\d|iou_prediction_head)\.proj_out\.", r"\1.layers.2."),
)  # fmt: skip


def is_official_sam(folder: Path) -> bool:
    """Whether a folder without a description holds a checkpoint under the official names."""
    file = folder / WEIGHTS_FILE
    if not file.is_file():
        return False
    try:
        with safe_open(file, framework="numpy") as opened:
            return any(name.startswith("image_encoder.") for name in opened.keys())  # noqa: SIM118  no mapping
    except (SafetensorError, OSError):
        return False


def load_sam(file: Path) -> Any:
    """The network on the CPU, float32, ready to be evaluated; raises InputError naming what does not fit."""
    try:
        stored = load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file} is no complete safetensors file ({error}); fetch or copy it again.") from error
    if any(name.startswith("vision_encoder.") for name in stored):
        stored = official_names(stored)
    try:
        network = build_sam(stored)
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{file} is no SAM 1 checkpoint ({error!r} is not there or not usable).") from error
    expected = network.state_dict()
    shapes = [
        f"{name} is {tuple(stored[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in stored and stored[name].shape != tensor.shape
    ]
    problems = [
        _listed("missing", [name for name in expected if name not in stored]),
        _listed("unexpected", [name for name in stored if name not in expected]),
        _listed("of the wrong shape", shapes),
    ]
    if any(problems):
        found = "; ".join(problem for problem in problems if problem)
        raise InputError(f"{file} does not fit SAM 1: {found}. Nothing was loaded; convert or fetch it again.")
    network.load_state_dict({name: tensor.float() for name, tensor in stored.items()}, strict=True)
    return network.requires_grad_(False).eval()


def official_names(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the names of the official checkpoints."""
    renamed = {}
    for name, tensor in stored.items():
        for pattern, official in _OFFICIAL_NAMES:
            name = re.sub(pattern, official, name)
        renamed[name] = tensor
    return renamed


def build_sam(stored: Mapping[str, Tensor]) -> Any:
    """An empty network of the size that the tensors have; raises KeyError where one that tells it is missing."""
    modeling: Any = import_segment_anything().modeling
    width, _, patch_px, _ = stored["image_encoder.patch_embed.proj.weight"].shape
    grid = stored["image_encoder.pos_embed"].shape[1]
    depth = 1 + max(int(n.split(".")[2]) for n in stored if n.startswith("image_encoder.blocks."))
    spans = [len(stored[f"image_encoder.blocks.{i}.attn.rel_pos_h"]) for i in range(depth)]
    everywhere = [i for i, span in enumerate(spans) if span == 2 * grid - 1]
    windows = [(span + 1) // 2 for i, span in enumerate(spans) if i not in everywhere]
    prompt_width = stored["prompt_encoder.not_a_point_embed.weight"].shape[1]
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            img_size=grid * patch_px,
            patch_size=patch_px,
            embed_dim=width,
            depth=depth,
            num_heads=width // stored["image_encoder.blocks.0.attn.rel_pos_h"].shape[1],
            mlp_ratio=len(stored["image_encoder.blocks.0.mlp.lin1.weight"]) / width,
            out_chans=prompt_width,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            global_attn_indexes=tuple(everywhere),
            window_size=windows[0] if windows else 0,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=prompt_width,
            image_embedding_size=(grid, grid),
            input_image_size=(grid * patch_px, grid * patch_px),
            mask_in_chans=len(stored["prompt_encoder.mask_downscaling.3.weight"]),
        ),
        mask_decoder=_mask_decoder(modeling, stored, prompt_width),
        pixel_mean=_PIXEL_MEAN,
        pixel_std=_PIXEL_STD,
    )


def _mask_decoder(modeling: Any, stored: Mapping[str, Tensor], width: int) -> Any:
    layers = 1 + max(int(n.split(".")[3]) for n in stored if n.startswith("mask_decoder.transformer.layers."))
    head = "mask_decoder.iou_prediction_head.layers"
    return modeling.MaskDecoder(
        num_multimask_outputs=len(stored["mask_decoder.mask_tokens.weight"]) - 1,
        transformer=modeling.TwoWayTransformer(
            depth=layers,
            embedding_dim=width,
            mlp_dim=len(stored["mask_decoder.transformer.layers.0.mlp.lin1.weight"]),
            num_heads=_DECODER_HEADS,
        ),
        transformer_dim=width,
        iou_head_depth=sum(n.startswith(head) and n.endswith(".weight") for n in stored),
        iou_head_hidden_dim=len(stored[f"{head}.0.weight"]),
    )


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{len(names)} {what}: {', '.join(names[:_MOST_NAMES])}{more}"
