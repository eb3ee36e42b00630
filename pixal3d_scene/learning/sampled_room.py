"""A room for training as plain arrays: instances of packed models with materials, lights and a camera.

World: y up, right-handed, metres, floor at y = 0; the room's middle is at x = z = 0. Torch and numpy alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float

# Shapes that every pack is completed with: a box of unit edges on its bottom centre, a unit square in the plane y = 0,
# and a round slab of unit diameter and height on its bottom centre. Room shells, rugs, pictures and mirrors are made
# of them.
BOX, SQUARE, DISC = -1, -2, -3

# What a surface's colour is made of; see `textures.py`.
PATTERNS = ("mesh", "plain", "planks", "tiles", "carpet", "stripes", "ornament", "picture", "view", "border", "rings")
MATERIALS_PER_THING = 4  # one per part of a model; further parts share the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """first, second: linear RGB. own: share of the mesh's own colour that stays. scale_m: of the pattern. turn_rad: of
    the pattern. gloss: mirror reflectance. glow: radiance given off, in units of its colour."""

    pattern: str = "plain"
    first: tuple[float, float, float] = (0.6, 0.6, 0.6)
    second: tuple[float, float, float] = (0.4, 0.4, 0.4)
    own: float = 0.0
    scale_m: float = 0.3
    turn_rad: float = 0.0
    gloss: float = 0.02
    glow: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One instance of a shape.

    model: index into the pack, or BOX, SQUARE or DISC. place_world: of its node origin. axes_world: columns are the
    node axes in world, times the scale along each. size_m: of its box along the node axes.
    number: its instance id, 0 for the room itself; then `shell_part` is its index into SHELL_PARTS.
    carrier: instance id of what it stands on. support: index into SUPPORTS. label: index into LABELS.
    """

    model: int
    place_world: Float[np.ndarray, "3"]
    axes_world: Float[np.ndarray, "3 3"]
    size_m: Float[np.ndarray, "3"]
    materials: tuple[Material, ...]
    number: int = 0
    shell_part: int = 0
    label: int = 0
    support: int = 0
    carrier: int = 0

    @property
    def middle_world(self) -> Float[np.ndarray, "3"]:
        """The middle of its box; things stand upright."""
        return self.place_world + np.array([0.0, self.size_m[1] / 2, 0.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledLight:
    """A lamp at a place. colour: radiant intensity. aim_world: where its shadow map looks. radius_m: softness."""

    place_world: tuple[float, float, float]
    aim_world: tuple[float, float, float]
    colour: tuple[float, float, float]
    radius_m: float
    casts_shadow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRoom:
    """size_m: (width, depth, height). R_cam_from_world and eye_world: the camera. ambient: light from everywhere."""

    seed: int
    style: str
    size_m: tuple[float, float, float]
    things: tuple[Thing, ...]
    lights: tuple[SampledLight, ...]
    ambient: tuple[float, float, float]
    K: Float[np.ndarray, "3 3"]
    R_cam_from_world: Float[np.ndarray, "3 3"]
    eye_world: Float[np.ndarray, "3"]


def turned(yaw_rad: float) -> Float[np.ndarray, "3 3"]:
    """A turn about +y; at 0 the front (+z of node) looks along +z of world."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def boxes_of(things: tuple[Thing, ...]) -> Float[np.ndarray, "n 7"]:
    """Of objects, as `footprints.py` takes them: x, z, yaw, half width, half depth, bottom, top."""
    rows = []
    for t in things:
        yaw = float(np.arctan2(t.axes_world[0, 2], t.axes_world[2, 2]))
        rows.append([t.place_world[0], t.place_world[2], yaw, t.size_m[0] / 2, t.size_m[2] / 2,
                     t.place_world[1], t.place_world[1] + t.size_m[1]])  # fmt: skip
    return np.array(rows, dtype=np.float64).reshape(-1, 7)
