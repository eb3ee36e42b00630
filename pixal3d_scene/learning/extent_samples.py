"""What the network of extents learns from: cut objects of sampled rooms, and how far they go on beyond what is seen.

Rooms are composed as for the other networks, and looked at without light or colours. The features are those that `lift`
computes on a photo, by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..errors import InputError, StageFailed
from ..generator.lift_cut import FEATURES, SIDES, CutBox
from ..generator.lift_extent import MOST_GROWTH
from ..generator.lift_sight import look
from .lift_volumes import SIZE_PX, seen_things
from .model_pack import ModelPack
from .object_choice import see_room
from .room_stream import first_seed
from .sample_furniture import Shelf
from .sample_room import sample_room
from .scene_tensors import PackTensors

_LEAST_OPEN = 0.02  # of the outline; less is seen whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentSamples:
    """N objects. features: of `lift_cut`. size_m: of the visible box, facing the camera. open_share: of the outline.

    beyond: how far the true box reaches beyond each side, in lengths of the visible one's longest.
    """

    features: Float[np.ndarray, "N F"]
    beyond: Float[np.ndarray, "N 6"]
    size_m: Float[np.ndarray, "N 3"]
    open_share: Float[np.ndarray, "N"]

    def write(self, file: Path) -> None:
        """An NPZ file."""
        np.savez_compressed(
            file, features=self.features, beyond=self.beyond, size_m=self.size_m, open_share=self.open_share
        )

    @staticmethod
    def read(file: Path) -> ExtentSamples:
        """Raises InputError where the file holds something else."""
        try:
            with np.load(file, allow_pickle=False) as arrays:
                samples = ExtentSamples(
                    **{name: arrays[name] for name in ("features", "beyond", "size_m", "open_share")}
                )
        except (OSError, KeyError, ValueError) as error:
            raise InputError(
                f"{file} holds no samples of extents; make it with `python -m pipelines.sample_extents`."
            ) from error
        if samples.features.shape[1:] != (FEATURES,) or samples.beyond.shape[1:] != (SIDES,):
            raise InputError(f"{file} holds samples of another version; make it again (docs/training-data.md).")
        return samples


def sample_extents(pack: ModelPack, *, split: str, seed: int, rooms: int) -> ExtentSamples:
    """The cut objects of consecutive rooms; raises InputError where they show none."""
    rows = list(_rows(pack, split=split, seed=seed, rooms=rooms))
    if not rows:
        raise InputError(f"{rooms} rooms show no object that is cut; ask for more.")
    return ExtentSamples(
        features=np.array([cut.features for cut, _ in rows]),
        beyond=np.array([beyond for _, beyond in rows]),
        size_m=np.array([cut.box.size_m for cut, _ in rows]),
        open_share=np.array([cut.open_share for cut, _ in rows]),
    )


def _rows(pack: ModelPack, *, split: str, seed: int, rooms: int) -> Iterator[tuple[CutBox, Float[np.ndarray, "6"]]]:
    shelf, tensors = Shelf.of(pack, split), PackTensors.of(pack, "cpu")
    for number in range(rooms):
        seen = see_room(tensors, sample_room(shelf, first_seed(seed, split) + number, SIZE_PX), SIZE_PX)
        for item in seen_things(seen):
            try:
                cut = look(item.volume).cut
            except StageFailed:  # too little of it
                continue
            if cut.open_share >= _LEAST_OPEN:
                yield cut, _beyond(item.triangles_in(pack, cut.box), cut)


def _beyond(triangles_box: Float[np.ndarray, "F 3 3"], cut: CutBox) -> Float[np.ndarray, "6"]:
    below, above = cut.box.low - triangles_box.min(axis=(0, 1)), triangles_box.max(axis=(0, 1)) - cut.box.high
    return np.clip(np.stack([below, above], axis=1).ravel() / float(cut.box.size_m.max()), 0.0, MOST_GROWTH)
