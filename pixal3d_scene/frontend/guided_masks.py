"""Soft masks of a small grid follow the edges of the picture: shares of objects in, one owner per pixel out.

The guided filter of He et al., "Guided Image Filtering", ECCV 2010, equations 5 to 8: in every window a share is the
best linear function of the picture's lightness. Where the picture is even it is a mean, and across an edge of the
picture it steps with it. Shares that sum to 1 still do after it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image

_RADIUS_SHARE = 1 / 80  # of the longer side: about as far as the network's edges are off
_SMOOTH = 1e-3  # variance of lightness (0 to 1) below which a window is even
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # Rec. 601


class EdgeGuide:
    """A picture as the guide, with what the filter needs of it."""

    def __init__(self, rgb: UInt8[np.ndarray, "H W 3"]) -> None:
        """rgb: sRGB, at the size of the masks that are wanted."""
        self._light = rgb.astype(np.float32) @ _LUMA / np.float32(255)
        self._size_px = 2 * max(1, round(_RADIUS_SHARE * max(rgb.shape[:2]))) + 1
        self._mean = self._box(self._light)
        self._variance = self._box(self._light**2) - self._mean**2

    def follow(self, share: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "H W"]:
        """A map that covers the whole picture at any size, brought to the picture's and along its edges."""
        height, width = self._light.shape
        large = np.asarray(Image.fromarray(share).resize((width, height), Image.Resampling.BILINEAR))
        mean = self._box(large)
        slope = (self._box(self._light * large) - self._mean * mean) / (self._variance + np.float32(_SMOOTH))
        level = mean - slope * self._mean
        return np.asarray(self._box(slope) * self._light + self._box(level), dtype=np.float32)

    def _box(self, values: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "H W"]:
        from scipy.ndimage import uniform_filter

        return np.asarray(uniform_filter(values, size=self._size_px, mode="nearest"))


def owners(guide: EdgeGuide, shares: Iterable[Float32[np.ndarray, "h w"]]) -> Int64[np.ndarray, "H W"]:
    """Per pixel of the picture which of the maps is largest there; the first one where several are."""
    owner, strongest = None, None
    for k, share in enumerate(shares):
        value = guide.follow(share)
        if owner is None or strongest is None:
            owner, strongest = np.zeros(value.shape, dtype=np.int64), value
            continue
        wins = value > strongest
        owner[wins], strongest[wins] = k, value[wins]
    if owner is None:
        raise ValueError("There is no map to choose from.")
    return owner
