"""The frame of an object's node: which of its sides are its width and depth, where its pivot is, what its front is.

The yaw is that of a wall or of the object's own sides: the first in whose direction the box about the object is about
as small as in any. The front then looks away from the wall that it touches, else it is whichever of the four sides
looks most towards the photo's camera.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform, Rotation

from ..asset import Mesh
from ..frames import WORLD_UP, heading_towards
from ..mesh.plan_box import plan_of, sides_m, smallest_yaw_rad

# A wall's direction is taken where the box along it has at most this many times the plan area of the smallest box,
# which noise of the surface turns; of a wall that the object touches, more is believed.
_TOUCHED, _NEAR = 1.25, 1.15
_QUARTER = np.pi / 2
# Shorter horizontal parts of a unit normal are rounding of a vertical one.
_HORIZONTAL = 1e-6


def node_frame(
    mesh_world: Mesh,
    eye_world: Float[np.ndarray, "3"],
    *,
    touched_walls_world: Sequence[Float[np.ndarray, "3"]] = (),
    walls_world: Sequence[Float[np.ndarray, "3"]] = (),
) -> RigidTransform:
    """`T_world_from_node`: y up, origin at the bottom centre of the box in the node's axes, +z its front.

    touched_walls_world, walls_world: normals into the room, of the walls that the object touches and of all.
    """
    vertices_world = np.array(mesh_world.vertices, dtype=np.float64)
    to_camera = heading_towards(eye_world, np.asarray(mesh_world.bounds).mean(axis=0))
    to_camera_rad = _yaw_rad(to_camera.apply([0.0, 0.0, 1.0]))
    yaw_rad = _yaw_of(plan_of(vertices_world), to_camera_rad, _yaws_rad(touched_walls_world), _yaws_rad(walls_world))
    R_world_from_node = Rotation.from_rotvec(yaw_rad * WORLD_UP)
    vertices_turned = R_world_from_node.inv().apply(vertices_world)
    low, high = vertices_turned.min(axis=0), vertices_turned.max(axis=0)
    bottom_centre = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    return RigidTransform.from_components(R_world_from_node.apply(bottom_centre), R_world_from_node)


def _yaw_of(plan: np.ndarray, to_camera_rad: float, touched_rad: Sequence[float], walls_rad: Sequence[float]) -> float:
    def area_m2(yaw_rad: float) -> float:
        return float(np.prod(sides_m(plan, yaw_rad)))

    own_rad = smallest_yaw_rad(plan)
    least_m2 = area_m2(own_rad)
    for yaw_rad in sorted(touched_rad, key=area_m2):
        if area_m2(yaw_rad) <= _TOUCHED * least_m2:
            return yaw_rad
    near = [yaw_rad for yaw_rad in walls_rad if area_m2(yaw_rad) <= _NEAR * least_m2]
    return _turned_towards(min(near, key=area_m2, default=own_rad), to_camera_rad)


def _turned_towards(yaw_rad: float, to_camera_rad: float) -> float:
    """The same box with the side to its front that looks most towards the camera."""
    return yaw_rad + _QUARTER * round((to_camera_rad - yaw_rad) / _QUARTER)


def _yaws_rad(normals_world: Sequence[Float[np.ndarray, "3"]]) -> list[float]:
    """Of the normals that have a horizontal part."""
    return [_yaw_rad(normal) for normal in normals_world if np.hypot(normal[0], normal[2]) > _HORIZONTAL]


def _yaw_rad(direction_world: Float[np.ndarray, "3"]) -> float:
    return float(np.arctan2(direction_world[0], direction_world[2]))
