"""The exact crop camera: photo, masks and depth in, one `CropVolume` per object out.

A virtual pinhole is turned about the photo camera's own centre of projection until its axis goes through the
middle of the object's rays; its field of view is chosen so that the mask times a margin fits; the photo is
warped by the homography `K_crop R K_photo^-1`. Since both cameras share their centre, every ray is kept
exactly and the generated object has one unknown left, its distance, which is also its scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16
from PIL import Image
from scipy.spatial.transform import RigidTransform, Rotation

from .arrays import freeze
from .camera import Camera
from .depth import Depth
from .errors import StageFailed
from .frames import look_along
from .instances import Instance, Instances
from .photo import Photo

CropMode = Literal["exact", "naive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CropVolume:
    """All that a generator may know of one object.

    rgba: the picture for the generator; alpha is the object's mask. camera: the crop camera, with its own
    pose in the world. R_cropcam_from_cam: from the photo's camera. A_crop_from_photo: homography on pixels.
    photo_rgb, depth, label_map: of the oriented photo, shared between the volumes of a scene, for generators that
    work from geometry; the label map also says which other object hides or supports this one.
    invented: pixels of `rgba` that no photo shows, painted by a completer; None where there are none. They are
    no evidence: `mask`, `photo_rgb` and `depth` are of the visible part alone. notes: what a completer did.
    """

    instance: Instance
    rgba: UInt8[np.ndarray, "S S 4"]
    camera: Camera
    R_cropcam_from_cam: Rotation
    A_crop_from_photo: Float[np.ndarray, "3 3"]
    photo_rgb: UInt8[np.ndarray, "H W 3"]
    label_map: UInt16[np.ndarray, "H W"]
    depth: Depth
    invented: Bool[np.ndarray, "S S"] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, "rgba", "A_crop_from_photo", "photo_rgb", "label_map", "invented")

    @property
    def name(self) -> str:
        return self.instance.name

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """Pixels of the photo that show the object; made on demand: one such array per object is too much memory."""
        return self.label_map == self.instance.mask_value

    @property
    def visible_rgba(self) -> UInt8[np.ndarray, "S S 4"]:
        """`rgba` with the invented pixels transparent."""
        if self.invented is None:
            return self.rgba
        rgba = self.rgba.copy()
        rgba[..., 3][self.invented] = 0
        return rgba

    @property
    def camera_distance_obj(self) -> float:
        """Distance in cube edges at which the cube's middle plane fills the crop: 0.5 / tan(fov / 2)."""
        return float(self.camera.K[0, 0]) / self.camera.size_px[0]


def plan_crops(
    photo: Photo,
    instances: Instances,
    depth: Depth,
    *,
    size_px: int,
    margin: float,
    mode: CropMode = "exact",
) -> tuple[CropVolume, ...]:
    """One crop volume per instance, in the order of `instances.items`.

    margin: half-side of the crop over half-extent of the mask (Pixal3D was trained with 1.1).
    """
    picture = photo.image
    return tuple(_plan_crop(photo, picture, instances, depth, item, size_px, margin, mode) for item in instances.items)


def _plan_crop(
    photo: Photo,
    picture: Image.Image,
    instances: Instances,
    depth: Depth,
    item: Instance,
    size_px: int,
    margin: float,
    mode: CropMode,
) -> CropVolume:
    mask = instances.mask(item.mask_value)
    camera, R_cropcam_from_cam, A = _crop_camera(
        depth.camera, outline_corners_px(mask), size_px=size_px, margin=margin, mode=mode
    )
    return CropVolume(
        instance=item,
        rgba=_cut_out(picture, mask, A, size_px),
        camera=camera,
        R_cropcam_from_cam=R_cropcam_from_cam,
        A_crop_from_photo=A,
        photo_rgb=photo.rgb,
        label_map=instances.label_map,
        depth=depth,
    )


def reframed(
    volume: CropVolume,
    picture: Image.Image,
    corners_px: Float[np.ndarray, "n 2"],
    *,
    margin: float,
    mode: CropMode = "exact",
) -> CropVolume:
    """The same object seen by a crop camera that holds `corners_px` of the photo (`picture`) instead of its mask."""
    size_px = volume.rgba.shape[0]
    camera, R_cropcam_from_cam, A = _crop_camera(
        volume.depth.camera, corners_px, size_px=size_px, margin=margin, mode=mode
    )
    return replace(
        volume,
        rgba=_cut_out(picture, volume.mask, A, size_px),
        camera=camera,
        R_cropcam_from_cam=R_cropcam_from_cam,
        A_crop_from_photo=A,
        invented=None,
    )


def _crop_camera(
    camera: Camera, corners_px: Float[np.ndarray, "n 2"], *, size_px: int, margin: float, mode: CropMode
) -> tuple[Camera, Rotation, Float[np.ndarray, "3 3"]]:
    """The crop camera, `R_cropcam_from_cam` and `A_crop_from_photo`."""
    if mode == "naive":
        A = _axis_aligned_crop(corners_px, size_px=size_px, margin=margin)
        return *naive_crop_camera(camera, corners_px, size_px=size_px, margin=margin), A
    crop_camera, R = exact_crop_camera(camera, corners_px, size_px=size_px, margin=margin)
    return crop_camera, R, crop_camera.K @ R.as_matrix() @ np.linalg.inv(camera.K)


def _cut_out(
    picture: Image.Image, mask: Bool[np.ndarray, "H W"], A: Float[np.ndarray, "3 3"], size_px: int
) -> UInt8[np.ndarray, "S S 4"]:
    rgb = warp_picture(picture, A, (size_px, size_px), Image.Resampling.BICUBIC)
    return np.dstack([np.asarray(rgb), warp_mask(mask, A, size_px)])


def warp_mask(
    mask: Bool[np.ndarray, "H W"], A_dst_from_src: Float[np.ndarray, "3 3"], size_px: int
) -> UInt8[np.ndarray, "S S"]:
    """Coverage of every pixel of a square crop, 0 to 255."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.array(warp_picture(image, A_dst_from_src, (size_px, size_px), Image.Resampling.BILINEAR))


def outline_corners_px(mask: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "n 2"]:
    """The outer corners of the first and last mask pixel of every row: their rays contain all others."""
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)  # one past the last pixel: its right edge
    x = np.concatenate([left, right, left, right]).astype(np.float64)
    y = np.concatenate([rows, rows, rows + 1, rows + 1]).astype(np.float64)
    return np.stack([x, y], axis=-1)


def exact_crop_camera(
    camera: Camera, corners_px: Float[np.ndarray, "n 2"], *, size_px: int, margin: float
) -> tuple[Camera, Rotation]:
    """Turn a square pinhole about `camera`'s centre until all corners fit it, centred, with `margin`.

    Returns the crop camera (with its pose in the world) and `R_cropcam_from_cam`.
    """
    rays_cam = camera.rays_through(corners_px)  # (n, 3)
    axis_cam = np.array([0.0, 0.0, 1.0])  # every pixel's ray lies before the photo camera
    # The middle of the extents moves with the axis: a few fixed-point steps reach it to 1e-12. They halve angles,
    # because halving tangents overshoots, and diverges from an extent of 90 degrees on.
    for _ in range(30):
        R = look_along(axis_cam, camera.up_cam)
        rays = R.apply(rays_cam)
        if (rays[:, 2] <= 0).any():
            raise StageFailed("crop", "the mask spans more than half the sphere of directions")
        tangents = rays[:, :2] / rays[:, 2:]  # (n, 2)
        middle = np.tan((np.arctan(tangents.min(axis=0)) + np.arctan(tangents.max(axis=0))) / 2)
        axis_cam = R.inv().apply(np.array([middle[0], middle[1], 1.0]))
        if np.abs(middle).max() < 1e-12:
            break
    half_extent = float(np.abs(tangents).max())  # holds the mask even where the steps did not settle
    focal_px = size_px / 2 / (half_extent * margin)
    pose = camera.T_world_from_cam * RigidTransform.from_rotation(R.inv())
    crop_camera = Camera.from_focal(focal_px=focal_px, size_px=(size_px, size_px)).at(pose)
    return crop_camera, R


def naive_crop_camera(
    camera: Camera, corners_px: Float[np.ndarray, "n 2"], *, size_px: int, margin: float
) -> tuple[Camera, Rotation]:
    """The usual shortcut, for comparison: cut out a square and pretend that its camera looked through its middle.

    The picture is not warped, so away from the photo's middle its pixels lie on other rays than this camera says.
    """
    A = _axis_aligned_crop(corners_px, size_px=size_px, margin=margin)
    middle_px = (corners_px.min(axis=0) + corners_px.max(axis=0)) / 2
    R = look_along(camera.rays_through(middle_px), np.array([0.0, -1.0, 0.0]))
    pose = camera.T_world_from_cam * RigidTransform.from_rotation(R.inv())
    focal_px = float(camera.K[0, 0] * A[0, 0])
    return Camera.from_focal(focal_px=focal_px, size_px=(size_px, size_px)).at(pose), R


def _axis_aligned_crop(
    corners_px: Float[np.ndarray, "n 2"], *, size_px: int, margin: float
) -> Float[np.ndarray, "3 3"]:
    low, high = corners_px.min(axis=0), corners_px.max(axis=0)
    scale = size_px / (float((high - low).max()) * margin)
    offset = size_px / 2 - scale * (low + high) / 2
    return np.array([[scale, 0, offset[0]], [0, scale, offset[1]], [0, 0, 1.0]])


def warp_picture(
    image: Image.Image, A_dst_from_src: Float[np.ndarray, "3 3"], size_px: tuple[int, int], resample: Image.Resampling
) -> Image.Image:
    """Resample a picture through a homography; black (transparent) outside.

    Pixels have their centres at +0.5 on both sides. Where the warp shrinks, the source is reduced first, by
    area, so that nothing aliases.
    """
    A = np.asarray(A_dst_from_src, dtype=np.float64)
    centre = np.linalg.inv(A) @ np.array([size_px[0] / 2, size_px[1] / 2, 1.0])
    # Source pixels per destination pixel at the middle of the destination, from the homography's Jacobian.
    w = A[2] @ (centre / centre[2])
    x, y = (A[:2] @ (centre / centre[2])) / w
    jacobian = (A[:2, :2] - np.outer([x, y], A[2, :2])) / w
    shrink = max(int(1 / max(np.sqrt(abs(np.linalg.det(jacobian))), 1e-6)), 1)
    if shrink > 1:
        image = image.reduce(shrink)
        # reduce() rounds the size up and averages the partial last column and row in place: the scale is exact.
        A = A @ np.diag([shrink, shrink, 1.0])
    inverse = np.linalg.inv(A)
    inverse = inverse / inverse[2, 2]
    return image.transform(size_px, Image.Transform.PERSPECTIVE, tuple(inverse.ravel()[:8]), resample)
