"""Things to sit on: armchair, sofa, dining chair, office chair, stool. Sizes are (width, height, depth) in m."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ...asset import Mesh
from ..shapes import cushion, lathe, leg, moved, rounded_box, strut
from .part import Part, Size, Style, joined


def armchair(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """One seat between two upholstered arms."""
    return _upholstered(rng, size_m, style, seats=1)


def sofa(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """Two or three seats with back cushions and throw pillows."""
    return _upholstered(rng, size_m, style, seats=3 if size_m[0] > 1.9 else 2)


def _upholstered(rng: np.random.Generator, size_m: Size, style: Style, seats: int) -> list[Part]:
    w, h, d = size_m
    arm, foot, back = rng.uniform(0.14, 0.2), rng.uniform(0.09, 0.15), 0.17
    seat_top = 0.52 * h
    inner = w - 2 * arm
    lean = Rotation.from_euler("x", -rng.uniform(6, 11), degrees=True)
    body = [
        moved(
            rounded_box((inner + 0.06, seat_top - foot - 0.1, d - 0.1), 0.03), to_m=(0, (seat_top + foot - 0.1) / 2, 0)
        ),
        moved(rounded_box((inner + 0.06, h - foot - 0.06, back), 0.06, 5), to_m=(0, (h + foot) / 2, -d / 2 + back / 2)),
    ]
    arm_height = rng.uniform(0.66, 0.76) * h
    for side in (-1, 1):
        body.append(
            moved(
                rounded_box((arm, arm_height - foot, d), 0.065, 5),
                to_m=(side * (w - arm) / 2, (arm_height + foot) / 2, 0),
            )
        )
    pad_w, pad_d = inner / seats, d - back - 0.02
    seat_pads, back_pads = [], []
    for k in range(seats):
        x = (k - (seats - 1) / 2) * pad_w
        seat_pads.append(moved(cushion((pad_w - 0.006, 0.19, pad_d), 9.0), to_m=(x, seat_top - 0.03, back / 2)))
        pad = moved(cushion((pad_w - 0.012, h - seat_top + 0.03, 0.19), 5.0), turn=lean)
        back_pads.append(moved(pad, to_m=(x, (h + seat_top) / 2 + 0.045, -d / 2 + back + 0.07)))
    legs = [
        leg(
            (sx * (w / 2 - 0.06), 0, sz * (d / 2 - 0.07)),
            (sx * (w / 2 - 0.09), foot + 0.04, sz * (d / 2 - 0.1)),
            0.014,
            0.026,
        )
        for sx in (-1, 1)
        for sz in (-1, 1)
    ]
    parts = [
        Part(name="body", mesh_node=joined(body[:1]), finish=style.fabric()),
        Part(name="back", mesh_node=body[1], finish=style.fabric()),
        Part(name="arms", mesh_node=joined(body[2:]), finish=style.fabric()),
        Part(name="seats", mesh_node=joined(seat_pads), finish=style.fabric()),
        Part(name="backs", mesh_node=joined(back_pads), finish=style.fabric()),
        Part(name="legs", mesh_node=joined(legs), finish=style.wood(1)),
    ]
    for side in (-1, 1) if seats > 1 else (0,):
        turn = Rotation.from_euler("zyx", [rng.uniform(-12, 12), -18 * side, -24], degrees=True)
        place = (side * (inner / 2 - 0.23), seat_top + 0.245, -d / 2 + back + 0.26)
        pillow = moved(cushion((0.42, 0.42, 0.15), 3.2), to_m=place, turn=turn)
        parts.append(Part(name=f"pillow{side:+d}", mesh_node=pillow, finish=style.trim()))
    return parts


def dining_chair(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """Four tapered legs, a padded seat, posts with slats between two rails."""
    w, h, d = size_m
    seat_y = 0.5 * h
    x, z = w / 2 - 0.03, d / 2 - 0.03
    top_z = -z - 0.05
    legs = [leg((s * x, 0, z + 0.01), (s * (x - 0.015), seat_y, z - 0.02), 0.013, 0.02) for s in (-1, 1)]
    legs += [leg((s * x, 0, -z - 0.04), (s * (x - 0.015), seat_y, -z), 0.013, 0.02) for s in (-1, 1)]
    posts = [leg((s * (x - 0.015), seat_y - 0.03, -z), (s * (x - 0.02), h - 0.03, top_z), 0.02, 0.015) for s in (-1, 1)]
    rails = [
        moved(rounded_box((w - 0.02, 0.075, 0.022), 0.01), to_m=(0, h - 0.045, top_z)),
        moved(rounded_box((w - 0.09, 0.03, 0.018), 0.008), to_m=(0, seat_y + 0.11, -z - 0.012)),
    ]
    slats = [
        strut((k * w / 6.5, seat_y + 0.11, -z - 0.012), (k * w / 6, h - 0.05, top_z), 0.008)
        for k in ((-2, -1, 0, 1, 2) if rng.random() < 0.6 else (-1, 0, 1))
    ]
    rungs = [
        strut((s * (x - 0.008), 0.32 * seat_y, z), (s * (x - 0.008), 0.32 * seat_y, -z - 0.02), 0.009) for s in (-1, 1)
    ]
    seat = moved(rounded_box((w, 0.035, d - 0.01), 0.015), to_m=(0, seat_y, 0.005))
    pad = moved(cushion((w - 0.05, 0.06, d - 0.06), 7.0), to_m=(0, seat_y + 0.028, 0.01))
    return [
        *_parts("leg", legs, style, axis=1),
        *_parts("post", posts, style, axis=1),
        *_parts("rail", rails, style, axis=0),
        Part(name="slats", mesh_node=joined(slats), finish=style.wood(1)),
        Part(name="rungs", mesh_node=joined(rungs), finish=style.wood(2)),
        Part(name="seat", mesh_node=seat, finish=style.wood(0, seed=1)),
        Part(name="pad", mesh_node=pad, finish=style.fabric()),
    ]


def office_chair(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """Five-star base on castors, a gas column, a padded seat and back, two arm rests."""
    w, h, d = size_m
    reach, seat_y = min(w, d) / 2 - 0.03, 0.47 * h
    angles = np.radians(18 + 72 * np.arange(5))
    rays = [strut((0, 0.11, 0), (reach * np.sin(a), 0.065, reach * np.cos(a)), 0.022, 0.014) for a in angles]
    wheels = [
        moved(cushion((0.05, 0.055, 0.055), 2.5, 9), to_m=(reach * np.sin(a), 0.0275, reach * np.cos(a)))
        for a in angles
    ]
    column = [
        strut((0, 0.07, 0), (0, 0.2, 0), 0.035),
        strut((0, 0.1, 0), (0, seat_y - 0.02, 0), 0.022),
        moved(rounded_box((0.22, 0.04, 0.24), 0.012), to_m=(0, seat_y - 0.045, 0)),
    ]
    lean = Rotation.from_euler("x", -rng.uniform(7, 12), degrees=True)
    spine = [
        strut((0, seat_y - 0.04, -0.05), (0, seat_y - 0.03, -d / 2 + 0.045), 0.016),
        strut((0, seat_y - 0.03, -d / 2 + 0.05), (0, h - 0.18, -d / 2 + 0.03), 0.016),
    ]
    arms: list[Mesh] = []
    for s in (-1, 1):
        x = s * (w / 2 - 0.045)
        arms.append(strut((s * 0.1, seat_y - 0.045, 0), (x, seat_y - 0.03, 0), 0.013))
        arms.append(strut((x, seat_y - 0.035, 0), (x, seat_y + 0.19, 0), 0.013))
        arms.append(moved(rounded_box((0.06, 0.028, 0.26), 0.012), to_m=(x, seat_y + 0.2, 0.02)))
    seat = moved(cushion((w - 0.14, 0.1, d - 0.1), 6.0), to_m=(0, seat_y + 0.02, 0.02))
    back = moved(cushion((w - 0.16, h - seat_y - 0.1, 0.09), 5.0), turn=lean)
    back = moved(back, to_m=(0, (h + seat_y) / 2 + 0.05, -d / 2 + 0.075))
    metal = [*rays, *column, *spine, *arms]
    return [
        *(Part(name=f"frame{k}", mesh_node=m, finish=style.steel()) for k, m in enumerate(metal)),
        Part(name="wheels", mesh_node=joined(wheels), finish=style.steel()),
        Part(name="seat", mesh_node=seat, finish=style.fabric()),
        Part(name="back", mesh_node=back, finish=style.fabric()),
    ]


def stool(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A turned seat on three or four leaning legs with rungs."""
    w, h, _ = size_m
    count = int(rng.integers(3, 5))
    radius = w / 2
    angles = np.pi / count + 2 * np.pi / count * np.arange(count)
    ring = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (count, 2): x, z
    legs = [
        leg((0.95 * radius * x, 0, 0.95 * radius * z), (0.55 * radius * x, h - 0.02, 0.55 * radius * z), 0.013, 0.019)
        for x, z in ring
    ]
    low = 0.82 * radius * ring
    rungs = [
        strut((low[k][0], 0.3 * h, low[k][1]), (low[(k + 1) % count][0], 0.3 * h, low[(k + 1) % count][1]), 0.009)
        for k in range(count)
    ]
    seat = lathe(
        [
            (0, h - 0.045),
            (radius - 0.03, h - 0.045),
            (radius - 0.004, h - 0.03),
            (radius, h - 0.018),
            (radius - 0.008, h - 0.004),
            (radius - 0.03, h),
            (0, h - 0.006),
        ],
        48,
    )
    return [
        *_parts("leg", legs, style, axis=1),
        *_parts("rung", rungs, style, axis=0),
        Part(name="seat", mesh_node=seat, finish=style.wood(0, seed=2)),
    ]


def _parts(name: str, meshes: list[Mesh], style: Style, axis: int) -> list[Part]:
    return [Part(name=f"{name}{k}", mesh_node=m, finish=style.wood(axis, seed=k)) for k, m in enumerate(meshes)]
