"""A small pack of our own furniture, for the tests of the training data."""

from __future__ import annotations

import functools

from pipelines.pack_models import our_furniture
from pixal3d_scene.learning.model_pack import ModelPack, pack_models
from pixal3d_scene.learning.room_batch import RoomBatch
from pixal3d_scene.learning.room_stream import room_batches

_KINDS = (
    "armchair", "bookshelf", "coffee table", "desk", "dining chair", "dining table", "floor lamp", "sideboard", "sofa",
    "table lamp", "television", "vase",
)  # fmt: skip


@functools.cache
def small_pack() -> ModelPack:
    """One piece of some kinds."""
    return pack_models(list(our_furniture(1, 400, _KINDS)))


@functools.cache
def small_batch(seed: int = 0, size_px: tuple[int, int] = (96, 72)) -> RoomBatch:
    """Four rendered rooms."""
    return next(room_batches(small_pack(), batch=4, size_px=size_px, seed=seed))
