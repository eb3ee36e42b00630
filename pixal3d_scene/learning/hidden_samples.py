"""What the network of hidden sides learns from: objects of sampled rooms as `lift` sees them, and their true solids.

Rooms are composed as for the other networks, and looked at without light or colours. The evidence is that which the
generator gathers from a photo, by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, UInt8

from ..autoencoder.triangle_cells import overlapped_voxels
from ..errors import InputError, StageFailed
from ..generator.hidden_cells import CELLS, CHANNELS, LANDMARKS, sides_in_cells
from ..generator.lift_box import Box
from ..generator.lift_cut import FEATURES
from ..generator.lift_guess import what_is_known
from ..generator.lift_sight import look
from .lift_volumes import SIZE_PX, seen_things
from .model_pack import ModelPack
from .object_choice import see_room
from .room_stream import first_seed
from .sample_files import read_samples, write_samples
from .sample_furniture import Shelf
from .sample_room import sample_room
from .scene_tensors import PackTensors

_FINER = 2  # truth is looked at in so many parts of a cell's edge
_MOST_BEYOND = 2  # boxes; farther parts of an object are left out
_FULL = 2 / 3  # what fills a cell to this share fills it: thin boards count

MADE_BY = "python -m pipelines.sample_hidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenSamples:
    """N objects. evidence, landmarks: of `hidden_cells`. features: of `lift_cut`.

    solid: 255 times the filled share of cells. sides: of its box, told as landmarks are.
    """

    evidence: Int8[np.ndarray, "N C n n n"]
    features: Float[np.ndarray, "N F"]
    landmarks: Float[np.ndarray, "N L"]
    sides: Float[np.ndarray, "N 6"]
    solid: UInt8[np.ndarray, "N n n n"]

    def write(self, file: Path) -> None:
        """See `write_samples`."""
        write_samples(self, file)

    @staticmethod
    def read(file: Path) -> HiddenSamples:
        """Raises InputError where the file holds something else."""
        shapes = {"features": (FEATURES,), "evidence": (CHANNELS, CELLS, CELLS, CELLS), "landmarks": (LANDMARKS,)}
        return read_samples(HiddenSamples, file, shapes, made_by=MADE_BY)


def sample_hidden(pack: ModelPack, *, split: str, seed: int, first: int, rooms: int) -> HiddenSamples:
    """The objects of the rooms `first` and after; raises InputError where they show none."""
    rows = list(_rows(pack, split=split, seed=seed, numbers=range(first, first + rooms)))
    if not rows:
        raise InputError(f"{rooms} rooms show no object; ask for more.")
    return HiddenSamples(**{f.name: np.stack([row[f.name] for row in rows]) for f in fields(HiddenSamples)})


def _rows(pack: ModelPack, *, split: str, seed: int, numbers: range) -> Iterator[dict[str, np.ndarray]]:
    shelf, tensors = Shelf.of(pack, split), PackTensors.of(pack, "cpu")
    for number in numbers:
        room_seed = first_seed(seed, split) + number
        seen = see_room(tensors, sample_room(shelf, room_seed, SIZE_PX), SIZE_PX)
        for item in seen_things(seen, worse=np.random.default_rng([room_seed, 29])):
            try:
                sight = look(item.volume)
            except StageFailed:  # too little of it
                continue
            known = what_is_known(item.volume, sight)
            box = known.cells.box
            triangles = item.triangles_in(pack, box)
            yield {
                "evidence": known.evidence,
                "features": sight.cut.features,
                "landmarks": known.landmarks,
                "solid": filled_cells(triangles, item.seals_in(pack, box), box),
                "sides": sides_in_cells(known.cells, triangles.reshape(-1, 3)),
            }


def filled_cells(
    triangles_box: Float[np.ndarray, "F 3 3"], seals_box: Float[np.ndarray, "S 3 3"], box: Box
) -> UInt8[np.ndarray, "n n n"]:
    """255 times the share of each of the box's cells that the mesh fills: its surface and what that encloses.

    seals_box: triangles that close it and are no part of it. Models have slits: what has walls on all six sides is
    enclosed as well.
    """
    m = CELLS * _FINER
    triangles, seals = (((t - box.low) / box.size_m * m) for t in (triangles_box, seals_box))
    # The whole object, so that nothing enters where the box cuts it.
    low = np.clip(np.floor(triangles.min(axis=(0, 1))) - [1, 0, 1], -_MOST_BEYOND * m, 0).astype(int)
    high = np.clip(np.ceil(triangles.max(axis=(0, 1))) + 1, m, (1 + _MOST_BEYOND) * m).astype(int)
    surface, sealed = (_crossed(t - low, high - low) for t in (triangles, seals))
    walls = surface | sealed
    enclosed = surface | (~walls & (~_outside(walls) | _walled_in(walls)))
    within = enclosed[tuple(slice(-first, m - first) for first in low)]
    share = within.reshape(CELLS, _FINER, CELLS, _FINER, CELLS, _FINER).mean(axis=(1, 3, 5))
    return (np.minimum(share / _FULL, 1) * 255).round().astype(np.uint8)


def _crossed(triangles: Float[np.ndarray, "F 3 3"], shape: Int[np.ndarray, "3"]) -> Bool[np.ndarray, "mx my mz"]:
    """The fine cells that a triangle passes through, in a grid of this shape that begins at 0."""
    triangles = triangles[((triangles.max(axis=1) > 0) & (triangles.min(axis=1) < shape)).all(axis=1)]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    flat = np.abs(normals).max(axis=1, initial=0.0) > 1e-12
    _, voxels = overlapped_voxels(triangles[flat], normals[flat])
    voxels = voxels[((voxels >= 0) & (voxels < shape)).all(axis=1)]
    crossed = np.zeros(shape, dtype=bool)
    crossed[tuple(voxels.T)] = True
    return crossed


def _outside(walls: Bool[np.ndarray, "mx my mz"]) -> Bool[np.ndarray, "mx my mz"]:
    """What a path from outside reaches, but not from below."""
    from scipy.ndimage import label

    free = np.pad(~walls, ((1, 1), (0, 1), (1, 1)), constant_values=True)
    pieces, _ = label(free)
    return (pieces == pieces[0, -1, 0])[1:-1, :-1, 1:-1]


def _walled_in(walls: Bool[np.ndarray, "mx my mz"]) -> Bool[np.ndarray, "mx my mz"]:
    """Walls in all directions; below, all stands on something."""
    inside = np.ones(walls.shape, dtype=bool)
    for axis in range(3):
        if axis != 1:
            inside &= np.maximum.accumulate(walls, axis=axis)
        inside &= np.flip(np.maximum.accumulate(np.flip(walls, axis), axis=axis), axis)
    return inside
