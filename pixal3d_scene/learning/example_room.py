"""The example room: a living room laid out by hand from our own furniture; `examples/room` holds its picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .composed_room import ComposedRoom, PlacedObject, camera_at, lamp_lights
from .furniture import Size, Style, make
from .lights import Light, SunLight
from .materials import Fabric, Plain, Planks, Rug, Wallpaper, linear
from .shell import Shell, WallFrame, Window

_SIZE_M = (4.9, 4.7, 2.6)  # width, depth, height
_OAK = (linear("#b88d5e"), linear("#845a34"))
_WALNUT = (linear("#8a5a3a"), linear("#4d2e1d"))
_BLACK_STEEL = (0.02, 0.02, 0.022)


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


@dataclass(frozen=True, slots=True)
class _Piece:
    """size: (width, height, depth), m. at: (x, z) in world, or in the carrier's node frame. seed: of its details."""

    kind: str
    size: Size
    at: tuple[float, float]
    yaw_deg: float
    style: Style
    seed: int


_TEAL = _style(_OAK, "#2f6f73", "#d9a24e")
_FLOOR = (
    _Piece("sofa", (2.05, 0.84, 0.92), (1.95, -4.1), 0.0, _TEAL, 3),
    _Piece("coffee table", (1.05, 0.4, 0.58), (2.15, -2.72), 4.0, _TEAL, 1),
    _Piece("armchair", (0.82, 0.82, 0.82), (3.62, -2.75), -62.0, _style(_OAK, "#b0664d", "#3a5a68"), 5),
    _Piece("floor lamp", (0.42, 1.62, 0.42), (3.3, -4.25), 0.0, _style(_WALNUT, "#2f6f73", "#d9a24e"), 0),
    _Piece("bookshelf", (0.95, 1.75, 0.32), (4.24, -4.5), 0.0, _style(_WALNUT, "#2f6f73", "#d9a24e"), 2),
    _Piece("plant", (0.72, 1.2, 0.72), (0.47, -4.22), 0.0, _style(_OAK, "#2f6f73", "#d8d2c4"), 4),
    _Piece("dining chair", (0.45, 0.88, 0.48), (0.98, -2.95), 62.0, _style(_WALNUT, "#7a8a68", "#7a8a68"), 6),
)
_ON_COFFEE_TABLE = (
    _Piece("vase", (0.34, 0.46, 0.34), (0.24, -0.03), 0.0, _style(_OAK, "#2f6f73", "#2b5d8a"), 8),
    _Piece("books", (0.25, 0.08, 0.18), (-0.22, 0.05), 20.0, _TEAL, 9),
)


def example_room(size_px: tuple[int, int] = (1024, 768)) -> ComposedRoom:
    """The living room of the product's first page; always the same."""
    shell = _shell()
    objects = [_placed(k, piece, (piece.at[0], 0.0, piece.at[1])) for k, piece in enumerate(_FLOOR, start=1)]
    table = next(item for item in objects if item.kind == "coffee table")
    for piece in _ON_COFFEE_TABLE:
        x, y, z = table.T_world_from_node.apply(np.array([piece.at[0], table.size_m[1], piece.at[1]])).tolist()
        objects.append(_placed(len(objects) + 1, piece, (x, y, z), table.mask_value))
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


def _placed(mask_value: int, piece: _Piece, place_world: tuple[float, float, float], parent: int = 0) -> PlacedObject:
    return PlacedObject(
        mask_value=mask_value,
        kind=piece.kind,
        parts=make(piece.kind, np.random.default_rng(piece.seed), piece.size, piece.style),
        place_world=place_world,
        yaw_rad=math.radians(piece.yaw_deg),
        parent=parent,
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
    walnut = _style(_WALNUT, "#2f6f73", "#d9a24e")
    hung: list[PlacedObject] = []
    for seed, (size, along, up) in enumerate((((0.62, 0.8, 0.03), 1.5, 1.22), ((0.46, 0.6, 0.03), 2.3, 1.36))):
        x, y, z = frame.point(along, up, size[2] / 2).tolist()
        hung.append(_placed(0, _Piece("picture", size, (x, z), math.degrees(frame.yaw_rad), walnut, seed), (x, y, z)))
    return tuple(hung)
