"""Train a network of the package: settings and rendered rooms in; weights, checkpoints and curves out.

On several GPUs: `torchrun --nproc-per-node N -m pipelines.train front-end ROOMS OUT`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pixal3d_scene.errors import InputError
from pixal3d_scene.learning.training_settings import TrainingSettings, read_training_settings

VALIDATION = "validation"  # the folder of rooms, beside those that are trained on, that are not


def train(name: str, rooms: Path, out: Path, *, device: str = "auto", minutes: float | None = None) -> dict[str, Any]:
    """Train by the settings `name` (installed, or a TOML file) on the rooms of a folder; an interrupted run goes on.

    rooms: shards of `pipelines.render_rooms`, with a folder `validation`. minutes: instead of the settings' own
    limit. Returns the last validation. Raises InputError where settings, rooms or an earlier checkpoint do not fit.
    """
    settings = read_training_settings(name)
    if not (rooms / VALIDATION).is_dir():
        raise InputError(f"{rooms} has no folder {VALIDATION!r}; render rooms with `python -m pipelines.render_rooms`.")
    return _train_front_end(settings, rooms, out, device, minutes)


def _train_front_end(
    settings: TrainingSettings, rooms: Path, out: Path, device: str, minutes: float | None
) -> dict[str, Any]:
    import torch

    from pixal3d_scene.frontend.front_end_network import FrontEndConfig, FrontEndNetwork
    from pixal3d_scene.generator.pixal3d import choose_device
    from pixal3d_scene.learning.front_end_task import FrontEndTask
    from pixal3d_scene.learning.room_shards import RoomShards, read_shard
    from pixal3d_scene.learning.training import TrainingPlan, train
    from pixal3d_scene.learning.vocabulary import LABELS

    plan = settings.plan.model_dump()
    if minutes is not None:
        plan["minutes"] = minutes
    torch.manual_seed(settings.plan.seed)
    network = FrontEndNetwork(
        FrontEndConfig(labels=LABELS, side_px=max(settings.rooms.size_px), **settings.network.model_dump())
    )
    shards = RoomShards(rooms, batch=settings.rooms.batch, seed=settings.plan.seed)
    held_out = sorted((rooms / VALIDATION).glob("rooms_*.npz"))[: settings.rooms.validation_batches]
    if not held_out:
        raise InputError(f"{rooms / VALIDATION} holds no rendered rooms; render some first.")
    validation = [read_shard(path, slice(settings.rooms.batch)) for path in held_out]
    task = FrontEndTask(network, shards.draw, validation, seed=settings.plan.seed)
    figures = train(task, TrainingPlan(**plan), out, device=choose_device(device))
    return {"network": asdict(network.config) | {"labels": len(LABELS)}, "validation": figures, "folder": str(out)}


if __name__ == "__main__":
    print(train(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
