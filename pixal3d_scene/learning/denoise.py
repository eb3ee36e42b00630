"""Smooth Monte Carlo noise where the surface is smooth: the edge-avoiding a-trous filter.

Dammertz, Sewtz, Hanika, Lensch: "Edge-Avoiding A-Trous Wavelet Transform for fast Global Illumination Filtering",
High Performance Graphics 2010. Pictures of light without texture enter and leave; texture is multiplied on later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

_KERNEL = ((-1, 0.25), (0, 0.5), (1, 0.25))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guides:
    """What every pixel shows, to find out which neighbours lie on the same smooth surface. points_m: world."""

    normals: Float32[np.ndarray, "H W 3"]
    points_m: Float32[np.ndarray, "H W 3"]
    labels: Int[np.ndarray, "H W"]


def smoothed(
    light: Float32[np.ndarray, "H W 3"], guides: Guides, *, levels: int, light_sigma: float, reach_m: float = 0.25
) -> Float32[np.ndarray, "H W 3"]:
    """`light` averaged over neighbours on the same label, with alike normals, near in space and alike in light.

    levels: the filter reaches 2^levels pixels. light_sigma: differences in light (after a logarithm, so relative) that
    count as an edge at the second level; halved at each further one, since noise is then lower. The first level takes
    all neighbours alike: a single sample says too little about where an edge of light is.
    """
    normals, points_m, labels = guides.normals, guides.points_m, guides.labels
    result = light
    for level in range(levels):
        step = 2**level
        sigma = np.inf if level == 0 else light_sigma / 2 ** (level - 1)
        coded = np.log(result.sum(axis=-1) + 0.02)  # (H, W)
        total = np.zeros_like(result)
        weight_sum = np.zeros(result.shape[:2], dtype=np.float32)
        for dy, ky in _KERNEL:
            for dx, kx in _KERNEL:
                to, of = _shifted(result.shape[:2], dy * step, dx * step)
                apart = np.square(points_m[to] - points_m[of]).sum(axis=-1)
                alike = np.maximum((normals[to] * normals[of]).sum(axis=-1), 0) ** 32
                contrast = np.square((coded[to] - coded[of]) / sigma)
                weight = kx * ky * alike * np.exp(-apart / reach_m**2 - contrast) * (labels[to] == labels[of])
                total[to] += weight[..., None] * result[of]
                weight_sum[to] += weight
        result = (total / np.maximum(weight_sum, 1e-6)[..., None]).astype(np.float32)
    return result


def _shifted(shape: tuple[int, ...], dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the pixels that have a neighbour at (dy, dx), and of those neighbours."""
    pairs = []
    for n, d in zip(shape, (dy, dx), strict=True):
        pairs.append((slice(max(-d, 0), n - max(d, 0)), slice(max(d, 0), n - max(-d, 0))))
    return (pairs[0][0], pairs[1][0]), (pairs[0][1], pairs[1][1])
