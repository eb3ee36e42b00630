"""Looks of several sizes as one: equal answers stay what they are, whatever the grid; the first keeps the camera."""

from __future__ import annotations

from dataclasses import replace

import torch

from pixal3d_scene.frontend.front_end_network import FrontEndOutput
from pixal3d_scene.frontend.front_end_scales import mean_of_looks


def look(height: int, width: int, seed: int = 0) -> FrontEndOutput:
    """Maps that say the same everywhere."""
    said = torch.Generator().manual_seed(seed)
    values = {
        name: torch.randn(1, channels, 1, 1, generator=said)
        for name, channels in (("log_depth", 1), ("shell", 6), ("centre", 1), ("offset", 2), ("same", 4), ("label", 5))
    }
    maps = {name: value.expand(-1, -1, height, width) for name, value in values.items()}
    return FrontEndOutput(
        log_depth=maps["log_depth"][:, 0],
        shell=maps["shell"].log_softmax(dim=1),
        centre=maps["centre"][:, 0],
        offset=maps["offset"],
        same=maps["same"],
        label=maps["label"][..., : height // 2, : width // 2].log_softmax(dim=1),
        up_cam=torch.tensor([[0.0, -1.0, 0.0]]),
        log_focal=torch.zeros(1),
    )


def test_equal_answers_at_two_sizes_are_that_answer_on_the_finer_grid() -> None:
    small, large = look(12, 16), look(18, 24)
    both = mean_of_looks([small, large])
    for name in ("log_depth", "shell", "centre", "offset", "same", "label"):
        assert torch.allclose(getattr(both, name), getattr(large, name), atol=1e-6), name


def test_different_answers_meet_in_the_middle_and_the_first_keeps_depth_and_camera() -> None:
    first, second = look(12, 16), replace(look(12, 16, seed=1), log_focal=torch.ones(1))
    both = mean_of_looks([first, second])
    for name in ("shell", "centre", "offset", "same", "label"):
        middle = (getattr(first, name) + getattr(second, name)) / 2
        assert torch.allclose(getattr(both, name), middle, atol=1e-6), name
    assert torch.equal(both.log_depth, first.log_depth)
    assert torch.equal(both.up_cam, first.up_cam)
    assert torch.equal(both.log_focal, first.log_focal)
