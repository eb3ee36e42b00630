"""Euler sampler of rectified flows with guidance in an interval: noise in, data out.

    path      x_t = (1 - t) x_0 + (s + (1 - s) t) eps       t = 1 is noise, t = 0 is data, s = sigma_min
    velocity  v = (1 - s) eps - x_0                         what the networks predict

Rectified flow: Liu et al. 2023. Guidance in an interval: Kynkaanniemi et al. 2024. Rescale: Lin et al. 2024.
Time is a Python float: in single precision the borderline step t = 0.6 of the released settings would leave its
guidance interval.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError

# State and time in [0, 1] to velocity. State to the standard deviation of each batch item, ready to broadcast.
Velocity = Callable[[Tensor, float], Tensor]
ItemStd = Callable[[Tensor], Tensor]


def time_grid(steps: int, rescale_t: float) -> list[float]:
    """steps + 1 times from 1 to 0; rescale_t > 1 spends more of them near the noise."""
    u = np.linspace(1, 0, steps + 1)
    return (rescale_t * u / (1 + (rescale_t - 1) * u)).tolist()


def dense_std(x: Float[Tensor, "B *rest"]) -> Float[Tensor, "B *ones"]:
    """Of each item of a dense batch; unbiased (N - 1), as the structure model is guided."""
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)


def sparse_std(lengths: tuple[int, ...]) -> ItemStd:
    """Of each item of a token matrix (T, C) with `lengths` rows per item; biased (N), as sparse models are guided."""

    def std(x: Float[Tensor, "T C"]) -> Float[Tensor, "T 1"]:
        parts = [
            (part.square().mean() - part.mean().square()).sqrt().expand(len(part))
            for part in torch.split(x, list(lengths))
        ]
        return torch.cat(parts)[:, None]  # (T, 1)

    return std


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSampler:
    """Settings of one stage, named as in the pipeline files; `sample` runs it."""

    steps: int = 12
    rescale_t: float = 1.0
    guidance_strength: float = 1.0
    guidance_rescale: float = 0.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    sigma_min: float = 1e-5

    @staticmethod
    def from_config(config: Mapping[str, Any], **overrides: Any) -> FlowSampler:
        """From a pipeline file's `{"name", "args": {"sigma_min"}, "params": {...}}`; overrides win."""
        merged = {**config.get("args", {}), **config.get("params", {}), **overrides}
        unknown = merged.keys() - {field.name for field in fields(FlowSampler)}
        if unknown:
            raise InputError(f"The sampler settings {sorted(unknown)} are not known; see the pipeline file.")
        low, high = merged.pop("guidance_interval", (0.0, 1.0))
        steps = int(merged.pop("steps", 12))
        numbers = {name: float(value) for name, value in merged.items()}
        return FlowSampler(steps=steps, guidance_interval=(float(low), float(high)), **numbers)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.rescale_t <= 0:
            raise InputError(f"A sampler needs steps >= 1 and rescale_t > 0, got {self.steps} and {self.rescale_t}.")

    def sample(self, noise: Tensor, conditional: Velocity, unconditional: Velocity, item_std: ItemStd) -> Tensor:
        """Integrate from noise at t = 1 to data at t = 0."""
        [(x, _)] = deque(self.trajectory(noise, conditional, unconditional, item_std), maxlen=1)
        return x

    def trajectory(
        self, noise: Tensor, conditional: Velocity, unconditional: Velocity, item_std: ItemStd
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """After each step: the state, and the data that the step believed in."""
        x = noise
        times = time_grid(self.steps, self.rescale_t)
        for t, t_next in pairwise(times):
            v = self.guided_velocity(x, t, conditional, unconditional, item_std)
            x_0 = self.data_from_velocity(x, t, v)
            x = x - (t - t_next) * v
            yield x, x_0

    def guides(self, t: float) -> bool:
        """Whether the guidance strength applies at this time; both ends of the interval are inside."""
        return self.guidance_interval[0] <= t <= self.guidance_interval[1]

    def guided_velocity(
        self, x: Tensor, t: float, conditional: Velocity, unconditional: Velocity, item_std: ItemStd
    ) -> Tensor:
        """One network pass where one suffices, two where the strength is neither 0 nor 1."""
        strength = self.guidance_strength if self.guides(t) else 1.0
        if strength == 1:
            return conditional(x, t)
        if strength == 0:
            return unconditional(x, t)
        v_pos = conditional(x, t)
        v = strength * v_pos + (1 - strength) * unconditional(x, t)
        if self.guidance_rescale == 0:
            return v
        x_0_pos, x_0 = self.data_from_velocity(x, t, v_pos), self.data_from_velocity(x, t, v)
        x_0_rescaled = x_0 * (item_std(x_0_pos) / item_std(x_0))  # as spread as the conditional estimate
        x_0 = self.guidance_rescale * x_0_rescaled + (1 - self.guidance_rescale) * x_0
        return self.velocity_from_data(x, t, x_0)

    def data_from_velocity(self, x: Tensor, t: float, v: Tensor) -> Tensor:
        s = self.sigma_min
        return (1 - s) * x - (s + (1 - s) * t) * v

    def velocity_from_data(self, x: Tensor, t: float, x_0: Tensor) -> Tensor:
        s = self.sigma_min
        return ((1 - s) * x - x_0) / (s + (1 - s) * t)


# The settings that the upstream programs run with; a pipeline file alone may say otherwise.
RELEASED_SAMPLERS: Mapping[str, FlowSampler] = MappingProxyType(
    {
        "structure": FlowSampler(
            rescale_t=5.0, guidance_strength=7.5, guidance_rescale=0.7, guidance_interval=(0.6, 1.0)
        ),
        "shape": FlowSampler(rescale_t=3.0, guidance_strength=7.5, guidance_rescale=0.5, guidance_interval=(0.6, 1.0)),
        "texture": FlowSampler(rescale_t=3.0, guidance_strength=1.0, guidance_interval=(0.6, 0.9)),
    }
)


class NoiseSource:
    """The noise of one object, from its own seed: the same whatever other objects, batches or devices there are.

    Drawn on the CPU. One object that draws structure, coarse shape, fine shape and material in this order gets
    the numbers that the upstream pipeline gets from the same seed.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator("cpu").manual_seed(seed)

    def draw(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Standard normal float32 numbers; each call continues where the last one ended."""
        return torch.randn(shape, generator=self._generator).to(device)
