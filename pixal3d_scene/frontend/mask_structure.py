"""Which masks show the room and not an object in it: by their label, else by the planes of the room.

In: regions and depth at the working size. Out: the regions that are objects, and a map of SHELL_PARTS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from ..depth import Depth
from ..instances import SHELL_PARTS, Instances
from ..layout.room_shell import fit_room
from ..room import RoomPlane
from .mask_evidence import DepthEvidence
from .mask_region import Region, united_box

_FLOOR, _WALL, _CEILING, _WINDOW, _DOOR = range(1, len(SHELL_PARTS))
_WORDS = {
    "floor": _FLOOR, "flooring": _FLOOR, "ground": _FLOOR, "wall": _WALL, "ceiling": _CEILING, "window": _WINDOW,
    "windowpane": _WINDOW, "door": _DOOR, "doorway": _DOOR, "room": _WALL,
}  # fmt: skip
# A door of these belongs to a piece of furniture.
_FURNITURE_BEFORE_DOOR = ("cabinet", "cupboard", "wardrobe", "oven", "fridge", "refrigerator", "closet", "shower")
_ON_SHELL_SHARE = 0.85  # of a mask on the room's planes: it shows the room
_MOSTLY_SHELL_SHARE = 0.5  # and a large one that does so with half of its pixels shows the room and more
_BEYOND_M, _BEYOND_SHARE = 0.1, 0.03
_MOST_BEYOND = 0.015  # of the photo's points
_LARGE_SHARE = 0.08  # of the photo
_PICTURE_SHARE = 0.015  # of the photo: the room's own surfaces show more, and reach the photo's border
_RIM_SHARE = 0.025  # of the photo's longer side
_AMID_SHARE = 0.45  # of what lies beyond a mask's outline is the same plane: a rug, a picture
_OPEN_SHARE = 0.25  # of what lies beyond it is no smaller mask; else it tells nothing
_LEVEL_M, _LEVEL_SHARE = 0.03, 0.01  # floor and ceiling: depth noise hardly changes heights
_UPRIGHT_M, _UPRIGHT_SHARE = 0.06, 0.025  # walls: it does


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """objects: what is not the room. shell_map: indices of SHELL_PARTS. planes: of every pixel; None without depth."""

    objects: list[Region]
    shell_map: UInt8[np.ndarray, "H W"]
    planes: UInt8[np.ndarray, "H W"] | None
    notes: tuple[str, ...]


def structure_of_label(label: str) -> int:
    """Index in SHELL_PARTS of a label such as "wooden floor"; 0 for an object such as "floor lamp"."""
    words = label.lower().replace("-", " ").replace(".", " ").split()
    if not words:
        return 0
    last = words[-1][:-1] if words[-1].endswith("s") and words[-1][:-1] in _WORDS else words[-1]
    if last.startswith("door") and any(w in _FURNITURE_BEFORE_DOOR for w in words[:-1]):
        return 0
    return _WORDS.get(last, 0)


def room_planes(depth: Depth, evidence: DepthEvidence) -> UInt8[np.ndarray, "H W"]:
    """Floor, wall or ceiling of every pixel that lies on one of the room's planes, else 0."""
    nothing = np.zeros(depth.z_m.shape, dtype=np.uint16)
    room = fit_room(depth, Instances(label_map=nothing, items=(), source=""))
    shape = evidence.z_m.shape
    whole = (slice(0, shape[0]), slice(0, shape[1]))
    surface = evidence.surface(np.ones(shape, dtype=bool), whole)
    points = np.concatenate([surface.plan_m[..., :1], surface.y_m[..., None], surface.plan_m[..., 1:]], axis=-1)
    found = np.zeros(shape, dtype=np.uint8)
    for plane in reversed(room.planes):  # the floor, the first, wins
        kind = _kind(plane)
        outside_m = -((points - plane.corners_world[0]) @ plane.normal_world) - _BEYOND_SHARE * surface.z_m
        if float((outside_m > _BEYOND_M)[surface.seen].mean()) > _MOST_BEYOND:
            continue  # a wall has nothing behind it: this is the front of a wardrobe or a board
        upright = kind == _WALL
        tolerance_m = (_UPRIGHT_M if upright else _LEVEL_M) + (
            _UPRIGHT_SHARE if upright else _LEVEL_SHARE
        ) * surface.z_m
        distance_m = np.abs((points - plane.corners_world[0]) @ plane.normal_world)
        found[surface.seen & (distance_m < tolerance_m)] = kind
    return found


def _kind(plane: RoomPlane) -> int:
    return next(k for k in (_FLOOR, _CEILING, _WALL) if plane.name.startswith(SHELL_PARTS[k]))


def find_structure(
    regions: list[Region], planes: UInt8[np.ndarray, "H W"] | None, *, shape: tuple[int, int], least_px: int
) -> Structure:
    """Takes the room's own masks out of `regions`; what a mask shows besides the room stays an object."""
    objects: list[Region] = []
    besides: list[Region] = []
    shell_map = np.zeros(shape, dtype=np.uint8)
    by_plane = 0
    # The largest first: a window inside a wall is written over it.
    by_size = sorted(regions, key=lambda r: -r.area_px)
    uppermost = np.full(shape, -1, dtype=np.int32)
    for number, region in enumerate(by_size):
        uppermost[region.box][region.pixels] = number
    for number, region in enumerate(by_size):
        part = structure_of_label(region.label)
        pixels = region.pixels
        if part:
            if planes is not None and part in (_FLOOR, _WALL, _CEILING):
                # Off every plane of the room: an object that the mask covers too.
                here = planes[region.box]
                pixels = pixels & ((here > 0) | _near(here > 0, 3))
            shell_map[region.box][pixels] = part
            continue
        if planes is None or region.label:
            objects.append(region)
            continue
        on = planes[region.box][region.pixels]
        share = float((on > 0).mean())
        if region.area_px < _PICTURE_SHARE * shell_map.size or not _at_border(region, shape):
            # A patch of a wall's or the floor's own mask, else a picture, a rug, a bookcase along the wall.
            if (shell_map[region.box][region.pixels] > 0).mean() < _ON_SHELL_SHARE:
                objects.append(region)
            continue
        if share < _MOSTLY_SHELL_SHARE or (share < _ON_SHELL_SHARE and region.area_px < _LARGE_SHARE * shell_map.size):
            objects.append(region)
            continue
        if _lies_amid(region, planes, uppermost <= number):
            objects.append(region)
            continue
        by_plane += 1
        here = planes[region.box]
        shown = region.pixels & (here > 0)
        shell_map[region.box][shown] = here[shown]
        if share < _ON_SHELL_SHARE:
            # What reaches the photo's border is more of the room, on a wall that was not found.
            besides += [r for r in _rest(region, here, least_px) if not _at_border(r, shape)]
    claimed = np.zeros(shape, dtype=bool)
    for region in objects:
        claimed[region.box] |= region.pixels
    # The rim of an object that has a mask of its own is no object.
    objects += [r for r in besides if (r.pixels & ~claimed[r.box]).sum() >= max(least_px, 0.5 * r.area_px)]
    order = {r: k for k, r in enumerate(map(id, regions))}
    objects.sort(key=lambda r: order.get(id(r), len(order)))
    notes: tuple[str, ...] = ()
    if by_plane:
        notes = (f"{by_plane} masks without a label lie on the room's floor, walls or ceiling and are no objects.",)
    return Structure(objects=objects, shell_map=shell_map, planes=planes, notes=notes)


def _at_border(region: Region, shape: tuple[int, int]) -> bool:
    """Whether a region reaches the photo's border, but for a rim that networks like to leave."""
    rows, columns = region.box
    rim = max(int(_RIM_SHARE * max(shape)), 1)
    return rows.start <= rim or columns.start <= rim or rows.stop >= shape[0] - rim or columns.stop >= shape[1] - rim


def _lies_amid(region: Region, planes: UInt8[np.ndarray, "H W"], free: Bool[np.ndarray, "H W"]) -> bool:
    """Whether the mask's plane goes on beyond its outline: then it lies on the floor or hangs on the wall.

    free: where no smaller mask is. A rim of the room's own mask that a network left out is passed over.
    """
    from scipy.ndimage import distance_transform_edt

    rim = max(int(_RIM_SHARE * max(planes.shape)), 1)
    around = united_box(region.box, region.box, margin=2 * rim, shape=(planes.shape[0], planes.shape[1]))
    pixels, here = region.at(around), planes[around]
    away = distance_transform_edt(~pixels)
    beyond = (away > rim) & (away <= 2 * rim)
    own = int(np.bincount(here[pixels & (here > 0)], minlength=1).argmax())
    open_ = beyond & free[around]
    if open_.sum() < _OPEN_SHARE * beyond.sum():
        return False
    return bool((open_ & (here == own)).sum() > _AMID_SHARE * open_.sum())


def _rest(region: Region, planes: UInt8[np.ndarray, "h w"], least_px: int) -> list[Region]:
    """The connected pieces of a mask that stand clear of the room's planes."""
    from scipy import ndimage

    pieces, count = ndimage.label(ndimage.binary_opening(region.pixels & (planes == 0), iterations=2))
    rest = []
    for k in range(1, count + 1):
        piece = ndimage.binary_dilation(pieces == k, iterations=2) & region.pixels
        if piece.sum() >= least_px:
            rest.append(region.with_pixels(piece, region.box, "split"))
    return rest


def _near(mask: Bool[np.ndarray, "h w"], by: int) -> Bool[np.ndarray, "h w"]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, iterations=by))
