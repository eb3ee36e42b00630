"""A pinhole camera without distortion: intrinsics of one named picture and its pose in the world."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform

from .arrays import check_shape, freeze
from .errors import InputError
from .frames import world_from_level_camera


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Pixels of a picture of `size_px` <-> points in front of the camera.

    K: pixels, origin at the corner of the top-left pixel (centres at +0.5), last row 0 0 1.
    size_px: (width, height) of the picture that K belongs to.
    T_world_from_cam: pose; cam is OpenCV (x right, y down, z forward), world has y up and the floor at 0.
    """

    K: Float[np.ndarray, "3 3"]
    size_px: tuple[int, int]
    T_world_from_cam: RigidTransform = field(default_factory=world_from_level_camera)

    def __post_init__(self) -> None:
        check_shape("Camera.K", self.K, (3, 3))
        K = np.array(self.K, dtype=np.float64)
        if not np.isfinite(K).all():
            raise InputError("The camera's K holds a value that is not finite; give numbers in pixels.")
        if K[0, 0] <= 0 or K[1, 1] <= 0:
            raise InputError(
                f"The camera's focal length is {K[0, 0]:g} x {K[1, 1]:g} px; it must be greater than zero."
            )
        if not np.allclose(K[2], [0, 0, 1]) or K[1, 0] != 0:
            raise InputError("The camera's K must be [[fx, skew, cx], [0, fy, cy], [0, 0, 1]].")
        if min(self.size_px) < 1:
            raise InputError(f"The camera's picture size {self.size_px} must be at least 1 x 1 px.")
        object.__setattr__(self, "K", K)
        freeze(self, "K")

    @staticmethod
    def from_fov(*, horizontal_fov_deg: float, size_px: tuple[int, int]) -> Camera:
        """Square pixels, principal point in the middle, level, at the world's origin."""
        if not 0 < horizontal_fov_deg < 170:
            raise InputError(
                f"A horizontal field of view of {horizontal_fov_deg:g} degrees is outside 0 to 170; a phone's is "
                "about 65."
            )
        focal_px = size_px[0] / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)
        return Camera.from_focal(focal_px=focal_px, size_px=size_px)

    @staticmethod
    def from_focal(*, focal_px: float, size_px: tuple[int, int]) -> Camera:
        """Square pixels, principal point in the middle, level, at the world's origin."""
        width, height = size_px
        K = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1.0]])
        return Camera(K=K, size_px=size_px)

    @property
    def shape_hw(self) -> tuple[int, int]:
        """(height, width), the shape of an array of this camera's pixels."""
        return self.size_px[1], self.size_px[0]

    @property
    def horizontal_fov_deg(self) -> float:
        left, right = -self.K[0, 2] / self.K[0, 0], (self.size_px[0] - self.K[0, 2]) / self.K[0, 0]
        return math.degrees(math.atan(right) - math.atan(left))

    @property
    def vertical_fov_deg(self) -> float:
        top, bottom = -self.K[1, 2] / self.K[1, 1], (self.size_px[1] - self.K[1, 2]) / self.K[1, 1]
        return math.degrees(math.atan(bottom) - math.atan(top))

    @property
    def up_cam(self) -> Float[np.ndarray, "3"]:
        """Unit vector against gravity in cam."""
        return np.asarray(self.T_world_from_cam.rotation.inv().apply([0.0, 1.0, 0.0]))

    @property
    def centre_world(self) -> Float[np.ndarray, "3"]:
        """Centre of projection in world, metres."""
        return np.asarray(self.T_world_from_cam.translation)

    def at(self, T_world_from_cam: RigidTransform) -> Camera:
        """The same intrinsics at another pose."""
        return Camera(K=self.K, size_px=self.size_px, T_world_from_cam=T_world_from_cam)

    def resized(self, size_px: tuple[int, int]) -> Camera:
        """The camera of the same picture resampled to `size_px`; exact, since the origin is a pixel corner."""
        scale = np.diag([size_px[0] / self.size_px[0], size_px[1] / self.size_px[1], 1.0])
        return Camera(K=scale @ self.K, size_px=size_px, T_world_from_cam=self.T_world_from_cam)

    def project(self, points_cam: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
        """Points in cam (m) to px. Points at or behind the camera (z <= 0) give NaN."""
        points = np.asarray(points_cam, dtype=np.float64)
        z = points[..., 2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            rays = np.where(z > 0, points / z, np.nan)  # (..., 3)
        return (rays @ self.K.T)[..., :2]

    def unproject(
        self, points_px: Float[np.ndarray, "*n 2"], z_m: Float[np.ndarray, "*n"]
    ) -> Float[np.ndarray, "*n 3"]:
        """Pixels at depth `z_m` along +z of cam to points in cam (m)."""
        return self.rays_through(points_px) * np.asarray(z_m, dtype=np.float64)[..., None]

    def rays_through(self, points_px: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 3"]:
        """Directions in cam through pixels, scaled so that z = 1."""
        px = np.asarray(points_px, dtype=np.float64)
        homogeneous = np.concatenate([px, np.ones_like(px[..., :1])], axis=-1)
        return homogeneous @ np.linalg.inv(self.K).T

    def pixel_centres(self) -> Float[np.ndarray, "H W 2"]:
        """(x, y) of every pixel's centre."""
        width, height = self.size_px
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        return np.stack([x, y], axis=-1)

    def rays_cam(self) -> Float[np.ndarray, "H W 3"]:
        """Directions in cam through all pixel centres, scaled so that z = 1."""
        return self.rays_through(self.pixel_centres())

    def world_from_cam(self, points_cam: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Points in cam to points in world, metres."""
        flat = np.array(points_cam, dtype=np.float64).reshape(-1, 3)
        return np.asarray(self.T_world_from_cam.apply(flat)).reshape(np.shape(points_cam))

    def cam_from_world(self, points_world: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Points in world to points in cam, metres."""
        flat = np.array(points_world, dtype=np.float64).reshape(-1, 3)
        return np.asarray(self.T_world_from_cam.inv().apply(flat)).reshape(np.shape(points_world))
