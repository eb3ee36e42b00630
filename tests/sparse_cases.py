"""Random sparse tensors, and the dense convolution that the sparse one must equal."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from pixal3d_scene.sparse.tensor import Backend, SparseTensor, Voxels

needs_spconv = pytest.mark.skipif(importlib.util.find_spec("spconv") is None, reason="spconv is not installed")


def random_sparse(
    sizes: list[tuple[int, int, int]],
    channels: int,
    *,
    fill: float = 0.3,
    shift: int = 0,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    backend: Backend | None = None,
) -> SparseTensor:
    """One batch item per grid size, its voxels in random order; a size of 0 makes an empty item."""
    rng = torch.Generator().manual_seed(seed)
    coords = []
    for item, size in enumerate(sizes):
        cells = (torch.rand(size, generator=rng) < fill).nonzero() + shift
        cells = cells[torch.randperm(len(cells), generator=rng)]
        coords.append(torch.cat([torch.full((len(cells), 1), item), cells], dim=1))
    rows = torch.cat(coords).int()
    feats = torch.randn(len(rows), channels, generator=rng, dtype=dtype)
    return SparseTensor(feats, Voxels(rows, batch_size=len(sizes), backend=backend))


def dense_convolution(x: SparseTensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The same by torch's dense conv3d on zero-filled volumes, read at the active voxels."""
    b, i, j, k = x.coords.long().unbind(dim=1)
    volume = x.feats.new_zeros(x.voxels.batch_size, *(x.coords[:, 1:].amax(dim=0) + 1).tolist(), x.feats.shape[1])
    volume = volume.index_put((b, i, j, k), x.feats).movedim(-1, 1)
    out = torch.nn.functional.conv3d(volume, weight.permute(0, 4, 1, 2, 3), bias, padding=1)
    return out[b, :, i, j, k]
