"""Which objects of a sampled room are worth learning from: a cheap pass of ids and depth through the photo's camera."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .rasterise import Visible, rasterise
from .sampled_room import SampledRoom, Thing
from .scene_tensors import PackTensors, SceneTriangles, scene_triangles
from .visible_surfaces import in_cameras, stacked

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool

PHOTO_PX = (256, 192)
_LEAST_PX, _LEAST_VISIBLE = 200, 0.35  # of the object's pixels in a picture of PHOTO_PX, and of what it would cover
_MOST_AT_BORDER = 0.12  # of the outline of the mask's box: little is missing then


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRoom:
    """A room's triangles and what its photo shows."""

    room: SampledRoom
    triangles: SceneTriangles
    visible: Visible


def see_room(pack: PackTensors, room: SampledRoom, size_px: tuple[int, int] = PHOTO_PX) -> SeenRoom:
    """Without light and colours. size_px: that the room was sampled for."""
    device = pack.corners.device
    triangles = scene_triangles(pack, [room])
    R, eye = stacked([room.R_cam_from_world], device), stacked([room.eye_world], device)
    most = max(1, sum(t.number > 0 for t in room.things))
    visible = rasterise(
        in_cameras(triangles, R, eye), triangles.scene, stacked([room.K], device), size_px,
        group=triangles.thing_number[triangles.thing] - 1, groups=most,
    )  # fmt: skip
    return SeenRoom(room=room, triangles=triangles, visible=visible)


def instance_ids(triangles: SceneTriangles, face: Tensor) -> Tensor:
    """Of pixels that show a triangle; 0 where there is none."""
    return torch.where(face >= 0, triangles.thing_number[triangles.thing[face.clamp_min(0)]], 0)


def choose_objects(seen: SeenRoom, most: int) -> list[tuple[Thing, Bool[np.ndarray, "H W"]]]:
    """Up to `most` objects, drawn by the room's seed, with the masks of their visible pixels.

    Models only, with 200 visible pixels of a 256 x 192 picture, 35 % of what they would cover, and not cut off by the
    picture's border but for a little.
    """
    ids = instance_ids(seen.triangles, seen.visible.face)[0].cpu().numpy()
    assert seen.visible.covered is not None
    whole_px = seen.visible.covered[0].sum(dim=(1, 2)).cpu().numpy()
    fit = []
    for thing in seen.room.things:
        if thing.number == 0 or thing.model < 0:
            continue
        mask = ids == thing.number
        count = int(mask.sum())
        if count >= _LEAST_PX and count >= _LEAST_VISIBLE * whole_px[thing.number - 1] and not _is_cut(mask):
            fit.append((thing, mask))
    order = np.random.default_rng([seen.room.seed, 23]).permutation(len(fit))
    return [fit[k] for k in order[:most]]


def _is_cut(mask: Bool[np.ndarray, "H W"]) -> bool:
    at_border = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    return bool(at_border > _MOST_AT_BORDER * 2 * (mask.any(axis=0).sum() + mask.any(axis=1).sum()))
