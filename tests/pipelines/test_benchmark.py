"""The benchmark counts what it claims to count, and says so in both forms."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipelines import benchmark
from pipelines.benchmark import as_json, as_table, benchmark_generator
from pipelines.generator_stages import SIZES, counted, sphere_cells, stages
from pixal3d_scene.generator.flow import SparseFlow
from pixal3d_scene.sparse.convolution import SubmanifoldConv3d
from pixal3d_scene.sparse.tensor import SparseTensor, Voxels


def test_flops_and_bytes_of_known_layers() -> None:
    with torch.no_grad():
        linear = nn.Linear(3, 5)
        with counted([linear]) as work:
            linear(torch.zeros(7, 3))
        assert (work.flops, work.bytes) == (2 * 7 * 3 * 5, 4 * (15 + 5))
        conv = nn.Conv3d(2, 3, 3, padding=1)
        with counted([conv]) as work:
            conv(torch.zeros(1, 2, 4, 4, 4))
        assert work.flops == 2 * 64 * 3 * 2 * 27
        sparse = SubmanifoldConv3d(2, 3)
        voxels = Voxels(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 9, 9, 9]]))  # one pair of neighbours
        with counted([sparse]) as work:
            sparse(SparseTensor(torch.zeros(3, 2), voxels))
        assert work.flops == 2 * 2 * 3 * (3 + 2)


def test_counting_ends() -> None:
    linear = nn.Linear(3, 5)
    with counted([linear]) as work:
        pass
    linear(torch.zeros(7, 3))
    assert work.flops == 0


@pytest.mark.parametrize("steps", [1, 3])
def test_flops_of_a_flow_stage_follow_from_its_size(steps: int) -> None:
    size = replace(SIZES["tiny"], steps=steps)
    stage = next(s for s in stages(size, torch.device("cpu"), torch.float32) if s.name == "texture flow")
    with torch.no_grad():
        [flow] = stage.build()
        with counted([flow]) as work:
            stage.work([flow], 1)
    assert isinstance(flow, SparseFlow)
    tokens = len(sphere_cells(size.fine_grid, torch.device("cpu")))
    inside = [m for name, m in flow.named_modules() if isinstance(m, nn.Linear) and name.startswith("blocks")]
    per_token = sum(2 * m.weight.numel() for m in inside if m.in_features not in (32, 64))
    attention = 4 * tokens**2 * 24
    once = 2 * tokens * 24 * 64 + 2 * 2 * 5 * 2 * 24 * 32  # projection, and keys and values of both branches
    ends = 2 * tokens * 24 * (16 + 8) + 2 * 24 * (256 + 24 + 6 * 24)
    assert work.flops == pytest.approx(once + steps * (tokens * per_token + attention + ends), rel=1e-6)


def test_official_size_is_the_published_one() -> None:
    size = SIZES["official"]
    assert (size.flow["model_channels"], size.flow["num_blocks"], size.steps) == (1536, 30, 12)
    tokens = len(sphere_cells(size.fine_grid, torch.device("cpu")))
    assert 10_000 < tokens < 20_000


@pytest.mark.slow
def test_table_and_json_hold_every_stage() -> None:
    report = benchmark_generator(size="tiny", device="cpu", objects=(1, 2), only=("texture flow", "image features"))
    assert [(t.stage, t.objects) for t in report.timings] == [
        ("image features", 1),
        ("image features", 2),
        ("texture flow", 1),
        ("texture flow", 2),
    ]
    for timing in report.timings:
        assert timing.error == ""
        assert timing.cpu_seconds is not None
        assert timing.floor_flops_s is not None
        assert 0 < timing.floor_flops_s < timing.cpu_seconds
    table = as_table(report)
    assert torch.__version__ in table.splitlines()[0]
    assert sum(line.startswith("| texture flow |") for line in table.splitlines()) == 2
    assert json.loads(json.dumps(as_json(report)))["size"] == "tiny"


@pytest.mark.slow
def test_a_stage_that_fails_is_reported_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory\nand more")

    found = stages(SIZES["tiny"], torch.device("cpu"), torch.float32)
    broken = [replace(s, build=no_memory) if s.name == "texture flow" else s for s in found]
    monkeypatch.setattr(benchmark, "stages", lambda *_: broken)
    report = benchmark_generator(size="tiny", device="cpu", objects=(1,), only=("texture flow", "fine shape flow"))
    assert [t.error for t in report.timings] == ["", "OutOfMemoryError: CUDA out of memory"]
    assert "OutOfMemoryError" in as_table(report)


@pytest.mark.slow
def test_the_command_prints_a_table() -> None:
    command = [sys.executable, "-m", "pipelines.benchmark", "generator", "--device", "cpu", "--size", "tiny"]
    result = subprocess.run(
        [*command, "--objects", "1"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(benchmark.__file__).parents[1],
        timeout=120,
    )
    assert result.stdout.count("\n| ") == 1 + 9
