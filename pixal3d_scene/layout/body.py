"""One object on its way to its place: the mesh where its own evidence puts it, and how sure that is.

All in world (y up, m). An object moves by `Motion`: along the rays of the photo's camera, which changes its size
and keeps every pixel, and, where that is not enough, by a small translation, which does not. An object whose size is
known moves along the ray of its middle instead and keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..arrays import freeze
from ..asset import Mesh
from ..frames import Similarity
from .depth_scale import DepthScale

# Both motions together stay below three standard deviations of the position (`Body.bounds`).
MOST_SLIDE_SIGMAS = 2.5
MOST_SIGMAS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """slide: change of log(distance from the camera). translation_m: in world, after the slide."""

    slide: float
    translation_m: Float[np.ndarray, "3"]

    def __post_init__(self) -> None:
        freeze(self, "translation_m")

    @property
    def is_none(self) -> bool:
        return self.slide == 0 and not self.translation_m.any()


AT_REST = Motion(slide=0.0, translation_m=np.zeros(3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """mesh_world, T_world_from_obj: where the evidence of the object alone puts it.

    sigma_log: standard deviation of log(distance), of which slow_log is shared with whatever is near in the
    picture. sigma_shape_m: of the place of the object's foot on its rays, since masks and meshes are not exact.
    middle_px: of its mask. fit: what the depth said, None where it said nothing.
    pivot_world: the middle of an object whose size is known, None for one that grows with its distance.
    """

    name: str
    label: str
    mesh_world: Mesh
    T_world_from_obj: Similarity
    eye_world: Float[np.ndarray, "3"]
    middle_px: Float[np.ndarray, "2"]
    sigma_log: float
    slow_log: float
    sigma_shape_m: float
    fit: DepthScale | None
    pivot_world: Float[np.ndarray, "3"] | None = None

    @property
    def distance_m(self) -> float:
        """From the camera to the middle of the object's box."""
        return float(np.linalg.norm(self.mesh_world.bounds.mean(axis=0) - self.eye_world))

    @property
    def sigma_m(self) -> float:
        """Standard deviation of the position: along the ray and across."""
        return float(np.hypot(self.distance_m * self.sigma_log, self.sigma_shape_m))

    @property
    def bounds(self) -> Float[np.ndarray, "4"]:
        """Largest slide and translation (x, y, z); both together stay within `MOST_SIGMAS` of the position.

        Across, the photo shows where the object is; along gravity nothing but its foot does.
        """
        slide = float(np.log1p(MOST_SLIDE_SIGMAS * self.sigma_log))
        most_m = MOST_SIGMAS * self.sigma_m - MOST_SLIDE_SIGMAS * self.distance_m * self.sigma_log
        across_m = min(self.sigma_shape_m, most_m / 3)
        return np.array([slide, across_m, np.sqrt(most_m**2 - 2 * across_m**2), across_m])

    def apply(self, motion: Motion, points_world: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Where points of the object are after a motion."""
        points_world = np.asarray(points_world)
        if self.pivot_world is None:
            return np.asarray(self.eye_world + self.slid(motion.slide, points_world) + motion.translation_m)
        along = self.slid(motion.slide, points_world) - self.slid(0.0, points_world)
        return np.asarray(points_world + along + motion.translation_m)

    def undo(self, motion: Motion, points_world: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
        """Where points of the moved object were before."""
        back = points_world - motion.translation_m
        if self.pivot_world is None:
            return np.asarray((back - self.eye_world) * np.exp(-motion.slide) + self.eye_world)
        return np.asarray(back - self.slid(motion.slide, back) + self.slid(0.0, back))

    def slid(self, slide: float, points_world: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """From the camera to what slides along its ray: the points, or the pivot; also the derivative by the slide."""
        return np.asarray(
            np.exp(slide) * ((points_world if self.pivot_world is None else self.pivot_world) - self.eye_world)
        )

    def moved(self, motion: Motion) -> Body:
        """The same body after a motion."""
        if motion.is_none:
            return self
        if self.pivot_world is None:
            scale = float(np.exp(motion.slide))
            step = Similarity(scale=scale, translation=(1 - scale) * self.eye_world + motion.translation_m)
        else:
            step = Similarity(translation=self.apply(motion, self.pivot_world) - self.pivot_world)
        return replace(
            self,
            mesh_world=self.mesh_world.transformed(step),
            T_world_from_obj=step @ self.T_world_from_obj,
            pivot_world=None if self.pivot_world is None else step.apply(self.pivot_world),
        )

    def with_scale(self, scale_m: float) -> Body:
        """The same body with cube edges of known length, about its middle."""
        factor = scale_m / self.T_world_from_obj.scale
        middle = self.mesh_world.bounds.mean(axis=0)
        resize = Similarity(scale=factor, translation=(1 - factor) * middle)
        return replace(
            self,
            mesh_world=self.mesh_world.transformed(resize),
            T_world_from_obj=replace(resize @ self.T_world_from_obj, scale=scale_m),
            pivot_world=middle,
        )
