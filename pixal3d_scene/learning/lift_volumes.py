"""The models of a sampled room as `lift` would see them: with perfect masks, and a depth that is perfect or worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform, Rotation

from ..camera import Camera
from ..crop import CropVolume, plan_crops
from ..depth import Depth
from ..errors import StageFailed
from ..generator.lift_box import Box
from ..generator.lift_visible import with_surroundings
from ..instances import Instance, Instances
from ..photo import Photo
from .model_pack import ModelPack
from .object_choice import SeenRoom, instance_ids
from .sampled_room import Thing

SIZE_PX = (320, 240)
_LEAST_PX = 150
_NOISE, _SMOOTH_ERROR, _WAVES = 0.02, 0.04, 5  # of depth, at most; bends across the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenThing:
    """One model of a room, and the crop volume that shows it."""

    volume: CropVolume
    thing: Thing

    def triangles_in(self, pack: ModelPack, box: Box) -> Float[np.ndarray, "F 3 3"]:
        """Of its true mesh, in the frame of a box."""
        vertices = pack.vertices_node(self.thing.model).astype(np.float64)
        return self._placed(vertices, box)[pack.faces_of(self.thing.model)]

    def seals_in(self, pack: ModelPack, box: Box) -> Float[np.ndarray, "4 3 3"]:
        """Its bounding box's back and bottom, where models are often open since nobody looks."""
        vertices = pack.vertices_node(self.thing.model).astype(np.float64)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        back = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
        bottom = [(low[0], low[2]), (high[0], low[2]), (high[0], high[2]), (low[0], high[2])]
        corners = np.array([*((x, y, low[2]) for x, y in back), *((x, low[1], z) for x, z in bottom)])
        return self._placed(corners, box)[[[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]]]

    def _placed(self, points_node: Float[np.ndarray, "n 3"], box: Box) -> Float[np.ndarray, "n 3"]:
        return box.box_from_world(points_node @ self.thing.axes_world.T + self.thing.place_world)


def seen_things(seen: SeenRoom, *, worse: np.random.Generator | None = None) -> list[SeenThing]:
    """Of a room that `see_room` looked at with SIZE_PX. worse: of every second room the depth errs as estimates do."""
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
    z_m = seen.visible.z_m[0].numpy()
    if worse is not None and worse.random() < 0.5:
        z_m = _worse(z_m, worse)
    depth = Depth(z_m=z_m, valid=(seen.visible.face[0] >= 0).numpy(), camera=camera, source="rendered")
    photo = Photo(rgb=np.zeros((*ids.shape, 3), dtype=np.uint8), file_name="room.png", sha256="0" * 64)
    try:
        volumes = plan_crops(photo, instances, depth, size_px=64, margin=1.1)
    except StageFailed:  # one of them fills more than half of all directions
        return []
    return [SeenThing(volume=v, thing=things[v.instance.mask_value]) for v in with_surroundings(volumes)]


def _worse(z_m: Float[np.ndarray, "H W"], rng: np.random.Generator) -> Float[np.ndarray, "H W"]:
    """Bent smoothly, and noisy."""
    coarse = torch.from_numpy(rng.normal(size=(1, 1, _WAVES, _WAVES)))
    waves = torch.nn.functional.interpolate(coarse, size=z_m.shape, mode="bicubic", align_corners=False)[0, 0].numpy()
    bent = waves / np.abs(waves).max() * _SMOOTH_ERROR * rng.random()
    noise = rng.normal(size=z_m.shape) * _NOISE * rng.random() ** 2  # most have little
    return (z_m * (1 + bent + noise)).astype(np.float32)
