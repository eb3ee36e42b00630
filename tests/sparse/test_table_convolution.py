"""The convolution for narrow layers: numbers and gradients of the dense one, in every shape it treats apart."""

from __future__ import annotations

import pytest
import torch
from sparse_cases import dense_convolution, random_sparse

from pixal3d_scene.sparse import table_convolution
from pixal3d_scene.sparse.convolution import SubmanifoldConv3d
from pixal3d_scene.sparse.table_convolution import convolve_table
from pixal3d_scene.sparse.torch_convolution import convolve_torch


@pytest.mark.parametrize(("inside", "outside"), [(4, 7), (7, 4), (5, 5)])
@pytest.mark.parametrize("piece", [1 << 17, 37])
def test_numbers_and_gradients_are_the_dense_ones(
    inside: int, outside: int, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_convolution, "_PIECE_ROWS", piece)
    x = random_sparse([(6, 7, 5), (0, 0, 0), (4, 9, 3)], inside, dtype=torch.float64)
    torch.manual_seed(0)
    weight = torch.randn(outside, 3, 3, 3, inside, dtype=torch.float64)
    bias = torch.randn(outside, dtype=torch.float64)
    results = []
    for convolve in (convolve_table, dense_convolution):
        given = [t.clone().requires_grad_() for t in (x.feats, weight, bias)]
        out = convolve(x.with_feats(given[0]), given[1], given[2])
        results.append((out.detach(), *torch.autograd.grad(out.sin().sum(), given)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-9, rtol=1e-9)


def test_no_voxels_and_one_voxel() -> None:
    layer = SubmanifoldConv3d(3, 4)
    none, one = random_sparse([(0, 0, 0)], 3), random_sparse([(1, 1, 1)], 3, fill=1.0)
    assert layer(none).feats.shape == (0, 4)
    expected = one.feats @ layer.weight[:, 1, 1, 1].T + layer.bias
    torch.testing.assert_close(layer(one).feats, expected)


def test_bfloat16_differs_by_its_rounding_alone() -> None:
    x = random_sparse([(8, 8, 8)], 16)
    torch.manual_seed(1)
    weight, bias = torch.randn(16, 3, 3, 3, 16) / 20, torch.randn(16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = convolve_table(x, weight, bias)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, convolve_torch(x, weight, bias), atol=0.05, rtol=0.05)
