"""Sampled rooms in, a `RoomBatch` out: pictures and their truth. Torch and numpy alone, on CPU and CUDA alike."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import Tensor

from .object_truth import object_truth
from .phone_camera import developed
from .rasterise import Visible, rasterise
from .room_batch import RoomBatch
from .sampled_room import SampledRoom
from .scene_tensors import PackTensors, SceneTriangles, scene_triangles
from .shade import dimmed_corners, radiance
from .visible_surfaces import flat_normals, in_cameras, interpolated, seen_surfaces, stacked, visible_points

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float32


def render_rooms(
    pack: PackTensors, rooms: Sequence[SampledRoom], size_px: tuple[int, int], *, finer: int = 2
) -> RoomBatch:
    """The rooms' pictures and truth.

    finer: the picture is rendered that many times as large and averaged, as a lens does; the truth is that of the
    pixel centres.
    """
    device = pack.corners.device
    triangles = scene_triangles(pack, rooms)
    K = stacked([r.K for r in rooms], device)
    R = stacked([r.R_cam_from_world for r in rooms], device)
    eye = stacked([r.eye_world for r in rooms], device)
    corners_cam = in_cameras(triangles, R, eye)
    most = max(1, max(sum(t.number > 0 for t in room.things) for room in rooms))
    group = triangles.thing_number[triangles.thing] - 1
    visible = rasterise(corners_cam, triangles.scene, K, size_px, group=group, groups=most)
    fine = visible
    fine_K = K
    if finer > 1:
        fine_K = K * torch.tensor([finer, finer, 1.0], device=device)[:, None]
        fine = rasterise(corners_cam, triangles.scene, fine_K, (size_px[0] * finer, size_px[1] * finer))
    points, flat = visible_points(triangles, visible, eye)
    corner = dimmed_corners(points, flat, visible.z_m, K[:, 0, 0])  # smooth enough for the picture's own size
    if finer > 1:
        corner = F.interpolate(corner[:, None], scale_factor=finer, mode="bilinear", align_corners=False)[:, 0]
    light = radiance(seen_surfaces(triangles, fine, fine_K[:, 0, 0, None, None], eye), corner, triangles, rooms)
    if finer > 1:
        # Clipped first: one bright spot must not make its whole pixel white.
        light = F.avg_pool2d(light.clamp_max(_clip_level(light)).permute(0, 3, 1, 2), finer).permute(0, 2, 3, 1)
    return _batch(rooms, triangles, visible, corners_cam, K, R, eye, developed(light, [r.seed for r in rooms]))


def _clip_level(light: Float32[Tensor, "B H W 3"]) -> Float32[Tensor, "B 1 1 1"]:
    return 6 * light.mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-3)


def _batch(
    rooms: Sequence[SampledRoom],
    triangles: SceneTriangles,
    visible: Visible,
    corners_cam: Float32[Tensor, "F 3 3"],
    K: Float32[Tensor, "B 3 3"],
    R: Float32[Tensor, "B 3 3"],
    eye: Float32[Tensor, "B 3"],
    rgb: Tensor,
) -> RoomBatch:
    face = visible.face.clamp_min(0)
    valid = visible.face >= 0
    thing = triangles.thing[face]
    number = torch.where(valid, triangles.thing_number[thing], 0)
    part = torch.where(valid & (number == 0), triangles.thing_shell_part[thing], 0)
    normals = flat_normals(corners_cam)[face]
    rays = interpolated(corners_cam, visible)
    normals = normals * torch.where((normals * rays).sum(-1, keepdim=True) > 0, -1.0, 1.0)
    assert visible.covered is not None
    objects = object_truth(rooms, visible.covered, number, K, R, eye)
    label = torch.gather(F.pad(objects.label, (1, 0)), 1, number.flatten(1)).view(number.shape)
    return RoomBatch(
        rgb=rgb,
        z_m=visible.z_m,
        valid=valid,
        normals_cam=(normals * valid[..., None]).permute(0, 3, 1, 2).contiguous(),
        instance_ids=number,
        shell_part=part.to(torch.uint8),
        label=label,
        K=K,
        up_cam=R[:, :, 1].contiguous(),
        camera_height_m=eye[:, 1].contiguous(),
        objects=objects,
        seeds=torch.tensor([r.seed for r in rooms], device=K.device),
    )
