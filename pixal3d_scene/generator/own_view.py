"""What the small object networks see of one object: a crop volume in, the crop camera's small picture of it out.

The same definitions as in training (`learning.object_batch`): a pixel shows what its centre shows; it is the object,
sees past it, or is hidden by something nearer or by the photo's border. Frames: `crop` px at the picture's own size,
z along the axis of the crop camera (`cropcam`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from PIL import Image

from ..arrays import freeze
from ..camera import Camera
from ..conditioning.view_picture import BACKGROUND, HIDDEN, MEDIAN_OBJ, OBJECT
from ..crop import CropVolume
from ..errors import StageFailed
from .lift_visible import believed_pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPixels:
    """What a square picture of the crop camera shows of one object.

    region: as in `conditioning.view_picture`. z_m: along the camera's axis, 0 where it is not the object's or not
    known. camera: in its own frame, without a pose.
    """

    region: UInt8[np.ndarray, "S S"]
    z_m: Float32[np.ndarray, "S S"]
    camera: Camera

    def __post_init__(self) -> None:
        freeze(self, "region", "z_m")


def object_pixels(volume: CropVolume, *, size_px: int, widened: float = 1.0) -> ObjectPixels:
    """The nearest pixel of the photo at the centre of every pixel of the picture.

    widened: how much more the picture shows than the crop, which is its middle.
    """
    focal_px = float(volume.camera.K[0, 0]) * size_px / volume.camera.size_px[0] / widened
    camera = Camera.from_focal(focal_px=focal_px, size_px=(size_px, size_px))
    rows, columns, in_photo = _photo_pixels(volume, camera)
    labels = np.where(in_photo, volume.label_map[rows, columns], 0)  # (S, S)
    known = in_photo & volume.depth.valid[rows, columns]  # (S, S)
    z_m = np.where(known, _z_along_axis(volume, rows, columns), np.inf)  # (S, S)
    own = labels == volume.instance.mask_value  # (S, S)
    believed = own & believed_pixels(volume)[rows, columns]  # (S, S)
    farthest_m = z_m[believed].max(initial=0.0)
    # What has no depth may be nearer.
    hides = (labels > 0) & ~own & ((z_m < farthest_m) | ~known)  # (S, S)
    region = np.select([own, hides | ~in_photo], [OBJECT, HIDDEN], BACKGROUND).astype(np.uint8)
    return ObjectPixels(region=region, z_m=np.where(believed, z_m, 0).astype(np.float32), camera=camera)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """The input of the view encoder, see `conditioning.view_picture`; what a completer painted is the object here.

    scale_m: length of the cube's edge by the visible depth.
    """

    rgb: UInt8[np.ndarray, "S S 3"]
    region: UInt8[np.ndarray, "S S"]
    z_m: Float32[np.ndarray, "S S"]
    fov_rad: float
    camera_distance_obj: float
    scale_m: float


def network_view(volume: CropVolume, *, picture_px: int, cube_over_crop: float) -> NetworkView:
    """cube_over_crop: the cube's edge over the width that the crop shows of its middle plane.

    Raises StageFailed where no pixel of the object has a depth, which puts the cube.
    """
    pixels = object_pixels(volume, size_px=picture_px)
    known = pixels.z_m > 0
    if not known.any():
        raise StageFailed("generate", "none of its pixels has a usable depth", object_name=volume.name)
    distance = volume.camera_distance_obj / cube_over_crop
    region = np.array(pixels.region)
    if volume.invented is not None:
        painted = np.asarray(_resized(volume.invented.astype(np.uint8) * 255, picture_px)) > 127
        region[painted] = OBJECT
    return NetworkView(
        rgb=np.array(_resized(np.asarray(volume.rgba[..., :3]), picture_px)),
        region=region,
        z_m=pixels.z_m,
        fov_rad=2 * math.atan(0.5 / volume.camera_distance_obj),
        camera_distance_obj=distance,
        scale_m=float(np.median(pixels.z_m[known])) / (distance - MEDIAN_OBJ),
    )


def _resized(picture: UInt8[np.ndarray, "h w *c"], size_px: int) -> Image.Image:
    """Means over the area of a pixel where the picture shrinks."""
    shrinks = picture.shape[0] >= size_px
    resample = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return Image.fromarray(picture).resize((size_px, size_px), resample)


def _photo_pixels(
    volume: CropVolume, camera: Camera
) -> tuple[Int[np.ndarray, "S S"], Int[np.ndarray, "S S"], Bool[np.ndarray, "S S"]]:
    """Row and column of the photo's pixel at the centre of each of the camera's, and whether the photo has it."""
    K_crop, height_width = volume.camera.K, volume.label_map.shape
    A_crop_from_photo = camera.K @ np.linalg.inv(K_crop) @ volume.A_crop_from_photo
    at = np.arange(camera.size_px[0]) + 0.5
    centres = np.stack([*np.meshgrid(at, at), np.ones((len(at), len(at)))], axis=-1)  # (S, S, 3)
    u, v, w = np.moveaxis(centres @ np.linalg.inv(A_crop_from_photo).T, -1, 0)  # (S, S) each
    front = w > 0
    w = np.where(front, w, 1.0)
    column, row = np.floor(u / w), np.floor(v / w)
    in_photo = front & (column >= 0) & (column < height_width[1]) & (row >= 0) & (row < height_width[0])
    return np.where(in_photo, row, 0).astype(np.int64), np.where(in_photo, column, 0).astype(np.int64), in_photo


def _z_along_axis(
    volume: CropVolume, rows: Int[np.ndarray, "S S"], columns: Int[np.ndarray, "S S"]
) -> Float[np.ndarray, "S S"]:
    """Depth of the photo's points along the crop camera's axis, metres."""
    rays_cam = volume.depth.camera.rays_through(np.stack([columns, rows], axis=-1).reshape(-1, 2) + 0.5)  # (S S, 3)
    axis_cam = volume.R_cropcam_from_cam.as_matrix()[2]  # (3,)
    return (rays_cam @ axis_cam).reshape(rows.shape) * volume.depth.z_m[rows, columns].astype(np.float64)
