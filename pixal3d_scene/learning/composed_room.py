"""A composed room: furniture placed in a shell, with lights and a camera. World frame, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform, Rotation

from ..asset import Mesh
from ..camera import Camera
from ..frames import WORLD_UP, Similarity, world_from_level_camera
from .furniture import Part, bounds
from .furniture.lamps import SHADE
from .lights import BulbLight, Light
from .materials import Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedObject:
    """One piece of furniture in the room.

    mask_value: its value in the label map, from 1. place_world: bottom centre of its box, m.
    yaw_rad: turn about +y from node to world. parent: mask_value of the object that it stands on, 0 for the floor.
    """

    mask_value: int
    kind: str
    parts: tuple[Part, ...]
    place_world: tuple[float, float, float]
    yaw_rad: float
    parent: int = 0

    @property
    def size_m(self) -> Float[np.ndarray, "3"]:
        """Extents along the node axes."""
        low, high = bounds(self.parts)
        return np.asarray(high - low)

    @property
    def T_world_from_node(self) -> RigidTransform:
        return RigidTransform.from_components(
            np.asarray(self.place_world, dtype=np.float64), Rotation.from_rotvec(self.yaw_rad * WORLD_UP)
        )

    def mesh_world(self, mesh_node: Mesh) -> Mesh:
        """A mesh of this object's node frame in world."""
        return mesh_node.transformed(Similarity.from_rigid(self.T_world_from_node))

    @property
    def footprint_world(self) -> Float[np.ndarray, "4 2"]:
        """Corners (x, z) of its box seen from above, in order."""
        half = self.size_m[[0, 2]] / 2
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        cos, sin = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        turned = np.stack([cos * corners[:, 0] + sin * corners[:, 1], -sin * corners[:, 0] + cos * corners[:, 1]], -1)
        return turned + np.array([self.place_world[0], self.place_world[2]])


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedRoom:
    """Everything that a picture of the room and its truth are made from.

    size_m: (width, depth, height); x runs from 0 to the width, z from 0 to -depth. shell_world: parts whose frame is
    world. decor: things that count as the shell (pictures on walls), with mask_value 0. sky: radiance seen through the
    windows.
    """

    seed: int
    style: str
    size_m: tuple[float, float, float]
    shell_world: tuple[Part, ...]
    objects: tuple[PlacedObject, ...]
    lights: tuple[Light, ...]
    sky: Rgb
    camera: Camera
    decor: tuple[PlacedObject, ...] = ()


def camera_at(
    *, eye_world: tuple[float, float, float], yaw_rad: float, pitch_rad: float, fov_deg: float, size_px: tuple[int, int]
) -> Camera:
    """A level camera at `eye_world`, turned left by `yaw_rad` from looking along -z, looking down by `pitch_rad`."""
    turn = RigidTransform.from_components(
        np.asarray(eye_world, dtype=np.float64), Rotation.from_rotvec(yaw_rad * WORLD_UP)
    )
    return Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=size_px).at(
        turn * world_from_level_camera(pitch_rad=pitch_rad)
    )


def lamp_lights(item: PlacedObject, power: float) -> tuple[Light, ...]:
    """The bulb inside a lamp's shade, and the weaker light that passes through the shade; nothing for other things."""
    shade = next((p for p in item.parts if p.name == SHADE), None)
    if shade is None:
        return ()
    low, high = item.mesh_world(shade.mesh_node).bounds
    middle = (low + high) / 2
    centre = (float(middle[0]), float(middle[1]), float(middle[2]))
    glow = np.asarray(shade.finish.glow) / max(shade.finish.glow)
    bulb, through = (tuple(float(power * share * c) for c in glow) for share in (1.0, 0.45))
    reach = 0.5 * float(np.hypot(high[0] - low[0], high[1] - low[1])) + 0.01
    return (
        BulbLight(centre_world=centre, intensity=(bulb[0], bulb[1], bulb[2])),
        BulbLight(centre_world=centre, intensity=(through[0], through[1], through[2]), radius_m=reach, outside=True),
    )
