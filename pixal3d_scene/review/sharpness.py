"""How blurred a photo is: a grey picture in, the standard deviation of its blur in px out, measured on edges.

A step that a lens or a shaking hand blurs with sigma has, after Gaussian derivatives of two widths s1 < s2, gradients
in the ratio sqrt((sigma^2 + s2^2) / (sigma^2 + s1^2)), whatever its contrast (the re-blur ratio of Zhuo and Sim 2011,
Defocus map estimation from a single image, section 3, with two widths). So a plain wall, which has no edge, is not
taken for a blurred one, and a dark photo not for a soft one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32
from PIL import Image

_NARROW_PX, _WIDE_PX = 1.0, 2.5
_EDGE_SHARE = 0.04  # of a picture's pixels: the steepest at the wider scale
_OVER_NOISE = 6.0
_FEWEST_EDGES = 50
_MARGIN_PX = 6
_TILE_PX, _MOST_TILES = 256, 24
_WIDEST_PX = 4.0  # what the two widths measure well; more is measured on a smaller picture
_SMALLEST_SIDE_PX = 96
_QUANTISATION = 0.3  # noise of 8 bit, standard deviation


def blur_px(grey: Image.Image) -> float | None:
    """Standard deviation of the typical edge's blur in px of `grey` (mode L); None where there is no edge.

    Sharpened edges give 0. The half-pixel that any camera's own pixels blur is not counted.
    """
    scale = 1
    while True:
        variance_px2 = _blur_variance_px2([np.asarray(tile, dtype=np.float32) for tile in _tiles(grey)])
        if variance_px2 is not None and variance_px2 <= _WIDEST_PX**2:
            return scale * float(np.sqrt(max(variance_px2, 0.0)))
        if min(grey.size) < 2 * _SMALLEST_SIDE_PX:
            return None if variance_px2 is None else scale * float(np.sqrt(variance_px2))
        grey, scale = grey.reduce(2), 2 * scale


def _tiles(grey: Image.Image) -> list[Image.Image]:
    """The whole of a small picture; of a large one the tiles with the most contrast, which takes a second, not ten."""
    across, down = (max(round(side / _TILE_PX), 1) for side in grey.size)
    if across * down <= _MOST_TILES:
        return [grey]
    small = np.asarray(grey.resize((across * 8, down * 8), Image.Resampling.BOX), dtype=np.float32)
    contrast = small.reshape(down, 8, across, 8).std(axis=(1, 3))
    x, y = np.rint(np.linspace(0, grey.width, across + 1)), np.rint(np.linspace(0, grey.height, down + 1))
    order = np.argsort(-contrast, axis=None, kind="stable")[:_MOST_TILES]
    rows, columns = np.unravel_index(order, contrast.shape)
    return [grey.crop((int(x[c]), int(y[r]), int(x[c + 1]), int(y[r + 1]))) for r, c in zip(rows, columns, strict=True)]


def _blur_variance_px2(tiles: list[Float32[np.ndarray, "_ _"]]) -> float | None:
    """Median over the strong edges of all tiles; below 0 where they were sharpened."""
    noise = np.median([_noise(tile) for tile in tiles])
    gradient_noise = max(float(noise), _QUANTISATION) / (_NARROW_PX**2 * np.sqrt(8 * np.pi))
    narrow, wide = zip(*(_crests(tile) for tile in tiles), strict=True)
    narrow_all, wide_all = np.concatenate(narrow), np.concatenate(wide)
    area = sum(tile.size for tile in tiles)
    steep = narrow_all > _OVER_NOISE * gradient_noise
    narrow_all, wide_all = narrow_all[steep], wide_all[steep]
    most = max(int(_EDGE_SHARE * area / 4), _FEWEST_EDGES)
    if len(narrow_all) < _FEWEST_EDGES:
        return None
    strongest = np.argsort(-wide_all, kind="stable")[:most]
    ratio2 = (narrow_all[strongest] / np.maximum(wide_all[strongest], 1e-6)) ** 2
    return float(np.median((_WIDE_PX**2 - ratio2 * _NARROW_PX**2) / np.maximum(ratio2 - 1, 1e-3)))


def _crests(
    grey: Float32[np.ndarray, "h w"],
) -> tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n"]]:
    """Gradients at the narrow and the wide scale where the narrow one is largest across the edge."""
    gx, gy = (_derivative(grey, _NARROW_PX, axis) for axis in (1, 0))
    narrow = np.hypot(gx, gy)
    wide = np.hypot(*(_derivative(grey, _WIDE_PX, axis) for axis in (1, 0)))
    across = np.abs(gx) >= np.abs(gy)
    before = np.where(across, np.roll(narrow, 1, axis=1), np.roll(narrow, 1, axis=0))
    after = np.where(across, np.roll(narrow, -1, axis=1), np.roll(narrow, -1, axis=0))
    crest = (narrow >= before) & (narrow >= after)
    inside = np.zeros_like(crest)
    inside[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX] = True
    return narrow[crest & inside], wide[crest & inside]


def _derivative(grey: Float32[np.ndarray, "h w"], sigma_px: float, axis: int) -> Float32[np.ndarray, "h w"]:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(grey, sigma_px, order=(int(axis == 0), int(axis == 1)), mode="nearest"))


def _noise(grey: Float32[np.ndarray, "h w"]) -> float:
    """Standard deviation of fine grain in the plainest tenth of 16 px blocks."""
    from scipy.ndimage import uniform_filter

    fine = grey - uniform_filter(grey, 3, mode="nearest")
    rows, columns = (side // 16 * 16 for side in grey.shape)
    if not rows or not columns:
        return _QUANTISATION
    blocks = fine[:rows, :columns].reshape(rows // 16, 16, columns // 16, 16)
    return float(np.percentile(np.sqrt((blocks**2).mean(axis=(1, 3))), 10))
