"""Random furniture in a random room: groups as people have them, things on tops, on walls, on the floor.

World as in `sampled_room`: the room's middle is the origin, the floor at y = 0. Nothing shares space with anything
else, but a chair may reach TUCK_M under a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from .footprints import inside, meeting
from .model_pack import ModelPack
from .model_words import PLACES
from .sampled_room import Material, Thing, turned
from .vocabulary import LABEL_INDEX, LABELS, SUPPORTS

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float, Int64

TUCK_M = 0.2
TRIES = 20
_WALL_YAWS = (0.0, np.pi / 2, np.pi, -np.pi / 2)  # of the back, left, front and right wall: where they look
FLOOR, OBJECT, WALL, CEILING = (SUPPORTS.index(word) for word in ("floor", "object", "wall", "ceiling"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The models that may be used, sorted by what is asked for."""

    pack: ModelPack
    by_label: dict[str, Int64[np.ndarray, "_"]]
    small: Int64[np.ndarray, "_"]
    ceiling: Int64[np.ndarray, "_"]
    hung: Int64[np.ndarray, "_"]

    @staticmethod
    def of(pack: ModelPack, split: str) -> Shelf:
        """Of the models of "train" or "validation"."""
        own = pack.of_split(split)
        place = np.array([PLACES[p] for p in pack.place])
        standing = own[np.isin(place[own], ["free", "back"]) | (pack.label[own] == LABEL_INDEX["television"])]
        low = own[(place[own] == "top") & (pack.size_m[own].max(axis=1) < 0.9)]
        by_label = {word: standing[pack.label[standing] == k] for k, word in enumerate(LABELS)}
        by_label["lamp on top"] = low[pack.label[low] == LABEL_INDEX["lamp"]]
        by_label["plant"] = own[(pack.label[own] == LABEL_INDEX["plant"]) & (pack.size_m[own, 1] > 0.3)]
        by_label["toy"] = own[pack.label[own] == LABEL_INDEX["toy"]]
        return Shelf(
            pack=pack,
            by_label={word: found for word, found in by_label.items() if len(found)},
            small=low,
            ceiling=own[place[own] == "ceiling"],
            hung=own[place[own] == "hung"],
        )


@dataclass(slots=True)
class Arrangement:
    """The furniture of one room while it grows."""

    shelf: Shelf
    rng: np.random.Generator
    size_m: tuple[float, float, float]
    blocked: Float[np.ndarray, "n 7"]  # parts of the shell that stand out: doors, windows, pillars
    things: list[Thing] = field(default_factory=list)
    boxes: list[Float[np.ndarray, "7"]] = field(default_factory=list)

    def put(
        self,
        model: int,
        spots: Float[np.ndarray, "k 4"],
        scale: float,
        *,
        support: int = FLOOR,
        carrier: int = 0,
        under: Sequence[int] = (),
    ) -> Thing | None:
        """The model at the first of the spots (x, bottom, z, yaw) that is free; None where none is.

        under: numbers of the tables that it may reach under.
        """
        size = self.shelf.pack.size_m[model].astype(np.float64) * scale
        free = self.is_free(upright_boxes(spots, size), under)
        if not free.any():
            return None
        x, y, z, yaw = spots[int(free.argmax())]
        return self.add(
            model, np.array([x, y, z]), float(yaw), size, int(self.shelf.pack.label[model]), support, carrier
        )

    def is_free(self, boxes: Float[np.ndarray, "k 7"], under: Sequence[int] = ()) -> Bool[np.ndarray, "k"]:
        """Whether boxes are within the room and meet nothing; see `put`."""
        free = inside(boxes, self.size_m[0], self.size_m[1]) & (boxes[:, 6] <= self.size_m[2] - 0.005)
        taken = np.array([*self.blocked, *self.boxes]).reshape(-1, 7)
        slack = np.full(len(taken), 1e-6)
        for number in under:
            slack[len(self.blocked) + number - 1] = TUCK_M
        return free & ~_meeting_with(boxes, taken, slack).any(axis=1)

    def add(
        self,
        model: int,
        place: Float[np.ndarray, "3"],
        yaw: float,
        size: Float[np.ndarray, "3"],
        label: int,
        support: int,
        carrier: int = 0,
        materials: tuple[Material, ...] = (),
    ) -> Thing:
        """A thing at a place, whether it is free or not."""
        scale = size if model < 0 else size / np.maximum(self.shelf.pack.size_m[model].astype(np.float64), 1e-9)
        thing = Thing(
            model=model,
            place_world=place,
            axes_world=turned(yaw) * scale,
            size_m=size,
            materials=materials,
            number=len(self.things) + 1,
            label=label,
            support=support,
            carrier=carrier,
        )
        self.things.append(thing)
        self.boxes.append(upright_boxes(np.array([[place[0], place[1], place[2], yaw]]), size)[0])
        return thing

    def pick(self, label: str) -> int | None:
        """A random model of a label."""
        found = self.shelf.by_label.get(label)
        return None if found is None else int(self.rng.choice(found))

    def scale(self) -> float:
        """Real things vary about the catalogue's size."""
        return float(np.clip(self.rng.normal(1.0, 0.06), 0.85, 1.18))

    def against_wall(self, label: str, wall: int | None = None) -> Thing | None:
        """A piece with its back to a wall."""
        model = self.pick(label)
        if model is None:
            return None
        scale = self.scale()
        size = self.shelf.pack.size_m[model] * scale
        walls = self.rng.integers(0, 4, TRIES) if wall is None else np.full(TRIES, wall)
        along = self.rng.uniform(-0.5, 0.5, TRIES)
        gap = self.rng.uniform(0.005, 0.09, TRIES)
        return self.put(model, self.at_walls(walls, along, float(size[0]), size[2] / 2 + gap, 0.0), scale)

    def at_walls(
        self,
        walls: Int64[np.ndarray, "k"],
        along: Float[np.ndarray, "k"],
        width: float,
        out: Float[np.ndarray, "k"],
        bottom: float,
    ) -> Float[np.ndarray, "k 4"]:
        """Spots `out` from walls; along: -0.5 to 0.5 of the free length."""
        yaw = np.array(_WALL_YAWS)[walls]
        side = walls % 2 == 1
        length = np.where(side, self.size_m[1], self.size_m[0]) - width
        t = along * np.maximum(length, 0.0)
        reach = np.where(side, self.size_m[0], self.size_m[1]) / 2 - out
        x = -np.sin(yaw) * reach + np.cos(yaw) * t
        z = -np.cos(yaw) * reach - np.sin(yaw) * t
        return np.stack([x, np.full(len(x), bottom), z, yaw], axis=1)

    def anywhere(self, label: str) -> Thing | None:
        """A piece somewhere on the floor, most often square to the walls."""
        model = self.pick(label)
        if model is None:
            return None
        x, z = (self.rng.uniform(-0.5, 0.5, TRIES) * self.size_m[k] for k in (0, 1))
        square = self.rng.integers(0, 4, TRIES) * np.pi / 2 + self.rng.normal(0, 0.15, TRIES)
        yaw = np.where(self.rng.random(TRIES) < 0.5, square, self.rng.uniform(-np.pi, np.pi, TRIES))
        return self.put(model, np.stack([x, np.zeros(TRIES), z, yaw], axis=1), self.scale())

    def beside(
        self, label: str, other: Thing, sides: Sequence[int], gap_m: tuple[float, float], *, facing: bool, under: bool
    ) -> Thing | None:
        """A piece by a side of another (0 front, 1 its left, 2 back, 3 right); facing it, or as it looks itself."""
        model = self.pick(label)
        if model is None:
            return None
        return self.beside_model(model, other, sides, gap_m, facing=facing, under=under)

    def beside_model(
        self, model: int, other: Thing, sides: Sequence[int], gap_m: tuple[float, float], *, facing: bool, under: bool
    ) -> Thing | None:
        """The same for a model that was picked already."""
        scale = self.scale()
        size = self.shelf.pack.size_m[model] * scale
        yaw = float(np.arctan2(other.axes_world[0, 2], other.axes_world[2, 2]))
        side = self.rng.choice(np.asarray(sides), TRIES)
        turn = yaw + side * np.pi / 2
        reach = np.where(side % 2 == 0, other.size_m[2], other.size_m[0]) / 2
        deep = size[2] if facing else np.where(side % 2 == 0, size[2], size[0])
        wide = np.where(side % 2 == 0, other.size_m[0], other.size_m[2])
        shift = self.rng.uniform(-0.5, 0.5, TRIES) * np.maximum(wide - size[0], 0.0) * (1.0 if facing else 0.2)
        out = reach + deep / 2 + self.rng.uniform(*gap_m, TRIES)
        x = other.place_world[0] + np.sin(turn) * out + np.cos(turn) * shift
        z = other.place_world[2] + np.cos(turn) * out - np.sin(turn) * shift
        own = np.where(facing, turn + np.pi, yaw) + self.rng.normal(0, 0.08 if facing else 0.03, TRIES)
        spots = np.stack([x, np.zeros(TRIES), z, own], axis=1)
        return self.put(model, spots, scale, under=(other.number,) if under else ())

    def on_top(self, carrier: Thing, models: Int64[np.ndarray, "m"], *, near_middle: bool = False) -> Thing | None:
        """One of the models on one of the carrier's level surfaces."""
        tops = self.shelf.pack.tops_of(carrier.model) if carrier.model >= 0 else np.zeros((0, 6))
        if len(tops) == 0 or len(models) == 0:
            return None
        grown = carrier.size_m / np.maximum(self.shelf.pack.size_m[carrier.model], 1e-9)
        y, x0, x1, z0, z1, clear = self.rng.choice(tops) * grown[[1, 0, 0, 2, 2, 1]]
        scale = self.scale()
        for model in self.rng.choice(models, 4):
            w, h, d = self.shelf.pack.size_m[model] * scale
            reach = 0.5 * float(np.hypot(w, d)) if not near_middle else 0.5 * float(max(w, d))
            if h > clear - 0.01 or 2 * min(reach, 0.5 * float(max(w, d))) > min(x1 - x0, z1 - z0):
                continue
            low = np.array([min(x0 + reach, (x0 + x1) / 2), min(z0 + reach, (z0 + z1) / 2)])
            high = np.array([max(x1 - reach, (x0 + x1) / 2), max(z1 - reach, (z0 + z1) / 2)])
            at = self.rng.uniform(low, high, (TRIES, 2)) if not near_middle else np.tile((low + high) / 2, (TRIES, 1))
            small_room = reach > min(x1 - x0, z1 - z0) / 2
            turn = self.rng.normal(0, 0.1, TRIES) if near_middle else self.rng.uniform(-np.pi, np.pi, TRIES)
            turn = turn * (0.0 if small_room else 1.0)
            yaw = float(np.arctan2(carrier.axes_world[0, 2], carrier.axes_world[2, 2]))
            points = np.stack([at[:, 0], np.full(TRIES, y), at[:, 1]], axis=1) @ turned(yaw).T + carrier.place_world
            spots = np.concatenate([points, (yaw + turn)[:, None]], axis=1)
            put = self._put_on(carrier, int(model), spots, scale)
            if put is not None:
                return put
        return None

    def _put_on(self, carrier: Thing, model: int, spots: Float[np.ndarray, "k 4"], scale: float) -> Thing | None:
        """As `put`, but within the carrier's own box."""
        own = self.boxes[carrier.number - 1].copy()
        self.boxes[carrier.number - 1][5:] = -1.0  # out of the way
        try:
            return self.put(model, spots, scale, support=OBJECT, carrier=carrier.number)
        finally:
            self.boxes[carrier.number - 1][:] = own


def upright_boxes(spots: Float[np.ndarray, "k 4"], size: Float[np.ndarray, "3"]) -> Float[np.ndarray, "k 7"]:
    """Rows as `footprints` takes them, of a thing of one size at spots (x, bottom, z, yaw)."""
    ones = np.ones(len(spots))
    columns = [spots[:, 0], spots[:, 2], spots[:, 3], ones * size[0] / 2, ones * size[2] / 2, spots[:, 1]]
    return np.stack([*columns, spots[:, 1] + size[1]], axis=1)


def _meeting_with(
    a: Float[np.ndarray, "n 7"], b: Float[np.ndarray, "m 7"], slack: Float[np.ndarray, "m"]
) -> Bool[np.ndarray, "n m"]:
    met = meeting(a, b, 1e-6)
    for column in np.flatnonzero(slack > 1e-3):
        met[:, column] = meeting(a, b[column : column + 1], float(slack[column]))[:, 0]
    return met
