"""Train a network of the package: settings and rooms or objects in; weights, checkpoints and curves out.

On several GPUs: `torchrun --nproc-per-node N -m pipelines.train front-end ROOMS OUT cuda`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixal3d_scene.errors import InputError
from pixal3d_scene.learning.training_settings import TrainingSettings, read_training_settings
from pixal3d_scene.weights.own import EXTENTS, HIDDEN_SIDES, RELIEFS

if TYPE_CHECKING:
    import torch

    from pixal3d_scene.learning.room_batch import RoomBatch
    from pixal3d_scene.learning.training import TrainingPlan

WEIGHTS_FILE = "front_end.safetensors"
_MOST_PROCESSES = 64


def train(
    name: str,
    data: Path,
    out: Path,
    *,
    device: str = "auto",
    minutes: float | None = None,
    earlier: Path | None = None,
) -> dict[str, Any]:
    """Train what the settings `name` (installed, or a TOML file) describe; an interrupted run goes on.

    data: for the front-end network a pack of models (`pipelines.pack_models`), rendered as they are needed, or a folder
    of rendered rooms (`pipelines.render_rooms`, both splits); for the object networks a folder of objects
    (`pipelines.render_objects`, both splits); for extents, hidden sides and reliefs a folder of samples
    (`pipelines.sample_extents`, `pipelines.sample_hidden`, `pipelines.sample_reliefs`).
    minutes: instead of the settings' own limit. earlier: for flows OUT of the autoencoders' runs, where that is another
    folder; for the front-end network and that of reliefs weights to start from instead of chance. Returns the last
    validation, and where the weights are. Raises InputError where settings, data or an earlier checkpoint do not fit.
    """
    settings = read_training_settings(name)
    if not data.exists():
        raise InputError(
            f"{data} does not exist; give a pack of models, or a folder of rooms or objects (docs/training-data.md)."
        )
    if minutes is not None and not minutes > 0:
        raise InputError(f"--minutes {minutes:g} leaves no time to train; give more than 0.")
    import torch

    from pixal3d_scene.learning.training import TrainingPlan
    from pixal3d_scene.weights.device import choose_device

    where = choose_device(_own_device(device))
    plan = TrainingPlan(**settings.plan.model_dump() | ({} if minutes is None else {"minutes": minutes}))
    torch.manual_seed(plan.seed)
    if settings.kind == "front_end":
        return _train_front_end(settings, plan, data, out, where, earlier)
    if settings.kind == "extents":
        return _train_extents(settings, plan, data, out, where)
    if settings.kind == "reliefs":
        return _train_reliefs(settings, plan, data, out, where, earlier)
    if settings.kind == "hidden":
        return _train_hidden(settings, plan, data, out, where)
    from pipelines.train_objects import ObjectRun, train_objects

    rank = int(os.environ.get("RANK", "0"))
    return train_objects(
        ObjectRun(settings=settings, data=data, out=out, device=where, plan=plan, autoencoders=earlier, rank=rank)
    )


def _train_front_end(
    settings: TrainingSettings,
    plan: TrainingPlan,
    rooms: Path,
    out: Path,
    device: torch.device,
    earlier: Path | None,
) -> dict[str, Any]:
    from pixal3d_scene.frontend.front_end_network import FrontEndConfig, FrontEndNetwork
    from pixal3d_scene.frontend.front_end_weights import read_front_end, write_front_end
    from pixal3d_scene.learning.front_end_task import FrontEndTask
    from pixal3d_scene.learning.training import averaged_weights, train
    from pixal3d_scene.learning.vocabulary import LABELS

    config = FrontEndConfig(
        labels=LABELS,
        side_px=min(settings.rooms.sides_px, default=max(settings.rooms.size_px)),
        **settings.network.model_dump(),
    )
    network = FrontEndNetwork(config)
    if earlier is not None:
        begun = read_front_end(earlier)
        if replace(begun.config, side_px=config.side_px) != config:  # any size of pictures serves the same weights
            raise InputError(f"The network in {earlier} has another size or other words than these settings describe.")
        network.load_state_dict(begun.state_dict())
    draw, validation = _rooms(settings, rooms, device)
    chosen = settings.rooms
    task = FrontEndTask(
        network, draw, validation, seed=plan.seed, half_size_steps=chosen.half_size_steps, sides_px=chosen.sides_px
    )
    figures = train(task, plan, out, device=device)
    if figures:  # the first of several processes
        network.cpu().load_state_dict(averaged_weights(out))
        write_front_end(network, out / WEIGHTS_FILE)
    return {"validation": figures, "weights": str(out / WEIGHTS_FILE)}


def _train_extents(
    settings: TrainingSettings, plan: TrainingPlan, samples: Path, out: Path, device: torch.device
) -> dict[str, Any]:
    from safetensors.torch import save_file

    from pixal3d_scene.learning.extent_samples import ExtentSamples
    from pixal3d_scene.learning.extent_task import ExtentNetwork, ExtentTask
    from pixal3d_scene.learning.training import averaged_weights, train

    network = ExtentNetwork(**settings.extents.model_dump())
    splits = [ExtentSamples.read(samples / f"{split}.npz") for split in ("train", "validation")]
    figures = train(ExtentTask(network, *splits, seed=plan.seed), plan, out, device=device)
    if figures:
        save_file(averaged_weights(out), out / EXTENTS)
    return {"validation": figures, "weights": str(out / EXTENTS)}


def _train_hidden(
    settings: TrainingSettings, plan: TrainingPlan, samples: Path, out: Path, device: torch.device
) -> dict[str, Any]:
    from pixal3d_scene.generator.hidden_network import HiddenNetwork, HiddenSize, write_hidden
    from pixal3d_scene.learning.hidden_task import HiddenTask, hidden_files
    from pixal3d_scene.learning.training import averaged_weights, train

    chosen = settings.hidden
    network = HiddenNetwork(HiddenSize(widths=chosen.widths, blocks=chosen.blocks))
    files = [hidden_files(samples, split) for split in ("train", "validation")]
    task = HiddenTask(network, *files, batch=chosen.batch, seed=plan.seed)
    figures = train(task, plan, out, device=device)
    if figures:
        network.cpu().load_state_dict(averaged_weights(out))
        write_hidden(network, out / HIDDEN_SIDES)
    return {"validation": figures, "weights": str(out / HIDDEN_SIDES)}


def _train_reliefs(
    settings: TrainingSettings,
    plan: TrainingPlan,
    samples: Path,
    out: Path,
    device: torch.device,
    earlier: Path | None,
) -> dict[str, Any]:
    from pixal3d_scene.frontend.relief_network import ReliefNetwork, ReliefSize, read_reliefs, write_reliefs
    from pixal3d_scene.learning.relief_task import ReliefTask, relief_files
    from pixal3d_scene.learning.training import averaged_weights, train

    chosen = settings.reliefs
    network = ReliefNetwork(ReliefSize(widths=chosen.widths, blocks=chosen.blocks))
    if earlier is not None:
        begun = read_reliefs(earlier)
        if begun.size != network.size:
            raise InputError(f"The network in {earlier} has another size than these settings describe.")
        network.load_state_dict(begun.state_dict())
    files = [relief_files(samples, split) for split in ("train", "validation")]
    figures = train(ReliefTask(network, *files, batch=chosen.batch, seed=plan.seed), plan, out, device=device)
    if figures:
        network.cpu().load_state_dict(averaged_weights(out))
        write_reliefs(network, out / RELIEFS)
    return {"validation": figures, "weights": str(out / RELIEFS)}


def _own_device(device: str) -> str:
    """`torchrun` gives every process a GPU of its own."""
    local_rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{local_rank}" if local_rank is not None and device == "cuda" else device


def _rooms(
    settings: TrainingSettings, rooms: Path, device: torch.device
) -> tuple[Callable[[int], RoomBatch], Sequence[RoomBatch]]:
    """What draws the batch of a step, and the batches of the validation."""
    from itertools import islice

    from pixal3d_scene.learning.model_pack import SPLITS, read_pack
    from pixal3d_scene.learning.room_cache import read_batch
    from pixal3d_scene.learning.room_files import RenderedRooms, RoomFiles
    from pixal3d_scene.learning.room_stream import room_batches

    chosen = settings.rooms
    seed = settings.plan.seed * _MOST_PROCESSES + int(os.environ.get("RANK", "0"))  # every process has its own rooms
    if rooms.is_dir():
        files = RoomFiles(rooms, "train", seed=seed)
        files.paths()  # said before anything is made
        held_out = RoomFiles(rooms, "validation", seed=0).paths()[: chosen.validation_batches]
        return files.draw, [read_batch(path) for path in held_out]
    pack = read_pack(rooms)
    for split in SPLITS:
        if not len(pack.of_split(split)):
            raise InputError(
                f"The pack {rooms} has no models for {split}; make it with `python -m pipelines.pack_models`."
            )
    stream = room_batches(pack, batch=chosen.batch, size_px=chosen.size_px, split="validation", device=device)
    rendered = RenderedRooms(pack, batch=chosen.batch, size_px=chosen.size_px, seed=seed, device=device)
    return rendered.draw, list(islice(stream, chosen.validation_batches))


if __name__ == "__main__":
    print(train(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), device=sys.argv[4]))
