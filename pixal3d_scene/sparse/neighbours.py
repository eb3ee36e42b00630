"""Which active voxels touch which: the neighbour table of the 3x3x3 submanifold convolution.

Voxels go in, for every offset the pairs (voxel, its neighbour) come out. Keys are sorted once; the three neighbours
along z are then consecutive, so that 5 ordered searches find all of them. On the CPU this is as fast as a dense lookup
volume and its memory does not grow with the resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .tensor import Voxels

# One offset of each mirrored pair, and none for the voxel itself: a is at +d of b where b is at -d of a.
HALF_OFFSETS: tuple[tuple[int, int, int], ...] = tuple(
    (dx, dy, dz) for dx in (0, 1) for dy in (-1, 0, 1) for dz in (-1, 0, 1) if (dx, dy, dz) > (0, 0, 0)
)


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourPairs:
    """For each of the 13 `HALF_OFFSETS` d: voxel `neighbours[k][i]` lies at voxel `rows[k][i]` + d (int32 rows)."""

    rows: tuple[torch.Tensor, ...]
    neighbours: tuple[torch.Tensor, ...]


def neighbour_pairs(voxels: Voxels) -> NeighbourPairs:
    """All pairs of touching voxels; use it through `voxels.table(neighbour_pairs)`.

    Raises ValueError if a voxel is listed twice.
    """
    if not len(voxels):
        none = tuple(torch.zeros(0, dtype=torch.int32, device=voxels.coords.device) for _ in HALF_OFFSETS)
        return NeighbourPairs(none, none)
    keys, stride_x, stride_y = _linear_keys(voxels.coords)  # (T,)
    keys, order = keys.sort()  # (T,)
    if bool((keys[1:] == keys[:-1]).any()):
        raise ValueError("A voxel is listed twice; neighbours are only defined for unique coordinates.")
    order = order.to(torch.int32)  # (T,)
    ended = torch.cat([keys, keys.new_full((1,), -1)])  # (T + 1,): a search may end behind the last key

    rows, neighbours = [], []
    for dx, dy in ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1)):
        wanted = keys + (dx * stride_x + dy * stride_y - 1)  # (T,) key of the neighbour with dz = -1
        place = torch.searchsorted(keys, wanted)  # (T,)
        for dz in (-1, 0, 1):
            found = ended[place] == wanted + (dz + 1)  # (T,)
            if (dx, dy, dz) in HALF_OFFSETS:
                rows.append(order[found])  # (P,)
                neighbours.append(order[place[found]])  # (P,)
            place = place + found  # the next z, if active, is the next key
    return NeighbourPairs(tuple(rows), tuple(neighbours))


def _linear_keys(coords: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    """Row-major cell numbers (T,) in the bounding box widened by one cell, with the strides of x and y.

    The margin keeps a step over the border from landing on a voxel of the next row or batch item.
    """
    batch, xyz = coords[:, 0].long(), coords[:, 1:].long()  # (T,), (T, 3)
    low = xyz.amin(dim=0)  # (3,)
    size_x, size_y, size_z = (xyz.amax(dim=0) - low + 3).tolist()
    x, y, z = (xyz - low + 1).unbind(dim=1)  # (T,) each
    return ((batch * size_x + x) * size_y + y) * size_z + z, size_y * size_z, size_z
