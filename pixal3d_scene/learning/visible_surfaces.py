"""What rasterised pixels show of sampled rooms: points, normals, colours. World, metres, linear RGB; torch alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from .rasterise import Visible
from .scene_tensors import SceneTriangles
from .shade import Seen
from .textures import Surface, albedo, noise_atlas

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float, Float32


def stacked(arrays: Sequence[np.ndarray], device: torch.device) -> Float32[Tensor, "B *n"]:
    """Arrays of one shape, one per room."""
    return torch.tensor(np.stack(arrays), dtype=torch.float32, device=device)


def in_cameras(
    triangles: SceneTriangles, R: Float32[Tensor, "B 3 3"], eye: Float32[Tensor, "B 3"]
) -> Float32[Tensor, "F 3 3"]:
    """The triangles' corners in `cam` of their rooms, m."""
    away = triangles.corners_world - eye[triangles.scene][:, None]
    return torch.einsum("fij,fkj->fki", R[triangles.scene], away)


def interpolated(values: Float[Tensor, "F 3 c"], visible: Visible) -> Float[Tensor, "B H W c"]:
    """Values at the triangles' corners, at every pixel."""
    return torch.einsum("bhwk,bhwkc->bhwc", visible.barycentric, values[visible.face.clamp_min(0)])


def flat_normals(corners: Float32[Tensor, "F 3 3"]) -> Float32[Tensor, "F 3"]:
    """Unit normals by the corners' order."""
    across = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return across / across.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def visible_points(
    triangles: SceneTriangles, visible: Visible, eye: Float32[Tensor, "B 3"]
) -> tuple[Float32[Tensor, "B H W 3"], Float32[Tensor, "B H W 3"]]:
    """Points and flat normals, towards the eye, in world."""
    points = interpolated(triangles.corners_world, visible)
    flat = flat_normals(triangles.corners_world)[visible.face.clamp_min(0)]
    behind = (flat * (eye[:, None, None] - points)).sum(-1, keepdim=True) < 0
    return points, flat * torch.where(behind, -1.0, 1.0)


def seen_surfaces(
    triangles: SceneTriangles,
    visible: Visible,
    focal_px: Float32[Tensor, "#B #H #W"],
    eye: Float32[Tensor, "B 3"],
) -> Seen:
    """The visible surfaces with their colours; details finer than a pixel of that focal length are faded out."""
    face = visible.face.clamp_min(0)
    points, flat = visible_points(triangles, visible, eye)
    to_eye = eye[:, None, None] - points
    smooth = interpolated(triangles.normals_world, visible)
    smooth = smooth * torch.where((smooth * flat).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    length = smooth.norm(dim=-1, keepdim=True)
    facing = (flat * to_eye).sum(-1).abs() / to_eye.norm(dim=-1).clamp_min(1e-6)
    row = triangles.materials[triangles.material[face]]
    return Seen(
        found=visible.face >= 0,
        points_world=points,
        normals_world=torch.where(length > 1e-3, smooth / length.clamp_min(1e-3), flat),
        albedo=worn_colours(triangles, visible, visible.z_m / focal_px / facing.clamp_min(0.15)),
        gloss=row[..., 10],
        glow=row[..., 11],
        z_m=visible.z_m,
        eye_world=eye,
    )


def worn_colours(
    triangles: SceneTriangles, visible: Visible, pixel_m: Float32[Tensor, "B H W"]
) -> Float32[Tensor, "B H W 3"]:
    """Reflectance of the visible surfaces; pixel_m: what is finer is faded out."""
    face = visible.face.clamp_min(0)
    worn = torch.cat([triangles.corners_local, triangles.colours.float() / 255], dim=2)
    local, coded = interpolated(worn, visible).split(3, dim=-1)  # type: ignore[no-untyped-call]
    size = triangles.thing_size_m[triangles.thing[face]].clamp_min(1e-4)
    row = triangles.materials[triangles.material[face]]
    axis = _main_axis(triangles, face)
    surface = Surface(
        u=torch.where(axis == 0, local[..., 2], local[..., 0]).flatten(),
        v=torch.where(axis == 1, local[..., 2], local[..., 1]).flatten(),
        relative=(local / size).reshape(-1, 3),
        own=torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4).reshape(-1, 3),
        pixel_m=pixel_m.flatten(),
        row=row.reshape(-1, row.shape[-1]),
    )
    return albedo(surface, noise_atlas(face.device)).reshape(local.shape)


def _main_axis(triangles: SceneTriangles, face: Tensor) -> Tensor:
    """The thing's own axis that a triangle looks along: patterns lie on the other two."""
    return flat_normals(triangles.corners_local).abs().argmax(dim=-1)[face]
