"""Metric depth without any network: photo and instances in, depth along cam z with a posed camera out, m.

The camera's height fixes the scale; the floor, the walls and the ceiling are a box; an object stands where its
mask meets the floor. A stop-gap until a trained network is there: every guess is told in the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from ..camera import Camera
from ..code_revision import code_revision
from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from .protocols import KnownView
from .room_box import CEILING, RoomBox, fit_room_box, room_axes
from .standing import WALL_WORDS, Foot, Footing, LevelView, find_foot, settled
from .view import View, see_view, stand_view

_SMALLEST_YAW_SUPPORT = 0.15


class RoomGeometryDepth:
    """Depth from single-view room geometry.

    camera_height_m, fallback_fov_deg: where neither the user nor the photo tells them.
    """

    name = "room_geometry"
    needs_instances = True

    def __init__(self, *, camera_height_m: float, fallback_fov_deg: float) -> None:
        self._camera_height_m, self._fallback_fov_deg = camera_height_m, fallback_fov_deg
        self.revision = code_revision("frontend/*.py")

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """Depth of every pixel: the room's shell, and reliefs of the objects in front of it."""
        assert instances is not None  # needs_instances
        view = see_view(photo, known, fallback_fov_deg=self._fallback_fov_deg)
        view = stand_view(view, known, camera_height_m=self._camera_height_m)
        feet = {item.mask_value: find_foot(instances.label_map, item.mask_value) for item in instances.items}
        box = _fit_box(photo, instances, view, feet)
        bent = bent_by_ceiling(box, instances, view.camera, feet)
        if bent:
            box = replace(box, ceiling_m=np.inf)
        z_m, _ = box.shell(view.camera)
        notes = place_objects(z_m, instances, feet, LevelView(view.camera, box))
        if bent:
            notes.append(f"No ceiling is taken, since the one that fits the colours would bend {', '.join(bent)}.")
        return Depth(
            z_m=z_m.astype(np.float32),
            valid=np.ones(z_m.shape, dtype=bool),
            camera=view.camera,
            source=self.name,
            notes=(*view.notes, _describe(box, view), *notes),
        )


def _fit_box(photo: Photo, instances: Instances, view: View, feet: dict[int, Foot]) -> RoomBox:
    yaw_rad = view.turn.yaw_rad
    endless = RoomBox(
        R_room_from_cam=room_axes(view.camera, yaw_rad),
        camera_height_m=float(view.camera.centre_world[1]),
        ahead_m=1e3,
        left_m=1e3,
        right_m=1e3,
        ceiling_m=np.inf,
    )
    level = LevelView(view.camera, endless)
    standing = [level.foot_m(f) for f in feet.values() if not f.touched]
    return fit_room_box(
        photo.rgb,
        instances.label_map == 0,
        view.camera,
        yaw_rad=yaw_rad,
        feet_room_m=np.array(standing, dtype=np.float64).reshape(-1, 2),
        shell_map=instances.shell_map,
    )


def bent_by_ceiling(box: RoomBox, instances: Instances, camera: Camera, feet: Mapping[int, Foot]) -> list[str]:
    """What hangs on a wall and would lie partly on the ceiling: shadows and beams look like low ceilings."""
    if not np.isfinite(box.ceiling_m):
        return []
    on_ceiling = box.shell(camera)[1] == CEILING
    level = LevelView(camera, box)
    bent = []
    for item in instances.items:
        share = float(on_ceiling[instances.mask(item.mask_value)].mean())
        foot = feet[item.mask_value]
        if 0 < share < 1 and not foot.touched and level.hangs(foot):
            bent.append(item.name)
    return bent


def _describe(box: RoomBox, view: View) -> str:
    ceiling = f"a ceiling at {box.ceiling_m:.1f} m" if np.isfinite(box.ceiling_m) else "no ceiling in the picture"
    floor_in_sight = bool((view.camera.rays_cam()[-1] @ view.camera.up_cam < 0).any())
    blind = "" if floor_in_sight else " The photo looks up and shows no floor: all sizes hang on the ceiling's height."
    sure = "" if view.turn.yaw_support > _SMALLEST_YAW_SUPPORT else " and their direction is a guess"
    return (
        f"Depth is a rough guess from the room's shape (--depth gives a better one): walls "
        f"{box.ahead_m:.1f} m ahead, {box.left_m:.1f} m left and "
        f"{box.right_m:.1f} m right of the camera and {ceiling} fit the photo's colours best"
        f"{sure}; objects stand where their masks meet the floor, and their relief is a guess.{blind}"
    )


Join = Callable[[Bool[np.ndarray, "H W"], Float[np.ndarray, "n"], Footing], Float[np.ndarray, "n"]]


def place_objects(
    z_m: Float[np.ndarray, "H W"],
    instances: Instances,
    feet: Mapping[int, Foot],
    level: LevelView,
    *,
    join: Join | None = None,
) -> list[str]:
    """Write every object's relief into `z_m`, carriers before what they carry; returns the notes.

    z_m: depth along cam z of the empty room. feet: by mask value, as `find_foot` gives them. join: makes the relief of
    a mask's pixels agree with what else is known of it, before anything is placed by it.
    """
    labels = {item.mask_value: item.label for item in instances.items}
    feet = {value: settled(foot, level, called=labels[value]) for value, foot in feet.items()}
    names = {item.mask_value: item.name for item in instances.items}
    hanging, hidden, cut = [], [], []
    for value in _carriers_first(feet):
        foot, mask = feet[value], instances.mask(value)
        if foot.carrier:
            ahead_m = float(np.median(level.ahead_m(z_m[foot.under_px], foot.under_px)))
            relief_m, footing = level.upright_relief(mask, ahead_m), Footing.CARRIED
        elif foot.hidden:
            hidden.append(names[value])
            covered = foot.below > 0
            under = (foot.rows_px[covered] + 1, foot.columns_px[covered]) if covered.any() else foot.under_px
            in_front_m = float(np.percentile(level.ahead_m(z_m[under], under), 90))
            relief_m = level.upright_relief(mask, level.hidden_ahead_m(mask, in_front_m))
            footing = Footing.HIDDEN
        elif level.hangs(foot):
            hanging.append(names[value])
            relief_m, footing = level.wall_relief(mask), Footing.HANGING
        else:
            if foot.cut:
                cut.append(names[value])
            relief_m = level.standing_relief(mask, foot)
            footing = Footing.CUT if foot.cut else Footing.COVERED if foot.covered else Footing.STANDING
        flat = footing is Footing.HANGING and labels[value] in WALL_WORDS  # no network knows its distance better
        if join is not None and not flat:
            relief_m = join(mask, relief_m, footing)
        z_m[mask] = np.minimum(relief_m, z_m[mask])  # nothing is behind the floor, a wall or the ceiling
    notes = [f"{names[v]} is taken to rest on {names[f.carrier]}." for v, f in sorted(feet.items()) if f.carrier]
    for found, text in (
        (hanging, "Their masks end above the floor, so these are taken to hang on the wall"),
        (hidden, "Put between the wall and what hides where they stand (their distance is a guess)"),
        (
            cut,
            "These reach out of the photo at the bottom, and are put where the floor meets its border",
        ),
    ):
        if found:
            notes.append(f"{text}: {', '.join(sorted(found))}.")
    return notes


def _carriers_first(feet: Mapping[int, Foot]) -> list[int]:
    """Mask values ordered so that what is under or in front of an object comes before it; loops are cut."""
    waiting = {value: _needs(foot) & set(feet) for value, foot in sorted(feet.items())}
    order: list[int] = []
    while waiting:
        ready = [value for value, needs in waiting.items() if not needs & waiting.keys()]
        for value in ready or [min(waiting)]:
            order.append(value)
            del waiting[value]
    return order


def _needs(foot: Foot) -> set[int]:
    """The objects whose depth this one's is derived from."""
    if foot.carrier:
        return {foot.carrier}
    return {*foot.below.tolist(), foot.touched} if foot.hidden else set()
