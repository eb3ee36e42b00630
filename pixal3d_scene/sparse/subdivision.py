"""One step of the octree: parents on one side, their active children on the other.

Child c of a parent sits at 2 * parent + (c & 1, c >> 1 & 1, c >> 2): x is the least significant bit. Children are
listed parent by parent, within a parent by ascending c. Going down, eight groups of channels become eight voxels;
going up, the reverse. (The dense structure decoder shuffles the other way round: x most significant.)
"""

from __future__ import annotations

from functools import cached_property

import torch

from ..errors import ShapeError
from .tensor import SparseTensor, Voxels


class Subdivision:
    """Which of the eight children of each parent are active: `active` (T, 8) bool. A parent may have none."""

    def __init__(self, parents: Voxels, active: torch.Tensor) -> None:
        if tuple(active.shape) != (len(parents), 8):
            raise ShapeError("Subdivision.active", (len(parents), 8), tuple(active.shape))
        self.parents = parents
        self.active = active  # (T, 8)

    @cached_property
    def _places(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Parent row and child number (T',) of every active child, parents in order, then ascending child."""
        row, child = self.active.nonzero(as_tuple=True)
        return row, child

    @cached_property
    def children(self) -> Voxels:
        """The active children; the same object for every network that follows this subdivision."""
        row, child = self._places
        offset = torch.stack([child & 1, child >> 1 & 1, child >> 2], dim=1)  # (T', 3)
        parent = self.parents.coords[row]  # (T', 4)
        coords = torch.cat([parent[:, :1], 2 * parent[:, 1:] + offset], dim=1)  # (T', 4)
        return Voxels(coords, batch_size=self.parents.batch_size, backend=self.parents.backend)

    def split(self, feats: torch.Tensor) -> SparseTensor:
        """Parents' features (T, 8 K), eight consecutive groups, to the children's (T', K)."""
        grouped = feats.reshape(len(feats), 8, feats.shape[1] // 8)  # (T, 8, K)
        return SparseTensor(grouped[self._places], self.children)

    def merge(self, feats: torch.Tensor) -> SparseTensor:
        """Children's features (T', K) to the parents' (T, 8 K); an inactive child counts as zeros."""
        grouped = feats.new_zeros(len(self.parents), 8, feats.shape[1])  # (T, 8, K)
        grouped[self._places] = feats
        return SparseTensor(grouped.flatten(1), self.parents)


def octree_order(coords: torch.Tensor, levels: int) -> torch.Tensor:
    """Permutation (T,) that lists `coords` (T, 4) as `levels` subdivisions of sorted coarse voxels would.

    Sorted by (batch, x, y, z) of the ancestor `levels` up, then by the child number at each step down.
    """
    xyz = coords[:, 1:].long()  # (T, 3)
    ancestor = xyz >> levels  # (T, 3)
    size = int(ancestor.max()) + 1 if len(coords) else 1
    key = coords[:, 0].long()  # (T,)
    for axis in range(3):
        key = key * size + ancestor[:, axis]
    for bit in reversed(range(levels)):
        key = key * 8 + _child_number(xyz >> bit)
    return key.argsort()


def ancestry(voxels: Voxels, levels: int) -> tuple[Subdivision, ...]:
    """The subdivisions, coarse to fine, that lead to `voxels`, whose rows must be in `octree_order`."""
    chain: list[Subdivision] = []
    coords = voxels.coords  # (T, 4)
    for _ in range(levels):
        above = torch.cat([coords[:, :1], coords[:, 1:] >> 1], dim=1)  # (T, 4)
        first = torch.ones(len(above), dtype=torch.bool, device=above.device)  # (T,) children of a parent follow it
        first[1:] = (above[1:] != above[:-1]).any(dim=1)
        parents = Voxels(above[first], batch_size=voxels.batch_size, backend=voxels.backend)
        active = torch.zeros(len(parents), 8, dtype=torch.bool, device=above.device)  # (P, 8)
        active[first.cumsum(dim=0) - 1, _child_number(coords[:, 1:])] = True
        chain.append(Subdivision(parents, active))
        coords = parents.coords
    return _linked(chain[::-1])


def _child_number(xyz: torch.Tensor) -> torch.Tensor:
    """Which child of its parent each voxel (T, 3) is: (T,) in 0..7."""
    step = (xyz & 1).long()  # (T, 3)
    return step[:, 0] + 2 * step[:, 1] + 4 * step[:, 2]


def _linked(chain: list[Subdivision]) -> tuple[Subdivision, ...]:
    """The same chain in which each level's voxels are one object: the children of the level above."""
    linked = chain[:1]
    for subdivision in chain[1:]:
        linked.append(Subdivision(linked[-1].children, subdivision.active))
    return tuple(linked)
