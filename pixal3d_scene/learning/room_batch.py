"""A batch of rendered rooms with their truth: what the networks of the front-end are trained on.

Pictures in the frame `photo` (pixel centres at +0.5), lengths in metres, axes of `cam` (x right, y down, z forward).
Torch and numpy alone are enough to import and to use it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields

import torch
from torch import Tensor

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float32, Int64, UInt8


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectTruth:
    """The objects of B rooms, padded to N; index n is the object with instance id n + 1 of its room.

    present: False in the padding, where all else is zero. Objects that no pixel shows are present as well:
    `visible_px` says how many do.
    label: index into `vocabulary.LABELS`. support: index into `vocabulary.SUPPORTS`.
    carrier: instance id of the object that it stands on, 0 for none.
    model: index into the pack's models, -1 for none (rugs, pictures, mirrors).
    centre_cam: middle of its box. size_m: the box along the node axes. R_cam_from_node: y of node is up.
    centre_px: where the camera sees that middle; may lie outside the picture, unspecified behind the camera.
    box_px: (left, top, right, bottom) of the pixels that it would cover if nothing stood before it.
    visible_fraction: of those pixels, the share that shows it. cut: its box reaches out of the picture.
    """

    present: Bool[Tensor, "B N"]
    label: Int64[Tensor, "B N"]
    support: Int64[Tensor, "B N"]
    carrier: Int64[Tensor, "B N"]
    model: Int64[Tensor, "B N"]
    centre_cam: Float32[Tensor, "B N 3"]
    size_m: Float32[Tensor, "B N 3"]
    R_cam_from_node: Float32[Tensor, "B N 3 3"]
    centre_px: Float32[Tensor, "B N 2"]
    box_px: Int64[Tensor, "B N 4"]
    visible_px: Int64[Tensor, "B N"]
    visible_fraction: Float32[Tensor, "B N"]
    cut: Bool[Tensor, "B N"]

    def to(self, device: torch.device | str) -> ObjectTruth:
        """The same on another device."""
        return ObjectTruth(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomBatch:
    """B pictures of rooms with their truth.

    rgb: sRGB. z_m: along +z of cam, unspecified where `valid` is False (nothing there, or beyond a window).
    normals_cam: unit normal of the visible surface, towards the camera. instance_ids: 0 for the room itself, else the
    object's id. shell_part: index into `SHELL_PARTS`, 0 on objects. label: index into `vocabulary.LABELS`,
    0 as well where `instance_ids` is 0. up_cam: unit vector against gravity. camera_height_m: above the floor.
    seeds: what each room was composed from.
    """

    rgb: UInt8[Tensor, "B 3 H W"]
    z_m: Float32[Tensor, "B H W"]
    valid: Bool[Tensor, "B H W"]
    normals_cam: Float32[Tensor, "B 3 H W"]
    instance_ids: Int64[Tensor, "B H W"]
    shell_part: UInt8[Tensor, "B H W"]
    label: Int64[Tensor, "B H W"]
    K: Float32[Tensor, "B 3 3"]
    up_cam: Float32[Tensor, "B 3"]
    camera_height_m: Float32[Tensor, "B"]
    objects: ObjectTruth
    seeds: Int64[Tensor, "B"]

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        return self.z_m.shape[2], self.z_m.shape[1]

    def __len__(self) -> int:
        return len(self.seeds)

    def to(self, device: torch.device | str) -> RoomBatch:
        """The same on another device."""
        return RoomBatch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def rays_cam(self) -> Float32[Tensor, "B H W 3"]:
        """Direction through every pixel centre, with z = 1."""
        width, height = self.size_px
        x = torch.arange(width, device=self.K.device, dtype=torch.float32) + 0.5
        y = torch.arange(height, device=self.K.device, dtype=torch.float32) + 0.5
        K = self.K[:, :, :, None, None]
        rays_x = (x[None, :] - K[:, 0, 2]) / K[:, 0, 0]  # (B, 1, W)
        rays_y = (y[:, None] - K[:, 1, 2]) / K[:, 1, 1]  # (B, H, 1)
        shape = self.z_m.shape
        return torch.stack([rays_x.expand(shape), rays_y.expand(shape), self.z_m.new_ones(shape)], dim=-1)

    def points_cam(self) -> Float32[Tensor, "B H W 3"]:
        """The visible point of every pixel; unspecified where not valid."""
        return self.rays_cam() * self.z_m[..., None]

    def height_m(self) -> Float32[Tensor, "B H W"]:
        """Height of every visible point above the floor; unspecified where not valid."""
        return torch.einsum("bhwc,bc->bhw", self.points_cam(), self.up_cam) + self.camera_height_m[:, None, None]
