"""Where things may stand on a piece of furniture: level free rectangles of its top and of its open shelves.

Found by rays from above on a grid over its box; frame `node` (y up, origin at the bottom centre), metres.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ..asset import Mesh
from ..mesh.raycast import Raycaster
from .model_mesh import PackedMesh

_CELLS = 28  # per side of the footprint
_LEVEL_M = 0.008  # heights that count as one level
_SHELVES = ("bookcase", "shelf")
_LAYERS = 9  # of shelves that are looked for
_LOWEST_M, _CLEAR_M = 0.1, 0.12
_NOTHING_ON = frozenset({"person", "pet", "plant", "lamp", "toy", "toilet", "bicycle", "fan", "rug", "shoes", "object"})

# One row of the result: height, x from, x to, z from, z to, free height above.
Tops = Float[np.ndarray, "T 6"]


def support_tops(mesh: PackedMesh, label: str) -> Tops:
    """Level rectangles of at least 2 dm2 and 12 % of the footprint; the highest first, none for most things."""
    size = np.ptp(mesh.vertices, axis=0)
    if label in _NOTHING_ON or min(size[0], size[2]) < 0.2:
        return np.zeros((0, 6))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    caster = Raycaster([Mesh(vertices=mesh.vertices, faces=mesh.faces)])
    x, z = (low[k] + (np.arange(_CELLS) + 0.5) / _CELLS * (high[k] - low[k]) for k in (0, 2))
    start = np.full((_CELLS, _CELLS), high[1] + 0.5)  # (z, x)
    ceiling = np.full((_CELLS, _CELLS), 10.0)  # what is above the cell
    tops: list[list[float]] = []
    for layer in range(_LAYERS if label in _SHELVES else 1):
        origins = np.stack([np.broadcast_to(x, start.shape), start, np.broadcast_to(z[:, None], start.shape)], axis=-1)
        hits = caster.cast(origins, np.broadcast_to([0.0, -1.0, 0.0], origins.shape))
        heights = np.where(hits.hit, start - hits.t, -1.0)
        free = ceiling - heights > _CLEAR_M
        tops += _levels(heights, free, ceiling, x, z) if layer == 0 or label in _SHELVES else []
        ceiling = np.where(hits.hit, heights, ceiling)
        start = np.where(hits.hit, heights - 1e-3, start)
    return np.array(_separate(tops)).reshape(-1, 6)


def _levels(
    heights: Float[np.ndarray, "n n"],
    free: Bool[np.ndarray, "n n"],
    ceiling: Float[np.ndarray, "n n"],
    x: Float[np.ndarray, "n"],
    z: Float[np.ndarray, "n"],
) -> list[list[float]]:
    """The largest rectangle of every height that many cells share."""
    found, left = [], free & (heights > _LOWEST_M)
    step_x, step_z = x[1] - x[0], z[1] - z[0]
    for _ in range(4):
        if left.sum() < 0.12 * _CELLS**2:
            break
        values = np.sort(heights[left])
        counts = np.searchsorted(values, values + _LEVEL_M, side="right") - np.arange(len(values))
        lowest = values[counts.argmax()]
        same = left & (heights >= lowest) & (heights <= lowest + _LEVEL_M)
        row, column, rows, columns = largest_rectangle(same)
        cells = (slice(row, row + rows), slice(column, column + columns))
        area = rows * step_z * columns * step_x
        if rows * columns >= 0.12 * _CELLS**2 and area >= 0.02:
            level = float(heights[cells].max())
            ends = [x[column] - step_x / 2, x[column + columns - 1] + step_x / 2]
            ends += [z[row] - step_z / 2, z[row + rows - 1] + step_z / 2]
            found.append([level, *map(float, ends), float(min(ceiling[cells].min() - level, 3.0))])
        left = left & ~same
    return found


def _separate(tops: list[list[float]]) -> list[list[float]]:
    """From the highest down, at most six."""
    return sorted(tops, reverse=True)[:6]


def largest_rectangle(mask: Bool[np.ndarray, "h w"]) -> tuple[int, int, int, int]:
    """(row, column, rows, columns) of the largest all-true rectangle; zeros where nothing is true."""
    best, best_area = (0, 0, 0, 0), 0
    run = np.zeros(mask.shape[1], dtype=int)
    for row, line in enumerate(mask):
        run = np.where(line, run + 1, 0)
        for left in range(len(run)):
            lowest = np.minimum.accumulate(run[left:])
            areas = lowest * np.arange(1, len(lowest) + 1)
            k = int(areas.argmax())
            if areas[k] > best_area:
                rows = int(lowest[k])
                best, best_area = (row - rows + 1, left, rows, k + 1), int(areas[k])
    return best
