"""Metric depth of a photo together with the camera that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32

from .arrays import check_shape, freeze, nearest
from .camera import Camera


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """Depth along +z of `cam` for every photo pixel.

    z_m: metres; unspecified where `valid` is False.
    camera: the photo's camera; its pose says where gravity and the floor are.
    source: what made it ("given", "room_geometry", a model's name).
    notes: what a reader of the report must know (a guessed focal length, ignored values, ...).
    """

    z_m: Float32[np.ndarray, "H W"]
    valid: Bool[np.ndarray, "H W"]
    camera: Camera
    source: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_shape("Depth.z_m", self.z_m, self.camera.shape_hw)
        check_shape("Depth.valid", self.valid, self.camera.shape_hw)
        freeze(self, "z_m", "valid")

    def resized(self, size_px: tuple[int, int]) -> Depth:
        """The same depth at another size (width, height) by the nearest pixel, since a mean of two surfaces is none."""
        if size_px == self.camera.size_px:
            return self
        return replace(
            self,
            z_m=nearest(self.z_m, size_px),
            valid=nearest(self.valid, size_px),
            camera=self.camera.resized(size_px),
        )

    def points_cam(self) -> Float[np.ndarray, "H W 3"]:
        """The visible point of every pixel in cam, metres; unspecified where not valid."""
        return self.camera.rays_cam() * self.z_m[..., None].astype(np.float64)

    def points_world(self) -> Float[np.ndarray, "H W 3"]:
        """The visible point of every pixel in world, metres; unspecified where not valid."""
        return self.camera.world_from_cam(self.points_cam())
