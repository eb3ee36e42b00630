"""How far an object reaches behind a wall of the room: a mesh and a plane in, a way out of it, world, m."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..asset import Mesh
from ..room import RoomPlane
from .overlap import Penetration

# All of it farther behind a wall than this: an object is seen through an opening, and the wall is not in its way.
SEEN_THROUGH_M = 0.3
# A few vertices may be strays, and end unevenly.
STRAYS_PERCENT = 2


def behind_wall(mesh_world: Mesh, wall: RoomPlane) -> Penetration | None:
    """The way back into the room; None where the mesh is before the wall, past its ends, or seen through it."""
    vertices = np.asarray(mesh_world.vertices, dtype=np.float64)
    distance_m = wall.distance_m(vertices)
    deepest_m, nearest_m = np.percentile(distance_m, [STRAYS_PERCENT, 100 - STRAYS_PERCENT])
    if deepest_m >= 0 or nearest_m < -SEEN_THROUGH_M or not beside(wall, vertices.mean(axis=0)):
        return None
    at = vertices[distance_m <= deepest_m].mean(axis=0)
    return Penetration(depth_m=-float(deepest_m), out=wall.normal_world, at=at)


def beside(wall: RoomPlane, point_world: Float[np.ndarray, "3"]) -> bool:
    """A point is not past the wall's left or right end."""
    along = np.cross(wall.normal_world, [0.0, 1.0, 0.0])
    ends = wall.corners_world @ along
    return bool(ends.min() <= point_world @ along <= ends.max())
