from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden_cases import golden_cases

from pixal3d_scene.autoencoder.token_grid import choose_token_grid, quantise_to_tokens


@pytest.mark.golden
def test_golden_quantisation(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "hr_quantise"):
        for name, expected in case.outputs.items():
            resolution = int(name.removeprefix("quantised_"))
            tokens = quantise_to_tokens(case.inputs["fine_coords"], token_resolution=resolution // 16)
            assert tokens.dtype == torch.int32
            assert torch.equal(tokens, expected)


def test_nodes_reach_both_ends_and_halves_round_to_even() -> None:
    # (c + 0.5) / 8 * (5 - 1) = c / 2 + 0.25; with 8 / 4 the halves are met: (c + 0.5) / 4 * 2 = c / 2 + 0.25 ...
    line = torch.stack([torch.zeros(8), torch.arange(8), torch.arange(8), torch.arange(8)], dim=1).int()
    assert quantise_to_tokens(line, token_resolution=5, fine_resolution=8)[:, 1].tolist() == [0, 1, 2, 3, 4]
    # ... and (c + 0.5) / 2 * 3 = 0.75, 2.25; (c + 0.5) / 3 * 3 = 0.5, 1.5, 2.5 round to 0, 2, 2.
    assert quantise_to_tokens(line[:3], token_resolution=4, fine_resolution=3)[:, 1].tolist() == [0, 2]


def test_rows_are_sorted_and_unique_with_the_batch_first() -> None:
    rng = torch.Generator().manual_seed(0)
    fine = torch.randint(0, 512, (4000, 4), generator=rng, dtype=torch.int32)
    fine[:, 0] %= 3
    tokens = quantise_to_tokens(fine, token_resolution=9)
    nodes = ((fine[:, 1:] + 0.5).double() / 512 * 8).round().int()
    assert torch.equal(tokens, torch.cat([fine[:, :1], nodes], dim=1).unique(dim=0))


def test_resolution_falls_until_the_tokens_fit_but_not_below_1024() -> None:
    rng = torch.Generator().manual_seed(0)
    fine = torch.randint(0, 512, (60000, 4), generator=rng, dtype=torch.int32)
    fine[:, 0] = 0
    counts = {r: len(quantise_to_tokens(fine, token_resolution=r // 16)) for r in range(1024, 1537, 128)}
    for wanted in (1152, 1408):
        # "At least the cap" is already too many.
        tokens, resolution = choose_token_grid(fine, resolution=1536, max_tokens=counts[wanted] + 1)
        assert (len(tokens), resolution) == (counts[wanted], wanted)
        _, resolution = choose_token_grid(fine, resolution=1536, max_tokens=counts[wanted])
        assert resolution == wanted - 128
    assert choose_token_grid(fine, resolution=1536, max_tokens=10)[1] == 1024
    assert choose_token_grid(fine, resolution=1024)[1] == 1024


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows: int) -> None:
    assert quantise_to_tokens(torch.zeros(rows, 4, dtype=torch.int32), token_resolution=64).shape == (rows, 4)
