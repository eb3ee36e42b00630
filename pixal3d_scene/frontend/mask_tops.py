"""Level surfaces that face up, in one mask: the tops of tables, the seats of chairs.

In: a `Surface`. Out: heights above the floor in metres, and the pixels that are level.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from .mask_evidence import Surface

_TOP_SHARE = 0.03  # of the mask: level tops show at least so much
_FEWEST_TOP_PX = 40
_LEVEL_M = 0.012
_SLOPE_ROWS = 3  # over which a surface's slope is measured
_FLAT = 0.45  # of an upright surface's change of height
_QUIET = 0.002  # noise as a share of the depth
_LOWEST_TOP_M = 0.05  # feet and rugs are no tops
_NARROWEST_TOP_M = 0.03  # standard deviation across
_LOWEST_EDGE_M = 0.78  # lower ones are the arms of chairs
_EDGE_SHARE = 0.4  # of the mask's columns


def level_pixels(surface: Surface) -> Bool[np.ndarray, "h w"]:
    """Pixels of surfaces that face up: their height changes from row to row far less than an upright surface's."""
    reach = _SLOPE_ROWS if surface.noise_share < _QUIET else 2 * _SLOPE_ROWS
    per_row_m = surface.z_m / surface.focal_px
    level = surface.seen & (surface.down > 0.02)
    known = np.zeros_like(level)
    for rows in (reach, -reach):
        there = np.roll(surface.seen, rows, axis=0)
        there[: max(rows, 0)], there[len(there) + min(rows, 0) :] = False, False
        change = np.abs(np.roll(surface.y_m, rows, axis=0) - surface.y_m)
        flat = change < _FLAT * reach * per_row_m
        # At the top's own edge one side is enough.
        known |= there & flat
    return level & known


def level_tops(surface: Surface, level: Bool[np.ndarray, "h w"]) -> tuple[tuple[float, ...], float]:
    """Heights of the level surfaces that face up, ascending, and how far a pixel may be from them.

    A level surface puts all of its pixels at one height. Depth noise moves a point along its ray, which changes
    its height by the ray's slope only.
    """
    from scipy.ndimage import uniform_filter1d

    y_m = surface.y_m[level]
    if len(y_m) < _FEWEST_TOP_PX:
        return (), _LEVEL_M
    sigma_m = 1.5 * surface.noise_share * float(np.median((surface.z_m * surface.down)[level]))
    half_m = _LEVEL_M + sigma_m
    step_m = half_m / 2
    low = float(y_m.min())
    bins = np.bincount(np.round((y_m - low) / step_m).astype(np.int64)).astype(np.float64)
    on = 5 * uniform_filter1d(bins, 5, mode="constant")
    tops: list[float] = []
    for k in np.argsort(-on, kind="stable"):
        if on[k] < max(_TOP_SHARE * int(surface.mask.sum()), _FEWEST_TOP_PX) or len(tops) >= 4:
            break
        near = np.abs(y_m - (low + k * step_m)) < 2 * half_m
        height_m = float(np.median(y_m[near]))
        if height_m < _LOWEST_TOP_M or any(abs(height_m - other) < 4 * half_m for other in tops):
            continue
        if _spreads(surface, level & (np.abs(surface.y_m - height_m) < half_m)):
            tops.append(height_m)
    return tuple(sorted(tops)), half_m


def level_edges(surface: Surface, half_m: float) -> tuple[float, ...]:
    """Heights at which the mask's upper outline runs level over many columns: tops seen from the side or from below."""
    columns = np.nonzero(surface.seen.sum(axis=0) > 6)[0]
    if len(columns) < 12:
        return ()
    highest = np.argmax(surface.seen[:, columns], axis=0)
    y_m = np.median([surface.y_m[highest + d, columns] for d in (1, 2, 3)], axis=0)
    candidates = np.unique(np.round(y_m / half_m)) * half_m
    shares = [float((np.abs(y_m - c) < half_m).mean()) for c in candidates]
    best = int(np.argmax(shares))
    near = np.abs(y_m - candidates[best]) < half_m
    height_m = float(np.median(y_m[near]))
    return (height_m,) if shares[best] >= _EDGE_SHARE and height_m >= _LOWEST_EDGE_M else ()


def _spreads(surface: Surface, top: Bool[np.ndarray, "h w"]) -> bool:
    """Whether a top covers an area in plan view: the upper edge of a back or a rail does not."""
    plan = surface.plan_m[top]
    if len(plan) < _FEWEST_TOP_PX:
        return False
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(plan.T)), 0))
    noise_m = surface.noise_share * float(np.median(surface.z_m[top]))
    return bool(spread[0] > _NARROWEST_TOP_M + 1.5 * noise_m)
