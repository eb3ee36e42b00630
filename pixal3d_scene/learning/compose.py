"""Compose a random room: a seed enters, a `ComposedRoom` leaves (world frame, metres).

Random are the room's size and surfaces, the kinds, sizes, styles and places of furniture, what stands on what, the
light, and the camera. What a seed gives stays the same.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..camera import Camera
from .composed_room import ComposedRoom, PlacedObject, camera_at
from .furniture import CATALOGUE, Size, make, random_size
from .placement import find_spot, find_top
from .render import pixel_truth
from .shell import RoomSize
from .surfaces import Stage
from .surroundings import random_lights, random_pictures, random_shell

SMALLEST_SHARE = 0.001  # of the picture; an object that shows less is not part of the room
_STYLES: dict[str, tuple[str, ...]] = {
    "living room": ("sofa", "coffee table", "armchair", "floor lamp", "bookshelf", "plant", "sideboard", "stool"),
    "bedroom": ("bed", "round table", "sideboard", "armchair", "plant", "floor lamp", "crate", "stool"),
    "study": ("desk", "office chair", "bookshelf", "floor lamp", "plant", "cardboard box", "armchair", "crate"),
    "dining room": ("dining table", "dining chair", "dining chair", "dining chair", "sideboard", "plant", "stool"),
}
_ON_TOP = ("vase", "books", "table lamp", "television")


def compose_room(seed: int, *, size_px: tuple[int, int] = (800, 600), objects: int | None = None) -> ComposedRoom:
    """A room with about `objects` pieces (random without), all of them seen by the camera."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    size_m = (float(rng.uniform(3.6, 6.0)), float(rng.uniform(3.6, 5.4)), float(rng.uniform(2.4, 2.9)))
    style = str(rng.choice(sorted(_STYLES)))
    count = int(rng.integers(5, 10)) if objects is None else objects
    shell = random_shell(size_m, rng)
    placed = _furnish(style, count, size_m, rng)
    room = ComposedRoom(
        seed=seed,
        style=style,
        size_m=size_m,
        shell_world=shell.parts_world(),
        objects=tuple(placed),
        decor=random_pictures(shell, placed, rng),
        lights=(),
        sky=(8.0, 8.8, 10.0),
        camera=camera_at(eye_world=(1.0, 1.5, 0.0), yaw_rad=0.0, pitch_rad=0.0, fov_deg=60.0, size_px=size_px),
    )
    stage = Stage(room)
    room = _only_seen(_with_best_camera(room, stage, rng), stage)
    return replace(room, lights=random_lights(shell, room.objects, rng))


def _furnish(style: str, count: int, room_m: RoomSize, rng: np.random.Generator) -> list[PlacedObject]:
    """Floor pieces of the style (the first kinds of its list surely), some others, and things on their tops."""
    wanted = list(_STYLES[style][: max(2, count - 2)])
    floor_kinds = sorted(kind for kind, entry in CATALOGUE.items() if entry.place in ("wall", "corner", "free"))
    if rng.random() < 0.5:
        wanted.append(str(rng.choice(floor_kinds)))
    placed: list[PlacedObject] = []
    for kind in wanted:
        size = random_size(kind, rng)
        spot = find_spot(kind, size, room_m, placed, rng)
        if spot is not None:
            placed.append(_object(placed, kind, size, (spot.x_m, 0.0, spot.z_m), spot.yaw_rad, 0, rng))
    for carrier in [item for item in placed if CATALOGUE[item.kind].carries]:
        for kind in rng.permutation(_ON_TOP)[: int(rng.integers(1, 3))]:
            size = random_size(str(kind), rng)
            spot = find_top(size, carrier, placed, rng, facing=kind == "television")
            if spot is not None and len(placed) < count + 2:
                place = (spot.x_m, float(carrier.size_m[1]), spot.z_m)
                placed.append(_object(placed, str(kind), size, place, spot.yaw_rad, carrier.mask_value, rng))
    return placed


def _object(
    placed: list[PlacedObject],
    kind: str,
    size_m: Size,
    place: tuple[float, float, float],
    yaw_rad: float,
    parent: int,
    rng: np.random.Generator,
) -> PlacedObject:
    return PlacedObject(
        mask_value=len(placed) + 1,
        kind=kind,
        parts=make(kind, rng, size_m),
        place_world=place,
        yaw_rad=yaw_rad,
        parent=parent,
    )


def _with_best_camera(room: ComposedRoom, stage: Stage, rng: np.random.Generator, candidates: int = 10) -> ComposedRoom:
    """The room seen by the camera, of some random ones, that shows the most objects; then the most of them."""
    width, depth, _ = room.size_m
    best, best_score = room, (-1, 0.0)
    middle = np.mean([item.place_world for item in room.objects], axis=0)
    for _ in range(candidates):
        x, z = rng.uniform(0.15, 0.85) * width, -rng.uniform(0.02, 0.14) * depth
        yaw = math.atan2(x - middle[0], z - middle[2]) + rng.normal(0.0, 0.12)
        camera = camera_at(
            eye_world=(float(x), float(rng.uniform(1.15, 1.75)), float(z)),
            yaw_rad=float(yaw),
            pitch_rad=math.radians(rng.uniform(5, 18)),
            fov_deg=float(rng.uniform(58, 80)),
            size_px=room.camera.size_px,
        )
        shares = _shares(replace(room, camera=camera), stage)
        score = (sum(s > 2 * SMALLEST_SHARE for s in shares.values()), sum(min(s, 0.06) for s in shares.values()))
        if score > best_score:
            best, best_score = replace(room, camera=camera), score
    return best


def _only_seen(room: ComposedRoom, stage: Stage) -> ComposedRoom:
    """Without the objects that show too little (unless something seen stands on them), numbered anew from 1."""
    shares = _shares(room, stage)
    seen = {value for value, share in shares.items() if share >= SMALLEST_SHARE}
    seen |= {item.parent for item in room.objects if item.mask_value in seen}
    kept = [item for item in room.objects if item.mask_value in seen]
    new = {item.mask_value: k for k, item in enumerate(kept, start=1)} | {0: 0}
    return replace(room, objects=tuple(replace(i, mask_value=new[i.mask_value], parent=new[i.parent]) for i in kept))


def _shares(room: ComposedRoom, stage: Stage) -> dict[int, float]:
    """Share of the picture that every object shows, from a small picture; `stage`: of the same objects."""
    small = replace(room, camera=room.camera.resized(_small(room.camera)))
    values = pixel_truth(small, stage).mask_values
    return {item.mask_value: float((values == item.mask_value).mean()) for item in room.objects}


def _small(camera: Camera) -> tuple[int, int]:
    width, height = camera.size_px
    return max(1, round(160 * width / max(width, height))), max(1, round(160 * height / max(width, height)))
