"""A `RoomBatch` in a file: NPZ without pickles, depth in half precision, normals in bytes, ids as small as they go."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .room_batch import ObjectTruth, RoomBatch

_SMALLER = {"z_m": np.float16, "instance_ids": np.uint8, "label": np.uint8}
_FULL = {"z_m": np.float32, "instance_ids": np.int64, "label": np.int64}
_NORMAL_STEPS = 127


def write_batch(batch: RoomBatch, file: Path) -> None:
    """Written beside and renamed, so that no half file is left. Rooms have fewer than 256 objects."""
    file.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        f.name: _small(f.name, getattr(batch, f.name)) for f in fields(batch) if f.name != "objects"
    }
    arrays |= {f"objects.{f.name}": getattr(batch.objects, f.name).cpu().numpy() for f in fields(batch.objects)}
    beside = file.with_name(file.name + ".part.npz")
    np.savez(beside, **arrays)
    beside.replace(file)


def read_batch(file: Path) -> RoomBatch:
    """The batch in a file, on the CPU."""
    with np.load(file, allow_pickle=False) as stored:
        arrays = {f.name: _full(f.name, stored[f.name]) for f in fields(RoomBatch) if f.name != "objects"}
        objects = {f.name: torch.from_numpy(stored[f"objects.{f.name}"]) for f in fields(ObjectTruth)}
    return RoomBatch(**arrays, objects=ObjectTruth(**objects))


def _small(name: str, tensor: Tensor) -> np.ndarray:
    array = tensor.cpu().numpy()
    if name == "normals_cam":
        return (array * _NORMAL_STEPS).round().astype(np.int8)
    return array.astype(_SMALLER[name]) if name in _SMALLER else array


def _full(name: str, array: np.ndarray) -> Tensor:
    if name == "normals_cam":
        return torch.from_numpy(array.astype(np.float32) / _NORMAL_STEPS)
    return torch.from_numpy(array.astype(_FULL[name]) if name in _FULL else array)
