"""What a network believes of an object, for the parts that no photo shows: a solid and its place in the world.

`lift` completes an object by symmetry and by how wide its parts are. A belief of the whole object replaces these where
nothing is seen; what is seen stays where the photo has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from ..frames import Similarity
from .lift_box import Box
from .own_solid import SolidField


@runtime_checkable
class Belief(Protocol):
    """A solid somewhere in the world. is_blurred: it is sure of no detail; mirror images of the photo correct it."""

    @property
    def is_blurred(self) -> bool: ...

    def inside_m(self, points_world: Float[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n"]:
        """How far inside its surface each point lies, metres; negative outside."""

    def perhaps_inside_m(self, points_world: Float[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n"]:
        """The same of the largest solid that it does not rule out."""

    def box_around(self, visible: Box) -> Box:
        """The visible box, grown to hold it as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BelievedSolid:
    """solid: in `obj`. Its truncated distances are good near its surface only."""

    solid: SolidField
    T_world_from_obj: Similarity

    @property
    def is_blurred(self) -> bool:
        return False

    def inside_m(self, points_world: Float[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n"]:
        """How far inside the solid's surface each point lies, metres; negative outside."""
        from scipy.ndimage import map_coordinates

        solid = self.solid
        points_obj = self.T_world_from_obj.inverse().apply(points_world)
        at = np.moveaxis((points_obj - solid.low_obj) / solid.spacing_obj, -1, 0)
        outside = float(solid.field.min())
        inside_obj = map_coordinates(solid.field, at, order=1, mode="constant", cval=outside, output=np.float32)
        return np.asarray(inside_obj * np.float32(self.T_world_from_obj.scale))

    def perhaps_inside_m(self, points_world: Float[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n"]:
        """Nothing but the solid itself."""
        return self.inside_m(points_world)

    def box_around(self, visible: Box) -> Box:
        """The visible box, grown to hold the solid as well."""
        return visible.around(self.T_world_from_obj.apply(self.solid.points_obj()[self.solid.field > 0]))
