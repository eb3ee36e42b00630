from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from golden_cases import golden_cases

from pixal3d_scene.generator.rope import grid_coords, rope_phasors, rotate


@pytest.mark.golden
def test_golden(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "rope"):
        head_dim = case.config["head_dim"]
        phasors = rope_phasors(grid_coords(case.config["resolution"]), head_dim)
        case.check("dense_phases", torch.view_as_real(phasors))
        dense_q = case.inputs["dense_q"]
        rotated = torch.stack([rotate(q, phasors) for q in dense_q])
        case.check("dense_q_rotated", rotated)
        phasors = rope_phasors(case.inputs["sparse_coords"][:, 1:], head_dim)
        case.check("sparse_q_rotated", rotate(case.inputs["sparse_q"], phasors))
        case.check("sparse_k_rotated", rotate(case.inputs["sparse_k"], phasors))


def test_one_axis_turns_its_own_adjacent_pairs_only() -> None:
    # D = 14: 7 pairs, 2 per axis, 1 left over.
    phasors = rope_phasors(torch.tensor([[0, 3, 0]]), 14)
    x = torch.randn(1, 1, 14)
    turned = rotate(x, phasors)[0, 0]
    unchanged = [c for c in range(14) if c not in (4, 5, 6, 7)]
    assert torch.equal(turned[unchanged], x[0, 0, unchanged])
    a, b = x[0, 0, 4].item(), x[0, 0, 5].item()
    assert turned[4].item() == pytest.approx(a * math.cos(3) - b * math.sin(3), abs=1e-5)
    assert turned[5].item() == pytest.approx(a * math.sin(3) + b * math.cos(3), abs=1e-5)


def test_products_depend_on_the_difference_of_coordinates_only() -> None:
    q, k = torch.randn(1, 2, 32), torch.randn(1, 2, 32)
    near = torch.tensor([[1, 2, 3]]), torch.tensor([[4, 0, 9]])
    products = []
    for shift in (0, 70):
        a, b = (rotate(x, rope_phasors(c + shift, 32)) for x, c in zip((q, k), near, strict=True))
        products.append((a * b).sum(-1))
    torch.testing.assert_close(products[0], products[1], atol=2e-4, rtol=0)


def test_grid_runs_z_fastest() -> None:
    assert grid_coords(2)[:3].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_half_precision_is_kept() -> None:
    assert rotate(torch.randn(1, 1, 8).bfloat16(), rope_phasors(torch.tensor([[1, 2, 3]]), 8)).dtype == torch.bfloat16
