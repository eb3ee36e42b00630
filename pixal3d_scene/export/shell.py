"""The room shell as surfaces: every plane of the room becomes a mesh in world, textured where somebody painted it."""

from __future__ import annotations

import numpy as np

from ..asset import Material, Mesh
from ..room import RoomPlane
from ..scene_graph import RoomSurface, SceneGraph

_PLASTER = Material(base_colour_factor=(0.7, 0.7, 0.68, 1.0), roughness=0.95)


def shell_surfaces(scene: SceneGraph) -> tuple[RoomSurface, ...]:
    """The scene's own surfaces, and a plain quad for every plane that has none."""
    painted = {surface.name for surface in scene.surfaces}
    plain = tuple(_quad(plane) for plane in scene.room.planes if plane.name not in painted)
    return (*scene.surfaces, *plain)


def _quad(plane: RoomPlane) -> RoomSurface:
    faces = np.array([[0, 1, 2], [0, 2, 3]])  # counter-clockwise from inside, as the corners are
    mesh = Mesh(vertices=np.asarray(plane.corners_world, dtype=np.float64), faces=faces)
    return RoomSurface(name=plane.name, mesh_world=mesh, material=_PLASTER)
