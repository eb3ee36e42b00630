"""Tables: rectangular, round, low (coffee) and a desk. Sizes are (width, height, depth) in m; the top is flat."""

from __future__ import annotations

import numpy as np

from ..shapes import lathe, leg, moved, rounded_box
from .part import Part, Size, Style, joined


def dining_table(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A board on an apron and four tapered, slightly leaning legs."""
    w, h, d = size_m
    thick, splay = rng.uniform(0.028, 0.04), rng.uniform(0.0, 0.05)
    top = moved(rounded_box((w, thick, d), 0.008), to_m=(0, h - thick / 2, 0))
    return [
        Part(name="top", mesh_node=top, finish=style.wood(0, seed=1)),
        *_apron(w - 0.16, d - 0.16, h - thick - 0.04, 0.08, style),
        *_four_legs(w / 2 - 0.08 - splay, d / 2 - 0.08 - splay, h - thick + 0.01, splay, 0.016, 0.032, style),
    ]


def coffee_table(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A low table with a second board under the top."""
    w, h, d = size_m
    top = moved(rounded_box((w, 0.03, d), 0.012, 4), to_m=(0, h - 0.015, 0))
    shelf = moved(rounded_box((w - 0.14, 0.018, d - 0.14), 0.006), to_m=(0, 0.4 * h, 0))
    return [
        Part(name="top", mesh_node=top, finish=style.wood(0, seed=3)),
        Part(name="shelf", mesh_node=shelf, finish=style.wood(0, seed=4)),
        *_four_legs(w / 2 - 0.075, d / 2 - 0.075, h - 0.02, float(rng.uniform(0.0, 0.02)), 0.014, 0.025, style),
    ]


def round_table(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A round top on three leaning legs or on a turned pedestal."""
    w, h, _ = size_m
    r = w / 2
    top = lathe([(0, h - 0.03), (r - 0.03, h - 0.03), (r, h - 0.012), (r, h - 0.006), (r - 0.006, h), (0, h)], 64)
    parts = [Part(name="top", mesh_node=top, finish=style.wood(0, seed=1))]
    if rng.random() < 0.5:
        angles = np.radians(30 + 120 * np.arange(3))
        for k, (x, z) in enumerate(np.stack([np.sin(angles), np.cos(angles)], axis=-1)):
            mesh = leg((0.86 * r * x, 0, 0.86 * r * z), (0.4 * r * x, h - 0.02, 0.4 * r * z), 0.013, 0.024)
            parts.append(Part(name=f"leg{k}", mesh_node=mesh, finish=style.wood(1, seed=k)))
        return parts
    foot = 0.62 * r
    profile = [(0, 0), (foot, 0), (foot, 0.015), (0.5 * foot, 0.045), (0.055, 0.1), (0.036, 0.2), (0.05, 0.38 * h)]
    profile += [(0.032, 0.55 * h), (0.04, 0.8 * h), (0.11, h - 0.035), (0.11, h - 0.02), (0, h - 0.02)]
    parts.append(Part(name="pedestal", mesh_node=lathe(profile, 40), finish=style.wood(1, seed=2)))
    return parts


def desk(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A writing desk: a board, two legs on one side and a chest of drawers on the other."""
    w, h, d = size_m
    side = int(rng.choice([-1, 1]))
    chest_w, count = 0.4, 3
    x = side * (w / 2 - chest_w / 2 - 0.02)
    top = moved(rounded_box((w, 0.028, d), 0.006), to_m=(0, h - 0.014, 0))
    chest = moved(rounded_box((chest_w, h - 0.08, d - 0.05), 0.004), to_m=(x, (h + 0.03) / 2, -0.01))
    feet = moved(rounded_box((chest_w - 0.05, 0.07, d - 0.12), 0.004), to_m=(x, 0.035, -0.01))
    step = (h - 0.11) / count
    fronts = [
        moved(
            rounded_box((chest_w - 0.03, step - 0.012, 0.02), 0.005), to_m=(x, 0.07 + step * (k + 0.5), d / 2 - 0.035)
        )
        for k in range(count)
    ]
    knobs = [
        moved(rounded_box((0.11, 0.014, 0.02), 0.006), to_m=(x, 0.07 + step * (k + 0.62), d / 2 - 0.018))
        for k in range(count)
    ]
    legs = [
        leg(
            (-side * (w / 2 - 0.05), 0, s * (d / 2 - 0.05)),
            (-side * (w / 2 - 0.07), h - 0.02, s * (d / 2 - 0.07)),
            0.015,
            0.026,
        )
        for s in (-1, 1)
    ]
    return [
        Part(name="top", mesh_node=top, finish=style.wood(0, seed=1)),
        Part(name="chest", mesh_node=chest, finish=style.wood(1, seed=2)),
        Part(name="feet", mesh_node=feet, finish=style.steel()),
        Part(name="fronts", mesh_node=joined(fronts), finish=style.wood(0, seed=5)),
        Part(name="knobs", mesh_node=joined(knobs), finish=style.steel()),
        Part(name="legs", mesh_node=joined(legs), finish=style.wood(1, seed=3)),
    ]


def _apron(w: float, d: float, y: float, height: float, style: Style) -> list[Part]:
    """Four boards under a table top, in a rectangle of w x d."""
    boards: list[tuple[Size, Size, int]] = [((w, height, 0.02), (0, y, s * d / 2), 0) for s in (-1, 1)]
    boards += [((0.02, height, d), (s * w / 2, y, 0), 2) for s in (-1, 1)]
    return [
        Part(name=f"apron{k}", mesh_node=moved(rounded_box(size, 0.003), to_m=at), finish=style.wood(axis, seed=k))
        for k, (size, at, axis) in enumerate(boards)
    ]


def _four_legs(x: float, z: float, top: float, splay: float, foot_r: float, top_r: float, style: Style) -> list[Part]:
    return [
        Part(
            name=f"leg{k}",
            mesh_node=leg((sx * (x + splay), 0, sz * (z + splay)), (sx * x, top, sz * z), foot_r, top_r),
            finish=style.wood(1, seed=k),
        )
        for k, (sx, sz) in enumerate([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    ]
