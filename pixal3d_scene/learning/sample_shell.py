"""A random room shell: floor, walls, ceiling, skirting, doors, windows with curtains, pillars.

World as in `sampled_room`. Walls are numbered 0 back (z lowest), 1 left, 2 front, 3 right.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..shell_parts import SHELL_PARTS
from .sample_colours import (
    curtain_material,
    floor_material,
    pane_material,
    random_colour,
    trim_material,
    wall_materials,
)
from .sampled_room import BOX, SQUARE, Material, Thing, turned

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float

_FLOOR, _WALL, _CEILING, _WINDOW, _DOOR = (
    SHELL_PARTS.index(word) for word in ("floor", "wall", "ceiling", "window", "door")
)
_YAWS = (0.0, np.pi / 2, np.pi, -np.pi / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledShell:
    """things: the surfaces. blocked: where no furniture may be, as `footprints` rows. windows: (middle of the pane,
    direction into the room, size in m2)."""

    things: tuple[Thing, ...]
    blocked: Float[np.ndarray, "n 7"]
    windows: tuple[tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"], float], ...]


def random_size(rng: np.random.Generator, style: str) -> tuple[float, float, float]:
    """(width, depth, height); now and then a hall whose walls are far away, and small rooms for baths."""
    kind = rng.random()
    if style in ("bathroom", "kitchen") and kind < 0.7:
        low, high = 2.0, 4.0
    elif kind < 0.12:
        low, high = 6.0, 11.0
    else:
        low, high = 2.8, 6.2
    width, depth = rng.uniform(low, high, 2)
    return float(width), float(depth), float(np.clip(rng.normal(2.6, 0.25), 2.25, 3.6))


def random_shell(rng: np.random.Generator, size_m: tuple[float, float, float], style: str) -> SampledShell:
    """The shell of one room."""
    width, depth, height = size_m
    walls = wall_materials(rng, style)
    trim = trim_material(rng)
    things = [_square((0, 0, 0), np.diag([width, 1.0, depth]), _FLOOR, floor_material(rng, style))]
    ceiling = Material(pattern="plain", first=_pale(rng), gloss=0.0)
    things.append(_square((0, height, 0), np.diag([width, 1.0, depth]), _CEILING, ceiling))
    blocked: list[list[float]] = []
    windows: list[tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"], float]] = []
    skirting = rng.random() < 0.75
    for wall in range(4):
        frame = _Wall.of(wall, size_m)
        turn = np.stack([frame.along * frame.length, frame.inward, np.array([0.0, height, 0.0])], axis=1)
        things.append(_square(frame.point(0.0, height / 2, 0.0), turn, _WALL, walls[wall]))
        if skirting:
            things.append(frame.box((0.0, 0.0), (frame.length, float(rng.uniform(0.05, 0.14)), 0.014), _WALL, trim))
        _open_wall(rng, frame, height, trim, things, blocked, windows)
    if rng.random() < 0.22:
        things.append(_pillar(rng, size_m, walls[0], blocked))
    return SampledShell(
        things=tuple(things), blocked=np.array(blocked, dtype=np.float64).reshape(-1, 7), windows=tuple(windows)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wall:
    """One wall as seen from the room. along: to the right... of its own left-to-right axis; inward: its normal."""

    yaw: float
    length: float
    reach: float
    along: Float[np.ndarray, "3"]
    inward: Float[np.ndarray, "3"]

    @staticmethod
    def of(wall: int, size_m: tuple[float, float, float]) -> _Wall:
        axes = turned(_YAWS[wall])
        side = wall % 2 == 1
        return _Wall(
            yaw=_YAWS[wall],
            length=size_m[1] if side else size_m[0],
            reach=(size_m[0] if side else size_m[1]) / 2,
            along=axes[:, 0],
            inward=axes[:, 2],
        )

    def point(self, along: float, up: float, out: float) -> Float[np.ndarray, "3"]:
        return self.along * along - self.inward * (self.reach - out) + np.array([0.0, up, 0.0])

    def box(
        self,
        at: tuple[float, float],
        size: tuple[float, float, float],
        part: int,
        material: Material,
        out: float = 0.0,
        turn: float = 0.0,
    ) -> Thing:
        """A box on the wall; at: along, bottom. out: of its back from the wall."""
        return Thing(
            model=BOX,
            place_world=self.point(at[0], at[1], out + size[2] / 2),
            axes_world=turned(self.yaw + turn) * np.array(size),
            size_m=np.array(size),
            materials=(material,),
            shell_part=part,
        )

    def blocks(self, along: float, bottom: float, size: tuple[float, float, float]) -> list[float]:
        x, _, z = self.point(along, 0.0, size[2] / 2)
        return [float(x), float(z), self.yaw, size[0] / 2, size[2] / 2, bottom, bottom + size[1]]


def _open_wall(
    rng: np.random.Generator,
    frame: _Wall,
    height: float,
    trim: Material,
    things: list[Thing],
    blocked: list[list[float]],
    windows: list[tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"], float]],
) -> None:
    """A door, a window or two, or nothing."""
    choice = rng.random()
    if choice < 0.18:
        w, h = rng.uniform(0.7, 1.0), min(rng.uniform(1.95, 2.15), height - 0.12)
        at = float(rng.uniform(-0.5, 0.5) * max(frame.length - w - 0.3, 0.0))
        leaf = Material(pattern="plain", first=random_colour(rng, pale=0.6), gloss=0.04)
        things.append(frame.box((at, 0.0), (w, h, 0.02), _DOOR, leaf))
        things += _surround(frame, at, 0.0, w, h, 0.03, trim, _DOOR, bottom=False)
        if rng.random() < 0.7:
            blocked.append(frame.blocks(at, 0.0, (w, h, 0.5)))
    elif choice < 0.55:
        count = 2 if frame.length > 3.5 and rng.random() < 0.3 else 1
        w = float(rng.uniform(0.6, min(2.2, frame.length / count - 0.5)))
        low = float(rng.choice([rng.uniform(0.05, 0.3), rng.uniform(0.7, 1.1)], p=[0.25, 0.75]))
        h = float(rng.uniform(0.7, max(height - low - 0.25, 0.75)))
        if low + h > height - 0.05:
            return
        pane = pane_material(rng)
        for k in range(count):
            at = (k - (count - 1) / 2) * (frame.length / count) + (
                0.0 if count > 1 else float(rng.uniform(-0.5, 0.5) * max(frame.length - w - 0.4, 0.0))
            )
            things.append(frame.box((at, low), (w, h, 0.004), _WINDOW, pane))
            things += _surround(frame, at, low, w, h, float(rng.uniform(0.02, 0.06)), trim, _WINDOW, bottom=True)
            things += _bars(rng, frame, at, low, w, h, trim)
            blocked.append(frame.blocks(at, low - 0.02, (w + 0.1, h + 0.1, 0.16)))
            windows.append((frame.point(at, low + h / 2, 0.08), frame.inward, w * h))
            if rng.random() < 0.5:
                things += _curtains(rng, frame, at, low, w, h, height)


def _surround(
    frame: _Wall, at: float, low: float, w: float, h: float, out: float, trim: Material, part: int, *, bottom: bool
) -> list[Thing]:
    """Architrave or casement: three or four boxes around an opening."""
    boxes = [frame.box((at + s * (w / 2 + 0.025), low), (0.06, h, out), part, trim) for s in (-1, 1)]
    boxes.append(frame.box((at, low + h - 0.01), (w + 0.11, 0.06, out), part, trim))
    if bottom:
        boxes.append(frame.box((at, low - 0.04), (w + 0.16, 0.05, out + 0.08), part, trim))
    return boxes


def _bars(
    rng: np.random.Generator, frame: _Wall, at: float, low: float, w: float, h: float, trim: Material
) -> list[Thing]:
    upright, across = int(rng.integers(0, 4)), int(rng.integers(0, 3))
    bars = [
        frame.box((at + ((k + 1) / (upright + 1) - 0.5) * w, low), (0.045, h, 0.02), _WINDOW, trim)
        for k in range(upright)
    ]
    bars += [frame.box((at, low + (k + 1) / (across + 1) * h), (w, 0.04, 0.02), _WINDOW, trim) for k in range(across)]
    return bars


def _curtains(
    rng: np.random.Generator, frame: _Wall, at: float, low: float, w: float, h: float, height: float
) -> list[Thing]:
    """Folds beside the window, as slats turned to and fro."""
    material = curtain_material(rng)
    top = min(low + h + 0.12, height - 0.02)
    bottom = float(rng.choice([0.02, max(low - 0.15, 0.02)]))
    folds, span = int(rng.integers(4, 9)), float(rng.uniform(0.25, 0.5))
    slats = []
    for side in (-1, 1):
        for k in range(folds):
            along = at + side * (w / 2 + 0.1 - span * ((k + 0.5) / folds - 0.35))
            size = (1.25 * span / folds, top - bottom, 0.008)
            slats.append(frame.box((along, bottom), size, _WINDOW, material, 0.09, 0.75 if k % 2 else -0.75))
    return slats


def _pillar(
    rng: np.random.Generator, size_m: tuple[float, float, float], material: Material, blocked: list[list[float]]
) -> Thing:
    """A chimney breast or a boxed pipe."""
    frame = _Wall.of(int(rng.integers(4)), size_m)
    size = (float(rng.uniform(0.3, 1.6)), size_m[2], float(rng.uniform(0.15, 0.6)))
    at = float(rng.choice([-0.5, 0.5, rng.uniform(-0.4, 0.4)]) * max(frame.length - size[0], 0.0))
    blocked.append(frame.blocks(at, 0.0, size))
    return frame.box((at, 0.0), size, _WALL, material)


def _square(
    place: tuple[float, float, float] | Float[np.ndarray, "3"],
    axes: Float[np.ndarray, "3 3"],
    part: int,
    material: Material,
) -> Thing:
    return Thing(
        model=SQUARE,
        place_world=np.asarray(place, dtype=np.float64),
        axes_world=axes.astype(np.float64),
        size_m=np.linalg.norm(axes, axis=0) * np.array([1.0, 0.0, 1.0]),
        materials=(material,),
        shell_part=part,
    )


def _pale(rng: np.random.Generator) -> tuple[float, float, float]:
    value = float(rng.uniform(0.45, 0.9))
    return value, value * float(rng.uniform(0.93, 1.0)), value * float(rng.uniform(0.85, 1.0))
