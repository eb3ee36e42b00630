"""Features on the active voxels of a grid.

Coordinates are integer rows (batch, x, y, z) in the generator's cube (`obj` axes); rows of one batch item are
contiguous and every layer keeps their order. What depends on the coordinates alone (neighbours) belongs to `Voxels`
and is made once, however many layers and networks work on the level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeVar

import torch

from ..errors import ShapeError

Backend = Literal["torch", "spconv"]
_Table = TypeVar("_Table")


class Voxels:
    """The active voxels of one level: `coords` (T, 4) int32, rows (batch, x, y, z), no row twice.

    batch_size: number of items, including empty ones. backend: of the convolutions on this level; None leaves the
    choice to `convolution.choose_backend`.
    """

    def __init__(self, coords: torch.Tensor, *, batch_size: int | None = None, backend: Backend | None = None) -> None:
        if coords.ndim != 2 or coords.shape[1] != 4:
            raise ShapeError("Voxels.coords", ("T", 4), tuple(coords.shape))
        self.coords = coords.to(torch.int32)  # (T, 4)
        self.batch_size = batch_size if batch_size is not None else _batch_size(self.coords)
        self.backend = backend
        self._tables: dict[Callable[[Voxels], Any], Any] = {}

    def __len__(self) -> int:
        return len(self.coords)

    def table(self, build: Callable[[Voxels], _Table]) -> _Table:
        """`build(self)`, computed on first use and shared by everything that works on this level."""
        if build not in self._tables:
            self._tables[build] = build(self)
        return self._tables[build]

    def item_rows(self) -> list[slice]:
        """The rows of each batch item. Raises ValueError if items are interleaved."""
        batch = self.coords[:, 0]  # (T,)
        if bool((batch[1:] < batch[:-1]).any()):
            raise ValueError("The rows of a batch item must be contiguous, item after item.")
        lengths = torch.bincount(batch.long(), minlength=self.batch_size).tolist()
        starts = [0]
        for length in lengths:
            starts.append(starts[-1] + length)
        return [slice(a, b) for a, b in pairwise(starts)]


def _batch_size(coords: torch.Tensor) -> int:
    return int(coords[:, 0].max()) + 1 if len(coords) else 1


@dataclass(frozen=True, slots=True, eq=False)
class SparseTensor:
    """One feature row per active voxel: `feats` (T, C) on `voxels`."""

    feats: torch.Tensor
    voxels: Voxels

    def __post_init__(self) -> None:
        if len(self.feats) != len(self.voxels):
            raise ShapeError("SparseTensor.feats", (len(self.voxels), "C"), tuple(self.feats.shape))

    @property
    def coords(self) -> torch.Tensor:
        """(T, 4) int32 rows (batch, x, y, z)."""
        return self.voxels.coords

    def with_feats(self, feats: torch.Tensor) -> SparseTensor:
        """Other features on the same voxels."""
        return SparseTensor(feats, self.voxels)

    def items(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Per batch item: features (T_b, C) and coordinates (T_b, 3)."""
        for rows in self.voxels.item_rows():
            yield self.feats[rows], self.coords[rows, 1:]
