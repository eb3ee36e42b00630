"""DINOv3 features of a picture: pictures in [0, 1] in, global tokens and a map of patch features out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from ..errors import BackendMissing, ShapeError
from .picture import imagenet_normalised


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFeatures:
    """Of V views. global_tokens: the class token and the registers. patches: rows of the picture first."""

    global_tokens: Float[Tensor, "V L C"]
    patches: Float[Tensor, "V C h w"]


class ImageEncoder(nn.Module):
    """DINOv3 up to its last layer, then a LayerNorm without affine; the model's own last norm is left out."""

    dinov3: Any

    def __init__(self, dinov3: nn.Module) -> None:
        """dinov3: a `transformers.DINOv3ViTModel`."""
        super().__init__()
        self.dinov3 = dinov3.eval()

    @torch.no_grad()
    def forward(self, pictures: Float[Tensor, "V 3 s s"]) -> ImageFeatures:
        """pictures: values in [0, 1], side a multiple of the patch size."""
        config = self.dinov3.config
        side = pictures.shape[-1] // config.patch_size
        if side * config.patch_size != pictures.shape[-1]:
            raise ShapeError("pictures", f"a side that is a multiple of {config.patch_size}", tuple(pictures.shape))
        output = self.dinov3(imagenet_normalised(pictures), output_hidden_states=True)
        if output.hidden_states[-1] is output.last_hidden_state:
            raise BackendMissing(
                "This transformers hides DINOv3's last layer; install the version that pyproject names."
            )
        last = output.hidden_states[-1].float()  # (V, 1 + registers + side^2, C)
        tokens = layer_norm(last, last.shape[-1:], eps=1e-5)
        in_front = 1 + config.num_register_tokens  # L
        patches = torch.unflatten(tokens[:, in_front:].transpose(1, 2), -1, (side, side))  # (V, C, side, side)
        return ImageFeatures(global_tokens=tokens[:, :in_front], patches=patches)
