"""How far the depth of a photo can be trusted: a depth map in, two standard deviations out, as shares of the depth.

Independent noise averages out over an object's pixels. An error that varies slowly over the picture does not: it
moves the whole object, and nothing on the object tells. The floor tells, since its depth is known from the camera's
pose alone, and so do differences between neighbouring pixels for the independent part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..depth import Depth

# Where no floor is in sight: what metric depth estimators reach on indoor photos at best.
_UNKNOWN_SHARE = 0.02
# Depth in millimetres, pixels at edges: no object is known better than this.
_SMALLEST_SHARE = 0.001
_BLOCKS_ACROSS = 16
_FEWEST_BLOCKS = 6
_SMALLEST_PART_OF_BLOCK = 0.25
# A block is floor when it lies near the plane and does not leave it from its upper half to its lower: walls do.
_NEAR_FLOOR = 0.15
_LARGEST_CHANGE = 0.05
# Values are rounded to powers of this, so that an object more or less does not change every other object.
_STEP = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthNoise:
    """Standard deviations as shares of the depth.

    independent: from pixel to pixel. correlated: of errors that vary over a quarter of the picture, a common factor
    included. measured: False where no floor was seen and `correlated` is a general figure.
    """

    independent: float
    correlated: float
    measured: bool


def measure_noise(depth: Depth, background: Bool[np.ndarray, "H W"]) -> DepthNoise:
    """Noise of a depth map; background: pixels of no object."""
    independent = independent_share(depth)
    medians = _floor_medians(depth, background, independent)
    if len(medians) < _FEWEST_BLOCKS:
        return DepthNoise(independent=independent, correlated=_UNKNOWN_SHARE, measured=False)
    # About zero, not about the mean: a common factor is an error too.
    spread = float(np.sqrt(np.mean(np.clip(medians, *np.percentile(medians, [5, 95])) ** 2)))
    return DepthNoise(independent=independent, correlated=_rounded(spread), measured=True)


def independent_share(depth: Depth) -> float:
    """From second differences along rows, which slanted surfaces do not show; the median ignores edges."""
    z, valid = depth.z_m.astype(np.float64), depth.valid
    both = valid[:, :-2] & valid[:, 1:-1] & valid[:, 2:]
    if not both.any():
        return _UNKNOWN_SHARE
    second = (z[:, :-2] - 2 * z[:, 1:-1] + z[:, 2:])[both] / z[:, 1:-1][both]
    return float(1.4826 * np.median(np.abs(second)) / np.sqrt(6))  # 1 + 4 + 1 independent variances


def _floor_medians(depth: Depth, background: Bool[np.ndarray, "H W"], independent: float) -> Float[np.ndarray, "n"]:
    """Log ratio of measured to true depth of the floor, one median per block of the picture that shows floor."""
    camera = depth.camera
    height_m = float(camera.centre_world[1])
    down = -(camera.rays_cam() @ camera.up_cam)  # metres downwards per metre of depth
    looks_down = (down > 0.05) & (height_m > 0)
    expected_m = height_m / np.where(looks_down, down, 1.0)
    usable = looks_down & depth.valid & background
    log_ratio = np.log(np.where(usable, depth.z_m, 1.0) / np.where(usable, expected_m, 1.0))
    size = max(camera.size_px[0] // _BLOCKS_ACROSS, 4)
    medians = []
    for row in range(0, depth.z_m.shape[0] - size + 1, size):
        for column in range(0, depth.z_m.shape[1] - size + 1, size):
            block = np.s_[row : row + size, column : column + size]
            rows, columns = np.nonzero(usable[block])
            if len(rows) < _SMALLEST_PART_OF_BLOCK * size**2:
                continue
            values, upper = log_ratio[block][rows, columns], rows < np.median(rows)
            change = abs(float(np.median(values[upper]) - np.median(values[~upper]))) if upper.any() else np.inf
            chance = 2.5 * 1.25 * 2 * independent / np.sqrt(len(values))
            if abs(np.median(values)) < _NEAR_FLOOR and change < _LARGEST_CHANGE + chance:
                medians.append(float(np.median(values)))
    return np.array(medians)


def _rounded(share: float) -> float:
    steps = np.round(np.log(max(share, _SMALLEST_SHARE) / _SMALLEST_SHARE) / np.log(_STEP))
    return float(_SMALLEST_SHARE * _STEP**steps)
