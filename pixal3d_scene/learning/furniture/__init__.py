"""Parametric furniture: `make(kind, rng, size_m)` gives the parts of one piece in its own frame.

The frame is `node`: y up, origin at the bottom centre, +z = the front, metres. `CATALOGUE` lists the kinds with the
sizes that they usually have and where in a room they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from . import lamps, panels_and_beds, plants, seats, storage, tables
from .part import Part, Size, Style, bounds, fitted, random_style, united

Place = Literal["wall", "corner", "free", "top", "hung"]

__all__ = [
    "CATALOGUE",
    "Kind",
    "Part",
    "Place",
    "Size",
    "Style",
    "bounds",
    "make",
    "random_size",
    "random_style",
    "united",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of furniture.

    build: parts near a wanted size. smallest_m, largest_m: (width, height, depth) range. place: against a wall, in a
    corner, free in the room, on top of something, or hung on a wall. carries: its top is flat, things may stand on it.
    round_plan: width and depth are equal.
    """

    build: Callable[[np.random.Generator, Size, Style], list[Part]]
    smallest_m: Size
    largest_m: Size
    place: Place
    carries: bool = False
    round_plan: bool = False


CATALOGUE: dict[str, Kind] = {
    "armchair": Kind(seats.armchair, (0.72, 0.74, 0.74), (0.95, 0.95, 0.9), "free"),
    "bed": Kind(panels_and_beds.bed, (0.95, 0.8, 1.98), (1.8, 1.15, 2.15), "wall"),
    "books": Kind(storage.books, (0.2, 0.06, 0.15), (0.28, 0.16, 0.2), "top"),
    "bookshelf": Kind(storage.bookshelf, (0.6, 1.1, 0.26), (1.1, 2.1, 0.36), "wall"),
    "cardboard box": Kind(storage.cardboard_box, (0.28, 0.2, 0.25), (0.6, 0.45, 0.45), "free"),
    "coffee table": Kind(tables.coffee_table, (0.8, 0.36, 0.5), (1.2, 0.46, 0.7), "free", carries=True),
    "crate": Kind(storage.crate, (0.35, 0.28, 0.28), (0.6, 0.45, 0.45), "free"),
    "desk": Kind(tables.desk, (1.1, 0.72, 0.55), (1.5, 0.77, 0.75), "wall", carries=True),
    "dining chair": Kind(seats.dining_chair, (0.4, 0.8, 0.44), (0.48, 1.0, 0.52), "free"),
    "dining table": Kind(tables.dining_table, (1.1, 0.72, 0.75), (1.8, 0.78, 0.95), "free", carries=True),
    "floor lamp": Kind(lamps.floor_lamp, (0.34, 1.4, 0.34), (0.5, 1.75, 0.5), "corner", round_plan=True),
    "office chair": Kind(seats.office_chair, (0.58, 0.9, 0.58), (0.68, 1.1, 0.68), "free", round_plan=True),
    "picture": Kind(panels_and_beds.picture, (0.4, 0.35, 0.025), (0.9, 0.7, 0.035), "hung"),
    "plant": Kind(plants.plant, (0.4, 0.6, 0.4), (0.75, 1.3, 0.75), "corner", round_plan=True),
    "round table": Kind(tables.round_table, (0.5, 0.45, 0.5), (1.1, 0.76, 1.1), "free", carries=True, round_plan=True),
    "sideboard": Kind(storage.sideboard, (1.0, 0.55, 0.38), (1.8, 0.85, 0.48), "wall", carries=True),
    "sofa": Kind(seats.sofa, (1.5, 0.75, 0.82), (2.3, 0.92, 0.98), "wall"),
    "stool": Kind(seats.stool, (0.32, 0.4, 0.32), (0.42, 0.65, 0.42), "free", round_plan=True),
    "table lamp": Kind(lamps.table_lamp, (0.24, 0.38, 0.24), (0.36, 0.58, 0.36), "top", round_plan=True),
    "television": Kind(panels_and_beds.television, (0.75, 0.5, 0.2), (1.25, 0.8, 0.28), "top"),
    "vase": Kind(plants.vase, (0.14, 0.22, 0.14), (0.26, 0.45, 0.26), "top", round_plan=True),
}


def make(kind: str, rng: np.random.Generator, size_m: Size, style: Style | None = None) -> tuple[Part, ...]:
    """The parts of one piece of exactly `size_m` (width, height, depth), in node; KeyError for an unknown kind."""
    style = random_style(rng) if style is None else style
    return fitted(CATALOGUE[kind].build(rng, size_m, style), size_m)


def random_size(kind: str, rng: np.random.Generator) -> Size:
    """A size within the kind's range."""
    entry = CATALOGUE[kind]
    w, h, d = (float(rng.uniform(a, b)) for a, b in zip(entry.smallest_m, entry.largest_m, strict=True))
    return (w, h, w) if entry.round_plan else (w, h, d)
