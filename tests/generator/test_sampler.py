from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_cases import GoldenCase, golden_cases
from torch import Tensor

from pixal3d_scene.errors import InputError
from pixal3d_scene.generator.sampler import (
    RELEASED_SAMPLERS,
    FlowSampler,
    NoiseSource,
    Velocity,
    dense_std,
    sparse_std,
    time_grid,
)

SETTINGS = ("steps", "rescale_t", "guidance_strength", "guidance_rescale", "sigma_min")

STAGES = {"ss": "structure", "shape": "shape", "tex": "texture"}


def sampler_of(case: GoldenCase) -> FlowSampler:
    settings = {name: case.config[name] for name in SETTINGS}
    return FlowSampler.from_config({"params": settings}, guidance_interval=case.config["guidance_interval"])


class ClosedForm:
    """v = a x + b sin(w x) + c cos(k t); counts its evaluations."""

    def __init__(self, config: dict[str, Any], c: Tensor) -> None:
        self.config, self.c, self.calls = config, c, 0

    def __call__(self, x: Tensor, t: float) -> Tensor:
        self.calls += 1
        a, b, k, w = (self.config[name] for name in "abkw")
        return a * x + b * torch.sin(w * x) + self.c * math.cos(k * t)


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_golden_trajectory(golden_dir: Path, kind: str) -> None:
    for case in golden_cases(golden_dir, "sampler"):
        std = dense_std
        if kind == "sparse":
            std = sparse_std(tuple(case.inputs["sparse_coords"][:, 0].bincount().tolist()))
        fields = [ClosedForm(case.config, case.inputs[f"{kind}_{name}"]) for name in ("cond", "neg_cond")]
        sampler = sampler_of(case)
        steps = list(sampler.trajectory(case.inputs[f"{kind}_noise"], *fields, std))
        assert sum(field.calls for field in fields) == case.about["model_evaluations_dense"]
        case.check(f"{kind}_x_t", torch.stack([x for x, _ in steps]))
        case.check(f"{kind}_x_0", torch.stack([x_0 for _, x_0 in steps]))
        case.check(f"{kind}_samples", sampler.sample(case.inputs[f"{kind}_noise"], *fields, std))


@pytest.mark.golden
def test_golden_time_grids_to_the_last_bit(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "sampler"):
        sampler = sampler_of(case)
        grid = time_grid(sampler.steps, sampler.rescale_t)
        assert grid == case.outputs["t_grid"].tolist()
        assert [sampler.guides(t) for t in grid[:-1]] == case.outputs["guided_steps"].bool().tolist()
        for short, stage in STAGES.items():
            released = RELEASED_SAMPLERS[stage]
            grid = time_grid(released.steps, released.rescale_t)
            assert grid == case.outputs[f"t_grid_official_{short}"].tolist()
            guided = [released.guides(t) for t in grid[:-1]]
            assert guided == case.outputs[f"guided_official_{short}"].bool().tolist()


def test_passes_of_the_released_stages() -> None:
    """Structure 12 + 10, shape 12 + 9, texture 12: an unguided step costs one pass."""
    passes = {}
    for stage, sampler in RELEASED_SAMPLERS.items():
        calls: list[float] = []
        sampler.sample(torch.randn(1, 4), *[counting(calls)] * 2, dense_std)
        passes[stage] = len(calls)
    assert passes == {"structure": 22, "shape": 21, "texture": 12}


def counting(calls: list[float]) -> Velocity:
    def velocity(x: Tensor, t: float) -> Tensor:
        calls.append(t)
        return x

    return velocity


def never(x: Tensor, t: float) -> Tensor:
    raise AssertionError("this velocity must not be evaluated")


def test_constant_velocity_moves_by_itself() -> None:
    noise = torch.randn(2, 3)
    sampled = FlowSampler(steps=5, rescale_t=3.0).sample(noise, lambda x, t: torch.ones_like(x), never, dense_std)
    torch.testing.assert_close(sampled, noise - 1)


def test_linear_velocity_integrates_as_by_hand() -> None:
    # Two steps with rescale 3: t = 1, 0.75, 0; v = 2 x + t. x: 1 -> 1 - .25 * 3 = .25 -> .25 - .75 * 1.25 = -.6875
    sampled = FlowSampler(steps=2, rescale_t=3.0).sample(torch.ones(1, 1), lambda x, t: 2 * x + t, never, dense_std)
    assert sampled.item() == pytest.approx(-0.6875, abs=1e-6)


def test_exact_velocity_leads_to_the_data_in_one_step() -> None:
    data, noise = torch.randn(2, 4), torch.randn(2, 4)
    s = 1e-5
    sampler = FlowSampler(steps=1)
    (_, x_0) = next(sampler.trajectory(noise, lambda x, t: (1 - s) * noise - data, never, dense_std))
    torch.testing.assert_close(x_0, data * 1.0, atol=5e-5, rtol=0)


def test_guidance_by_hand_and_only_inside_its_interval() -> None:
    sampler = FlowSampler(steps=2, guidance_strength=3.0, guidance_interval=(0.5, 1.0))
    one, zero = (lambda x, t: torch.ones_like(x)), (lambda x, t: torch.zeros_like(x))
    assert sampler.guided_velocity(torch.zeros(1, 2), 0.5, one, zero, dense_std).tolist() == [[3.0, 3.0]]
    assert sampler.guided_velocity(torch.zeros(1, 2), 0.49, one, never, dense_std).tolist() == [[1.0, 1.0]]


def test_strengths_one_and_zero_evaluate_once() -> None:
    one = lambda x, t: torch.ones_like(x)  # noqa: E731
    for strength, fields in ((1.0, (one, never)), (0.0, (never, one))):
        sampler = FlowSampler(steps=3, guidance_strength=strength, guidance_rescale=0.7)
        sampler.sample(torch.zeros(1, 2), *fields, dense_std)


def test_full_rescale_gives_the_spread_of_the_conditional_estimate() -> None:
    torch.manual_seed(0)
    x, positive, negative = torch.randn(3, 2, 5, 4).unbind()
    sampler = FlowSampler(guidance_strength=7.5, guidance_rescale=1.0)
    v = sampler.guided_velocity(x, 0.8, lambda x, t: positive, lambda x, t: negative, dense_std)
    expected = dense_std(sampler.data_from_velocity(x, 0.8, positive))
    torch.testing.assert_close(dense_std(sampler.data_from_velocity(x, 0.8, v)), expected)


def test_the_two_standard_deviations() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0], [10.0, 10.5]])
    spread = sparse_std((2, 1))(x)
    assert spread.shape == (3, 1)
    expected = torch.stack([x[:2].std(correction=0)] * 2 + [x[2:].std(correction=0)])
    torch.testing.assert_close(spread[:, 0], expected)
    torch.testing.assert_close(dense_std(x)[:, 0], x.std(dim=1, correction=1))


def test_settings_of_a_pipeline_file() -> None:
    config = {
        "name": "FlowEulerGuidanceIntervalSampler",
        "args": {"sigma_min": 1e-5},
        "params": {"steps": 12, "guidance_strength": 7.5, "guidance_interval": [0.6, 1], "rescale_t": 3},
    }
    sampler = FlowSampler.from_config(config, rescale_t=5)
    expected = FlowSampler(steps=12, guidance_strength=7.5, guidance_interval=(0.6, 1.0), rescale_t=5.0)
    assert sampler == expected


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(InputError, match="stepz"):
        FlowSampler.from_config({"params": {"stepz": 3}})
    with pytest.raises(InputError, match="steps"):
        FlowSampler(steps=0)


def test_noise_is_the_upstream_sequence_whatever_else_is_drawn() -> None:
    shapes = [(1, 8, 16, 16, 16), (37, 32), (61, 32), (61, 32)]
    torch.manual_seed(42)
    upstream = [torch.randn(shape) for shape in shapes]
    source, other = NoiseSource(42), NoiseSource(7)
    for shape, expected in zip(shapes, upstream, strict=True):
        other.draw(1001)
        torch.rand(5)
        assert torch.equal(source.draw(*shape), expected)


def test_grid_ends_and_falls() -> None:
    grid = time_grid(12, 5.0)
    assert grid[0] == 1
    assert grid[-1] == 0
    assert all(a > b for a, b in itertools.pairwise(grid))
