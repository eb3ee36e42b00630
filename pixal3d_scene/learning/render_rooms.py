"""Sampled rooms in, a `RoomBatch` out: pictures and their truth. Torch and numpy alone, on CPU and CUDA alike."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .object_truth import object_truth
from .phone_camera import developed
from .rasterise import Visible, rasterise
from .room_batch import RoomBatch
from .sampled_room import SampledRoom
from .scene_tensors import PackTensors, SceneTriangles, scene_triangles
from .shade import Seen, radiance
from .textures import Surface, albedo, noise_atlas

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float, Float32


def render_rooms(
    pack: PackTensors, rooms: Sequence[SampledRoom], size_px: tuple[int, int], *, finer: int = 2
) -> RoomBatch:
    """The rooms' pictures and truth.

    finer: the picture is rendered that many times as large and averaged, as a lens does; the truth is that of the
    pixel centres.
    """
    device = pack.corners.device
    triangles = scene_triangles(pack, rooms)
    K = _stacked([r.K for r in rooms], device)
    R = _stacked([r.R_cam_from_world for r in rooms], device)
    eye = _stacked([r.eye_world for r in rooms], device)
    corners_cam = _in_cameras(triangles, R, eye)
    visible = rasterise(corners_cam, triangles.scene, K, size_px)
    fine = visible
    fine_K = K
    if finer > 1:
        fine_K = K * torch.tensor([finer, finer, 1.0], device=device)[:, None]
        fine = rasterise(corners_cam, triangles.scene, fine_K, (size_px[0] * finer, size_px[1] * finer))
    light = radiance(_seen(triangles, fine, fine_K, eye, R), triangles, rooms)
    if finer > 1:
        # Clipped first: one bright spot must not make its whole pixel white.
        light = F.avg_pool2d(light.clamp_max(_clip_level(light)).permute(0, 3, 1, 2), finer).permute(0, 2, 3, 1)
    return _batch(rooms, triangles, visible, corners_cam, K, R, eye, developed(light, [r.seed for r in rooms]))


def _clip_level(light: Float32[Tensor, "B H W 3"]) -> Float32[Tensor, "B 1 1 1"]:
    return 6 * light.mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-3)


def _stacked(arrays: Sequence[np.ndarray], device: torch.device) -> Float32[Tensor, "B *n"]:
    return torch.tensor(np.stack(arrays), dtype=torch.float32, device=device)


def _in_cameras(
    triangles: SceneTriangles, R: Float32[Tensor, "B 3 3"], eye: Float32[Tensor, "B 3"]
) -> Float32[Tensor, "F 3 3"]:
    away = triangles.corners_world - eye[triangles.scene][:, None]
    return torch.einsum("fij,fkj->fki", R[triangles.scene], away)


def _interpolated(values: Float[Tensor, "F 3 c"], visible: Visible) -> Float[Tensor, "B H W c"]:
    return torch.einsum("bhwk,bhwkc->bhwc", visible.barycentric, values[visible.face.clamp_min(0)])


def _flat_normals(corners: Float32[Tensor, "F 3 3"]) -> Float32[Tensor, "F 3"]:
    across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return across / across.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def _seen(
    triangles: SceneTriangles,
    visible: Visible,
    K: Float32[Tensor, "B 3 3"],
    eye: Float32[Tensor, "B 3"],
    R: Float32[Tensor, "B 3 3"],
) -> Seen:
    """The visible surfaces with their colours."""
    face = visible.face.clamp_min(0)
    points = _interpolated(triangles.corners_world, visible)
    to_eye = eye[:, None, None] - points
    flat = _flat_normals(triangles.corners_world)[face]
    flat = flat * torch.where((flat * to_eye).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    smooth = _interpolated(triangles.normals_world, visible)
    smooth = smooth * torch.where((smooth * flat).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    length = smooth.norm(dim=-1, keepdim=True)
    normals = torch.where(length > 1e-3, smooth / length.clamp_min(1e-3), flat)
    local = _interpolated(triangles.corners_local, visible)
    size = triangles.thing_size_m[triangles.thing[face]].clamp_min(1e-4)
    coded = _interpolated(triangles.colours.float() / 255, visible)
    row = triangles.materials[triangles.material[face]]
    facing = (flat * to_eye).sum(-1).abs() / to_eye.norm(dim=-1).clamp_min(1e-6)
    axis = _main_axis(triangles, face)
    surface = Surface(
        u=torch.where(axis == 0, local[..., 2], local[..., 0]).flatten(),
        v=torch.where(axis == 1, local[..., 2], local[..., 1]).flatten(),
        relative=(local / size).reshape(-1, 3),
        own=torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).reshape(-1, 3),
        pixel_m=(visible.z_m / K[:, 0, 0, None, None] / facing.clamp_min(0.15)).flatten(),
        row=row.reshape(-1, row.shape[-1]),
    )
    colour = albedo(surface, noise_atlas(points.device)).reshape(points.shape)
    return Seen(
        found=visible.face >= 0,
        points_world=points,
        normals_world=normals,
        albedo=colour,
        gloss=row[..., 10],
        glow=row[..., 11],
        z_m=visible.z_m,
        focal_px=K[:, 0, 0],
        eye_world=eye,
    )


def _main_axis(triangles: SceneTriangles, face: Tensor) -> Tensor:
    """The thing's own axis that a triangle looks along: patterns lie on the other two."""
    return _flat_normals(triangles.corners_local).abs().argmax(dim=-1)[face]


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
    normals = _flat_normals(corners_cam)[face]
    rays = _interpolated(corners_cam, visible)
    normals = normals * torch.where((normals * rays).sum(-1, keepdim=True) > 0, -1.0, 1.0)
    objects = object_truth(rooms, triangles, corners_cam, number, K, R, eye)
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
