"""Rendered rooms on disk: batches in, files that a training run draws from, out and back.

Rendering on a CPU takes longer than a training step, so each room is used several times. A folder may grow while it is
read: one process renders, another trains.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .room_batch import ObjectTruth, RoomBatch

_LOOK_AGAIN_EVERY = 50  # draws


def write_shard(batch: RoomBatch, folder: Path, number: int) -> Path:
    """One file per batch, complete under its name or not there. Depth is kept to 0.1 %; normals are not kept."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        "rgb": batch.rgb,
        "log_z": torch.where(batch.valid, batch.z_m, 1.0).log().half(),
        "valid": batch.valid,
        "instance_ids": batch.instance_ids.to(torch.uint8),
        "shell_part": batch.shell_part,
        "label": batch.label.to(torch.uint8),
        "K": batch.K,
        "up_cam": batch.up_cam,
        "camera_height_m": batch.camera_height_m,
        "seeds": batch.seeds,
    }
    path = folder / f"rooms_{number:06d}.npz"
    temporary = folder / f".{path.name}.{os.getpid()}"
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: value.cpu().numpy() for name, value in arrays.items()})
    temporary.replace(path)
    return path


def read_shard(path: Path, rooms: slice | list[int] | None = None) -> RoomBatch:
    """The rooms of a file, or some of them."""
    with np.load(path, allow_pickle=False) as file:
        kept = {name: torch.from_numpy(file[name][rooms if rooms is not None else slice(None)]) for name in file.files}
    z_m = kept["log_z"].float().exp()
    normals = z_m.new_zeros(len(z_m), 3, *z_m.shape[1:])
    return RoomBatch(
        rgb=kept["rgb"],
        z_m=z_m,
        valid=kept["valid"],
        normals_cam=normals,
        instance_ids=kept["instance_ids"].long(),
        shell_part=kept["shell_part"],
        label=kept["label"].long(),
        K=kept["K"],
        up_cam=kept["up_cam"],
        camera_height_m=kept["camera_height_m"],
        objects=no_objects(len(z_m)),
        seeds=kept["seeds"],
    )


class RoomShards:
    """Random batches of a folder that may still grow. `draw` gives the same for the same step and the same files."""

    def __init__(self, folder: Path, *, batch: int, seed: int) -> None:
        self._folder, self._batch, self._seed = folder, batch, seed
        self._paths: list[Path] = []

    def draw(self, step: int) -> RoomBatch:
        """`batch` rooms of one file; raises InputError where there is none."""
        if step % _LOOK_AGAIN_EVERY == 0 or not self._paths:
            self._paths = sorted(self._folder.glob("rooms_*.npz"))
            if not self._paths:
                raise InputError(f"{self._folder} holds no rendered rooms; render some first (docs/training-data.md).")
        rng = np.random.default_rng([self._seed, step])
        path = self._paths[int(rng.integers(len(self._paths)))]
        with np.load(path, allow_pickle=False) as file:
            count = len(file["seeds"])
        chosen = rng.permutation(count)[: self._batch]
        return read_shard(path, sorted(chosen.tolist()))


def no_objects(count: int) -> ObjectTruth:
    """The truth of the objects themselves, of which nothing is kept."""

    def none(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.zeros(count, 0, *shape, dtype=dtype)

    return ObjectTruth(
        present=none(dtype=torch.bool), label=none(dtype=torch.int64), support=none(dtype=torch.int64),
        carrier=none(dtype=torch.int64), model=none(dtype=torch.int64), centre_cam=none(3), size_m=none(3),
        R_cam_from_node=none(3, 3), centre_px=none(2), box_px=none(4, dtype=torch.int64),
        visible_px=none(dtype=torch.int64), visible_fraction=none(), cut=none(dtype=torch.bool),
    )  # fmt: skip
