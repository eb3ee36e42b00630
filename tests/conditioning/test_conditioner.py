from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import layer_norm

from pixal3d_scene.conditioning.conditioner import STAGE_VIEWS, Conditioner
from pixal3d_scene.conditioning.image_features import ImageEncoder
from pixal3d_scene.conditioning.naf import Naf
from pixal3d_scene.conditioning.picture import imagenet_normalised
from pixal3d_scene.conditioning.view import front_view
from pixal3d_scene.errors import ShapeError
from pixal3d_scene.generator.rope import grid_coords


@pytest.fixture(scope="module")
def dinov3() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import DINOv3ViTConfig, DINOv3ViTModel

    torch.manual_seed(0)
    config = DINOv3ViTConfig(
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=48,
        num_register_tokens=4,
        patch_size=16,
    )
    model = DINOv3ViTModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return model


@pytest.fixture(scope="module")
def conditioner(dinov3: Any) -> Conditioner:
    torch.manual_seed(0)
    return Conditioner(ImageEncoder(dinov3), Naf(dim=32, heads=4, kernel_size=3)).eval()


def square(seed: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


@torch.no_grad()
def test_features_are_the_last_layer_without_the_models_own_norm(dinov3: Any) -> None:
    pictures = torch.rand(2, 3, 64, 64)
    features = ImageEncoder(dinov3)(pictures)
    assert features.global_tokens.shape == (2, 5, 32)
    assert features.patches.shape == (2, 32, 4, 4)
    # The model's norm of our features is the model's output only if ours came before it, and without affine.
    tokens = torch.cat([features.global_tokens, features.patches.flatten(2).transpose(1, 2)], dim=1)
    output = dinov3(imagenet_normalised(pictures)).last_hidden_state
    torch.testing.assert_close(tokens * dinov3.norm.weight + dinov3.norm.bias, output, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(layer_norm(tokens, (32,)), tokens, atol=1e-4, rtol=1e-4)
    assert (tokens - output).abs().max() > 0.1


def test_picture_must_be_whole_patches(dinov3: Any) -> None:
    with pytest.raises(ShapeError, match="multiple of 16"):
        ImageEncoder(dinov3)(torch.rand(1, 3, 40, 40))


def test_shapes_of_the_stages(conditioner: Conditioner) -> None:
    seen = conditioner.see([square(0)], 64)
    coords = torch.randint(0, 9, (30, 3))
    dense = conditioner.condition(seen, [front_view(0.6)], grid_coords(4), grid=4, naf_side_px=None)
    assert dense.proj is not None
    assert dense.proj.shape == (64, 32)
    sparse = conditioner.condition(seen, [front_view(0.6)], coords, grid=9, naf_side_px=32)
    assert sparse.proj is not None
    assert sparse.proj.shape == (30, 64)
    assert sparse.global_tokens.shape == (1, 5, 32)


def test_views_are_averaged_in_both_places(conditioner: Conditioner) -> None:
    coords = torch.randint(0, 9, (10, 3))
    views = [front_view(0.6), front_view(0.9)]
    both = conditioner.condition(conditioner.see([square(0), square(1)], 64), views, coords, grid=9, naf_side_px=32)
    each = [
        conditioner.condition(conditioner.see([square(i)], 64), [view], coords, grid=9, naf_side_px=32)
        for i, view in enumerate(views)
    ]
    assert both.proj is not None
    torch.testing.assert_close(both.global_tokens, (each[0].global_tokens + each[1].global_tokens) / 2)
    torch.testing.assert_close(both.proj, sum(c.proj for c in each if c.proj is not None) / 2)


def test_mirrored_picture_is_another_condition(conditioner: Conditioner) -> None:
    coords = torch.tensor([[0, 4, 4], [8, 4, 4]])
    plain, mirrored = (
        conditioner.condition(conditioner.see([picture], 64), [front_view(0.6)], coords, grid=9, naf_side_px=32).proj
        for picture in (square(0), square(0)[:, ::-1].copy())
    )
    assert plain is not None
    assert mirrored is not None
    assert (plain - mirrored).abs().max() > 0.1


def test_released_stages() -> None:
    assert {name: (view.size_px, view.naf_side_px) for name, view in STAGE_VIEWS.items()} == {
        "structure": (512, None),
        "shape_512": (512, 512),
        "shape_1024": (1024, 512),
        "texture_1024": (1024, 1024),
    }
