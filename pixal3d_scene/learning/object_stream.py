"""Endless batches of single objects for training; the same seed gives the same objects.

Rooms are composed as for the front-end (`room_stream`), and several objects of each are taken. Pictures need torch and
numpy alone; the shapes are voxelised by `autoencoder.mesh_to_dual_grid`, which needs the package's own dependencies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch

from .model_pack import ModelPack
from .object_batch import ObjectBatch, ObjectGrid
from .object_choice import PHOTO_PX, SeenRoom, choose_objects, see_room
from .object_pictures import CropPictures, crop_pictures
from .object_targets import object_grid
from .object_view import ObjectView, object_view
from .room_stream import first_seed
from .sample_furniture import Shelf
from .sample_room import sample_room
from .sampled_room import SampledRoom, Thing
from .scene_tensors import PackTensors

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool

_MOST_OF_A_ROOM = 6
_ROOMS_PER_OBJECT = 4  # at most, before a batch stays smaller than asked for
_LARGEST_OBJ = 0.5 - 1e-5  # the cube's half, less what `mesh_to_dual_grid` wants around it
CUBE_OVER_CROP = 1.25  # holds 92 of 100 objects, see docs/training-data.md


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFormat:
    """What a sample is like. picture_px: S. resolution: of the grids. finer: see `crop_pictures`.

    cube_over_crop, margin: see `object_view`.
    """

    picture_px: int = 128
    resolution: int = 64
    cube_over_crop: float = CUBE_OVER_CROP
    margin: float = 1.1
    finer: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An object of a room, whole in its cube."""

    thing: Thing
    view: ObjectView
    grid: ObjectGrid


def object_batches(
    pack: ModelPack,
    *,
    batch: int,
    seed: int = 0,
    split: str = "train",
    wanted: ObjectFormat | None = None,
    device: torch.device | str = "cpu",
    start: int = 0,
) -> Iterator[ObjectBatch]:
    """Batches of `batch` objects (fewer where four times as many rooms show too few), made as they are asked for.

    split: whose models furnish the rooms. start: number of the first batch. Every batch has rooms of its own: those of
    batch k have seeds from `first_seed(seed, split) + 4 * batch * k`.
    """
    if batch < 1:
        raise ValueError(f"A batch holds at least one object, not {batch}.")
    shelf, tensors, wanted = Shelf.of(pack, split), PackTensors.of(pack, device), wanted or ObjectFormat()
    rooms = _ROOMS_PER_OBJECT * batch
    for number in count(start):
        first = first_seed(seed, split) + number * rooms
        found: list[ObjectBatch] = []
        for room_seed in range(first, first + rooms):
            room = sample_room(shelf, room_seed, PHOTO_PX)
            found += objects_of_room(pack, tensors, room, wanted)
            if sum(len(f) for f in found) >= batch:
                break
        if not found:
            raise ValueError(f"{rooms} rooms show no object that can be learnt from: the pack is too small.")
        yield joined(found, batch)


def objects_of_room(
    pack: ModelPack, tensors: PackTensors, room: SampledRoom, wanted: ObjectFormat
) -> list[ObjectBatch]:
    """A batch of the room's objects, or none where it shows no object well enough."""
    seen = see_room(tensors, room)
    candidates = []
    for thing, mask in choose_objects(seen, _MOST_OF_A_ROOM):
        candidate = _candidate(pack, seen, thing, mask, wanted)
        if candidate is not None:
            candidates.append(candidate)
    if not candidates:
        return []
    pictures = crop_pictures(
        seen,
        [c.thing.number for c in candidates],
        [c.view.K_crop for c in candidates],
        [c.view.R_cropcam_from_cam for c in candidates],
        size_px=wanted.picture_px,
        finer=wanted.finer,
    )
    return [_batch(room, candidates, pictures)]


def _candidate(
    pack: ModelPack, seen: SeenRoom, thing: Thing, mask: Bool[np.ndarray, "H W"], wanted: ObjectFormat
) -> _Candidate | None:
    """None where the cube does not hold the object, or its grid is no good."""
    view = object_view(
        pack, seen.room, thing.number, mask, seen.visible.z_m[0].cpu().numpy(),
        size_px=wanted.picture_px, margin=wanted.margin, cube_over_crop=wanted.cube_over_crop,
    )  # fmt: skip
    if np.abs(view.vertices_obj).max() > _LARGEST_OBJ:
        return None
    grid = object_grid(view, seen.triangles, thing.number, resolution=wanted.resolution)
    return None if grid is None else _Candidate(thing=thing, view=view, grid=grid)


def _batch(room: SampledRoom, candidates: Sequence[_Candidate], pictures: CropPictures) -> ObjectBatch:
    size_px = pictures.region.shape[-1]
    focal_px = np.array([c.view.K_crop[0, 0] for c in candidates])
    return ObjectBatch(
        picture=pictures.picture.cpu(),
        region=pictures.region.cpu(),
        z_m=pictures.z_m.cpu(),
        fov_rad=torch.tensor(2 * np.arctan(size_px / 2 / focal_px), dtype=torch.float32),
        camera_distance_obj=torch.tensor([c.view.camera_distance_obj for c in candidates], dtype=torch.float32),
        scale_m=torch.tensor([c.view.scale_m for c in candidates], dtype=torch.float32),
        grids=tuple(c.grid for c in candidates),
        model=torch.tensor([c.thing.model for c in candidates]),
        label=torch.tensor([c.thing.label for c in candidates]),
        seeds=torch.full((len(candidates),), room.seed, dtype=torch.int64),
        number=torch.tensor([c.thing.number for c in candidates]),
    )


def joined(batches: Sequence[ObjectBatch], most: int | None = None) -> ObjectBatch:
    """One batch of the first `most` objects of several."""
    tensors = {
        name: torch.cat([getattr(b, name) for b in batches])[:most]
        for name in ("picture", "region", "z_m", "fov_rad", "camera_distance_obj", "scale_m",
                     "model", "label", "seeds", "number")
    }  # fmt: skip
    return ObjectBatch(**tensors, grids=tuple(grid for b in batches for grid in b.grids)[:most])
