"""Objects in files, and where a training run gets them: NPZ without pickles, about 130 kB an object.

A file holds the arrays of `_Stored`: pixels and voxels of its objects end to end, colours and offsets in bytes, depth
in half precision, masks and edge flags in bits. Torch and numpy alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from .object_batch import HIDDEN, OBJECT, ObjectBatch, ObjectGrid

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float16, Float32, Int64, UInt8

FORMAT = 1
_LOOK_AGAIN_EVERY = 50  # draws
_CACHE_BYTES = 3 << 30
_BITS = np.array([1, 2, 4], dtype=np.uint8)  # of the edges x, y, z
_STORED_ATTRIBUTES = [0, 1, 2, 4]  # metallic is 0 and alpha is 1 everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """B objects of one file, compact. settings: FORMAT, S, grid resolution. masks: bits of OBJECT, HIDDEN, and of the
    pixels whose colour and depth are kept. pixel_start, voxel_start: where each object's begin, and the end.
    """

    settings: Int64[np.ndarray, "3"]
    cube_over_crop: Float32[np.ndarray, "1"]
    fov_rad: Float32[np.ndarray, "B"]
    camera_distance_obj: Float32[np.ndarray, "B"]
    scale_m: Float32[np.ndarray, "B"]
    model: Int64[np.ndarray, "B"]
    label: Int64[np.ndarray, "B"]
    seeds: Int64[np.ndarray, "B"]
    number: Int64[np.ndarray, "B"]
    masks: UInt8[np.ndarray, "B 3 b"]
    pixel_start: Int64[np.ndarray, "B1"]
    rgb: UInt8[np.ndarray, "P 3"]
    z_m: Float16[np.ndarray, "P"]
    voxel_start: Int64[np.ndarray, "B1"]
    coords: UInt8[np.ndarray, "N 3"]
    offset: UInt8[np.ndarray, "N 3"]
    flags: UInt8[np.ndarray, "N"]
    attributes: UInt8[np.ndarray, "N 4"]

    @property
    def nbytes(self) -> int:
        return sum(getattr(self, f.name).nbytes for f in fields(self))


def write_objects(batch: ObjectBatch, file: Path, *, cube_over_crop: float) -> None:
    """Written beside and renamed, so that no half file is left. Grids of at most 256 voxels an edge."""
    kept = (batch.picture > 0).any(dim=1) | (batch.z_m > 0)
    regions = torch.stack([batch.region == OBJECT, batch.region == HIDDEN, kept], dim=1).flatten(2)
    grids = batch.grids
    attributes = torch.cat([g.attributes for g in grids])
    if (attributes[:, 3] != 0).any() or (attributes[:, 5] != 1).any():
        raise ValueError("Object files keep no metallic and no alpha; these objects have some.")
    flags = torch.cat([g.edge_flags for g in grids]).numpy()
    stored = _Stored(
        settings=np.array([FORMAT, batch.region.shape[-1], grids[0].resolution], dtype=np.int64),
        cube_over_crop=np.array([cube_over_crop], dtype=np.float32),
        **{name: getattr(batch, name).numpy() for name in _PLAIN},
        masks=np.packbits(regions.numpy(), axis=2),
        pixel_start=_starts(kept.flatten(1).sum(dim=1).numpy()),
        rgb=batch.picture.permute(0, 2, 3, 1)[kept].numpy(),
        z_m=batch.z_m[kept].numpy().astype(np.float16),
        voxel_start=_starts(np.array([len(g.coords) for g in grids])),
        coords=torch.cat([g.coords for g in grids]).numpy(),
        offset=_bytes(torch.cat([g.offset_vox for g in grids]).numpy()),
        flags=(flags * _BITS).sum(axis=1, dtype=np.uint8),
        attributes=_bytes(attributes[:, _STORED_ATTRIBUTES].numpy()),
    )
    arrays: dict[str, Any] = {f.name: getattr(stored, f.name) for f in fields(stored)}
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(file.name + ".part.npz")
    np.savez(beside, **arrays)
    beside.replace(file)


def read_objects(file: Path) -> ObjectBatch:
    """All objects of a file, with their edges; InputError where another version wrote it."""
    stored = _read(file)
    return _batch([(stored, row) for row in range(len(stored.model))])


class ObjectFiles:
    """Files whose names begin with `split`. The same step and the same files give the same batch.

    What was read is kept in memory, compact, up to `cache_bytes`.
    """

    def __init__(self, folder: Path, split: str, *, seed: int, cache_bytes: int = _CACHE_BYTES) -> None:
        self._folder, self._split, self._seed, self._room_bytes = folder, split, seed, cache_bytes
        self._paths: list[Path] = []
        self._cache: dict[Path, _Stored] = {}
        self._cached_bytes = 0

    def draw(self, step: int, batch: int, *, edges: bool = False) -> ObjectBatch:
        """`batch` objects, each from any file; raises InputError where there is none.

        edges: keep picture and depth up to EDGE_PX pixels beyond the objects, for `object_augment.augment_objects`.
        """
        if step % _LOOK_AGAIN_EVERY == 0 or not self._paths:
            self._paths = self.paths()
        rng = np.random.default_rng([self._seed, step])
        chosen = []
        for index, share in zip(rng.integers(len(self._paths), size=batch), rng.random(batch), strict=True):
            stored = self._stored(self._paths[int(index)])
            chosen.append((stored, int(share * len(stored.model))))
        drawn = _batch(chosen)
        return drawn if edges else drawn.without_edges()

    @property
    def cube_over_crop(self) -> float:
        """Of all objects: the cube's edge over the width that the crop shows of its middle plane."""
        return float(self._stored(self.paths()[0]).cube_over_crop[0])

    @property
    def picture_px(self) -> int:
        """S."""
        return int(self._stored(self.paths()[0]).settings[1])

    @property
    def resolution(self) -> int:
        """Voxels per edge of the cube."""
        return int(self._stored(self.paths()[0]).settings[2])

    def paths(self) -> list[Path]:
        """All files there are now; raises InputError where there is none."""
        paths = sorted(p for p in self._folder.glob(f"{self._split}_*.npz") if not p.name.endswith(".part.npz"))
        if not paths:
            raise InputError(
                f"{self._folder} holds no rendered objects to train on ({self._split}_*.npz); "
                "render some first (docs/training-data.md)."
            )
        return paths

    def _stored(self, path: Path) -> _Stored:
        if path not in self._cache:
            stored = _read(path)
            first = next(iter(self._cache.values()), stored)
            if (stored.settings != first.settings).any() or stored.cube_over_crop != first.cube_over_crop:
                raise InputError(
                    f"{path} holds objects of another picture size, grid or cube than the other files in its folder; "
                    "render each kind into a folder of its own."
                )
            while self._cache and self._cached_bytes + stored.nbytes > self._room_bytes:
                self._cached_bytes -= self._cache.pop(next(iter(self._cache))).nbytes
            self._cache[path] = stored
            self._cached_bytes += stored.nbytes
        return self._cache[path]


_PLAIN = ("fov_rad", "camera_distance_obj", "scale_m", "model", "label", "seeds", "number")


def _read(file: Path) -> _Stored:
    with np.load(file, allow_pickle=False) as arrays:
        if "settings" not in arrays or int(arrays["settings"][0]) != FORMAT:
            raise InputError(f"{file} is no file of objects of this version; render it again (docs/training-data.md).")
        return _Stored(**{f.name: arrays[f.name] for f in fields(_Stored)})


def _batch(chosen: list[tuple[_Stored, int]]) -> ObjectBatch:
    side, resolution = (int(value) for value in chosen[0][0].settings[1:])
    count = len(chosen)
    picture = np.zeros((count, side * side, 3), dtype=np.uint8)
    z_m = np.zeros((count, side * side), dtype=np.float32)
    region = np.zeros((count, side * side), dtype=np.uint8)
    grids = []
    for b, (stored, row) in enumerate(chosen):
        own, hidden, kept = np.unpackbits(stored.masks[row], axis=1, count=side * side).astype(bool)
        region[b] = own * np.uint8(OBJECT) + hidden * np.uint8(HIDDEN)
        pixels = slice(stored.pixel_start[row], stored.pixel_start[row + 1])
        picture[b, kept], z_m[b, kept] = stored.rgb[pixels], stored.z_m[pixels]
        grids.append(_grid(stored, row, resolution))
    plain = {name: np.array([getattr(stored, name)[row] for stored, row in chosen]) for name in _PLAIN}
    return ObjectBatch(
        picture=torch.from_numpy(picture.reshape(count, side, side, 3)).permute(0, 3, 1, 2).contiguous(),
        region=torch.from_numpy(region.reshape(count, side, side)),
        z_m=torch.from_numpy(z_m.reshape(count, side, side)),
        grids=tuple(grids),
        **{name: torch.from_numpy(values) for name, values in plain.items()},
    )


def _grid(stored: _Stored, row: int, resolution: int) -> ObjectGrid:
    voxels = slice(stored.voxel_start[row], stored.voxel_start[row + 1])
    attributes = np.zeros((voxels.stop - voxels.start, 6), dtype=np.float32)
    attributes[:, _STORED_ATTRIBUTES] = stored.attributes[voxels] / np.float32(255)
    attributes[:, 5] = 1.0
    return ObjectGrid(
        coords=torch.from_numpy(stored.coords[voxels].copy()),  # not a view: the batch must not keep the file alive
        offset_vox=torch.from_numpy(stored.offset[voxels] / np.float32(255)),
        edge_flags=torch.from_numpy((stored.flags[voxels, None] & _BITS) > 0),
        attributes=torch.from_numpy(attributes),
        resolution=resolution,
    )


def _starts(lengths: np.ndarray) -> Int64[np.ndarray, "B1"]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _bytes(values: np.ndarray) -> np.ndarray:
    """0 to 1 in 255 steps."""
    return (values * 255).round().clip(0, 255).astype(np.uint8)
