"""The shell of a composed room: floor, ceiling, four walls with windows, skirting, curtains, pictures' wall.

Everything is in world: x from 0 to the width, z from 0 (front, behind the camera) to -depth (back), y up, floor at 0.
Walls are single sheets that face inwards, with holes where the windows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ..asset import Mesh
from .furniture.part import Part, joined
from .lights import RectLight
from .materials import Finish, Pattern, Plain, Rgb, linear
from .shapes import box, moved, rounded_box

RoomSize = tuple[float, float, float]  # width, depth, height in m; furniture has (width, height, depth)
Wall = Literal["back", "left", "right", "front"]
WALLS: tuple[Wall, ...] = ("back", "left", "right", "front")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A hole in a wall. along_m: of its centre from the wall's left end, seen from inside. size_m: (width, height)."""

    wall: Wall
    along_m: float
    sill_m: float
    size_m: tuple[float, float]
    curtain: Rgb | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """size_m: (width, depth, height) of the room. lower: finish of skirting and window frames."""

    size_m: RoomSize
    floor: Pattern
    walls: dict[Wall, Pattern]
    ceiling: Pattern
    trim: Rgb
    windows: tuple[Window, ...] = ()
    floor_gloss: float = 0.03

    def parts_world(self) -> tuple[Part, ...]:
        """All of the shell as parts in world."""
        w, d, h = self.size_m
        floor = _sheet([[0, 0, 0], [w, 0, 0], [w, 0, -d], [0, 0, -d]])
        ceiling = _sheet([[0, h, -d], [w, h, -d], [w, h, 0], [0, h, 0]])
        parts = [
            Part(
                name="floor", mesh_node=floor, finish=Finish(pattern=self.floor, gloss=self.floor_gloss, roughness=0.35)
            ),
            Part(name="ceiling", mesh_node=ceiling, finish=Finish(pattern=self.ceiling)),
        ]
        for wall in WALLS:
            frame = WallFrame.of(wall, self.size_m)
            windows = sorted((x for x in self.windows if x.wall == wall), key=lambda x: x.along_m)
            sheets = joined([frame.sheet(*r) for r in _around(windows, frame.length_m, h)])
            parts.append(Part(name=f"{wall} wall", mesh_node=sheets, finish=Finish(pattern=self.walls[wall])))
            board = frame.solid(rounded_box((frame.length_m, 0.09, 0.014), 0.004), frame.length_m / 2, 0.045, 0.007)
            parts.append(Part(name=f"{wall} skirting", mesh_node=board, finish=_paint(self.trim)))
            for k, window in enumerate(windows):
                parts += _window_parts(f"{wall} window {k}", window, frame, self.trim)
        return tuple(parts)

    def window_lights(self, radiance: Rgb) -> tuple[RectLight, ...]:
        """The light of the sky that comes in through every window."""
        lights = []
        for window in self.windows:
            frame = WallFrame.of(window.wall, self.size_m)
            (w, h), left = window.size_m, window.along_m - window.size_m[0] / 2
            corner, right, up = (
                frame.point(*p) for p in ((left, window.sill_m), (left + w, window.sill_m), (left, window.sill_m + h))
            )
            lights.append(
                RectLight(
                    corner_world=_triple(corner),
                    edge_u=_triple(right - corner),
                    edge_v=_triple(up - corner),
                    radiance=radiance,
                )
            )
        return tuple(lights)


@dataclass(frozen=True, slots=True, kw_only=True)
class WallFrame:
    """A wall's own axes seen from inside: along (to the right), up, and `inward` into the room."""

    origin: Float[np.ndarray, "3"]
    along: Float[np.ndarray, "3"]
    length_m: float

    @staticmethod
    def of(wall: Wall, size_m: RoomSize) -> WallFrame:
        w, d, _ = size_m
        origin, along, length = {
            "back": ([0.0, 0, -d], [1.0, 0, 0], w),
            "right": ([w, 0, -d], [0.0, 0, 1], d),
            "front": ([w, 0, 0.0], [-1.0, 0, 0], w),
            "left": ([0.0, 0, 0.0], [0.0, 0, -1], d),
        }[wall]
        return WallFrame(
            origin=np.asarray(origin, dtype=np.float64), along=np.asarray(along, dtype=np.float64), length_m=length
        )

    @property
    def inward(self) -> Float[np.ndarray, "3"]:
        return np.cross(self.along, [0.0, 1.0, 0.0])

    @property
    def yaw_rad(self) -> float:
        """Turn about y of a thing whose +z shall look into the room."""
        return float(np.arctan2(self.inward[0], self.inward[2]))

    def point(self, along_m: float, up_m: float, inward_m: float = 0.0) -> Float[np.ndarray, "3"]:
        """A point in world."""
        return self.origin + along_m * self.along + np.array([0.0, up_m, 0.0]) + inward_m * self.inward

    def sheet(self, left: float, right: float, low: float, high: float) -> Mesh:
        corners = [self.point(left, low), self.point(right, low), self.point(right, high), self.point(left, high)]
        return _sheet(np.stack(corners))

    def solid(self, mesh: Mesh, along_m: float, up_m: float, inward_m: float) -> Mesh:
        """A solid made with x along, y up, z inwards, put at a point of the wall."""
        turn = Rotation.from_rotvec([0.0, self.yaw_rad, 0.0])
        return moved(mesh, to_m=self.point(along_m, up_m, inward_m), turn=turn)


def _around(windows: list[Window], length: float, height: float) -> list[tuple[float, float, float, float]]:
    """Rectangles (left, right, low, high) that cover a wall but not its windows."""
    pieces, x = [], 0.0
    for window in windows:
        left, right = window.along_m - window.size_m[0] / 2, window.along_m + window.size_m[0] / 2
        pieces += [(x, left, 0.0, height), (left, right, 0.0, window.sill_m)]
        pieces.append((left, right, window.sill_m + window.size_m[1], height))
        x = right
    return [*pieces, (x, length, 0.0, height)]


def _window_parts(name: str, window: Window, frame: WallFrame, trim: Rgb) -> list[Part]:
    """Reveal, casement with a cross, sill board, and curtains on a rod where wanted."""
    (w, h), x, mid = window.size_m, window.along_m, window.sill_m + window.size_m[1] / 2
    bars = [(box((0.02, h, 0.2)), x + s * (w / 2 + 0.01), mid, -0.1) for s in (-1, 1)]
    bars += [(box((w + 0.04, 0.02, 0.2)), x, mid + s * (h / 2 + 0.01), -0.1) for s in (-1, 1)]
    bars += [(rounded_box((0.06, h, 0.05), 0.008), x + s * (w / 2 - 0.03), mid, -0.12) for s in (-1, 1)]
    bars += [(rounded_box((w - 0.12, 0.06, 0.05), 0.008), x, mid + s * (h / 2 - 0.03), -0.12) for s in (-1, 1)]
    bars += [(rounded_box((0.045, h - 0.12, 0.045), 0.008), x, mid, -0.12)]
    bars += [(rounded_box((w - 0.12, 0.03, 0.035), 0.006), x, mid + 0.14 * h, -0.12)]
    bars += [(rounded_box((w + 0.16, 0.03, 0.2), 0.008), x, window.sill_m - 0.015, 0.02)]
    parts = [Part(name=name, mesh_node=joined(frame.solid(*b) for b in bars), finish=_paint(trim))]
    if window.curtain is not None:
        top, span = window.sill_m + h + 0.16, 0.34
        cloth = [frame.solid(pleats((span, top - 0.03, 0.09)), x + s * (w / 2 + 0.1), 0.02, 0.1) for s in (-1, 1)]
        rod = frame.solid(rounded_box((w + 0.9, 0.025, 0.025), 0.012, 4), x, top, 0.1)
        parts.append(
            Part(name=f"{name} curtains", mesh_node=joined(cloth), finish=Finish(pattern=Plain(colour=window.curtain)))
        )
        parts.append(Part(name=f"{name} rod", mesh_node=rod, finish=_paint(linear("#5a4632"))))
    return parts


def pleats(size_m: tuple[float, float, float], folds: int = 5, steps: int = 60) -> Mesh:
    """A hanging curtain: a wavy sheet with a thickness, origin at its bottom centre."""
    w, h, d = size_m
    s = np.linspace(0, 1, steps)
    wave = 0.5 * (d - 0.008) * np.sin(2 * np.pi * folds * s)
    front = np.stack([(s - 0.5) * w, wave + 0.004], axis=-1)
    back = np.stack([(s - 0.5) * w, wave - 0.004], axis=-1)
    outline = np.concatenate([front, back[::-1]])  # (2 steps, 2): x, z
    n = len(outline)
    vertices = np.concatenate([np.insert(outline, 1, y, axis=1) for y in (0.0, h)])
    k = np.arange(n)
    side = np.stack([k, (k + 1) % n, (k + 1) % n + n, k + n], axis=-1)
    i = np.arange(steps - 1)
    top = np.stack([i, i + 1, n - 2 - i, n - 1 - i], axis=-1) + n
    quads = np.concatenate([side, top, top[:, ::-1] - n])
    return Mesh(vertices=vertices, faces=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]))


def _sheet(corners: Sequence[Sequence[float | int]] | Float[np.ndarray, "4 3"]) -> Mesh:
    return Mesh(vertices=np.asarray(corners, dtype=np.float64), faces=np.array([[0, 1, 2], [0, 2, 3]]))


def _paint(colour: Rgb) -> Finish:
    return Finish(pattern=Plain(colour=colour, mottle=0.01), gloss=0.03, roughness=0.4)


def _triple(v: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
