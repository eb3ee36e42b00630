"""How rooms are furnished: groups of pieces per style, then what stands on them, hangs on walls, lies about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .sample_furniture import CEILING, FLOOR, TRIES, WALL, Arrangement, upright_boxes
from .sampled_room import BOX, DISC, Thing
from .vocabulary import LABEL_INDEX, LABELS

STYLES = ("living room", "bedroom", "dining room", "study", "kitchen", "bathroom", "anything", "table top")
STYLE_SHARES = (0.27, 0.14, 0.14, 0.12, 0.08, 0.04, 0.14, 0.07)
_CARRIERS = ("table", "coffee table", "desk", "sideboard", "nightstand", "bookcase", "shelf", "cabinet", "bench")
_SITTABLE = ("sofa", "bed", "armchair", "chair")
_FLOOR_CLUTTER = ("toy", "shoes", "backpack", "suitcase", "box", "trash can", "plant", "pet", "object", "vase", "stool")


def furnish(room: Arrangement, style: str) -> None:
    """Fill a room: main groups first, so that they find their place."""
    _STYLES[style](room)
    _loose(room)
    _on_walls(room)
    _hanging(room)
    _on_tops(room, busy=style == "table top")


def _living(room: Arrangement) -> None:
    rng = room.rng
    sofa = room.against_wall("sofa") if rng.random() < 0.7 else room.anywhere("sofa")
    if sofa is not None:
        table = None
        if rng.random() < 0.85:
            label = "coffee table" if rng.random() < 0.7 else "table"
            table = room.beside(label, sofa, (0,), (0.25, 0.6), facing=False, under=False)
        around = table or sofa
        for _ in range(int(rng.integers(0, 3))):
            sides = (0, 1, 3) if table else (0,)
            room.beside("armchair", around, sides, (0.25, 0.8), facing=True, under=False)
        for side in (1, 3):
            if rng.random() < 0.35:
                label = str(rng.choice(["nightstand", "lamp", "plant", "stool", "table"]))
                room.beside(label, sofa, (side,), (0.02, 0.2), facing=False, under=False)
        _rug(room, around, 0.6)
    for label in rng.choice(["sideboard", "bookcase", "shelf", "fireplace", "piano", "cabinet"], 3):
        if rng.random() < 0.55:
            room.against_wall(str(label))


def _bedroom(room: Arrangement) -> None:
    bed = room.against_wall("bed")
    if bed is not None:
        for side in (1, 3):
            if room.rng.random() < 0.65:
                room.beside("nightstand", bed, (side,), (0.02, 0.15), facing=False, under=False)
        _rug(room, bed, 0.4)
    for label in room.rng.choice(["wardrobe", "sideboard", "desk", "armchair", "bookcase", "bench"], 3):
        if room.rng.random() < 0.6:
            room.against_wall(str(label))


def _dining(room: Arrangement) -> None:
    table = room.anywhere("table")
    if table is not None:
        _seats(room, table, int(room.rng.integers(2, 7)))
        _rug(room, table, 0.35)
    for label in room.rng.choice(["sideboard", "cabinet", "bookcase", "bench", "sofa"], 3):
        if room.rng.random() < 0.5:
            room.against_wall(str(label))


def _study(room: Arrangement) -> None:
    for _ in range(int(room.rng.integers(1, 3))):
        desk = room.against_wall("desk")
        if desk is not None:
            room.beside("chair", desk, (0,), (-0.15, 0.5), facing=True, under=True)
    for label in room.rng.choice(["bookcase", "shelf", "cabinet", "armchair", "sofa", "table"], 3):
        if room.rng.random() < 0.6:
            room.against_wall(str(label))


def _kitchen(room: Arrangement) -> None:
    for label in room.rng.choice(["cabinet", "refrigerator", "stove", "sink", "washing machine", "cabinet"], 6):
        room.against_wall(str(label), wall=int(room.rng.integers(0, 2)))
    table = room.anywhere("table") if room.rng.random() < 0.7 else None
    if table is not None:
        _seats(room, table, int(room.rng.integers(1, 5)))


def _bathroom(room: Arrangement) -> None:
    for label in ("bathtub", "toilet", "sink", "cabinet", "washing machine"):
        if room.rng.random() < 0.75:
            room.against_wall(label)


def _anything(room: Arrangement) -> None:
    labels = sorted(set(room.shelf.by_label) - {"person", "lamp on top"})
    for label in room.rng.choice(labels, int(room.rng.integers(4, 10))):
        _ = room.against_wall(str(label)) if room.rng.random() < 0.4 else room.anywhere(str(label))


def _table_top(room: Arrangement) -> None:
    label = str(room.rng.choice(["table", "desk", "coffee table", "sideboard"]))
    table = room.anywhere(label)
    if table is not None:
        _seats(room, table, int(room.rng.integers(0, 3)))
    for other in room.rng.choice(["sofa", "bookcase", "cabinet", "bed"], 2):
        room.against_wall(str(other))


_STYLES: dict[str, Callable[[Arrangement], None]] = dict(
    zip(STYLES, (_living, _bedroom, _dining, _study, _kitchen, _bathroom, _anything, _table_top), strict=True)
)


def _seats(room: Arrangement, table: Thing, count: int) -> None:
    """Chairs around a table, most often of one model, most looking at it."""
    model = room.pick("chair" if room.rng.random() < 0.9 else "stool")
    for number in range(count):
        if model is None:
            return
        if room.rng.random() < 0.15:
            model = room.pick("chair")
        side = (number % 4,) if room.rng.random() < 0.8 else (0, 1, 2, 3)
        if model is not None:
            room.beside_model(model, table, side, (-0.18, 0.3), facing=True, under=True)


def _rug(room: Arrangement, under: Thing, chance: float) -> None:
    """A rug under a group, now and then a round one; it may lie under furniture, since it is thinner than a foot."""
    rng = room.rng
    if rng.random() > chance:
        return
    size = np.array([under.size_m[0] + rng.uniform(0.2, 1.2), 0.0, under.size_m[2] + rng.uniform(0.4, 1.6)])
    (shape,) = rng.spawn(1)  # draws of its own: what else is in the room of a seed stays as it was without round rugs
    is_round = shape.random() < 0.2
    if is_round:
        size[[0, 2]] = shape.uniform(1.0, 1.25) * size[[0, 2]].mean()
    limit = np.array([room.size_m[0], 1.0, room.size_m[1]]) - 0.3
    size = np.minimum(size, limit)
    if is_round:
        size[[0, 2]] = size[[0, 2]].min()
    size[1] = rng.uniform(0.006, 0.02)
    yaw = float(np.arctan2(under.axes_world[0, 2], under.axes_world[2, 2]))
    quarter = abs(np.sin(yaw)) > 0.7
    reach = (size[[2, 0]] if quarter else size[[0, 2]]) / 2
    at = under.place_world[[0, 2]] + rng.normal(0, 0.25, 2)
    room_half = np.array(room.size_m[:2]) / 2
    at = np.clip(at, -np.maximum(room_half - reach, 0), np.maximum(room_half - reach, 0))
    straight = float(np.round(yaw / (np.pi / 2)) * np.pi / 2)
    room.add(DISC if is_round else BOX, np.array([at[0], 0.0, at[1]]), straight, size, LABEL_INDEX["rug"], FLOOR)
    room.boxes[-1][5:] = -1.0  # nothing is kept away by it


def _loose(room: Arrangement) -> None:
    """Single pieces and clutter on the floor."""
    rng = room.rng
    for label in ("chair", "armchair", "plant", "lamp", "stool", "table"):
        if rng.random() < 0.36:
            room.anywhere(label)
    if rng.random() < 0.07:
        room.anywhere("person")
    for _ in range(int(rng.poisson(1.8 if rng.random() < 0.75 else 6.0))):
        room.anywhere(str(rng.choice(_FLOOR_CLUTTER)))


def _on_walls(room: Arrangement) -> None:
    """Pictures, mirrors, cabinets, radiators, clocks, lamps."""
    rng = room.rng
    for _ in range(int(rng.poisson(2.2))):
        width, height = rng.uniform(0.2, 1.1), rng.uniform(0.2, 0.9)
        mirror = rng.random() < 0.12
        size = np.array([width, height, rng.uniform(0.012, 0.05)])
        bottom = float(np.clip(rng.normal(1.55, 0.2) - height / 2, 0.9, room.size_m[2] - height - 0.1))
        spots = room.at_walls(rng.integers(0, 4, 6), rng.uniform(-0.5, 0.5, 6), width, np.full(6, size[2] / 2), bottom)
        _put_box(room, spots, size, "mirror" if mirror else "picture")
    for model in rng.choice(room.shelf.hung, int(rng.poisson(0.9))) if len(room.shelf.hung) else ():
        scale = room.scale()
        size = room.shelf.pack.size_m[model] * scale
        bottom = float(np.clip(room.shelf.pack.elevation_m[model], 0.05, max(room.size_m[2] - size[1] - 0.05, 0.05)))
        out = np.full(TRIES, size[2] / 2 + 0.002)
        spots = room.at_walls(rng.integers(0, 4, TRIES), rng.uniform(-0.5, 0.5, TRIES), float(size[0]), out, bottom)
        room.put(int(model), spots, scale, support=WALL)


def _put_box(room: Arrangement, spots: np.ndarray, size: np.ndarray, label: str) -> None:
    boxes = upright_boxes(spots, size)
    if room.is_free(boxes).any():
        x, y, z, yaw = spots[int(room.is_free(boxes).argmax())]
        room.add(BOX, np.array([x, y, z]), float(yaw), size, LABEL_INDEX[label], WALL)


def _hanging(room: Arrangement) -> None:
    """Lamps and fans under the ceiling."""
    for _ in range(int(room.rng.poisson(0.6))):
        if len(room.shelf.ceiling) == 0:
            return
        model = int(room.rng.choice(room.shelf.ceiling))
        scale = room.scale()
        height = float(room.shelf.pack.size_m[model, 1]) * scale
        x, z = (room.rng.normal(0, 0.2, TRIES) * room.size_m[k] for k in (0, 1))
        bottom = np.full(TRIES, room.size_m[2] - height - 0.006)
        yaw = room.rng.uniform(-np.pi, np.pi, TRIES)
        room.put(model, np.stack([x, bottom, z, yaw], axis=1), scale, support=CEILING)


def _on_tops(room: Arrangement, *, busy: bool) -> None:
    """Things on tables, in shelves, now and then on seats and beds."""
    rng = room.rng
    for carrier in list(room.things):
        word = LABELS[carrier.label]
        if carrier.model < 0 or carrier.carrier:
            continue
        if word in _CARRIERS:
            count = int(rng.poisson(6.0 if busy and word in ("table", "desk", "coffee table", "sideboard") else 2.4))
        elif word in _SITTABLE:
            count = int(rng.random() < 0.12)
        else:
            count = int(rng.random() < 0.3)
        if word in ("sideboard", "desk", "table", "nightstand") and rng.random() < 0.35:
            kind = "lamp on top" if word == "nightstand" or rng.random() < 0.4 else "television"
            room.on_top(carrier, room.shelf.by_label.get(kind, room.shelf.small), near_middle=kind == "television")
        for _ in range(count):
            room.on_top(carrier, room.shelf.small)
