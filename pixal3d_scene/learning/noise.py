"""Smooth random values in space, the same for the same place and seed on every machine.

Points enter in any unit, values in -1..1 leave. Value noise on the integer lattice with quintic interpolation
(Perlin, "Improving noise", SIGGRAPH 2002, for the fade curve).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt32


def value_noise(points: Float[np.ndarray, "n 3"], seed: int = 0) -> Float[np.ndarray, "n"]:
    """One octave; changes over a distance of about 1."""
    cell = np.floor(points)
    t = points - cell
    fade = t * t * t * (t * (t * 6 - 15) + 10)  # (n, 3)
    lattice = cell.astype(np.int64).astype(np.uint32)
    total = np.zeros(len(points))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner) == 1, fade, 1 - fade), axis=1)
        total += weight * _lattice_value(lattice + np.array(corner, dtype=np.uint32), seed)
    return total


def fractal_noise(points: Float[np.ndarray, "n 3"], octaves: int = 3, seed: int = 0) -> Float[np.ndarray, "n"]:
    """Octaves of half the size and half the height each, scaled back to -1..1."""
    total, height = np.zeros(len(points)), 0.0
    for k in range(octaves):
        total += 0.5**k * value_noise(points * 2.0**k, seed + 101 * k)
        height += 0.5**k
    return total / height


def cell_value(cells: Float[np.ndarray, "n 3"], seed: int = 0) -> Float[np.ndarray, "n"]:
    """One independent value in -1..1 per whole-numbered cell."""
    return _lattice_value(np.floor(cells).astype(np.int64).astype(np.uint32), seed)


def _lattice_value(lattice: UInt32[np.ndarray, "n 3"], seed: int) -> Float[np.ndarray, "n"]:
    """An integer hash of the three coordinates (multiply and xor-shift, after Wang and PCG) as -1..1."""
    with np.errstate(over="ignore"):
        h = lattice[:, 0] * np.uint32(0x8DA6B343) ^ lattice[:, 1] * np.uint32(0xD8163841)
        h ^= lattice[:, 2] * np.uint32(0xCB1AB31F) ^ np.uint32((seed * 0x9E3779B1) & 0xFFFFFFFF)
        h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
        h ^= h >> np.uint32(16)
    return h.astype(np.float64) * (2 / 0xFFFFFFFF) - 1
