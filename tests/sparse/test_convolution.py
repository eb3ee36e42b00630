from __future__ import annotations

import logging
from importlib import metadata

import pytest
import torch
from sparse_cases import dense_convolution, needs_spconv, random_sparse

from pixal3d_scene.sparse import convolution, neighbours, torch_convolution
from pixal3d_scene.sparse.convolution import SubmanifoldConv3d, choose_backend, submanifold_conv3d
from pixal3d_scene.sparse.neighbours import neighbour_pairs
from pixal3d_scene.sparse.tensor import SparseTensor, Voxels

# Odd sizes, several items of different length, one of them empty.
SIZES = [(7, 5, 9), (1, 1, 1), (0, 0, 0), (3, 11, 4)]


def random_weights(c_in: int, c_out: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(7)
    return (
        torch.randn(c_out, 3, 3, 3, c_in, generator=rng, dtype=dtype) / (27 * c_in) ** 0.5,
        torch.randn(c_out, generator=rng, dtype=dtype),
    )


@pytest.mark.parametrize("fill", [0.05, 0.4, 1.0])
def test_equals_the_dense_convolution(fill: float) -> None:
    x = random_sparse(SIZES, 6, fill=fill, dtype=torch.float64)
    weight, bias = random_weights(6, 10, torch.float64)
    got = submanifold_conv3d(x, weight, bias)
    assert got.voxels is x.voxels
    torch.testing.assert_close(got.feats, dense_convolution(x, weight, bias), atol=1e-12, rtol=0)


def test_kernel_axes_are_x_y_z_and_not_flipped() -> None:
    for axis in range(3):
        coords = torch.tensor([[0, 4, 4, 4], [0, 4, 4, 4]])
        coords[1, 1 + axis] += 1  # the second voxel is the first one's neighbour at +1
        weight = torch.zeros(1, 3, 3, 3, 1)
        tap = [1, 1, 1]
        tap[axis] = 2
        weight[0, tap[0], tap[1], tap[2], 0] = 1
        x = SparseTensor(torch.tensor([[3.0], [5.0]]), Voxels(coords))
        assert submanifold_conv3d(x, weight, torch.zeros(1)).feats.tolist() == [[5.0], [0.0]]


def test_gradients_equal_the_dense_ones() -> None:
    x = random_sparse(SIZES, 3, dtype=torch.float64)
    leaves = [x.feats, *random_weights(3, 4, torch.float64)]
    upstream = torch.randn(len(x.feats), 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    grads = []
    for convolve in (lambda s, w, b: submanifold_conv3d(s, w, b).feats, dense_convolution):
        feats, weight, bias = (leaf.clone().requires_grad_() for leaf in leaves)
        grads.append(torch.autograd.grad(convolve(x.with_feats(feats), weight, bias), (feats, weight, bias), upstream))
    for got, expected in zip(*grads, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


def test_pairs_cut_into_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, (weight, bias) = random_sparse(SIZES, 4), random_weights(4, 4)
    whole = submanifold_conv3d(x, weight, bias).feats
    monkeypatch.setattr(torch_convolution, "_CHUNK_PAIRS", 7)
    torch.testing.assert_close(submanifold_conv3d(x, weight, bias).feats, whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sums_in_float32(dtype: torch.dtype) -> None:
    x, (weight, bias) = random_sparse([(6, 6, 6)], 16, fill=1.0), random_weights(16, 16)
    exact = submanifold_conv3d(x, weight.to(dtype).float(), bias.to(dtype).float()).feats
    got = submanifold_conv3d(x.with_feats(x.feats.to(dtype)), weight.to(dtype), bias.to(dtype)).feats
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), exact, atol=4 * torch.finfo(dtype).eps, rtol=2 * torch.finfo(dtype).eps)


def test_no_voxels_give_no_features() -> None:
    x = SparseTensor(torch.zeros(0, 3), Voxels(torch.zeros(0, 4), batch_size=2))
    assert submanifold_conv3d(x, *random_weights(3, 5)).feats.shape == (0, 5)


@needs_spconv
@pytest.mark.parametrize("shift", [0, 5])
def test_back_ends_agree(shift: int) -> None:
    weight, bias = random_weights(8, 12)
    torch_x = random_sparse(SIZES, 8, shift=shift, backend="torch")
    spconv_x = random_sparse(SIZES, 8, shift=shift, backend="spconv")
    for _ in range(2):  # the second time from the level's own table
        expected = submanifold_conv3d(torch_x, weight, bias).feats
        torch.testing.assert_close(submanifold_conv3d(spconv_x, weight, bias).feats, expected, atol=1e-5, rtol=0)


@needs_spconv
def test_spconv_runs_on_one_thread_and_gives_the_threads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = torch.func.functional_call
    monkeypatch.setattr(
        torch.func, "functional_call", lambda *args: (counts.append(torch.get_num_threads()), real(*args))[1]
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        x, (weight, bias) = random_sparse([(5, 5, 5)], 4, backend="spconv"), random_weights(4, 4)
        submanifold_conv3d(x, weight, bias)
        assert (counts, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_neighbours_are_found_once_per_level(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []
    real = neighbours._linear_keys
    monkeypatch.setattr(neighbours, "_linear_keys", lambda coords: (searches.append(len(coords)), real(coords))[1])
    x, layers = random_sparse([(5, 5, 5)], 4), [SubmanifoldConv3d(4, 4) for _ in range(3)]
    for layer in layers:
        x = layer(x)
    assert len(searches) == 1


def test_pairs_equal_an_exhaustive_search() -> None:
    voxels = random_sparse(SIZES, 1, fill=0.5).voxels
    rows = {tuple(c): n for n, c in enumerate(voxels.coords.tolist())}
    pairs = neighbour_pairs(voxels)
    for (dx, dy, dz), a, b in zip(neighbours.HALF_OFFSETS, pairs.rows, pairs.neighbours, strict=True):
        expected = {
            (n, rows[i, x + dx, y + dy, z + dz])
            for (i, x, y, z), n in rows.items()
            if (i, x + dx, y + dy, z + dz) in rows
        }
        assert set(zip(a.tolist(), b.tolist(), strict=True)) == expected


def test_a_voxel_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        neighbour_pairs(Voxels(torch.tensor([[0, 1, 2, 3], [0, 1, 2, 3]])))


@pytest.mark.parametrize(
    ("device", "wheels", "cuda", "expected", "reason"),
    [
        ("cpu", ["spconv-cu126"], "12.6", "torch", "wrong numbers"),
        ("cuda", [], "12.6", "torch", "not installed"),
        ("cuda", ["spconv"], "12.6", "torch", "does not fit"),
        ("cuda", ["spconv-cu126"], "13.0", "torch", "does not fit"),
        pytest.param("cuda", ["spconv-cu126"], "12.4", "spconv", "fits", marks=needs_spconv),
    ],
)
def test_choice_is_logged_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    device: str,
    wheels: list[str],
    cuda: str,
    expected: str,
    reason: str,
) -> None:
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"spconv": wheels} if wheels else {})
    monkeypatch.setattr(torch.version, "cuda", cuda)
    choose_backend.cache_clear()
    try:
        with caplog.at_level(logging.INFO, logger=convolution.__name__):
            assert choose_backend(device) == expected
            choose_backend(device)
    finally:
        choose_backend.cache_clear()
    (message,) = (record.getMessage() for record in caplog.records if record.name == convolution.__name__)
    assert reason in message
    assert f"on {device}: {expected}" in message
