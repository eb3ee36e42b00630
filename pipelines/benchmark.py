"""How fast, in how much memory, how far from what the machine can do: `python -m pipelines.benchmark generator`.

Beside each measured time stands a floor: the matrix products at the rate, and the weights at the bandwidth, that this
very machine reaches in a plain product and a plain copy; whichever is slower. On a GPU both are seconds on the clock,
on the CPU seconds of CPU time, which other programs on the machine hardly change. Weights are random, so nothing is
fetched. Importing this needs torch alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .generator_stages import SIZES, Stage, counted, stages


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTiming:
    """One stage for `objects` objects. error: why it has no time.

    seconds: on the clock. cpu_seconds: of all threads of this process. The floors are seconds of the first kind on a
    GPU, of the second on the CPU. peak_bytes: of the GPU, else of the whole process; None where nothing tells it.
    """

    stage: str
    objects: int
    seconds: float | None
    cpu_seconds: float | None
    peak_bytes: int | None
    floor_flops_s: float | None
    floor_bytes_s: float | None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Timings with everything that they depend on."""

    size: str
    device: str
    on_gpu: bool
    dtype: str
    threads: int
    versions: dict[str, str]
    date: str
    flops_per_s: float
    bytes_per_s: float
    timings: tuple[StageTiming, ...]


def benchmark_generator(
    *, size: str, device: str = "auto", objects: Sequence[int] = (1, 8), only: Sequence[str] = ()
) -> Report:
    """Every stage of the Pixal3D generator with random weights, bfloat16 on CUDA and float32 on the CPU.

    only: names of stages; all without. A stage that fails (no memory, no package) is reported with its error.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    target = torch.device(device)
    dtype = torch.bfloat16 if target.type == "cuda" else torch.float32
    torch.manual_seed(0)
    with torch.no_grad():
        flops_per_s, bytes_per_s = _product_rate(target, dtype), _copy_rate(target)
        timings = [
            timing
            for stage in stages(SIZES[size], target, dtype)
            if not only or stage.name in only
            for timing in _time_stage(stage, objects, target, flops_per_s, bytes_per_s)
        ]
    return Report(
        size=size,
        device=_device_name(target),
        on_gpu=target.type == "cuda",
        dtype=str(dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        versions={"python": platform.python_version(), "torch": torch.__version__, "cuda": str(torch.version.cuda)},
        date=date.today().isoformat(),
        flops_per_s=flops_per_s,
        bytes_per_s=bytes_per_s,
        timings=tuple(timings),
    )


def as_table(report: Report) -> str:
    """Markdown, with the machine in the first line."""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    lines = [
        f"{report.size} size, {report.dtype}, {report.device}, {report.threads} threads, {versions}, {report.date}; "
        f"plain product {report.flops_per_s / 1e12:.2f} TFLOP/s, plain copy {report.bytes_per_s / 1e9:.1f} GB/s",
        "",
        "| stage | objects | s | CPU s | peak GB | floor by FLOPs, s | floor by bytes, s | times the floor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for t in report.timings:
        if t.seconds is None:
            lines.append(f"| {t.stage} | {t.objects} | {t.error} | | | | | |")
            continue
        peak = "" if t.peak_bytes is None else f"{t.peak_bytes / 1e9:.2f}"
        flops, read = t.floor_flops_s or 0.0, t.floor_bytes_s or 0.0
        spent = t.seconds if report.on_gpu else t.cpu_seconds or 0.0
        times = spent / max(flops, read) if max(flops, read) else float("nan")
        lines.append(
            f"| {t.stage} | {t.objects} | {t.seconds:.3f} | {t.cpu_seconds:.3f} | {peak} | {flops:.3f} | {read:.3f} "
            f"| {times:.1f} |"
        )
    return "\n".join(lines)


def as_json(report: Report) -> dict[str, Any]:
    return asdict(report)


def main(argv: Sequence[str] | None = None) -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.benchmark", description=__doc__)
    parser.add_argument("what", choices=["generator"])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--size", choices=sorted(SIZES), help="default: official on CUDA, small on the CPU")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--only", nargs="*", default=[], help="names of stages")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    chosen = parser.parse_args(argv)
    on_cuda = chosen.device.startswith("cuda") or (chosen.device == "auto" and torch.cuda.is_available())
    size = chosen.size or ("official" if on_cuda else "small")
    report = benchmark_generator(size=size, device=chosen.device, objects=chosen.objects, only=chosen.only)
    print(json.dumps(as_json(report), indent=1) if chosen.json else as_table(report))


def _time_stage(
    stage: Stage, objects: Sequence[int], device: torch.device, flops_per_s: float, bytes_per_s: float
) -> list[StageTiming]:
    """The first run of each count warms up and is counted, the second is timed."""
    timings: list[StageTiming] = []
    networks: Sequence[nn.Module] = ()
    try:
        networks = stage.build()
        for count in objects:
            with counted(networks) as work:
                stage.work(networks, count)
            seconds, cpu_seconds, peak = _measured(partial(stage.work, networks, count), device)
            timings.append(
                StageTiming(
                    stage=stage.name,
                    objects=count,
                    seconds=seconds,
                    cpu_seconds=cpu_seconds,
                    peak_bytes=peak,
                    floor_flops_s=work.flops / flops_per_s,
                    floor_bytes_s=work.bytes / bytes_per_s,
                )
            )
    except (RuntimeError, ImportError) as error:  # no memory, or no transformers: the other stages go on
        missing = objects[len(timings) :]
        reason = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
        timings += [
            StageTiming(
                stage=stage.name,
                objects=count,
                seconds=None,
                cpu_seconds=None,
                peak_bytes=None,
                floor_flops_s=None,
                floor_bytes_s=None,
                error=reason,
            )
            for count in missing
        ]
    del networks
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return timings


def _measured(work: Callable[[], None], device: torch.device) -> tuple[float, float, int | None]:
    """Seconds of one run, on the clock and of this process, and the most memory during it."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    resettable = _reset_peak()
    started, cpu_started = time.perf_counter(), time.process_time()
    work()
    if on_gpu:
        torch.cuda.synchronize(device)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    if on_gpu:
        return seconds, cpu_seconds, torch.cuda.max_memory_allocated(device)
    return seconds, cpu_seconds, _peak_bytes() if resettable else None


def _reset_peak() -> bool:
    """Linux lets a process forget its own peak of resident memory."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_bytes() -> int | None:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large square product."""
    n = 8192 if device.type == "cuda" else 1024
    a = torch.randn(n, n, device=device, dtype=dtype)
    return 2.0 * n**3 / _best_of(lambda: a @ a, device)


def _copy_rate(device: torch.device) -> float:
    """Bytes per second read, of a copy that reads and writes."""
    source = torch.zeros(1 << (28 if device.type == "cuda" else 25), device=device)
    target = torch.zeros_like(source)
    return 2.0 * source.numel() * source.element_size() / _best_of(lambda: target.copy_(source), device)


def _best_of(work: Callable[[], object], device: torch.device, tries: int = 20) -> float:
    """Seconds on the clock for a GPU, of CPU time for the CPU."""
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    seconds = []
    for _ in range(tries):
        started = clock()
        work()
        if on_gpu:
            torch.cuda.synchronize(device)
        seconds.append(clock() - started)
    return min(seconds)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU with {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
