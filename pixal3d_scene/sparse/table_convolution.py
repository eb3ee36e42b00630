"""The submanifold convolution for narrow layers on a CPU: all 27 neighbours of a voxel side by side, one wide product.

With few channels a product per offset (`torch_convolution`) spends its time in moving rows, more so backwards. Here
either the neighbours' features are gathered and multiplied once, or every voxel's contributions to all its neighbours
are multiplied out and summed where they meet, whichever moves fewer channels; the way back uses the same two, since
who is my neighbour at d has me at -d. Pieces of rows bound the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import embedding_bag

from .neighbours import HALF_OFFSETS, neighbour_pairs
from .tensor import SparseTensor, Voxels

WIDEST = 128  # channels on the narrower side; above, the products outweigh the moving
_OFFSETS = 27
_MIDDLE = 13
_PIECE_ROWS = 1 << 17


def convolve_table(x: SparseTensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Features (T, C_out) of `x` (T, C_in) convolved with weight (C_out, 3, 3, 3, C_in) and bias (C_out,).

    Computed in autocast's type where that is on. Twice differentiable it is not.
    """
    device = x.feats.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.feats.dtype
    if not len(x.voxels):
        return x.feats.new_zeros(0, len(weight))
    kernels = weight.permute(1, 2, 3, 4, 0).flatten(0, 2)  # (27, C_in, C_out)
    table = x.voxels.table(neighbour_table)
    out: torch.Tensor = _TableConvolution.apply(x.feats.to(dtype), kernels.to(dtype), table)  # type: ignore[no-untyped-call]
    return out.to(x.feats.dtype) + bias.to(x.feats.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourTable:
    """rows: (T, 27), the voxel at every offset (x slowest), T where there is none.

    found, starts: for sums over a voxel's neighbours, the present entries as neighbour * 27 + mirrored offset, voxel by
    voxel, and where each voxel's begin.
    """

    rows: torch.Tensor
    found: torch.Tensor
    starts: torch.Tensor


def neighbour_table(voxels: Voxels) -> NeighbourTable:
    """Use it through `voxels.table(neighbour_table)`."""
    pairs, count = voxels.table(neighbour_pairs), len(voxels)
    device = voxels.coords.device
    rows = torch.full((count, _OFFSETS), count, dtype=torch.int32, device=device)  # (T, 27)
    rows[:, _MIDDLE] = torch.arange(count, dtype=torch.int32, device=device)
    for (dx, dy, dz), here, there in zip(HALF_OFFSETS, pairs.rows, pairs.neighbours, strict=True):
        number = 9 * dx + 3 * dy + dz
        rows[here.long(), _MIDDLE + number] = there
        rows[there.long(), _MIDDLE - number] = here
    present = rows != count  # (T, 27)
    mirrored = torch.arange(_OFFSETS, dtype=torch.int32, device=device).flip(0)  # (27,)
    lengths = present.sum(dim=1, dtype=torch.int64)  # (T,)
    return NeighbourTable(
        rows=rows, found=(rows.long() * _OFFSETS + mirrored)[present], starts=lengths.cumsum(dim=0) - lengths
    )


class _TableConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feats: torch.Tensor, kernels: torch.Tensor, table: NeighbourTable) -> torch.Tensor:
        ctx.save_for_backward(feats, kernels)
        ctx.table = table
        return _convolved(feats, kernels, table)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        feats, kernels = ctx.saved_tensors
        grad = grad.to(feats.dtype)
        back = _convolved(grad, kernels.flip(0).transpose(1, 2), ctx.table)  # (T, C_in)
        return back, _kernel_gradient(feats, grad, ctx.table), None


def _convolved(feats: torch.Tensor, kernels: torch.Tensor, table: NeighbourTable) -> torch.Tensor:
    """sum over k of feats[rows[:, k]] @ kernels[k]: (T, C_out)."""
    _, inside, outside = kernels.shape
    if inside <= outside:
        wide = kernels.reshape(-1, outside)  # (27 C_in, C_out)
        return torch.cat([piece @ wide for piece in _gathered(feats, table)])
    # Contributions of every voxel to its neighbour at -k, in row voxel * 27 + 26 - k.
    spread = kernels.flip(0).permute(1, 0, 2).reshape(inside, -1)  # (C_in, 27 C_out)
    return embedding_bag(table.found, (feats @ spread).view(-1, outside), table.starts, mode="sum")


def _kernel_gradient(feats: torch.Tensor, grad: torch.Tensor, table: NeighbourTable) -> torch.Tensor:
    """(27, C_in, C_out)."""
    inside, outside = feats.shape[1], grad.shape[1]
    if inside <= outside:
        rows = torch.split(grad, _PIECE_ROWS)
        pieces = [p.T @ g for p, g in zip(_gathered(feats, table), rows, strict=True)]
        return _summed(pieces).reshape(_OFFSETS, inside, outside)
    rows = torch.split(feats, _PIECE_ROWS)
    pieces = [f.T @ p for p, f in zip(_gathered(grad, table), rows, strict=True)]
    return _summed(pieces).reshape(inside, _OFFSETS, outside).transpose(0, 1).flip(0)


def _gathered(feats: torch.Tensor, table: NeighbourTable) -> Any:
    """Piece by piece, the features of all neighbours: (rows, 27 C)."""
    padded = torch.cat([feats, feats.new_zeros(1, feats.shape[1])])
    for rows in torch.split(table.rows, _PIECE_ROWS):
        yield padded.index_select(0, rows.flatten()).view(len(rows), -1)


def _summed(pieces: list[torch.Tensor]) -> torch.Tensor:
    """In float32 or wider, given back in the pieces' own type."""
    if len(pieces) == 1:
        return pieces[0]
    wide = torch.promote_types(pieces[0].dtype, torch.float32)
    return torch.stack([piece.to(wide) for piece in pieces]).sum(dim=0).to(pieces[0].dtype)
