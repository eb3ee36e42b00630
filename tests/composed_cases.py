"""Small composed rooms for the tests: one object whose left, right, top and bottom can be told apart."""

from __future__ import annotations

import numpy as np

from pixal3d_scene.learning.composed_room import ComposedRoom, PlacedObject, camera_at
from pixal3d_scene.learning.furniture import Part
from pixal3d_scene.learning.lights import BulbLight
from pixal3d_scene.learning.materials import Finish, Plain
from pixal3d_scene.learning.shapes import box, moved
from pixal3d_scene.learning.shell import WALLS, Shell

RED, GREEN, GREY = (0.8, 0.05, 0.05), (0.05, 0.7, 0.05), (0.5, 0.5, 0.5)


def plain_shell(size_m: tuple[float, float, float] = (4.0, 4.0, 2.5)) -> Shell:
    grey = Plain(colour=GREY, mottle=0.0)
    return Shell(size_m=size_m, floor=grey, walls=dict.fromkeys(WALLS, grey), ceiling=grey, trim=GREY, floor_gloss=0.0)


def marked_block() -> PlacedObject:
    """A block whose +x half is red and low, whose -x half is green and high; 0.8 wide, turned half left."""
    low = moved(box((0.4, 0.3, 0.4)), to_m=(0.2, 0.15, 0.0))
    high = moved(box((0.4, 0.9, 0.4)), to_m=(-0.2, 0.45, 0.0))
    parts = (
        Part(name="low", mesh_node=low, finish=Finish(pattern=Plain(colour=RED, mottle=0.0))),
        Part(name="high", mesh_node=high, finish=Finish(pattern=Plain(colour=GREEN, mottle=0.0))),
    )
    return PlacedObject(mask_value=1, kind="block", parts=parts, place_world=(1.6, 0.0, -2.5), yaw_rad=0.4)


def marked_room(size_px: tuple[int, int] = (96, 72), yaw_rad: float = 0.0) -> ComposedRoom:
    """The block in a grey box of a room, a bulb at the upper left, a camera at the front looking back."""
    shell = plain_shell()
    camera = camera_at(eye_world=(2.0, 1.4, -0.3), yaw_rad=yaw_rad, pitch_rad=0.2, fov_deg=65.0, size_px=size_px)
    return ComposedRoom(
        seed=3, style="test", size_m=shell.size_m, shell_world=shell.parts_world(), objects=(marked_block(),),
        lights=(BulbLight(centre_world=(0.4, 2.0, -1.6), intensity=(3.0, 3.0, 3.0)),), sky=(1.0, 1.0, 1.0),
        camera=camera,
    )  # fmt: skip


def srgb_hue(pixels: np.ndarray) -> np.ndarray:
    """Index of the strongest channel of every pixel."""
    return pixels.astype(int).argmax(axis=-1)
