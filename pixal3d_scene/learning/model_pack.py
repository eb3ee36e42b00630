"""Furniture models in one compact file that training machines read: torch and numpy alone are enough.

Every model is in its `node` frame: y up, origin at the bottom centre of its box, +z = its front, metres.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .vocabulary import LABELS

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float, Float32, Int, Int8, Int16, Int64, UInt8, UInt16

SPLITS = ("train", "validation")
FORMAT = 1
_STEPS = 32767  # of an int16 vertex: from -1 to 1 boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedModel:
    """One model, ready for the pack.

    vertices: node, m. normals: for shading, per corner. tops: rows of `model_tops.Tops`. geometry: its hash.
    """

    name: str
    label: str
    place: int
    elevation_m: float
    validation: bool
    geometry: str
    vertices: Float[np.ndarray, "V 3"]
    colours: UInt8[np.ndarray, "V 3"]
    part: UInt8[np.ndarray, "V"]
    faces: Int[np.ndarray, "F 3"]
    normals: Float[np.ndarray, "F 3 3"]
    tops: Float[np.ndarray, "T 6"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPack:
    """All models, their arrays end to end: model m has vertices vertex_start[m] to vertex_start[m + 1], and so on.

    vertices: -32767 to 32767 along x and z from one side of the box to the other, 0 to 32767 along y.
    faces: from the model's own first vertex. normals: for shading, at every corner of every face, times 127.
    label: into LABELS. place: into `model_words.PLACES`. split: into SPLITS. elevation_m: of its bottom.
    tops: height, x from, x to, z from, z to, free height above.
    """

    names: tuple[str, ...]
    geometry: tuple[str, ...]
    label: Int64[np.ndarray, "M"]
    place: UInt8[np.ndarray, "M"]
    split: UInt8[np.ndarray, "M"]
    size_m: Float32[np.ndarray, "M 3"]
    elevation_m: Float32[np.ndarray, "M"]
    vertex_start: Int64[np.ndarray, "M1"]
    face_start: Int64[np.ndarray, "M1"]
    top_start: Int64[np.ndarray, "M1"]
    vertices: Int16[np.ndarray, "V 3"]
    colours: UInt8[np.ndarray, "V 3"]
    part: UInt8[np.ndarray, "V"]
    faces: UInt16[np.ndarray, "F 3"]
    normals: Int8[np.ndarray, "F 3 3"]
    tops: Float32[np.ndarray, "T 6"]

    def __len__(self) -> int:
        return len(self.names)

    def of_split(self, split: str) -> Int64[np.ndarray, "m"]:
        """Indices of the models of "train" or "validation"."""
        return np.flatnonzero(self.split == SPLITS.index(split))

    def vertices_node(self, model: int) -> Float32[np.ndarray, "v 3"]:
        """In node, m."""
        packed = self.vertices[self.vertex_start[model] : self.vertex_start[model + 1]]
        return (packed / np.float32(_STEPS)).astype(np.float32) * (self.size_m[model] * _BOX)

    def faces_of(self, model: int) -> Int64[np.ndarray, "f 3"]:
        return self.faces[self.face_start[model] : self.face_start[model + 1]].astype(np.int64)

    def tops_of(self, model: int) -> Float32[np.ndarray, "t 6"]:
        return self.tops[self.top_start[model] : self.top_start[model + 1]]


_BOX = np.array([0.5, 1.0, 0.5], dtype=np.float32)


def pack_models(models: Sequence[PackedModel]) -> ModelPack:
    """The models end to end, in their order."""
    size = np.array([np.ptp(m.vertices, axis=0) for m in models]).reshape(-1, 3)
    scaled = [m.vertices / np.maximum(s * _BOX, 1e-9) * _STEPS for m, s in zip(models, size, strict=True)]
    return ModelPack(
        names=tuple(m.name for m in models),
        geometry=tuple(m.geometry for m in models),
        label=np.array([LABELS.index(m.label) for m in models], dtype=np.int64),
        place=np.array([m.place for m in models], dtype=np.uint8),
        split=np.array([int(m.validation) for m in models], dtype=np.uint8),
        size_m=size.astype(np.float32),
        elevation_m=np.array([m.elevation_m for m in models], dtype=np.float32),
        vertex_start=_starts([len(m.vertices) for m in models]),
        face_start=_starts([len(m.faces) for m in models]),
        top_start=_starts([len(m.tops) for m in models]),
        vertices=np.concatenate([v.round().clip(-_STEPS, _STEPS).astype(np.int16) for v in scaled]),
        colours=np.concatenate([m.colours for m in models]),
        part=np.concatenate([m.part for m in models]),
        faces=np.concatenate([m.faces.astype(np.uint16) for m in models]),
        normals=np.concatenate([(m.normals * 127).round().astype(np.int8) for m in models]),
        tops=np.concatenate([m.tops for m in models]).astype(np.float32),
    )


def write_pack(pack: ModelPack, file: Path) -> None:
    """As a compressed NPZ without pickles; written beside and renamed, so that no half file is left."""
    arrays: dict[str, Any] = {f.name: np.asarray(getattr(pack, f.name)) for f in fields(pack)}
    beside = file.with_name(file.name + ".part.npz")
    np.savez_compressed(beside, format=np.array(FORMAT), labels=np.array(LABELS), **arrays)
    beside.replace(file)


def read_pack(file: Path) -> ModelPack:
    """The pack in a file; InputError where it is none, or of another version of the vocabulary or the format."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            if int(stored["format"]) != FORMAT or tuple(stored["labels"].tolist()) != LABELS:
                raise InputError(
                    f"{file} was packed for another version; make it again with `python -m pipelines.pack_models`."
                )
            arrays = {f.name: stored[f.name] for f in fields(ModelPack)}
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{file} is no pack of furniture models; make one with `python -m pipelines.pack_models` "
            "(docs/training-data.md)."
        ) from error
    arrays["names"], arrays["geometry"] = (tuple(arrays[k].tolist()) for k in ("names", "geometry"))
    return ModelPack(**arrays)


def _starts(lengths: Sequence[int]) -> Int64[np.ndarray, "n1"]:
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)
