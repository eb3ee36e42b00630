"""Things to keep things in: bookshelf with books, sideboard, crate, cardboard box. Sizes (width, height, depth), m."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from ...asset import Mesh
from ..materials import Finish, Plain, Stripes, linear
from ..shapes import box, leg, moved, rounded_box
from .part import Part, Size, Style, joined

_BOOK_COLOURS = ("#8c3b30", "#2f4f6b", "#c6a15b", "#e3ddcf", "#4d6650", "#3a3440", "#b86f4c")


def bookshelf(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """Sides, boards, a back panel and rows of books of different height, some leaning, with gaps."""
    w, h, d = size_m
    board, count = 0.022, max(2, round(h / 0.36))
    heights = np.linspace(0.06, h - board / 2, count + 1)
    boards = [moved(rounded_box((w - 0.01, board, d), 0.003), to_m=(0, y, 0)) for y in heights]
    sides = [moved(rounded_box((board, h, d), 0.003), to_m=(s * (w - board) / 2, h / 2, 0)) for s in (-1, 1)]
    back = moved(rounded_box((w - 0.02, h - 0.07, 0.01), 0.002), to_m=(0, h / 2 + 0.03, -d / 2 + 0.012))
    rows: dict[int, list[Mesh]] = {}
    for low, high in pairwise(heights):
        _row_of_books(rng, rows, w - 2 * board, low + board / 2, high - low - board, d)
    return [
        *(Part(name=f"side{k}", mesh_node=m, finish=style.wood(1, seed=k)) for k, m in enumerate(sides)),
        Part(name="boards", mesh_node=joined(boards), finish=style.wood(0, seed=3)),
        Part(name="back", mesh_node=back, finish=style.wood(1, seed=4)),
        *(Part(name=f"books{k}", mesh_node=joined(m), finish=_book_finish(k)) for k, m in sorted(rows.items())),
    ]


def _row_of_books(
    rng: np.random.Generator, rows: dict[int, list[Mesh]], width: float, low: float, room: float, depth: float
) -> None:
    """Stand books on one board from the left until some random end, by colour into `rows`."""
    x, end = -width / 2 + 0.004, width / 2 - rng.uniform(0.02, 0.35) * width
    while True:
        thick, tall = rng.uniform(0.016, 0.048), rng.uniform(0.66, 0.93) * room
        deep = rng.uniform(0.55, 0.75) * depth
        if x + thick > end:
            return
        book = moved(rounded_box((thick, tall, deep), 0.003, 2), to_m=(x + thick / 2, low + tall / 2 - 0.001, 0.02))
        if rng.random() < 0.07:  # leaning on its neighbour to the left; sunk by the foot's edge, as books are soft
            turn = Rotation.from_euler("z", 12, degrees=True)
            book = moved(
                rounded_box((thick, 0.9 * tall, deep), 0.003, 2),
                to_m=(x + 0.1 * tall + 0.02, low + 0.46 * tall, 0.02),
                turn=turn,
            )
            x += 0.21 * tall
        rows.setdefault(int(rng.integers(len(_BOOK_COLOURS))), []).append(book)
        x += thick + 0.0015


def _book_finish(k: int) -> Finish:
    return Finish(pattern=Plain(colour=linear(_BOOK_COLOURS[k])), gloss=0.02, roughness=0.6)


def books(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A small pile of books, each turned a little."""
    w, h, d = size_m
    count = max(2, round(h / 0.03))
    colours = rng.permutation(len(_BOOK_COLOURS))
    parts = []
    for k in range(count):
        shrink = 1 - 0.07 * k
        turn = Rotation.from_euler("y", rng.uniform(-14, 14), degrees=True)
        place = (rng.uniform(-0.01, 0.01), h * (k + 0.5) / count, rng.uniform(-0.01, 0.01))
        mesh = moved(rounded_box((w * shrink, h / count, d * shrink), 0.004), to_m=place, turn=turn)
        parts.append(Part(name=f"book{k}", mesh_node=mesh, finish=_book_finish(int(colours[k % len(colours)]))))
    return parts


def sideboard(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A low cabinet on legs with doors (one bay with drawers) and handles; its top is flat."""
    w, h, d = size_m
    foot, bays = rng.uniform(0.12, 0.18), max(2, round(w / 0.48))
    top = moved(rounded_box((w, 0.022, d + 0.015), 0.006), to_m=(0, h - 0.011, 0.0075))
    body = moved(rounded_box((w, h - foot, d - 0.02), 0.006), to_m=(0, (h + foot) / 2, -0.01))
    step, low, tall = (w - 0.03) / bays, foot + 0.02, h - foot - 0.045
    drawers = int(rng.integers(bays))
    fronts, handles = [], []
    for k in range(bays):
        x = (k - (bays - 1) / 2) * step
        count = 3 if k == drawers else 1
        for j in range(count):
            y = low + tall * (j + 0.5) / count
            fronts.append(
                moved(rounded_box((step - 0.008, tall / count - 0.008, 0.018), 0.004), to_m=(x, y, d / 2 - 0.015))
            )
            bar = (0.12, 0.012, 0.022) if count > 1 else (0.012, 0.14, 0.022)
            shift = 0.0 if count > 1 else (0.5 - 0.08 / step) * step * (1 if k % 2 == 0 else -1)
            handles.append(moved(rounded_box(bar, 0.005), to_m=(x + shift, y, d / 2 + 0.004)))
    legs = [
        leg(
            (sx * (w / 2 - 0.07), 0, sz * (d / 2 - 0.06)),
            (sx * (w / 2 - 0.11), foot + 0.02, sz * (d / 2 - 0.09)),
            0.012,
            0.024,
        )
        for sx in (-1, 1)
        for sz in (-1, 1)
    ]
    return [
        Part(name="top", mesh_node=top, finish=style.wood(0, seed=3)),
        Part(name="body", mesh_node=body, finish=style.wood(0, seed=1)),
        Part(name="fronts", mesh_node=joined(fronts), finish=style.wood(0, seed=6)),
        Part(name="handles", mesh_node=joined(handles), finish=style.steel()),
        Part(name="legs", mesh_node=joined(legs), finish=style.wood(1, seed=2)),
    ]


def crate(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A wooden crate: posts at the corners, planks with gaps on four sides, a bottom; open above."""
    w, h, d = size_m
    count, thick = max(2, round(h / 0.11)), 0.014
    posts = [
        moved(rounded_box((0.035, h, 0.035), 0.004), to_m=(sx * (w / 2 - 0.03), h / 2, sz * (d / 2 - 0.03)))
        for sx in (-1, 1)
        for sz in (-1, 1)
    ]
    step = h / count
    long, short = [], []
    for k in range(count):
        y = step * (k + 0.5)
        long += [moved(rounded_box((w, step - 0.014, thick), 0.003), to_m=(0, y, s * (d - thick) / 2)) for s in (-1, 1)]
        short += [
            moved(rounded_box((thick, step - 0.014, d - 2 * thick), 0.003), to_m=(s * (w - thick) / 2, y, 0))
            for s in (-1, 1)
        ]
    floor = moved(box((w - 0.03, 0.016, d - 0.03)), to_m=(0, 0.025, 0))
    return [
        Part(name="posts", mesh_node=joined(posts), finish=style.wood(1, seed=1)),
        Part(name="long", mesh_node=joined(long), finish=style.wood(0, seed=int(rng.integers(99)))),
        Part(name="short", mesh_node=joined(short), finish=style.wood(2, seed=2)),
        Part(name="floor", mesh_node=floor, finish=style.wood(0, seed=3)),
    ]


def cardboard_box(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A closed parcel with a strip of tape over its top."""
    w, h, d = size_m
    board = Stripes(first=linear("#b68d5f"), second=linear("#ad8458"), period_m=0.012, axis=0)
    tape = moved(rounded_box((w + 0.002, 0.004, 0.06), 0.0015), to_m=(0, h - 0.002, 0))
    ends = [moved(rounded_box((0.004, 0.09, 0.06), 0.0015), to_m=(s * w / 2, h - 0.045, 0)) for s in (-1, 1)]
    return [
        Part(
            name="box",
            mesh_node=moved(rounded_box((w, h - 0.001, d), 0.006), to_m=(0, h / 2, 0)),
            finish=Finish(pattern=board),
        ),
        Part(
            name="tape",
            mesh_node=tape,
            finish=Finish(pattern=Plain(colour=linear("#cdb894")), gloss=0.04, roughness=0.3),
        ),
        Part(name="ends", mesh_node=joined(ends), finish=Finish(pattern=Plain(colour=linear("#cdb894")), gloss=0.04)),
    ]
