"""Bed, television and framed picture. Sizes are (width, height, depth) in m."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ..materials import Finish, Painting, Plain, linear
from ..shapes import box, cushion, leg, moved, rounded_box
from .part import Part, Size, Style, joined


def bed(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """Frame with headboard (at -z), mattress, pillows and a blanket that hangs over the sides."""
    w, h, d = size_m
    frame_y, mattress = 0.26, 0.2
    top = frame_y + mattress
    linen = Finish(pattern=Plain(colour=linear("#e8e2d6")))
    frame = moved(rounded_box((w, 0.14, d - 0.02), 0.012), to_m=(0, frame_y - 0.05, 0.01))
    head = moved(rounded_box((w, h - 0.1, 0.05), 0.02, 4), to_m=(0, (h + 0.1) / 2, -d / 2 + 0.025))
    legs = [
        leg(
            (sx * (w / 2 - 0.06), 0, sz * (d / 2 - 0.07)),
            (sx * (w / 2 - 0.07), frame_y - 0.1, sz * (d / 2 - 0.08)),
            0.022,
            0.03,
        )
        for sx in (-1, 1)
        for sz in (-1, 1)
    ]
    pad = moved(rounded_box((w - 0.07, mattress, d - 0.11), 0.06, 5), to_m=(0, frame_y + mattress / 2, 0.02))
    blanket_d = rng.uniform(0.6, 0.68) * d
    z = d / 2 - 0.03 - blanket_d / 2
    blanket = moved(rounded_box((w + 0.0, mattress + 0.06, blanket_d), 0.05, 5), to_m=(0, top - mattress / 2 + 0.01, z))
    fold = moved(rounded_box((w - 0.006, 0.07, 0.26), 0.033, 5), to_m=(0, top + 0.025, z - blanket_d / 2 + 0.1))
    count = 2 if w > 1.3 else 1
    tilt = Rotation.from_euler("x", -rng.uniform(14, 26), degrees=True)
    pillows = [
        moved(
            cushion((min(0.68, 0.9 * w / count), 0.17, 0.42), 3.2),
            to_m=((k - (count - 1) / 2) * w / 2.1, top + 0.07, -d / 2 + 0.3),
            turn=tilt,
        )
        for k in range(count)
    ]
    return [
        Part(name="frame", mesh_node=frame, finish=style.wood(2, seed=1)),
        Part(name="head", mesh_node=head, finish=style.wood(0, seed=2)),
        Part(name="legs", mesh_node=joined(legs), finish=style.wood(1)),
        Part(name="mattress", mesh_node=pad, finish=linen),
        Part(name="blanket", mesh_node=blanket, finish=style.fabric()),
        Part(name="fold", mesh_node=fold, finish=style.trim()),
        Part(name="pillows", mesh_node=joined(pillows), finish=linen),
    ]


def television(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A flat screen on two feet."""
    w, h, d = size_m
    foot = 0.07
    black = Finish(pattern=Plain(colour=linear("#1c1c1f")), gloss=0.04, roughness=0.4)
    glass = Finish(pattern=Plain(colour=linear("#0d1116"), mottle=0.0), gloss=0.09, roughness=0.06)
    panel = moved(rounded_box((w, h - foot, 0.035), 0.006), to_m=(0, (h + foot) / 2, 0))
    screen = moved(box((w - 0.03, h - foot - 0.03, 0.004)), to_m=(0, (h + foot) / 2 + 0.004, 0.0172))
    feet = []
    for s in (-1, 1):
        feet += [leg((s * 0.34 * w, 0, z * d / 2.1), (s * 0.32 * w, foot + 0.02, 0.0), 0.008, 0.008) for z in (-1, 1)]
    return [
        Part(name="panel", mesh_node=panel, finish=black),
        Part(name="screen", mesh_node=screen, finish=glass),
        *(Part(name=f"foot{k}", mesh_node=m, finish=black) for k, m in enumerate(feet)),
    ]


def picture(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A framed picture with a passe-partout; hangs with its back (-z) on a wall."""
    w, h, d = size_m
    rail = 0.028
    hills = (linear("#5c7f86"), linear("#3f5d55"), linear("#c08552"), linear("#8c4a3a"))
    order = rng.permutation(len(hills))[:3]
    art = Painting(
        sky=linear("#dfd3bd"),
        sun=linear("#d98f4e"),
        hills=tuple(hills[k] for k in order),
        centre_m=(0.0, h / 2),
        size_m=(w - 4 * rail, h - 4 * rail),
        seed=int(rng.integers(1000)),
    )
    frame = [moved(rounded_box((w, rail, d), 0.004), to_m=(0, h / 2 + s * (h - rail) / 2, 0)) for s in (-1, 1)]
    posts = [moved(rounded_box((rail, h - 0.01, d), 0.004), to_m=(s * (w - rail) / 2, h / 2, 0)) for s in (-1, 1)]
    board = moved(box((w - 0.03, h - 0.03, 0.4 * d)), to_m=(0, h / 2, -0.25 * d))
    sheet = moved(box((w - 4 * rail, h - 4 * rail, 0.1 * d)), to_m=(0, h / 2, -0.02 * d))
    return [
        Part(name="rails", mesh_node=joined(frame), finish=style.wood(0)),
        Part(name="posts", mesh_node=joined(posts), finish=style.wood(1)),
        Part(name="board", mesh_node=board, finish=Finish(pattern=Plain(colour=linear("#efeae0")))),
        Part(name="sheet", mesh_node=sheet, finish=Finish(pattern=art)),
    ]
