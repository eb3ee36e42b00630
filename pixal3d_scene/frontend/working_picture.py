"""Photo to network and masks back: the oriented photo in, a normalised tensor out; mask logits in, masks out.

Every picture here covers exactly the photo, edge to edge, so a point at x of W photo pixels is at x * w / W of a
picture w pixels wide, whatever the rounding of its size; pixel centres stay at +0.5. One resampling for all networks,
Pillow's bilinear filter with antialiasing, which the published processors use too: with and without torchvision the
numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from ..photo import Photo

if TYPE_CHECKING:
    import torch

WORKING_SIDE_PX = 1024  # the networks' own masks are 256 to 288 px wide
_MASKS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Of colours between 0 and 1: (value - mean) / std per channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def working_size_px(size_px: tuple[int, int], side_px: int = WORKING_SIDE_PX) -> tuple[int, int]:
    """Size of the masks of a photo: its own, but at most `side_px` along the longer side."""
    shrink = max(1.0, max(size_px) / side_px)
    return max(1, round(size_px[0] / shrink)), max(1, round(size_px[1] / shrink))


def resized_rgb(photo: Photo, size_px: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """The whole photo at another size, each axis stretched by itself."""
    if size_px == photo.size_px:
        return np.asarray(photo.rgb)
    return np.asarray(photo.image.resize(size_px, Image.Resampling.BILINEAR))


def as_input(rgb: UInt8[np.ndarray, "h w 3"], normalisation: Normalisation, device: torch.device) -> torch.Tensor:
    """(1, 3, h, w) float32, normalised."""
    import torch

    values = torch.from_numpy(np.array(rgb)).to(device).permute(2, 0, 1)[None].float() / 255
    mean, std = (
        torch.tensor(v, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        for v in (normalisation.mean, normalisation.std)
    )
    return (values - mean) / std


def masks_of_logits(logits: torch.Tensor, size_px: tuple[int, int]) -> Bool[np.ndarray, "n h w"]:
    """Where (n, h', w') logits that cover the photo are above 0, at another size.

    Logits are interpolated before the decision, so a border may lie between two of them.
    """
    import torch
    from torch.nn import functional as F

    masks = np.zeros((len(logits), size_px[1], size_px[0]), dtype=bool)
    for start in range(0, len(logits), _MASKS_AT_ONCE):
        some = logits[None, start : start + _MASKS_AT_ONCE].to(torch.float32)
        sized = F.interpolate(some, size=size_px[::-1], mode="bilinear", align_corners=False)[0]
        masks[start : start + _MASKS_AT_ONCE] = (sized > 0).cpu().numpy()
    return masks


def mask_at(mask: Bool[np.ndarray, "h w"], size_px: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """A mask at another size, with borders at the level of one half between its pixels."""
    if mask.shape == size_px[::-1]:
        return mask
    soft = Image.fromarray(mask.astype(np.float32)).resize(size_px, Image.Resampling.BILINEAR)
    return np.asarray(soft) > 0.5
