"""Random surroundings of a composed room: shell, floor, pictures on the wall, light. World frame, metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .composed_room import PlacedObject, lamp_lights
from .furniture import make, random_size
from .lights import BulbLight, Light, SunLight
from .materials import Carpet, Pattern, Plain, Planks, Rgb, Rug, Tiles, Wallpaper, linear
from .shell import RoomSize, Shell, Wall, WallFrame, Window

_WALL_COLOURS = ("#e6e0d4", "#cfd8d3", "#d9cdb8", "#c3cfd9", "#e0d0c8", "#b9c4ae", "#d8d4cf", "#8fa3a6", "#c9b7a0")
_WOOD_FLOORS = (("#b98a5c", "#7d5433"), ("#8a6242", "#54371f"), ("#d3b48a", "#a5804f"), ("#9b948a", "#6a6258"))


def random_shell(size_m: RoomSize, rng: np.random.Generator) -> Shell:
    """Floor, papered walls and windows: always one behind the camera, others where chance puts them."""
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
    others: tuple[Wall, ...] = ("left", "right", "back")
    windows += [_window(wall, size_m, rng) for wall in others if rng.random() < 0.4]
    return Shell(
        size_m=size_m,
        floor=_floor(size_m, rng),
        walls=walls,
        ceiling=Plain(colour=(0.8, 0.79, 0.77)),
        trim=linear(str(rng.choice(["#f2eee6", "#d8c3a3", "#6b4630"]))),
        windows=tuple(windows),
    )


def _window(wall: Wall, room_m: RoomSize, rng: np.random.Generator) -> Window:
    length, width = WallFrame.of(wall, room_m).length_m, float(rng.uniform(0.9, 1.6))
    return Window(
        wall=wall,
        along_m=float(rng.uniform(width / 2 + 0.3, length - width / 2 - 0.3)),
        sill_m=0.9,
        size_m=(width, float(rng.uniform(1.0, room_m[2] - 1.2))),
        curtain=linear(str(rng.choice(_WALL_COLOURS))) if rng.random() < 0.6 else None,
    )


def _floor(size_m: RoomSize, rng: np.random.Generator) -> Pattern:
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


def random_pictures(shell: Shell, placed: Sequence[PlacedObject], rng: np.random.Generator) -> tuple[PlacedObject, ...]:
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
            hung.append(
                PlacedObject(
                    mask_value=0,
                    kind="picture",
                    parts=make("picture", rng, size),
                    place_world=(x, y, z),
                    yaw_rad=frame.yaw_rad,
                )
            )
            spans.append((along, size[0] / 2 + 0.08))
    return tuple(hung)


def random_lights(shell: Shell, objects: Sequence[PlacedObject], rng: np.random.Generator) -> tuple[Light, ...]:
    """Sky through the windows, the sun through one of them at times, a ceiling light, and the lamps."""
    sky = float(rng.uniform(1.5, 6.0))
    lights: list[Light] = [*shell.window_lights((sky, 1.07 * sky, 1.2 * sky))]
    if rng.random() < 0.5:
        lights.append(_sun_through(shell.windows[rng.integers(len(shell.windows))], shell.size_m, rng))
    width, depth, height = shell.size_m
    power, warmth = float(rng.uniform(0.5, 4.0)), float(rng.uniform(0.5, 1.0))
    lights.append(
        BulbLight(
            centre_world=(width / 2, height - 0.3, -depth / 2),
            intensity=(power, (0.6 + 0.4 * warmth) * power, warmth * power),
            radius_m=0.14,
        )
    )
    for item in objects:
        lights += lamp_lights(item, power=float(rng.uniform(0.5, 2.5)))
    return tuple(lights)


def _sun_through(window: Window, room_m: RoomSize, rng: np.random.Generator) -> SunLight:
    """A sun that stands outside a window, 27 to 50 degrees high, more or less in front of it."""
    frame = WallFrame.of(window.wall, room_m)
    x, y, z = (0.4 * rng.normal() * frame.along - frame.inward + np.array([0.0, rng.uniform(0.5, 1.2), 0.0])).tolist()
    return SunLight(towards_sun=(x, y, z), irradiance=(40.0, 34.0, 25.0))
