"""The example room: a living room laid out by hand from our own furniture; `examples/room` holds its picture."""

from __future__ import annotations

import math

import numpy as np

from .composed_room import ComposedRoom, PlacedObject, camera_at, lamp_lights
from .furniture import Part, Size, Style, make
from .lights import Light, SunLight
from .materials import Fabric, Plain, Planks, Rug, Wallpaper, linear
from .shell import Shell, WallFrame, Window

_SIZE_M = (4.9, 4.7, 2.6)  # width, depth, height
_OAK = (linear("#b88d5e"), linear("#845a34"))
_WALNUT = (linear("#8a5a3a"), linear("#4d2e1d"))
_BLACK_STEEL = (0.02, 0.02, 0.022)
_BRASS = (0.55, 0.38, 0.15)


def _fabric(colour: str, second: str) -> Fabric:
    return Fabric(colour=linear(colour), second=linear(second))


def _style(wood: tuple[tuple[float, float, float], tuple[float, float, float]], cloth: str, accent: str) -> Style:
    return Style(
        wood_light=wood[0],
        wood_dark=wood[1],
        cloth=_fabric(cloth, cloth),
        accent=Plain(colour=linear(accent)),
        metal=_BLACK_STEEL,
    )


# kind, size (w, h, d), place (x, z), yaw in degrees, style, seed of its details
_FLOOR: tuple[tuple[str, Size, tuple[float, float], float, Style, int], ...] = (
    ("sofa", (2.05, 0.84, 0.92), (1.95, -4.1), 0.0, _style(_OAK, "#2f6f73", "#d9a24e"), 3),
    ("coffee table", (1.05, 0.4, 0.58), (2.15, -2.72), 4.0, _style(_OAK, "#2f6f73", "#d9a24e"), 1),
    ("armchair", (0.82, 0.82, 0.82), (3.62, -2.75), -62.0, _style(_OAK, "#b0664d", "#3a5a68"), 5),
    ("floor lamp", (0.42, 1.62, 0.42), (3.3, -4.25), 0.0, _style(_WALNUT, "#2f6f73", "#d9a24e"), 0),
    ("bookshelf", (0.95, 1.75, 0.32), (4.24, -4.5), 0.0, _style(_WALNUT, "#2f6f73", "#d9a24e"), 2),
    ("plant", (0.72, 1.2, 0.72), (0.47, -4.22), 0.0, _style(_OAK, "#2f6f73", "#d8d2c4"), 4),
    ("dining chair", (0.45, 0.88, 0.48), (0.98, -2.95), 62.0, _style(_WALNUT, "#7a8a68", "#7a8a68"), 6),
)
_ON_COFFEE_TABLE: tuple[tuple[str, Size, tuple[float, float], float, Style, int], ...] = (
    ("vase", (0.34, 0.46, 0.34), (0.24, -0.03), 0.0, _style(_OAK, "#2f6f73", "#2b5d8a"), 8),
    ("books", (0.25, 0.08, 0.18), (-0.22, 0.05), 20.0, _style(_OAK, "#2f6f73", "#d9a24e"), 9),
)


def example_room(size_px: tuple[int, int] = (1024, 768)) -> ComposedRoom:
    """The living room of the product's first page; always the same."""
    shell = _shell()
    objects: list[PlacedObject] = []
    for kind, size, (x, z), yaw_deg, style, seed in _FLOOR:
        parts = make(kind, np.random.default_rng(seed), size, style)
        objects.append(_placed(len(objects) + 1, kind, parts, (x, 0.0, z), yaw_deg))
    table = next(item for item in objects if item.kind == "coffee table")
    for kind, size, (x, z), yaw_deg, style, seed in _ON_COFFEE_TABLE:
        parts = make(kind, np.random.default_rng(seed), size, style)
        at = table.T_world_from_node.apply(np.array([x, table.size_m[1], z]))
        place = (float(at[0]), float(at[1]), float(at[2]))
        objects.append(_placed(len(objects) + 1, kind, parts, place, yaw_deg, table.mask_value))
    lights: list[Light] = [
        *shell.window_lights((5.0, 5.4, 6.0)),
        SunLight(towards_sun=(-1.0, 0.68, 0.16), irradiance=(44.0, 37.0, 27.0)),
    ]
    for item in objects:
        lights += lamp_lights(item, power=1.7)
    camera = camera_at(
        eye_world=(2.75, 1.5, -0.12), yaw_rad=math.radians(4), pitch_rad=math.radians(11), fov_deg=68.0, size_px=size_px
    )
    return ComposedRoom(
        seed=0,
        style="living room",
        size_m=_SIZE_M,
        shell_world=shell.parts_world(),
        decor=_pictures(),
        objects=tuple(objects),
        lights=tuple(lights),
        sky=(8.0, 8.8, 10.0),
        camera=camera,
    )


def _placed(
    value: int, kind: str, parts: tuple[Part, ...], place: tuple[float, float, float], yaw_deg: float, parent: int = 0
) -> PlacedObject:
    return PlacedObject(
        mask_value=value, kind=kind, parts=parts, place_world=place, yaw_rad=math.radians(yaw_deg), parent=parent
    )


def _shell() -> Shell:
    floor = Rug(
        under=Planks(light=linear("#b98a5c"), dark=linear("#7d5433")),
        centre_m=(2.2, -2.75),
        size_m=(2.5, 1.75),
        yaw_rad=math.radians(3),
        field=linear("#e4d6bd"),
        figure=linear("#a8503c"),
        border=linear("#33505e"),
    )
    paper = Wallpaper(colour=linear("#d8d1c3"), lower=linear("#d8d1c3"), contrast=0.05)
    side = Wallpaper(colour=linear("#e6e1d6"), lower=linear("#e6e1d6"), contrast=0.0)
    return Shell(
        size_m=_SIZE_M,
        floor=floor,
        walls={"back": paper, "left": side, "right": side, "front": side},
        ceiling=Plain(colour=(0.8, 0.79, 0.77)),
        trim=linear("#f2eee6"),
        windows=(
            Window(wall="left", along_m=2.75, sill_m=0.85, size_m=(1.5, 1.35), curtain=linear("#cfa98a")),
            Window(wall="front", along_m=2.45, sill_m=0.85, size_m=(1.6, 1.3)),
        ),
    )


def _pictures() -> tuple[PlacedObject, ...]:
    """Two pictures above the sofa; they count as the wall, as wallpaper does."""
    frame = WallFrame.of("back", _SIZE_M)
    hung: list[PlacedObject] = []
    for seed, (size, along, up) in enumerate((((0.62, 0.8, 0.03), 1.5, 1.22), ((0.46, 0.6, 0.03), 2.3, 1.36))):
        parts = make("picture", np.random.default_rng(seed), size, _style(_WALNUT, "#2f6f73", "#d9a24e"))
        x, y, z = (float(v) for v in frame.point(along, up, size[2] / 2))
        hung.append(_placed(0, "picture", parts, (x, y, z), math.degrees(frame.yaw_rad)))
    return tuple(hung)
