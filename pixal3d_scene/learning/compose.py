"""Compose a random room: a seed enters, a `ComposedRoom` leaves (world frame, metres).

Random are the room's size and surfaces, the kinds, sizes, styles and places of furniture, what stands on what, the
light, and the camera. What a seed gives stays the same.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..camera import Camera
from .composed_room import ComposedRoom, PlacedObject, camera_at, lamp_lights
from .furniture import CATALOGUE, Size, make, random_size
from .lights import BulbLight, Light, SunLight
from .materials import Carpet, Pattern, Plain, Planks, Rgb, Rug, Tiles, Wallpaper, linear
from .placement import find_spot, find_top
from .render import pixel_truth
from .shell import Shell, Wall, WallFrame, Window
from .surfaces import Stage

SMALLEST_SHARE = 0.001  # of the picture; an object that shows less is not part of the room
_STYLES: dict[str, tuple[str, ...]] = {
    "living room": ("sofa", "coffee table", "armchair", "floor lamp", "bookshelf", "plant", "sideboard", "stool"),
    "bedroom": ("bed", "round table", "sideboard", "armchair", "plant", "floor lamp", "crate", "stool"),
    "study": ("desk", "office chair", "bookshelf", "floor lamp", "plant", "cardboard box", "armchair", "crate"),
    "dining room": ("dining table", "dining chair", "dining chair", "dining chair", "sideboard", "plant", "stool"),
}
_ON_TOP = ("vase", "books", "table lamp", "television")
_WALL_COLOURS = ("#e6e0d4", "#cfd8d3", "#d9cdb8", "#c3cfd9", "#e0d0c8", "#b9c4ae", "#d8d4cf", "#8fa3a6", "#c9b7a0")
_WOOD_FLOORS = (("#b98a5c", "#7d5433"), ("#8a6242", "#54371f"), ("#d3b48a", "#a5804f"), ("#9b948a", "#6a6258"))


def compose_room(seed: int, *, size_px: tuple[int, int] = (800, 600), objects: int | None = None) -> ComposedRoom:
    """A room with about `objects` pieces (random without), all of them seen by the camera."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    size_m = (float(rng.uniform(3.6, 6.0)), float(rng.uniform(3.6, 5.4)), float(rng.uniform(2.4, 2.9)))
    style = str(rng.choice(sorted(_STYLES)))
    count = int(rng.integers(5, 10)) if objects is None else objects
    shell = _shell(size_m, rng)
    placed = _furnish(style, count, size_m, rng)
    room = ComposedRoom(
        seed=seed,
        style=style,
        size_m=size_m,
        shell_world=shell.parts_world(),
        objects=tuple(placed),
        decor=_pictures(shell, placed, rng),
        lights=(),
        sky=(8.0, 8.8, 10.0),
        camera=camera_at(eye_world=(1.0, 1.5, 0.0), yaw_rad=0.0, pitch_rad=0.0, fov_deg=60.0, size_px=size_px),
    )
    stage = Stage(room)
    room = _only_seen(_with_best_camera(room, stage, rng), stage)
    return replace(room, lights=_lights(shell, room.objects, rng))


def _furnish(style: str, count: int, room_m: Size, rng: np.random.Generator) -> list[PlacedObject]:
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
    """Without the objects that show too little (and what stands on them), numbered anew from 1."""
    shares = _shares(room, stage)
    seen = {value for value, share in shares.items() if share >= SMALLEST_SHARE}
    seen |= {item.parent for item in room.objects if item.mask_value in seen}  # a hidden carrier stays
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


def _shell(size_m: Size, rng: np.random.Generator) -> Shell:
    width, _, height = size_m
    main, side = (linear(_WALL_COLOURS[k]) for k in rng.choice(len(_WALL_COLOURS), 2))
    lower = linear(str(rng.choice(_WALL_COLOURS)))
    dado = float(rng.uniform(0.8, 1.1)) if rng.random() < 0.2 else 0.0
    paper = Wallpaper(
        colour=main,
        lower=lower,
        dado_m=dado,
        period_m=float(rng.uniform(0.06, 0.3)),
        contrast=float(rng.choice([0.0, 0.05, 0.12])),
    )
    plain = Wallpaper(colour=side, lower=lower, dado_m=dado, contrast=0.0)
    walls: dict[Wall, Pattern] = {"back": paper, "left": plain, "right": plain, "front": plain}
    windows = [Window(wall="front", along_m=width / 2, sill_m=0.85, size_m=(1.5, min(1.3, height - 1.1)))]
    for wall in ("left", "right", "back"):
        if rng.random() < 0.4:
            length = WallFrame.of(wall, size_m).length_m
            span = float(rng.uniform(0.9, 1.6))
            windows.append(
                Window(
                    wall=wall, along_m=float(rng.uniform(span / 2 + 0.3, length - span / 2 - 0.3)), sill_m=0.9,
                    size_m=(span, float(rng.uniform(1.0, height - 1.2))),
                    curtain=linear(str(rng.choice(_WALL_COLOURS))) if rng.random() < 0.6 else None,
                )
            )  # fmt: skip
    return Shell(
        size_m=size_m,
        floor=_floor(size_m, rng),
        walls=walls,
        ceiling=Plain(colour=(0.8, 0.79, 0.77)),
        trim=linear(str(rng.choice(["#f2eee6", "#d8c3a3", "#6b4630"]))),
        windows=tuple(windows),
    )


def _floor(size_m: Size, rng: np.random.Generator) -> Pattern:
    light, dark = (linear(c) for c in _WOOD_FLOORS[rng.integers(len(_WOOD_FLOORS))])
    ground: Pattern = Planks(light=light, dark=dark, width_m=float(rng.uniform(0.09, 0.22)))
    choice = rng.random()
    if choice < 0.2:
        ground = Carpet(colour=linear(str(rng.choice(_WALL_COLOURS))))
    elif choice < 0.35:
        ground = Tiles(colour=linear("#cbbfae"), joint=linear("#8c8478"), square_m=float(rng.uniform(0.2, 0.5)))
    if rng.random() < 0.5:
        return ground
    colours: list[Rgb] = [linear(c) for c in rng.permutation(["#e4d6bd", "#a8503c", "#33505e", "#7d8b6a", "#2e2f33"])]
    return Rug(
        under=ground,
        centre_m=(size_m[0] * rng.uniform(0.35, 0.65), -size_m[1] * rng.uniform(0.45, 0.65)),
        size_m=(float(rng.uniform(1.6, 2.6)), float(rng.uniform(1.2, 1.9))),
        yaw_rad=float(rng.normal(0, 0.1)),
        field=colours[0],
        figure=colours[1],
        border=colours[2],
    )


def _pictures(shell: Shell, placed: list[PlacedObject], rng: np.random.Generator) -> tuple[PlacedObject, ...]:
    """Up to two pictures high on the back wall, beside its windows and above what stands there."""
    frame, hung = WallFrame.of("back", shell.size_m), list[PlacedObject]()
    spans = [(w.along_m, w.size_m[0] / 2 + 0.4) for w in shell.windows if w.wall == "back"]
    tall = [item for item in placed if item.place_world[1] + item.size_m[1] > 1.1]
    spans += [
        (item.place_world[0], item.size_m[0] / 2 + 0.1) for item in tall if item.place_world[2] < -shell.size_m[1] + 0.8
    ]
    for _ in range(int(rng.integers(0, 3))):
        size = random_size("picture", rng)
        along = float(rng.uniform(size[0], max(frame.length_m - size[0], size[0] + 0.01)))
        if all(abs(along - at) > reach + size[0] / 2 for at, reach in spans):
            x, y, z = (float(v) for v in frame.point(along, rng.uniform(1.2, 1.5), size[2] / 2))
            hung.append(replace(_object([], "picture", size, (x, y, z), frame.yaw_rad, 0, rng), mask_value=0))
            spans.append((along, size[0] / 2 + 0.08))
    return tuple(hung)


def _lights(shell: Shell, objects: tuple[PlacedObject, ...], rng: np.random.Generator) -> tuple[Light, ...]:
    """Sky through the windows, the sun through one of them at times, a ceiling light, and the lamps."""
    sky = float(rng.uniform(1.5, 6.0))
    lights: list[Light] = list(shell.window_lights((sky, 1.07 * sky, 1.2 * sky)))
    window = shell.windows[rng.integers(len(shell.windows))]
    out = -WallFrame.of(window.wall, shell.size_m).inward
    if rng.random() < 0.5:
        towards = (
            out + np.array([0.0, rng.uniform(0.5, 1.2), 0.0]) + 0.4 * rng.normal(size=3) * (1 - np.abs(out)) * [1, 0, 1]
        )
        lights.append(
            SunLight(
                towards_sun=(float(towards[0]), float(towards[1]), float(towards[2])), irradiance=(40.0, 34.0, 25.0)
            )
        )
    width, depth, height = shell.size_m
    power, warmth = float(rng.uniform(0.5, 4.0)), float(rng.uniform(0.5, 1.0))
    lights.append(
        BulbLight(
            centre_world=(width / 2, height - 0.3, -depth / 2),
            intensity=(power, 0.6 * power + 0.4 * warmth * power, warmth * power),
            radius_m=0.14,
        )
    )
    for item in objects:
        lights += lamp_lights(item, power=float(rng.uniform(0.5, 2.5)))
    return tuple(lights)
