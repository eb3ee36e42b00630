"""Finding voxels by their coordinates (NumPy): integer cells go in, row numbers come out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


class VoxelIndex:
    """Row numbers of unique integer cells `coords` (N, 3), found by binary search in sorted keys."""

    def __init__(self, coords: Int[np.ndarray, "N 3"]) -> None:
        wide = np.asarray(coords, dtype=np.int64)  # (N, 3)
        self._low = wide.min(axis=0) if len(wide) else np.zeros(3, dtype=np.int64)
        self._size = wide.max(axis=0) - self._low + 1 if len(wide) else np.ones(3, dtype=np.int64)
        keys = self._keys(wide - self._low)  # (N,)
        self._order = np.argsort(keys, kind="stable")  # (N,)
        # A key that no cell has ends the list, so that a search behind the last one finds nothing.
        self._sorted = np.append(keys[self._order], np.iinfo(np.int64).max)  # (N + 1,)
        self._order = np.append(self._order, -1)  # (N + 1,)

    def rows(self, coords: Int[np.ndarray, "*n 3"]) -> Int[np.ndarray, "*n"]:
        """The row of each cell, -1 where it is not one of the voxels."""
        cells = np.asarray(coords, dtype=np.int64) - self._low  # (*n, 3)
        inside = ((cells >= 0) & (cells < self._size)).all(axis=-1)  # (*n)
        keys = np.where(inside, self._keys(cells), -1)  # (*n)
        place = np.searchsorted(self._sorted, keys)  # (*n)
        return np.where(self._sorted[place] == keys, self._order[place], -1)

    def _keys(self, cells: Int[np.ndarray, "*n 3"]) -> Int[np.ndarray, "*n"]:
        return (cells[..., 0] * self._size[1] + cells[..., 1]) * self._size[2] + cells[..., 2]
