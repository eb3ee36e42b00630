"""Reads the golden tensors: NAME.safetensors (weights.*, inputs.*, outputs.*) beside NAME.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor


@dataclass(frozen=True)
class GoldenCase:
    name: str
    about: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def config(self) -> dict[str, Any]:
        return self.about["config"]

    @property
    def weights(self) -> dict[str, Tensor]:
        return self._part("weights.")

    @property
    def inputs(self) -> dict[str, Tensor]:
        return self._part("inputs.")

    @property
    def outputs(self) -> dict[str, Tensor]:
        return self._part("outputs.")

    def _part(self, prefix: str) -> dict[str, Tensor]:
        return {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}

    def check(self, name: str, got: Tensor) -> None:
        """The output `name` at the tolerance that its JSON states."""
        tolerance = self.about["tolerance"]
        stated = tolerance.get(name, tolerance.get("all"))
        expected = self.outputs[name]
        assert got.shape == expected.shape, f"{self.name} {name}: shape {tuple(got.shape)}, not {tuple(expected.shape)}"
        torch.testing.assert_close(
            got.to(expected.dtype),
            expected,
            atol=stated.get("suggested_atol", 0.0),
            rtol=stated.get("suggested_rtol", 0.0),
            msg=lambda text: f"{self.name} {name}: {text}",
        )


def golden_cases(folder: Path, name: str, *, of_set: str = "main") -> list[GoldenCase]:
    """All cases whose name starts with `name`; a visible skip where there is none."""
    cases = [
        GoldenCase(path.stem, about, load_file(path.with_suffix(".safetensors")))
        for path in sorted(folder.glob(f"{name}*.json"))
        if (about := json.loads(path.read_text())).get("set", "main") == of_set
    ]
    if not cases:
        pytest.skip(f"{folder} has no {name}*.json of the set {of_set!r}")
    return cases
