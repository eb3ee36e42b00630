"""Pictures as the networks want them: a cut-out in, a square on black out, then the size of a stage.

The upstream rule for a free picture of one object is `square_on_black`; the scene's crop volumes are square and
framed already and only need `on_black`.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from ..errors import InputError

_LONGEST_SIDE_PX = 1024
_OPAQUE = 0.8 * 255  # alpha above this belongs to the object's box
_MARGIN = 1.1  # side of the square over the longer side of the box

# Of ImageNet, which the image encoder was trained with.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def square_on_black(rgba: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "S S 3"]:
    """Crop a cut-out to a square around its opaque box and lay it on black, to the byte as upstream.

    Alpha is the matte; a picture without one must be segmented first (InputError).
    """
    if (rgba[..., 3] == 255).all():
        raise InputError("The picture has no transparent background; cut the object out (RGBA) first.")
    image = Image.fromarray(rgba)
    longest = max(image.size)
    if longest > _LONGEST_SIDE_PX:
        scale = _LONGEST_SIDE_PX / longest
        image = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.LANCZOS)
    rows, columns = np.nonzero(np.asarray(image)[..., 3] > _OPAQUE)
    if len(rows) == 0:
        raise InputError("The picture's alpha is nowhere opaque; there is no object in it.")
    # First and last pixel, both inclusive: the extent is one short of the number of pixels, as upstream.
    x_min, x_max, y_min, y_max = columns.min(), columns.max(), rows.min(), rows.max()
    x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    half = int(max(x_max - x_min, y_max - y_min) * _MARGIN) // 2
    return on_black(np.asarray(image.crop((x - half, y - half, x + half, y + half))))


def on_black(rgba: UInt8[np.ndarray, "H W 4"]) -> UInt8[np.ndarray, "H W 3"]:
    """Composite over black; single precision and truncation, to the byte as upstream."""
    unit = rgba.astype(np.float32) / 255  # (H, W, 4)
    return (np.clip(unit[..., :3] * unit[..., 3:], 0, 1) * 255).astype(np.uint8)  # (H, W, 3)


def at_stage_size(square: UInt8[np.ndarray, "S S 3"], size_px: int) -> Float[Tensor, "3 s s"]:
    """Resample a square picture to the side of a stage (Lanczos); values in [0, 1]."""
    resized = Image.fromarray(square).resize((size_px, size_px), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255  # (3, s, s)


def imagenet_normalised(pictures: Float[Tensor, "V 3 s s"]) -> Float[Tensor, "V 3 s s"]:
    """Values in [0, 1] to the statistics that the image encoder expects."""
    mean, std = (torch.tensor(x).to(pictures)[:, None, None] for x in (_MEAN, _STD))  # (3, 1, 1)
    return (pictures - mean) / std  # (V, 3, s, s)
