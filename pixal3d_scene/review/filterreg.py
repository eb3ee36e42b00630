"""FilterReg, rigid point-to-point: registration of two point sets as maximum likelihood, the E step a Gaussian filter.

In: points of a result and of a truth in one frame. Out: the result moved. Source: Gao and Tedrake, FilterReg: Robust
and Efficient Probabilistic Point-Set Registration using Gaussian Filter and Twist Parameterization, CVPR 2019,
section 3 (E step as filtering), section 4 (point to point), with the variance re-estimated in every M step.

The paper filters on a permutohedral lattice; in three dimensions a regular grid serves as well: splat with trilinear
weights, blur, read with trilinear weights. The blur is reduced by what the two interpolations spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_matrix

from .metrics import rigid_fit

_CELLS_PER_SIGMA = 2.0
_MOST_CELLS_A_SIDE = 160
_REACH_SIGMAS = 4.0
# Variance that a trilinear splat and a trilinear look-up add together, in cells squared per axis.
_INTERPOLATION_VARIANCE = 1 / 3
# Least weight, of one point right there, for which a mean is believed; below it, rounding is all there is.
_LEAST_WEIGHT = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Of each query: whether any target is near, their weighted mean, and the mean squared distance to them."""

    near: np.ndarray
    mean: Float[np.ndarray, "n 3"]
    squared_distance: Float[np.ndarray, "n"]


def align_by_filterreg(
    result: Float[np.ndarray, "n 3"],
    truth: Float[np.ndarray, "m 3"],
    *,
    steps: int,
    tolerance: float,
    least_variance: float,
) -> Float[np.ndarray, "n 3"]:
    """`result` moved onto `truth`: rotation and translation, no scale, no outlier term.

    Starts from where it is, with the mean squared distance of all pairs per axis as variance. Ends after `steps`
    steps, or when the mean distance in standard deviations changes by less than `tolerance`.
    """
    middle = truth.mean(axis=0)
    source, target = result - middle, truth - middle
    squared = float((source**2).sum(axis=1).mean() + (target**2).sum(axis=1).mean())
    variance = max((squared - 2 * float(source.mean(axis=0) @ target.mean(axis=0))) / 3, least_variance)
    moved, last = source, np.inf
    for _ in range(steps):
        expected = expect(moved, target, sigma=float(np.sqrt(variance)))
        if expected.near.sum() < 3:
            break
        rotation, translation = rigid_fit(source[expected.near], expected.mean[expected.near])
        misfit = float(np.linalg.norm(moved - expected.mean, axis=1)[expected.near].mean() / np.sqrt(variance))
        moved = source @ rotation.T + translation
        variance = max(float(expected.squared_distance[expected.near].mean()) / 3, least_variance)
        if abs(last - misfit) < tolerance:
            break
        last = misfit
    return moved + middle


def expect(queries: Float[np.ndarray, "n 3"], targets: Float[np.ndarray, "m 3"], *, sigma: float) -> Expected:
    """The E step: targets weighted by a Gaussian of standard deviation `sigma` about every query."""
    low = targets.min(axis=0) - _REACH_SIGMAS * sigma
    extent = np.ptp(targets, axis=0) + 2 * _REACH_SIGMAS * sigma
    cell = max(sigma / _CELLS_PER_SIGMA, float(extent.max()) / _MOST_CELLS_A_SIDE)
    shape = tuple(int(n) for n in np.ceil(extent / cell).astype(np.int64) + 2)
    # Sums of 1, y and |y|^2 give weight, mean and spread of the targets.
    values = np.concatenate([np.ones((len(targets), 1)), targets, (targets**2).sum(axis=1, keepdims=True)], axis=1)
    splat = _trilinear((targets - low) / cell, shape)
    grid = np.asarray(splat.T @ values.astype(np.float32)).reshape(*shape, 5)
    blur = float(np.sqrt(max((sigma / cell) ** 2 - _INTERPOLATION_VARIANCE, 0.0)))
    blurred = gaussian_filter(grid, sigma=(blur, blur, blur, 0), mode="constant", truncate=_REACH_SIGMAS)
    read = np.asarray(_trilinear((queries - low) / cell, shape) @ blurred.reshape(-1, 5)).astype(np.float64)
    at_a_point = (2 * np.pi) ** -1.5 * (cell / sigma) ** 3
    near = read[:, 0] > _LEAST_WEIGHT * at_a_point
    weight = np.where(near, read[:, 0], 1.0)[:, None]
    mean = read[:, 1:4] / weight
    squared = (queries**2).sum(axis=1) - 2 * (queries * mean).sum(axis=1) + read[:, 4] / weight[:, 0]
    return Expected(near=near, mean=mean, squared_distance=np.maximum(squared, 0.0))


def _trilinear(at: Float[np.ndarray, "n 3"], shape: tuple[int, ...]) -> csr_matrix:
    """Weights of the eight grid nodes about every point (n, cells); a point outside the grid has none."""
    corner = np.floor(at).astype(np.int64)
    inside = ((corner >= 0) & (corner < np.array(shape) - 1)).all(axis=1)
    part = at - corner
    rows, columns, weights = [], [], []
    for offset in np.ndindex(2, 2, 2):
        share = np.where(np.array(offset) == 1, part, 1 - part).prod(axis=1)
        rows.append(np.flatnonzero(inside))
        columns.append(np.ravel_multi_index((corner[inside] + offset).T, shape))
        weights.append(share[inside])
    entries = (np.concatenate(weights).astype(np.float32), (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(entries, shape=(len(at), int(np.prod(shape))))
