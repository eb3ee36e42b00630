"""The room's planes as the depth shows them around one object: a room and a crop volume in, a room out, world, m.

A slow error of the depth moves an object and the wall behind it alike, so whether the two touch is asked of the wall
right there, not of the plane that was fitted to all of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..crop import CropVolume
from ..room import Room, RoomPlane
from .depth_scale import mask_window

# How far around the mask, as a share of the picture's longer side: slow errors change over a quarter of it.
_AROUND_SHARE = 0.06
# On the mask's rim depth is mixed.
_RIM_PX = 3
# Points this near to a plane, and this share more with distance, may be the plane's; fewer points tell nothing.
_NEAR_M, _NEAR_SHARE = 0.10, 0.05
_FEWEST_POINTS = 40
# The floor next to a wall is no wall.
_ABOVE_FLOOR_M = 0.15


def planes_near(room: Room, volume: CropVolume) -> Room:
    """Walls and ceiling shifted along their normals to where the background around the mask is; the floor stays."""
    if all(plane.name == "floor" for plane in room.planes):
        return room
    points_world = _background_around(volume)
    eye_world = volume.depth.camera.centre_world
    return replace(room, planes=tuple(_shifted(plane, points_world, eye_world) for plane in room.planes))


def _background_around(volume: CropVolume) -> np.ndarray:
    """Points (n, 3) of the room itself around a mask, world."""
    from scipy.ndimage import distance_transform_edt

    around_px = int(_AROUND_SHARE * max(volume.label_map.shape))
    window = mask_window(volume.mask, margin_px=around_px)
    away_px = distance_transform_edt(~volume.mask[window])
    free = distance_transform_edt(volume.label_map[window] == 0) > _RIM_PX
    near = (away_px <= around_px) & free & volume.depth.valid[window]
    rows, columns = np.nonzero(near)
    rows, columns = rows + window[0].start, columns + window[1].start
    z_m = volume.depth.z_m[rows, columns].astype(np.float64)
    camera = volume.depth.camera
    return np.asarray(camera.world_from_cam(camera.unproject(np.stack([columns + 0.5, rows + 0.5], axis=-1), z_m)))


def _shifted(plane: RoomPlane, points_world: np.ndarray, eye_world: np.ndarray) -> RoomPlane:
    if plane.name == "floor":
        return plane
    upright = plane.name != "ceiling"
    points = points_world[points_world[:, 1] > _ABOVE_FLOOR_M] if upright else points_world
    distance_m = plane.distance_m(points)
    reach_m = _NEAR_M + _NEAR_SHARE * np.linalg.norm(points - eye_world, axis=1)
    own = np.abs(distance_m) < reach_m
    if own.sum() < _FEWEST_POINTS:
        return plane
    shift = float(np.median(distance_m[own])) * plane.normal_world
    return RoomPlane(name=plane.name, corners_world=plane.corners_world + shift)
