"""From a batch of objects to what the object networks read and are compared with.

Everything is in the generator's cube (`obj` axes); voxels of a grid are rows (item, x, y, z), item after item.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..conditioning.view_picture import view_picture
from ..sparse.tensor import SparseTensor, Voxels
from .object_batch import ObjectBatch

VOXELS_PER_TOKEN = 4  # along an edge: two steps of the voxel decoders
_STRUCTURE_CELLS = 2  # voxels along an edge of a cell of the structure's occupancy


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelTargets:
    """Fine voxels of B objects. shape: (T, 6), vertex offset - 0.5 and edge flags - 0.5. material: (T, 6), -1 to 1."""

    shape: SparseTensor
    material: SparseTensor


def voxel_targets(batch: ObjectBatch) -> VoxelTargets:
    """What the shape and the material encoder read, on the same voxels."""
    grids = batch.grids
    voxels = Voxels(_with_items([grid.coords for grid in grids]), batch_size=len(grids))
    offset, flags, attributes = (
        torch.cat([getattr(grid, name).float() for grid in grids])  # (T, 3), (T, 3), (T, 6)
        for name in ("offset_vox", "edge_flags", "attributes")
    )
    return VoxelTargets(
        shape=SparseTensor(torch.cat([offset, flags], dim=1) - 0.5, voxels),
        material=SparseTensor(2 * attributes - 1, voxels),
    )


def occupancy(batch: ObjectBatch) -> Float[Tensor, "B 1 n n n"]:
    """1 in the cells (of 2^3 voxels) that hold a part of the surface, else 0."""
    side = batch.grids[0].resolution // _STRUCTURE_CELLS
    rows = _with_items([grid.coords for grid in batch.grids]).long()  # (T, 4)
    rows[:, 1:] //= _STRUCTURE_CELLS
    volume = torch.zeros(len(batch), side, side, side, device=rows.device)
    volume[rows.unbind(dim=1)] = 1.0
    return volume[:, None]


def view_pictures(
    batch: ObjectBatch, camera_distance_obj: Float[Tensor, "B"] | None = None
) -> Float[Tensor, "B 7 S S"]:
    """Pictures for the view encoder. camera_distance_obj: where another distance than the true one is believed in."""
    distance = batch.camera_distance_obj if camera_distance_obj is None else camera_distance_obj
    return view_picture(batch.picture, batch.region, batch.z_m, distance)


def _with_items(cells: list[Tensor]) -> Int[Tensor, "T 4"]:
    return torch.cat([torch.nn.functional.pad(c.int(), (1, 0), value=item) for item, c in enumerate(cells)])
