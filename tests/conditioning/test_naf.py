from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_cases import golden_cases
from torch import Tensor
from torch.nn.functional import interpolate

from pixal3d_scene.conditioning.naf import Naf
from pixal3d_scene.conditioning.taps import Taps, bilinear_taps
from pixal3d_scene.errors import ShapeError


@pytest.mark.golden
@torch.no_grad()
def test_golden(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "naf"):
        naf = Naf(dim=case.config["dim"], heads=case.config["heads"], kernel_size=case.config["kernel_size"])
        naf.load_state_dict(case.weights, strict=True)
        for name in case.outputs:
            target_hw = tuple(case.outputs[name].shape[-2:])
            pairs = zip(case.inputs["image"], case.inputs["features"], strict=True)
            case.check(name, torch.stack([naf(image, features, target_hw).dense() for image, features in pairs]))


def test_official_size() -> None:
    with torch.device("meta"):
        naf = Naf()
    assert sum(p.numel() for p in naf.parameters()) / 1e6 == pytest.approx(0.66, abs=0.005)
    assert naf.image_encoder.rope.periods.shape == (16,)


def neighbourhood_attention(q: Tensor, k: Tensor, v: Tensor, kernel: int, dilation: tuple[int, int]) -> Tensor:
    """As published, pixel by pixel: all maps (channels, H, W) of one head at full size, dilated windows."""
    _, height, width = q.shape
    out = torch.zeros(v.shape[0], height, width)

    def window(index: int, size: int, step: int) -> list[int]:
        lattice = list(range(index % step, size, step))
        start = min(max(lattice.index(index) - kernel // 2, 0), len(lattice) - kernel)
        return lattice[start : start + kernel]

    for i in range(height):
        for j in range(width):
            rows, columns = window(i, height, dilation[0]), window(j, width, dilation[1])
            keys = k[:, rows][:, :, columns].flatten(1)  # (D, n)
            values = v[:, rows][:, :, columns].flatten(1)  # (Ch, n)
            out[:, i, j] = values @ (q[:, i, j] @ keys * q.shape[0] ** -0.5).softmax(-1)
    return out


@pytest.mark.parametrize(
    ("picture_hw", "cells_hw", "target_hw"), [((24, 24), (4, 4), (12, 12)), ((30, 24), (5, 3), (15, 12))]
)
@torch.no_grad()
def test_cells_serve_as_their_enlarged_selves(
    picture_hw: tuple[int, int], cells_hw: tuple[int, int], target_hw: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    naf = Naf(dim=32, heads=2, kernel_size=3)
    features = torch.randn(6, *cells_hw)
    picture = torch.rand(3, *picture_hw)
    lazy = naf(picture, features, target_hw)
    looks = naf.image_encoder(picture, target_hw)  # (heads, D, H, W)
    pooled = torch.nn.functional.adaptive_avg_pool2d(looks, cells_hw)
    keys = interpolate(pooled, target_hw, mode="nearest-exact")
    values = interpolate(features.unflatten(0, (2, -1)), target_hw, mode="nearest-exact")
    dilation = (target_hw[0] // cells_hw[0], target_hw[1] // cells_hw[1])
    expected = torch.cat(
        [neighbourhood_attention(*head, 3, dilation) for head in zip(looks, keys, values, strict=True)]
    )
    torch.testing.assert_close(lazy.dense(), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_sparse_evaluation_is_the_dense_one() -> None:
    torch.manual_seed(0)
    sharp = Naf(dim=32, heads=4, kernel_size=3)(torch.rand(3, 32, 32), torch.randn(8, 4, 4), (16, 16))
    dense = sharp.dense().flatten(1).T  # (pixels, C)
    taps = bilinear_taps(torch.rand(50, 2) * 2.4 - 1.2, (16, 16))
    torch.testing.assert_close(sharp.sample(taps), taps.weighted_sum(dense))
    pixels = torch.randint(0, 256, (9000, 1))  # more than are evaluated at once
    torch.testing.assert_close(sharp.sample(Taps(pixels=pixels, weights=torch.ones(9000, 1))), dense[pixels[:, 0]])


@torch.no_grad()
def test_every_pixel_mixes_cells() -> None:
    naf = Naf(dim=32, heads=4, kernel_size=3)
    picture = torch.rand(3, 32, 32)
    constant = naf(picture, torch.full((4, 4, 4), 2.5), (16, 16)).dense()
    torch.testing.assert_close(constant, torch.full((4, 16, 16), 2.5))
    random = torch.rand(4, 4, 4)
    assert naf(picture, random, (16, 16)).dense().max() <= random.max() + 1e-6


@torch.no_grad()
def test_a_large_picture_is_reduced_to_four_times_the_target() -> None:
    naf = Naf(dim=32, heads=4, kernel_size=3)
    picture = torch.rand(3, 64, 64)
    reduced = interpolate(picture[None], (32, 32), mode="bilinear")[0]
    features = torch.randn(4, 4, 4)
    assert torch.equal(naf(picture, features, (8, 8)).dense(), naf(reduced, features, (8, 8)).dense())


def test_impossible_targets_are_refused() -> None:
    naf = Naf(dim=32, heads=4, kernel_size=5)
    for cells, target in ((4, 16), (6, 16)):
        with pytest.raises(ShapeError, match="multiple"):
            naf(torch.rand(3, 32, 32), torch.randn(4, cells, cells), (target, target))
