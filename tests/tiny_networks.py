"""Folders of tiny segmentation networks with random weights, saved as the published ones are.

Random networks find nothing in particular; what is tested with them is that they load, run, and put masks and boxes
where the photo has them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

SIDE_PX = 64
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CLIP_ENDS = {"bos_token_id": 2 * len(_LETTERS), "eos_token_id": 2 * len(_LETTERS) + 1, "pad_token_id": 0}
_MEMORY = {
    "memory_attention_hidden_size": 16,
    "memory_attention_feed_forward_hidden_size": 16,
    "memory_attention_num_layers": 1,
    "memory_attention_num_attention_heads": 1,
    "memory_encoder_hidden_size": 16,
    "memory_encoder_output_channels": 8,
    "mask_downsampler_embed_dim": 16,
    "memory_fuser_embed_dim": 16,
    "memory_fuser_intermediate_dim": 16,
}
WORDS = ("sofa", "lamp", "table", "floor", "wall", "ceiling", "window", "door")


def randomised(network: nn.Module, *, seed: int, scale: float) -> nn.Module:
    """Every parameter drawn anew, so that every path counts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        for name, buffer in network.named_buffers():
            if "positional" in name:  # random frequencies that are stored with the weights
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
    return network.eval()


def sam2_config(config_class: Any) -> Any:
    """Of the image model or of the video model, which is what the hub has."""
    return config_class(
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "num_attention_heads": 1,
                "image_size": [SIDE_PX, SIDE_PX],
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [4, 2, 2, 2],
                "global_attention_blocks": [3],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 16,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": SIDE_PX,
            "patch_size": 16,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 16,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )


def write_sam2(folder: Path) -> Path:
    from transformers import Sam2Config, Sam2Model

    return _save(Sam2Model(sam2_config(Sam2Config)), folder, seed=1)


def write_sam2_video(folder: Path) -> Path:
    """The video model, as the hub has it."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    config = sam2_config(Sam2VideoConfig)
    for name, value in {**_MEMORY, "image_size": SIDE_PX, "memory_attention_rope_feat_sizes": [4, 4]}.items():
        setattr(config, name, value)
    return _save(Sam2VideoModel(config), folder, seed=1)


def sam1_state(*, seed: int = 5, scale: float = 0.8) -> dict[str, torch.Tensor]:
    """A tiny SAM 1 under the official names, built by the package's own classes."""
    from pixal3d_scene.frontend.torchvision_stand_in import import_segment_anything

    modeling = import_segment_anything().modeling
    sam = modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            img_size=SIDE_PX,
            patch_size=16,
            embed_dim=16,
            depth=2,
            num_heads=2,
            mlp_ratio=2.0,
            out_chans=16,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            global_attn_indexes=(1,),
            window_size=2,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=16, image_embedding_size=(4, 4), input_image_size=(SIDE_PX, SIDE_PX), mask_in_chans=4
        ),
        mask_decoder=modeling.MaskDecoder(
            transformer_dim=16,
            transformer=modeling.TwoWayTransformer(depth=2, embedding_dim=16, num_heads=8, mlp_dim=24),
            iou_head_hidden_dim=20,
        ),
    )
    return dict(randomised(sam, seed=seed, scale=scale).state_dict())


def write_sam(folder: Path) -> Path:
    """Boxes give masks of a third of the photo."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(sam1_state(), folder / "model.safetensors")
    return folder


def write_sam_for_grids(folder: Path) -> Path:
    """Single points give masks of a third of the photo."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(sam1_state(seed=1, scale=0.4), folder / "model.safetensors")
    return folder


def write_hub_sam(folder: Path) -> Path:
    """SAM 1 as the hub's copies spell it."""
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE_PX,
            "patch_size": 16,
            "num_pos_feats": 8,
            "output_channels": 16,
            "mlp_ratio": 2.0,
            "window_size": 2,
            "global_attn_indexes": [1],
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": SIDE_PX,
            "patch_size": 16,
            "mask_input_channels": 4,
            "image_embedding_size": 4,
        },
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 24, "iou_head_hidden_dim": 20},
    )
    return _save(SamModel(config), folder, seed=0, scale=0.5)


def sam3_config() -> Any:
    from transformers import Sam3Config

    side_px, patch_px = 56, 14
    grid = side_px // patch_px
    layer = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    return Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model",
                "image_size": side_px,
                "patch_size": patch_px,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "window_size": 2,
                "global_attn_indexes": [1],
                "pretrain_image_size": 28,
            },
            "fpn_hidden_size": 16,
            "backbone_feature_sizes": [[4 * grid, 4 * grid], [2 * grid, 2 * grid], [grid, grid]],
        },
        text_config={
            "vocab_size": 600,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
            "projection_dim": 16,
            **_CLIP_ENDS,
        },
        geometry_encoder_config={**layer, "num_layers": 1},
        detr_encoder_config={**layer, "num_layers": 1},
        detr_decoder_config={**layer, "num_layers": 2, "num_queries": 6},
        mask_decoder_config={"hidden_size": 16, "num_attention_heads": 2},
    )


def write_sam3(folder: Path) -> Path:
    from transformers import Sam3Model

    _write_clip_tokenizer(folder)
    return _save(Sam3Model(sam3_config()), folder, seed=2)


def write_sam3_video(folder: Path) -> Path:
    """Detector and tracker, as the hub has them."""
    from transformers import Sam3VideoConfig, Sam3VideoModel

    detector = sam3_config().to_dict()
    tracker = {
        **_MEMORY,
        "vision_config": detector["vision_config"],
        "image_size": 56,
        "prompt_encoder_config": {"hidden_size": 16, "image_size": 56, "patch_size": 14, "mask_input_channels": 4},
        "mask_decoder_config": {
            "hidden_size": 16, "mlp_dim": 16, "num_attention_heads": 2, "iou_head_hidden_dim": 16,
        },
    }  # fmt: skip
    _write_clip_tokenizer(folder)
    return _save(Sam3VideoModel(Sam3VideoConfig(detector_config=detector, tracker_config=tracker)), folder, seed=2)


def write_owlv2(folder: Path) -> Path:
    from transformers import Owlv2Config, Owlv2ForObjectDetection

    layer = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Owlv2Config(
        text_config={**layer, "vocab_size": 600, "max_position_embeddings": 16, **_CLIP_ENDS},
        vision_config={**layer, "image_size": SIDE_PX, "patch_size": 16},
        projection_dim=16,
    )
    _write_clip_tokenizer(folder)
    return _save(Owlv2ForObjectDetection(config), folder, seed=4)


def write_grounding_dino(folder: Path) -> Path:
    from transformers import BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection

    # The network looks for "[CLS]", "[SEP]", "." and "?" at the places that they have in BERT's vocabulary.
    vocabulary = [f"[unused{i}]" for i in range(1030)]
    for place, token in ((0, "[PAD]"), (100, "[UNK]"), (101, "[CLS]"), (102, "[SEP]"), (1012, "."), (1029, "?")):
        vocabulary[place] = token
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary += list(WORDS)
    BertTokenizer(vocab={token: i for i, token in enumerate(vocabulary)}).save_pretrained(folder)
    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "embed_dim": 8,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 1, 2, 2],
            "window_size": 4,
            "image_size": SIDE_PX,
            "out_indices": [2, 3, 4],
        },
        text_config={
            "model_type": "bert",
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
        },
        d_model=32,
        num_queries=8,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
    )
    return _save(GroundingDinoForObjectDetection(config), folder, seed=1)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "sam": write_sam,
    "sam2": write_sam2,
    "sam3": write_sam3,
    "grounding_dino": write_grounding_dino,
    "owlv2": write_owlv2,
}


def _save(model: Any, folder: Path, *, seed: int, scale: float = 0.3) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        randomised(model, seed=seed, scale=scale).save_pretrained(folder)
    return folder


def _write_clip_tokenizer(folder: Path) -> None:
    """Single letters and the words, with CLIP's two special tokens."""
    from transformers import CLIPTokenizer

    vocabulary = {token: i for i, token in enumerate([*_LETTERS, *(f"{c}</w>" for c in _LETTERS)])}
    for token in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[token] = len(vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
