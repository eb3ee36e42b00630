"""A sampled room seen through crop cameras: sharp pictures of single objects with real light and what stands before.

All crop cameras of a room share the photo's centre of projection, so they share its shadow maps and its exposure, and
only the pixels that the object shows (and a few around them) are shaded. Torch and numpy alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .object_batch import EDGE_PX, OBJECT, object_region
from .object_choice import SeenRoom, instance_ids
from .phone_camera import developed
from .rasterise import Visible, rasterise
from .scene_tensors import SceneTriangles
from .shade import dimmed_corners, radiance
from .visible_surfaces import seen_surfaces, stacked, visible_points

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float, Float32, UInt8

_SHADED_PX = EDGE_PX + 3  # around the object: as far as blur and sharpening reach
_METERED_EVERY = 4  # pixels of the photo


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPictures:
    """V crops of S x S; picture and z_m hold the object and EDGE_PX pixels around it, region as `ObjectBatch`."""

    picture: UInt8[Tensor, "V 3 S S"]
    region: UInt8[Tensor, "V S S"]
    z_m: Float32[Tensor, "V S S"]


def crop_pictures(
    seen: SeenRoom,
    numbers: Sequence[int],
    K_crop: Sequence[Float[np.ndarray, "3 3"]],
    R_cropcam_from_cam: Sequence[Float[np.ndarray, "3 3"]],
    *,
    size_px: int,
    finer: int = 1,
) -> CropPictures:
    """The objects with instance ids `numbers`, each through its crop camera.

    finer: shaded at that many times the size and averaged; region and depth are those of the pixel centres.
    """
    device = seen.triangles.corners_world.device
    room, triangles = seen.room, seen.triangles
    K = stacked(K_crop, device)
    turns = [R @ room.R_cam_from_world for R in R_cropcam_from_cam]
    eye = stacked([room.eye_world], device)
    corners = _in_crop_cameras(triangles, stacked(turns, device), eye)
    visible = _rasterised(corners, K, (size_px, size_px))
    ids = instance_ids(triangles, visible.face)
    in_photo = _in_photo(seen, K, stacked(R_cropcam_from_cam, device), size_px)
    regions = [object_region(ids[v], visible.z_m[v], number, in_photo[v]) for v, number in enumerate(numbers)]
    region = torch.stack(regions)
    points, flat = visible_points(triangles, visible, eye.expand(len(K), 3))
    corner = dimmed_corners(points, flat, visible.z_m, K[:, 0, 0])
    shaded = _grown(region == OBJECT, _SHADED_PX)
    fine, fine_focal_px = visible, K[:, 0, 0]
    if finer > 1:
        fine_focal_px = K[:, 0, 0] * finer
        fine_K = K * torch.tensor([finer, finer, 1.0], device=device)[:, None]
        fine = _rasterised(corners, fine_K, (size_px * finer, size_px * finer))
        corner = F.interpolate(corner[:, None], scale_factor=finer, mode="bilinear", align_corners=False)[:, 0]
        shaded = shaded.repeat_interleave(finer, 1).repeat_interleave(finer, 2)
    light, metered = _light(seen, fine, fine_focal_px, corner, shaded)
    light = F.avg_pool2d(light.permute(0, 3, 1, 2), finer).permute(0, 2, 3, 1)
    seeds = [(room.seed * 64 + number) & 0x7FFFFFFFFFFFFFFF for number in numbers]
    near = _grown(region == OBJECT, EDGE_PX) & in_photo
    return CropPictures(picture=developed(light, seeds, metered) * near[:, None], region=region, z_m=visible.z_m * near)


def _in_crop_cameras(
    triangles: SceneTriangles, R_cropcam_from_world: Float32[Tensor, "V 3 3"], eye: Float32[Tensor, "1 3"]
) -> Float32[Tensor, "V F 3 3"]:
    return torch.einsum("vij,fkj->vfki", R_cropcam_from_world, triangles.corners_world - eye)


def _rasterised(corners: Float32[Tensor, "V F 3 3"], K: Float32[Tensor, "V 3 3"], size_px: tuple[int, int]) -> Visible:
    """As `rasterise`; faces are counted from each view's own first one."""
    views, faces = corners.shape[:2]
    scene = torch.arange(views, device=K.device).repeat_interleave(faces)
    visible = rasterise(corners.flatten(0, 1), scene, K, size_px)
    own = visible.face - torch.arange(views, device=K.device)[:, None, None] * faces
    return Visible(face=torch.where(visible.face >= 0, own, -1), z_m=visible.z_m, barycentric=visible.barycentric)


def _in_photo(
    seen: SeenRoom, K: Float32[Tensor, "V 3 3"], R_cropcam_from_cam: Float32[Tensor, "V 3 3"], size_px: int
) -> Bool[Tensor, "V S S"]:
    """The crops' pixels whose centres the photo shows."""
    height, width = seen.visible.face.shape[1:]
    at = torch.arange(size_px, device=K.device) + 0.5
    y, x = torch.meshgrid(at, at, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1)
    photo_from_crop = stacked([seen.room.K], K.device)[0] @ R_cropcam_from_cam.mT @ torch.linalg.inv(K)
    u, v, w = torch.einsum("vij,yxj->ivyx", photo_from_crop, pixels)
    return (w > 0) & (u > 0) & (u < width * w) & (v > 0) & (v < height * w)


def _grown(mask: Bool[Tensor, "V S S"], by_px: int) -> Bool[Tensor, "V S S"]:
    return F.max_pool2d(mask[:, None].float(), 2 * by_px + 1, stride=1, padding=by_px)[:, 0] > 0


def _light(
    seen: SeenRoom,
    fine: Visible,
    focal_px: Float32[Tensor, "V"],
    corner: Float32[Tensor, "V H W"],
    shaded: Bool[Tensor, "V H W"],
) -> tuple[Float32[Tensor, "V H W 3"], Float32[Tensor, "1 N 3"]]:
    """Linear light of the crops, its mean where it is not computed; and of some of the photo's pixels.

    All are shaded as one picture of a single row, so that the shadow maps are made once.
    """
    views = shaded.nonzero()[:, 0]
    few = (slice(None), slice(1, None, _METERED_EVERY), slice(1, None, _METERED_EVERY))
    photo = seen.visible
    photo_focal_px = photo.z_m.new_tensor(seen.room.K[0, 0]).expand(photo.z_m[few].numel())

    def row(crops: Tensor, of_photo: Tensor) -> Tensor:
        return torch.cat([crops[shaded], of_photo[few].flatten(0, 2)])[None, :, None]

    visible = Visible(
        face=row(fine.face, photo.face),
        z_m=row(fine.z_m, photo.z_m),
        barycentric=row(fine.barycentric, photo.barycentric),
    )
    focal = torch.cat([focal_px[views], photo_focal_px])[None, :, None]
    eye = stacked([seen.room.eye_world], fine.z_m.device)
    open_corner = row(corner, torch.full_like(photo.z_m, 0.85))  # about the mean
    light = radiance(seen_surfaces(seen.triangles, visible, focal, eye), open_corner, seen.triangles, [seen.room])[
        0, :, 0
    ]
    metered = light[len(views) :]
    mean = metered.mean(dim=0)
    # Clipped: one bright spot must not make its whole pixel white.
    whole = mean.expand(*shaded.shape, 3).clone()
    whole[shaded] = light[: len(views)].clamp_max(6 * float(mean.mean().clamp_min(1e-3)))
    return whole, metered[None]
