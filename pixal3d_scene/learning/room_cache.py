"""A `RoomBatch` in a file: NPZ without pickles, depth and normals in half precision, ids as small as they go."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .room_batch import ObjectTruth, RoomBatch

_SMALLER = {
    "z_m": np.float16, "normals_cam": np.float16, "instance_ids": np.uint8, "label": np.uint8,
}  # fmt: skip
_TYPES = {"z_m": np.float32, "normals_cam": np.float32, "instance_ids": np.int64, "label": np.int64}


def write_batch(batch: RoomBatch, file: Path) -> None:
    """Written beside and renamed, so that no half file is left. Rooms have fewer than 256 objects."""
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f.name: _small(f.name, getattr(batch, f.name)) for f in fields(batch) if f.name != "objects"}
    objects = {f"objects.{f.name}": getattr(batch.objects, f.name).cpu().numpy() for f in fields(batch.objects)}
    beside = file.with_name(file.name + ".part.npz")
    np.savez(beside, **arrays, **objects)
    beside.replace(file)


def read_batch(file: Path) -> RoomBatch:
    """The batch in a file, on the CPU."""
    with np.load(file, allow_pickle=False) as stored:
        arrays = {f.name: _full(f.name, stored[f.name]) for f in fields(RoomBatch) if f.name != "objects"}
        objects = {f.name: torch.from_numpy(stored[f"objects.{f.name}"]) for f in fields(ObjectTruth)}
    return RoomBatch(**arrays, objects=ObjectTruth(**objects))


def _small(name: str, tensor: Tensor) -> np.ndarray:
    array = tensor.cpu().numpy()
    return array.astype(_SMALLER[name]) if name in _SMALLER else array


def _full(name: str, array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(_TYPES[name]) if name in _TYPES else array)
