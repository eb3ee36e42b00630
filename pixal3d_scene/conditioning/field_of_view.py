"""The scene's crop camera as a view that the networks know, and what the difference costs.

The networks were trained with fields of view of 10 to 70 degrees. A small far object has a narrower crop, a near
one a wider. Its object is then generated with the nearest trained field of view, at the distance that fills the
same picture, and placed with the true camera: exact on the cube's middle plane, off in front of and behind it.
That error is computed here, in pixels of the crop, and told in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..camera import Camera
from ..errors import InputError
from ..frames import cropcam_from_obj
from .view import View, camera_distance, front_view

TRAINED_FOV_DEG = (10.0, 70.0)

CUBE_CORNERS_OBJ = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing="ij"), axis=-1).reshape(8, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedView:
    """The view to generate with (`fov_rad` within the trained range) beside the crop's own `crop_fov_rad`."""

    fov_rad: float
    crop_fov_rad: float
    size_px: int

    @property
    def view(self) -> View:
        return front_view(self.fov_rad)

    @property
    def clamped(self) -> bool:
        return self.fov_rad != self.crop_fov_rad

    @property
    def camera_distance_obj(self) -> float:
        """For the placement with the true crop camera: where the cube's middle plane fills the crop, cube edges."""
        return camera_distance(self.crop_fov_rad)

    def placement_error_px(self, points_obj: Float[np.ndarray, "n 3"] = CUBE_CORNERS_OBJ) -> float:
        """Largest distance, in px of the crop, from where the networks saw a point to where the placement puts it.

        The default bounds every object; the vertices of a generated mesh give its own error. Infinite where the
        placement would put a point behind the camera.
        """
        seen = self._project(points_obj, self.fov_rad)
        placed = self._project(points_obj, self.crop_fov_rad)
        return float(np.linalg.norm(seen - placed, axis=-1).max())

    def _project(self, points_obj: Float[np.ndarray, "n 3"], fov_rad: float) -> Float[np.ndarray, "n 2"]:
        camera = Camera.from_fov(horizontal_fov_deg=math.degrees(fov_rad), size_px=(self.size_px, self.size_px))
        T = cropcam_from_obj(scale_m=1.0, camera_distance_obj=camera_distance(fov_rad))
        return np.nan_to_num(camera.project(T.apply(points_obj)), nan=np.inf)

    def note(self, points_obj: Float[np.ndarray, "n 3"] = CUBE_CORNERS_OBJ) -> str | None:
        """One sentence for the object's notes, or None where the networks see the true field of view."""
        if not self.clamped:
            return None
        error_px = self.placement_error_px(points_obj)
        crop_deg, generated_deg = math.degrees(self.crop_fov_rad), math.degrees(self.fov_rad)
        return (
            f"Its crop's field of view, {crop_deg:.1f} degrees, is outside the {TRAINED_FOV_DEG[0]:g} to "
            f"{TRAINED_FOV_DEG[1]:g} degrees that the generator was trained with: made with {generated_deg:.0f} "
            f"degrees, which misplaces points by up to {error_px:.1f} px ({error_px / self.size_px:.1%} of the crop)."
        )


def trained_view(crop_camera: Camera) -> TrainedView:
    """The trained view nearest to a crop camera, which must be square with its axis through the middle."""
    width, height = crop_camera.size_px
    (fx, skew, cx), (_, fy, cy), _ = crop_camera.K
    if width != height or skew != 0 or not np.allclose([cx, cy, fy], [width / 2, width / 2, fx]):
        raise InputError("A generator's crop camera must be square, its axis through the middle, its pixels square.")
    crop_fov_rad = 2 * math.atan(width / (2 * fx))
    low, high = map(math.radians, TRAINED_FOV_DEG)
    return TrainedView(fov_rad=min(max(crop_fov_rad, low), high), crop_fov_rad=crop_fov_rad, size_px=width)
