"""What the network of reliefs learns from: objects of rendered rooms as the front-end meets them, and their true depth.

The room's box, the outlines' blocks and their footing come from the generator's own functions; the front-end network
tells its depth, which is scaled to the room as in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float16, Float32, UInt8

from ..camera import Camera
from ..errors import InputError
from ..frontend.relief_picture import (
    CHANNELS,
    MOST,
    RGB_SIDE_PX,
    SIDE_PX,
    SeenRelief,
    relief_picture,
    resized_within,
    window_around,
)
from ..frontend.room_box import RoomBox, room_axes
from ..frontend.room_geometry import place_objects
from ..frontend.standing import Footing, LevelView, find_foot
from ..frontend.view import pose_from_up
from ..instances import SHELL_PARTS, Instance, Instances
from .augment import shrunk
from .room_batch import RoomBatch
from .sample_files import read_samples, write_samples

if TYPE_CHECKING:
    from torch import Tensor

    from ..frontend.front_end_network import FrontEndNetwork

_LEAST_PX = 120
_FAR_M = 1e3
_LEVEL = 0.3  # walls' normals are no steeper

MADE_BY = "python -m pipelines.sample_reliefs"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliefSamples:
    """N objects. picture: of `relief_picture`. farther: log(depth / block). covered: 255 times the share of a pixel of
    the window that shows the object."""

    picture: Float16[np.ndarray, "N C n n"]
    farther: Float16[np.ndarray, "N n n"]
    covered: UInt8[np.ndarray, "N n n"]

    def write(self, file: Path) -> None:
        """See `write_samples`."""
        write_samples(self, file)

    @staticmethod
    def read(file: Path) -> ReliefSamples:
        """Raises InputError where the file holds something else."""
        shapes = {"picture": (CHANNELS, SIDE_PX, SIDE_PX)}
        return read_samples(ReliefSamples, file, shapes, made_by=MADE_BY)


def sample_reliefs(batch: RoomBatch, network: FrontEndNetwork) -> ReliefSamples:
    """The objects of rendered rooms, looked at by the front-end network at the size that it was trained on.

    Raises InputError where they show none.
    """
    network_m = _network_depth(shrunk(batch, network.config.side_px).rgb, network, batch.size_px)
    small = shrunk(batch, RGB_SIDE_PX).rgb.permute(0, 2, 3, 1).numpy()
    rows = [row for k in range(len(batch)) for row in _rows(batch, k, network_m[k], small[k])]
    if not rows:
        raise InputError("The rooms show no object; give others.")
    picture, farther, covered = (np.stack(part) for part in zip(*rows, strict=True))
    return ReliefSamples(
        picture=picture.astype(np.float16),
        farther=farther.astype(np.float16),
        covered=(covered * 255).round().astype(np.uint8),
    )


def _network_depth(
    rgb: UInt8[Tensor, "B 3 h w"], network: FrontEndNetwork, size_px: tuple[int, int]
) -> Float32[np.ndarray, "B H W"]:
    """Metres of the network's own scale."""
    import torch
    from torch.nn.functional import interpolate

    with torch.inference_mode():
        log_depth = network(rgb.float() / 255).log_depth
    fine = interpolate(log_depth[:, None], size=size_px[::-1], mode="bilinear", align_corners=False)[:, 0]
    return fine.exp().numpy()


def _rows(
    batch: RoomBatch, k: int, network_m: Float32[np.ndarray, "H W"], rgb: UInt8[np.ndarray, "h w 3"]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    z_m, valid = batch.z_m[k].numpy().astype(np.float64), batch.valid[k].numpy()
    ids = batch.instance_ids[k].numpy()
    values, counts = np.unique(ids[ids > 0], return_counts=True)
    items = tuple(Instance(mask_value=int(v)) for v, n in zip(values, counts, strict=True) if n >= _LEAST_PX)
    camera = Camera(K=batch.K[k].numpy().astype(np.float64), size_px=batch.size_px)
    up_cam = batch.up_cam[k].numpy().astype(np.float64)
    camera = camera.at(pose_from_up(up_cam, height_m=float(batch.camera_height_m[k])))
    box = _true_box(camera, z_m, valid, batch.normals_cam[k].numpy(), batch.shell_part[k].numpy())
    room = valid & (ids == 0)
    if box is None or not items or not room.any():
        return
    network_m = network_m * np.exp(np.median(np.log(z_m[room] / network_m[room])))
    instances = Instances(
        label_map=np.where(np.isin(ids, [i.mask_value for i in items]), ids, 0).astype(np.uint16),
        items=items,
        source="rendered",
    )
    level, placed_m = LevelView(camera, box), np.where(valid, z_m, _FAR_M)
    feet = {i.mask_value: find_foot(instances.label_map, i.mask_value) for i in items}
    found = []

    def join(
        mask: Bool[np.ndarray, "H W"], relief_m: Float[np.ndarray, "n"], footing: Footing
    ) -> Float[np.ndarray, "n"]:
        window = window_around(mask)
        seen = SeenRelief(relief_m=relief_m, network_m=network_m[mask], usable=valid[mask], footing=footing)
        picture = relief_picture(rgb, mask, (ids > 0) & ~mask, seen, level, window)
        known = mask & valid
        farther = np.clip(np.log(z_m[known] / relief_m[valid[mask]]), -MOST, MOST)
        covered = resized_within(np.ones(int(known.sum())), known, window)
        share = np.where(covered > 0, picture[3], 0)
        found.append((picture, resized_within(farther, known, window), np.clip(share, 0, 1)))
        return z_m[mask]

    place_objects(placed_m, instances, feet, level, join=join)
    yield from found


def _true_box(
    camera: Camera,
    z_m: Float[np.ndarray, "H W"],
    valid: Bool[np.ndarray, "H W"],
    normals_cam: Float32[np.ndarray, "3 H W"],
    part: UInt8[np.ndarray, "H W"],
) -> RoomBox | None:
    """The box of the room's visible walls; what is not visible is far away. None without a wall."""
    wall = valid & (part == SHELL_PARTS.index("wall"))
    up_cam = camera.up_cam
    normals = normals_cam[:, wall].T
    upright = np.abs(normals @ up_cam) < _LEVEL
    if not upright.any():
        return None
    axes = room_axes(camera, 0.0)
    level = normals[upright] @ axes[:2].T  # ahead, right
    turns = 4 * np.arctan2(level[:, 1], level[:, 0])
    yaw_rad = -float(np.arctan2(np.sin(turns).mean(), np.cos(turns).mean())) / 4
    axes = room_axes(camera, yaw_rad)
    points_room = (camera.rays_cam() * z_m[..., None])[wall][upright] @ axes.T
    facing = normals[upright] @ axes.T

    def distance_m(axis: int, sign: int) -> float:
        on = -sign * facing[:, axis] > 0.9
        return float(np.median(sign * points_room[on, axis])) if on.sum() > 20 else _FAR_M

    return RoomBox(
        R_room_from_cam=axes,
        camera_height_m=float(camera.centre_world[1]),
        ahead_m=max(distance_m(0, 1), 0.1),
        left_m=max(distance_m(1, -1), 0.1),
        right_m=max(distance_m(1, 1), 0.1),
        ceiling_m=np.inf,
    )
