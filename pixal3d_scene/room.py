"""The room around the objects: floor, walls and ceiling as named planes with an extent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .arrays import check_shape, freeze


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPlane:
    """One flat part of the shell.

    name: "floor", "ceiling" or "wall_01", ... corners_world: m, counter-clockwise seen from inside the room.
    """

    name: str
    corners_world: Float[np.ndarray, "4 3"]

    def __post_init__(self) -> None:
        check_shape("RoomPlane.corners_world", self.corners_world, (4, 3))
        freeze(self, "corners_world")

    @property
    def normal_world(self) -> Float[np.ndarray, "3"]:
        """Unit normal into the room."""
        a, b, c, _ = self.corners_world
        normal = np.cross(b - a, c - b)
        return np.asarray(normal / np.linalg.norm(normal))

    def distance_m(self, points_world: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
        """Signed distance, positive inside the room."""
        return np.asarray((np.asarray(points_world) - self.corners_world[0]) @ self.normal_world)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The shell; the floor (y = 0) is always there, walls and ceiling where something supports them."""

    planes: tuple[RoomPlane, ...]
    notes: tuple[str, ...] = ()

    @property
    def floor(self) -> RoomPlane:
        return next(p for p in self.planes if p.name == "floor")

    @property
    def walls(self) -> tuple[RoomPlane, ...]:
        return tuple(p for p in self.planes if p.name.startswith("wall"))
