"""Train a network of the package: settings and rendered rooms in; weights, checkpoints and curves out.

On several GPUs: `torchrun --nproc-per-node N -m pipelines.train front-end ROOMS OUT`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pixal3d_scene.learning.training_settings import TrainingSettings, read_training_settings


def train(name: str, rooms: Path, out: Path, *, device: str = "auto", minutes: float | None = None) -> dict[str, Any]:
    """Train by the settings `name` (installed, or a TOML file) on the rooms of a folder; an interrupted run goes on.

    rooms: files of `pipelines.render_rooms`, of both splits. minutes: instead of the settings' own limit. Returns the
    last validation. Raises InputError where settings, rooms or an earlier checkpoint do not fit.
    """
    settings = read_training_settings(name)
    return _train_front_end(settings, rooms, out, device, minutes)


def _train_front_end(
    settings: TrainingSettings, rooms: Path, out: Path, device: str, minutes: float | None
) -> dict[str, Any]:
    import torch

    from pixal3d_scene.frontend.front_end_network import FrontEndConfig, FrontEndNetwork
    from pixal3d_scene.generator.pixal3d import choose_device
    from pixal3d_scene.learning.front_end_task import FrontEndTask
    from pixal3d_scene.learning.room_cache import read_batch
    from pixal3d_scene.learning.room_files import RoomFiles
    from pixal3d_scene.learning.training import TrainingPlan, train
    from pixal3d_scene.learning.vocabulary import LABELS

    plan = settings.plan.model_dump()
    if minutes is not None:
        plan["minutes"] = minutes
    torch.manual_seed(settings.plan.seed)
    network = FrontEndNetwork(
        FrontEndConfig(labels=LABELS, side_px=max(settings.rooms.size_px), **settings.network.model_dump())
    )
    files = RoomFiles(rooms, "train", seed=settings.plan.seed)
    files.paths()  # said before anything is made
    held_out = RoomFiles(rooms, "validation", seed=0).paths()[: settings.rooms.validation_batches]
    task = FrontEndTask(network, files.draw, [read_batch(path) for path in held_out], seed=settings.plan.seed)
    figures = train(task, TrainingPlan(**plan), out, device=choose_device(device))
    return {"network": asdict(network.config) | {"labels": len(LABELS)}, "validation": figures, "folder": str(out)}


if __name__ == "__main__":
    print(train(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
