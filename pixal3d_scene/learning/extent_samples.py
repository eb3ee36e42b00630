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
from scipy.spatial.transform import RigidTransform, Rotation

from ..camera import Camera
from ..crop import CropVolume, plan_crops
from ..depth import Depth
from ..errors import InputError, StageFailed
from ..generator.lift_box import visible_box
from ..generator.lift_cut import FEATURES, SIDES, CutBox, look_at_cut
from ..generator.lift_extent import MOST_GROWTH
from ..generator.lift_foot import find_foot
from ..generator.lift_visible import believed_pixels, points_at
from ..instances import Instance, Instances
from ..photo import Photo
from .model_pack import ModelPack
from .object_choice import SeenRoom, instance_ids, see_room
from .room_stream import first_seed
from .sample_furniture import Shelf
from .sample_room import sample_room
from .sampled_room import Thing
from .scene_tensors import PackTensors

SIZE_PX = (320, 240)
_LEAST_PX, _LEAST_POINTS = 150, 24
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
        for volume, thing in _volumes(seen):
            cut = _cut(volume)
            if cut is not None and cut.open_share >= _LEAST_OPEN:
                yield cut, _beyond(pack, thing, cut)


def _volumes(seen: SeenRoom) -> list[tuple[CropVolume, Thing]]:
    """The room's models as `lift` would see them with perfect masks and depth."""
    room = seen.room
    pose = RigidTransform.from_components(room.eye_world, Rotation.from_matrix(room.R_cam_from_world.T))
    camera = Camera(K=np.asarray(room.K, dtype=np.float64), size_px=SIZE_PX).at(pose)
    ids = instance_ids(seen.triangles, seen.visible.face)[0].numpy()
    things = {t.number: t for t in room.things if t.number and t.model >= 0 and (ids == t.number).sum() >= _LEAST_PX}
    if not things:
        return []
    instances = Instances(
        label_map=np.where(np.isin(ids, list(things)), ids, 0).astype(np.uint16),
        items=tuple(Instance(mask_value=number) for number in things),
        source="rendered",
    )
    depth = Depth(
        z_m=seen.visible.z_m[0].numpy(), valid=(seen.visible.face[0] >= 0).numpy(), camera=camera, source="rendered"
    )
    photo = Photo(rgb=np.zeros((*ids.shape, 3), dtype=np.uint8), file_name="room.png", sha256="0" * 64)
    try:
        volumes = plan_crops(photo, instances, depth, size_px=64, margin=1.1)
    except StageFailed:  # one of them fills more than half of all directions
        return []
    return [(volume, things[volume.instance.mask_value]) for volume in volumes]


def _cut(volume: CropVolume) -> CutBox | None:
    seen = believed_pixels(volume)
    if seen.sum() < _LEAST_POINTS:
        return None
    seen_world, camera = points_at(volume, *np.nonzero(seen)), volume.depth.camera
    pixel_m = float(np.median(volume.depth.z_m[seen])) / float(camera.K[0, 0])
    foot = find_foot(volume, seen, seen_world)
    box = visible_box(seen_world, camera.centre_world, bottom_m=foot.bottom_m, slack_m=pixel_m / 2)
    return look_at_cut(volume, seen, seen_world, box)


def _beyond(pack: ModelPack, thing: Thing, cut: CutBox) -> Float[np.ndarray, "6"]:
    vertices_world = pack.vertices_node(thing.model).astype(np.float64) @ thing.axes_world.T + thing.place_world
    points = cut.box.box_from_world(vertices_world)
    below, above = cut.box.low - points.min(axis=0), points.max(axis=0) - cut.box.high
    return np.clip(np.stack([below, above], axis=1).ravel() / float(cut.box.size_m.max()), 0.0, MOST_GROWTH)
