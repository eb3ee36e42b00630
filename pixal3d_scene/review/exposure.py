"""Light in a photo: a picture in, shares of the range and of the picture out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

_BURNT = 250  # of 255: no shading is left in what is brighter
_GLINT_STEP = 0.3  # of the range, brighter than what is around it
_GLINT_REACH = 0.03  # of the picture's longer side: larger bright areas are lamps, windows and white furniture
_LUMA = np.array([0.2126, 0.7152, 0.0722])


def brightness(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """Mean of the sRGB-coded luma, 0 to 1."""
    return float(_luma(rgb).mean())


def burnt_share(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """Share of the pixels in which all three colours are at the end of their range."""
    return float((rgb.min(axis=-1) >= _BURNT).mean())


def glint_share(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """Share of the pixels in small bright spots, as polished metal, glass, lacquer and wet surfaces have them."""
    from scipy.ndimage import white_tophat

    luma = _luma(rgb)
    size = max(3, round(_GLINT_REACH * max(luma.shape)) | 1)
    return float(((white_tophat(luma, size=size, mode="nearest") > _GLINT_STEP) & (luma > 0.85)).mean())


def _luma(rgb: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
    return rgb @ _LUMA / 255
