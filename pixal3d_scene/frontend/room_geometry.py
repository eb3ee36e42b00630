"""Metric depth without any network: photo and instances in, depth along cam z with a posed camera out, m.

The camera's height fixes the scale; the floor, the walls and the ceiling are a box; an object stands where its
mask meets the floor. A stop-gap until a trained network is there: every guess is told in the notes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from .protocols import KnownView
from .room_box import RoomBox, fit_room_box, room_axes
from .standing import Foot, LevelView, find_foot, settled
from .view import View, see_view, stand_view

_SMALLEST_YAW_SUPPORT = 0.15


class RoomGeometryDepth:
    """Depth from single-view room geometry.

    camera_height_m, fallback_fov_deg: where neither the user nor the photo tells them.
    """

    name = "room_geometry"
    revision = "1"

    def __init__(self, *, camera_height_m: float, fallback_fov_deg: float) -> None:
        self._camera_height_m, self._fallback_fov_deg = camera_height_m, fallback_fov_deg

    def estimate(self, photo: Photo, instances: Instances, known: KnownView) -> Depth:
        """Depth of every pixel: the room's shell, and reliefs of the objects in front of it."""
        view = see_view(photo, known, fallback_fov_deg=self._fallback_fov_deg)
        view = stand_view(view, known, camera_height_m=self._camera_height_m)
        feet = {item.mask_value: find_foot(instances.label_map, item.mask_value) for item in instances.items}
        box = _fit_box(photo, instances, view, feet)
        z_m, _ = box.shell(view.camera)
        level = LevelView(view.camera, box)
        feet = {value: settled(foot, level) for value, foot in feet.items()}
        names = {item.mask_value: item.name for item in instances.items}
        notes = [
            *view.notes,
            _describe(box, view),
            *_place_objects(z_m, instances, feet, level, names),
        ]
        return Depth(
            z_m=z_m.astype(np.float32),
            valid=np.ones(z_m.shape, dtype=bool),
            camera=view.camera,
            source=self.name,
            notes=tuple(notes),
        )


def _fit_box(photo: Photo, instances: Instances, view: View, feet: dict[int, Foot]) -> RoomBox:
    yaw_rad = view.turn.yaw_rad
    endless = RoomBox(
        R_room_from_cam=room_axes(view.camera, yaw_rad),
        camera_height_m=float(view.camera.centre_world[1]),
        ahead_m=1e3,
        left_m=1e3,
        right_m=1e3,
        ceiling_m=1e3,
    )
    level = LevelView(view.camera, endless)
    standing = [level.foot_m(f) for f in feet.values() if not f.touched]
    return fit_room_box(
        photo.rgb,
        instances.label_map == 0,
        view.camera,
        yaw_rad=yaw_rad,
        feet_room_m=np.array(standing, dtype=np.float64).reshape(-1, 2),
    )


def _describe(box: RoomBox, view: View) -> str:
    sure = "" if view.turn.yaw_support > _SMALLEST_YAW_SUPPORT else " and their direction is a guess"
    return (
        f"Depth is a stop-gap from room geometry: walls {box.ahead_m:.1f} m ahead, {box.left_m:.1f} m left and "
        f"{box.right_m:.1f} m right of the camera and a ceiling at {box.ceiling_m:.1f} m fit the photo's colours best"
        f"{sure}; objects stand where their masks meet the floor, and their relief is a guess."
    )


def _place_objects(
    z_m: Float[np.ndarray, "H W"],
    instances: Instances,
    feet: dict[int, Foot],
    level: LevelView,
    names: dict[int, str],
) -> list[str]:
    """Write every object's relief into `z_m`, carriers before what they carry; returns the notes."""
    hanging, hidden, cut = [], [], []
    for value in _carriers_first(feet):
        foot, mask = feet[value], instances.mask(value)
        if foot.carrier:
            ahead_m = float(np.median(level.ahead_m(z_m[foot.under_px], foot.under_px)))
            z_m[mask] = level.upright_relief(mask, ahead_m)
        elif foot.hidden:
            # What hides the foot is in front: the object stands just behind it.
            hidden.append(names[value])
            under = foot.rows_px[foot.below > 0] + 1, foot.columns_px[foot.below > 0]
            ahead_m = float(np.percentile(level.ahead_m(z_m[under], under), 90))
            z_m[mask] = level.upright_relief(mask, ahead_m + 0.2)
        elif level.hangs(foot):
            hanging.append(names[value])
            z_m[mask] = level.wall_relief(mask)
        else:
            if foot.cut:
                cut.append(names[value])
            z_m[mask] = level.standing_relief(mask, foot)
    notes = [f"{names[v]} is taken to rest on {names[f.carrier]}." for v, f in sorted(feet.items()) if f.carrier]
    for found, text in (
        (hanging, "end above the floor and are taken to hang on the wall"),
        (hidden, "show no foot and are put just behind what hides it"),
        (cut, "reach out of the photo at the bottom; their distance is that of the floor there"),
    ):
        if found:
            notes.append(f"Some objects {text}: {', '.join(sorted(found))}.")
    return notes


def _carriers_first(feet: dict[int, Foot]) -> list[int]:
    """Mask values ordered so that what is under or in front of an object comes before it; loops are cut."""
    order: list[int] = []
    waiting: set[int] = set()

    def visit(value: int) -> None:
        if value in order or value in waiting:
            return
        waiting.add(value)
        foot = feet[value]
        for other in sorted({foot.carrier} if foot.carrier else set(foot.below.tolist()) if foot.hidden else set()):
            if other in feet:
                visit(other)
        order.append(value)

    for value in sorted(feet):
        visit(value)
    return order
