"""Materials as sparse voxels: base colour, metallic, roughness, alpha at the voxels of a shape, sampled anywhere.

Voxel (i, j, k) has its centre at i + 0.5, ...; in `obj` that is (i + 0.5) / resolution - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int, UInt8

from ..arrays import check_shape, freeze
from .voxel_index import VoxelIndex

_CHUNK_POINTS = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class PbrVoxels:
    """attributes: sRGB-coded base colour R, G, B, then metallic, roughness, alpha, nominally in [0, 1].

    coords: the voxels, in the cube of `resolution` voxels per edge.
    """

    coords: Int[np.ndarray, "N 3"]
    attributes: Float[np.ndarray, "N 6"]
    resolution: int

    def __post_init__(self) -> None:
        check_shape("PbrVoxels.coords", self.coords, (len(self.coords), 3))
        check_shape("PbrVoxels.attributes", self.attributes, (len(self.coords), 6))
        freeze(self, "coords", "attributes")

    def sample(self, points_obj: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "P 6"]:
        """Attributes at points of the cube; see `sample_voxels`."""
        return sample_voxels(self.coords, self.attributes, (points_obj + 0.5) * self.resolution)

    def vertex_colours(self, points_obj: Float[np.ndarray, "P 3"]) -> UInt8[np.ndarray, "P 4"]:
        """sRGB-coded RGBA at points, cut (not rounded) to 8 bits."""
        rgba = self.sample(points_obj)[:, [0, 1, 2, 5]]  # (P, 4)
        return np.clip(rgba * 255, 0, 255).astype(np.uint8)


def sample_voxels(
    coords: Int[np.ndarray, "N 3"], values: Float[np.ndarray, "N C"], points_vox: Float[np.ndarray, "P 3"]
) -> Float[np.ndarray, "P C"]:
    """Trilinear interpolation between the present ones of the 8 surrounding voxel centres; 0 where there is none.

    Weights of missing voxels are dropped and the rest sum to 1: surfaces are one voxel thin, and counting the missing
    ones as black would darken every texture.
    """
    index = VoxelIndex(coords)
    sampled = np.zeros((len(points_vox), values.shape[1]), dtype=values.dtype)  # (P, C)
    for start in range(0, len(points_vox), _CHUNK_POINTS):
        rows = slice(start, start + _CHUNK_POINTS)
        sampled[rows] = _sample_chunk(index, values, points_vox[rows])
    return sampled


def _sample_chunk(
    index: VoxelIndex, values: Float[np.ndarray, "N C"], points_vox: Float[np.ndarray, "P 3"]
) -> Float[np.ndarray, "P C"]:
    low = np.floor(points_vox - 0.5)  # (P, 3) the lowest of the eight voxels
    towards_high = points_vox - 0.5 - low  # (P, 3) in [0, 1)
    total = np.zeros((len(points_vox), values.shape[1]))  # (P, C)
    weights = np.zeros(len(points_vox))  # (P,)
    for corner in product((0, 1), repeat=3):
        row = index.rows(low.astype(np.int64) + np.array(corner))  # (P,)
        weight = np.where(corner, towards_high, 1 - towards_high).prod(axis=1) * (row >= 0)  # (P,)
        weights += weight
        if len(values):
            total += weight[:, None] * values[row]  # row -1 reads a voxel that its weight of 0 drops
    return np.divide(total, weights[:, None], out=np.zeros_like(total), where=weights[:, None] > 0)
