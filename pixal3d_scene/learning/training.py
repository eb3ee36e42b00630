"""The loop that trains any network of the package: a task in; checkpoints, curves and averaged weights out.

One process on a CPU or a GPU, or several by `torchrun`. A run ends after a number of steps or of minutes, whichever
comes first, and its learning rate follows the same clock, so that half an hour on any machine is a whole schedule.
It goes on from its last checkpoint. Everything is safetensors, JSON and CSV; no pickles.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import InputError
from .curves import Curves

_CHECKPOINT, _PROGRESS = "checkpoint.safetensors", "progress.json"
AVERAGED = "averaged.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """How long and how fast. minutes: of all sessions together, None for no limit. seed: of weights and data."""

    steps: int
    minutes: float | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.03
    clip_norm: float = 1.0
    averaging: float = 0.999
    bf16: bool = True
    seed: int = 0
    log_every: int = 20
    validate_every: int = 500
    checkpoint_every_s: float = 120.0


@runtime_checkable
class Task(Protocol):
    """What is trained. `loss` draws its own data from the step's number, the same for the same seed and rank."""

    model: nn.Module

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        """Terms by name; "loss" is the one to minimise."""

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Figures of the averaged weights on data that is not trained on."""


def train(task: Task, plan: TrainingPlan, folder: Path, *, device: torch.device) -> dict[str, float]:
    """Train until the plan is done, and return the last validation. Interrupted, the same call goes on.

    Of several processes the first one writes; the others return nothing.

    Writes checkpoint.safetensors, averaged.safetensors (what to ship), progress.json, curves.csv, curves.png.
    Raises InputError where the folder holds a checkpoint of another network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    model = task.model.to(device)
    average = get_ema_multi_avg_fn(plan.averaging)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    optimizer = torch.optim.AdamW(_groups(model, plan.weight_decay), lr=plan.learning_rate, fused=True)
    step, spent_s = _resume(folder, model, averaged, optimizer)
    curves = Curves(folder, up_to_step=step)
    stepped = _distributed(model, device)
    chief = int(os.environ.get("RANK", "0")) == 0
    started = saved = time.monotonic()

    def clock() -> float:
        return spent_s + time.monotonic() - started

    while (share := _agreed(_share_done(plan, step, clock()), device)) < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * _rate(share, plan.warmup_share)
        stepped.train()
        with _autocast(plan, device):
            terms = task.loss(stepped, step)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(terms["loss"])
        nn.utils.clip_grad_norm_(model.parameters(), plan.clip_norm)
        optimizer.step()
        averaged.update_parameters(model)
        step += 1
        if chief and step % plan.log_every == 0:
            curves.add(step, clock(), "train", {k: float(v.detach()) for k, v in terms.items()})
        if chief and step % plan.validate_every == 0:
            curves.add(step, clock(), "validation", _validate(task, averaged, plan, device))
        if chief and time.monotonic() - saved > plan.checkpoint_every_s:
            _save(folder, model, averaged, optimizer, step, clock())
            saved = time.monotonic()
    if not chief:
        return {}
    figures = _validate(task, averaged, plan, device)
    curves.add(step, clock(), "validation", figures)
    _save(folder, model, averaged, optimizer, step, clock())
    curves.draw()
    return figures


def averaged_weights(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of a training run, as the network's own state dict."""
    return load_file(folder / AVERAGED)


def _share_done(plan: TrainingPlan, step: int, spent_s: float) -> float:
    by_time = 0.0 if plan.minutes is None else spent_s / (60 * plan.minutes)
    return max(step / plan.steps, by_time)


def _agreed(share: float, device: torch.device) -> float:
    """The largest share of all processes: their clocks differ, and none may make a step that another does not."""
    if not torch.distributed.is_initialized():
        return share
    largest = torch.tensor(share, device=device)
    torch.distributed.all_reduce(largest, torch.distributed.ReduceOp.MAX)
    return float(largest)


def _rate(share: float, warmup_share: float) -> float:
    """A linear start, then half a cosine down to 1 %."""
    if share < warmup_share:
        return 0.02 + 0.98 * share / warmup_share
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min((share - warmup_share) / (1 - warmup_share), 1.0)))


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay on matrices and kernels only."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _autocast(plan: TrainingPlan, device: torch.device) -> AbstractContextManager[None]:
    return torch.autocast(device.type, dtype=torch.bfloat16) if plan.bf16 else nullcontext()


def _distributed(model: nn.Module, device: torch.device) -> nn.Module:
    """The model wrapped for `torchrun`, which sets WORLD_SIZE; else itself."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return model
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def _validate(task: Task, averaged: AveragedModel, plan: TrainingPlan, device: torch.device) -> dict[str, float]:
    averaged.eval()
    with torch.no_grad(), _autocast(plan, device):
        return dict(task.validate(averaged.module))


def _save(
    folder: Path, model: nn.Module, averaged: AveragedModel, optimizer: torch.optim.Optimizer, step: int, spent_s: float
) -> None:
    """Each file is complete under its name or not there; the progress comes last."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"averaged.{k}": v for k, v in averaged.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v for k, v in state.items()}
    _write(tensors, folder / _CHECKPOINT)
    _write(averaged.module.state_dict(), folder / AVERAGED)
    temporary = folder / f".{_PROGRESS}"
    temporary.write_text(json.dumps({"step": step, "seconds": round(spent_s, 1)}))
    temporary.replace(folder / _PROGRESS)


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    temporary = path.with_name(f".{path.name}")
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, temporary)
    temporary.replace(path)


def _resume(
    folder: Path, model: nn.Module, averaged: AveragedModel, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    """(steps done, seconds spent) of the checkpoint, whose weights and moments are loaded; (0, 0) without one."""
    if not (folder / _PROGRESS).is_file():
        return 0, 0.0
    progress = json.loads((folder / _PROGRESS).read_text())
    tensors = load_file(folder / _CHECKPOINT)

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        model.load_state_dict(part("model."))
        averaged.load_state_dict(part("averaged."))
    except RuntimeError as error:
        raise InputError(
            f"The checkpoint in {folder} is of another network; choose another folder, or the settings it was "
            "trained with."
        ) from error
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in part("optimizer.").items():
        number, key = name.split(".", 1)
        moments.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(progress["step"]), float(progress["seconds"])
