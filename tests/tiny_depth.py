"""Folders of tiny depth networks with random weights, as transformers saves the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOV_DEG = 62.0


def write_depth_anything(folder: Path, *, kind: str = "metric") -> Path:
    """A Depth Anything whose depth is random but within 20 m."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessorPil

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=70, patch_size=14,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=8,
        head_hidden_size=8, depth_estimation_type=kind, max_depth=20,
    )  # fmt: skip
    save(DepthAnythingForDepthEstimation(config), folder)
    DPTImageProcessorPil(
        size={"height": 70, "width": 70}, keep_aspect_ratio=True, ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)  # fmt: skip
    return folder


def write_depth_pro(folder: Path) -> Path:
    """A Depth Pro whose field of view is FOV_DEG, whatever it sees."""
    import torch
    from transformers import DepthProConfig, DepthProForDepthEstimation

    torch.manual_seed(0)
    part: dict[str, Any] = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
        "model_type": "dinov2",
    }  # fmt: skip
    config = DepthProConfig(
        fusion_hidden_size=16, patch_size=32, intermediate_hook_ids=[1, 0], intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.25, 0.5, 1.0], scaled_images_overlap_ratios=[0.0, 0.5, 0.25],
        scaled_images_feature_dims=[16, 16, 8], use_fov_model=True, image_model_config=dict(part),
        patch_model_config=dict(part), fov_model_config=dict(part),
    )  # fmt: skip
    network = DepthProForDepthEstimation(config)
    last = list(network.fov_model.parameters())[-2:]
    with torch.no_grad():
        last[0].zero_()
        last[1].fill_(FOV_DEG)
    save(network, folder)
    return folder


def save(network: Any, folder: Path) -> None:
    from pixal3d_scene.weights.transformers_folder import quiet_transformers

    with quiet_transformers():
        network.save_pretrained(folder)
