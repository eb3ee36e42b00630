"""Samples of objects in files, as one long list: what a training step draws its batch from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Shaped

from ..errors import InputError

_Samples = TypeVar("_Samples")


def write_samples(samples: Any, file: Path) -> None:
    """An NPZ file of a dataclass's arrays by name, written beside and renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(file.name + ".part.npz")
    np.savez_compressed(beside, **{f.name: getattr(samples, f.name) for f in fields(samples)})
    beside.replace(file)


def read_samples(kind: type[_Samples], file: Path, shapes: Mapping[str, tuple[int, ...]], *, made_by: str) -> _Samples:
    """shapes: of one sample's arrays, where versions differ. Raises InputError where the file holds something else."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            samples = kind(**{f.name: arrays[f.name] for f in fields(kind)})  # type: ignore[arg-type]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{file} holds no such samples; make it with `{made_by}`.") from error
    if any(getattr(samples, name).shape[1:] != shape for name, shape in shapes.items()):
        raise InputError(f"{file} holds samples of another version; make it again (docs/training-data.md).")
    return samples


class SampleFiles:
    """Files whose names begin with `split`; those that come while a run goes on are taken up by `look`.

    read: a file's samples, arrays of one length by attribute. counted: the attribute that tells the length. made_by:
    the command that makes such files.
    """

    def __init__(self, folder: Path, split: str, *, read: Callable[[Path], Any], counted: str, made_by: str) -> None:
        self._folder, self._split, self._read, self._counted, self._made_by = folder, split, read, counted, made_by
        self._parts: dict[Path, Any] = {}
        self._starts = np.zeros(1, dtype=np.int64)
        self.look()

    def look(self) -> None:
        """Read what is new; raises InputError where there is nothing."""
        paths = sorted(p for p in self._folder.glob(f"{self._split}_*.npz") if not p.name.endswith(".part.npz"))
        if not paths:
            raise InputError(
                f"{self._folder} holds no samples to train on ({self._split}_*.npz); make some with "
                f"`{self._made_by}` (docs/training-data.md)."
            )
        for path in paths:
            if path not in self._parts:
                self._parts[path] = self._read(path)
        self._starts = np.cumsum([0, *(len(getattr(part, self._counted)) for part in self._parts.values())])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, name: str, numbers: list[int]) -> Shaped[np.ndarray, "B ..."]:
        """One array of the samples with these numbers."""
        parts = list(self._parts.values())
        where = np.searchsorted(self._starts, numbers, side="right") - 1
        return np.stack(
            [getattr(parts[p], name)[n - int(self._starts[p])] for p, n in zip(where, numbers, strict=True)]
        )

    def all(self, name: str) -> Shaped[np.ndarray, "N ..."]:
        """One array of all samples that there are now."""
        return np.concatenate([getattr(part, name) for part in self._parts.values()])
