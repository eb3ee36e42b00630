"""Depth from a network's size to the photo's, without bridges over edges: small depth and photo in, large depth out.

Pixel centres are at +0.5 on both sides. Inside a surface 1 / z is interpolated bilinearly, which is exact on planes;
where the four neighbours belong to two surfaces, the photo's colours decide to which one a pixel belongs, and only
that one's neighbours count (after Kopf et al., "Joint Bilateral Upsampling", SIGGRAPH 2007, section 3, with a choice in
place of a mean of both).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image

_ONE_SURFACE = 0.05  # neighbours within this share of the depth are interpolated
_COLOUR_SIGMA = 0.08  # of the range of a channel
_PIXELS_AT_ONCE = 2_000_000


def at_photo_size(
    z_m: Float32[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"], rgb: UInt8[np.ndarray, "H W 3"]
) -> tuple[Float32[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """Depth and validity per photo pixel; both pictures show the same whole view.

    A pixel whose neighbours are all invalid is invalid; its depth is unspecified.
    """
    height, width = rgb.shape[:2]
    h, w = z_m.shape
    large, known = np.zeros((height, width), dtype=np.float32), np.zeros((height, width), dtype=bool)
    guide = np.asarray(Image.fromarray(np.asarray(rgb)).resize((w, h), Image.Resampling.BOX), dtype=np.float32) / 255
    inverse = 1 / np.where(valid, z_m, 1.0).astype(np.float64)
    columns, x = _neighbours(width, w)
    rows_at_once = max(1, _PIXELS_AT_ONCE // width)
    for start in range(0, height, rows_at_once):
        stop = min(height, start + rows_at_once)
        rows, y = _neighbours(height, h, start, stop)
        corners = [(rows[i][:, None], columns[j][None, :]) for i in (0, 1) for j in (0, 1)]
        weights = np.stack([y[i][:, None] * x[j][None, :] for i in (0, 1) for j in (0, 1)])  # (4, n, W)
        weights = weights * np.stack([valid[c] for c in corners])
        values = np.stack([inverse[c] for c in corners])
        _choose_surface(weights, values, corners, guide, rgb[start:stop])
        total = weights.sum(axis=0)
        known[start:stop] = total > 0
        mean = (weights * values).sum(axis=0) / np.where(total > 0, total, 1.0)
        large[start:stop] = 1 / np.where(total > 0, mean, 1.0)
    return large, known


def _choose_surface(
    weights: Float[np.ndarray, "4 n W"],
    inverse: Float[np.ndarray, "4 n W"],
    corners: list[tuple[np.ndarray, np.ndarray]],
    guide: Float32[np.ndarray, "h w 3"],
    rgb: UInt8[np.ndarray, "n W 3"],
) -> None:
    """Where the neighbours belong to two surfaces, take away the weight of those of the other one."""
    counted = weights > 0
    low = np.where(counted, inverse, np.inf).min(axis=0)
    high = np.where(counted, inverse, -np.inf).max(axis=0)
    at = np.nonzero(np.isfinite(low) & (high > low * (1 + _ONE_SURFACE)))
    if not len(at[0]):
        return
    own = rgb[at].astype(np.float32) / 255  # (m, 3)
    across = [guide[r[at[0], 0], c[0, at[1]]] for r, c in corners]  # 4 of (m, 3)
    likeness = np.stack([np.exp(-0.5 * ((own - g) ** 2).sum(axis=-1) / _COLOUR_SIGMA**2) for g in across])
    votes = weights[:, at[0], at[1]] * (likeness + 1e-6)  # (4, m)
    near = inverse[:, at[0], at[1]] > np.sqrt(low[at] * high[at])
    near_wins = np.where(near, votes, 0).sum(axis=0) > np.where(near, 0, votes).sum(axis=0)
    weights[:, at[0], at[1]] = np.where(near == near_wins, weights[:, at[0], at[1]], 0)


def _neighbours(
    large: int, small: int, start: int = 0, stop: int | None = None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The two small pixels around the centre of each large one, and their linear weights, along one axis."""
    position = (np.arange(start, large if stop is None else stop) + 0.5) * small / large - 0.5
    first = np.floor(position).astype(np.int64)
    share = position - first
    return (np.clip(first, 0, small - 1), np.clip(first + 1, 0, small - 1)), (1 - share, share)
