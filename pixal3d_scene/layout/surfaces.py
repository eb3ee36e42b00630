"""The room shell as textured meshes: what the photo shows of each plane, filled where it is hidden with the
broad colour around and the grain of what is seen."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..asset import Material, Mesh
from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from ..room import Room, RoomPlane
from ..scene_graph import RoomSurface
from .room_shell import free_of_objects

_TEXTURE_PX = 512
# A pixel belongs to a plane if its depth agrees within this share.
_DEPTH_AGREES_SHARE = 0.06
# Less than this share of a plane in sight tells nothing of the rest.
_LEAST_SEEN = 1e-3
_RIM_TEXELS = 3
# Standard deviations, in texels, of the neighbourhoods that colours spread from; what is finer than the first is grain.
_NEIGHBOURHOODS = (24.0, 64.0, 160.0)
_ENOUGH_WEIGHT = 0.15
_SMALLEST_TILE = 12
# Broad colours are worked out on a grid so many times coarser. Detail beyond so many median deviations is no grain: a
# picture on the wall.
_COARSER, _GRAIN_DEVIATIONS = 4, 2.5


def texture_room(room: Room, photo: Photo, depth: Depth, instances: Instances) -> tuple[RoomSurface, ...]:
    """One quad per plane of the room, in world, with a texture seen from the photo's camera."""
    free = free_of_objects(instances)
    return tuple(_surface(plane, photo, depth, free) for plane in room.planes)


def _surface(plane: RoomPlane, photo: Photo, depth: Depth, free: Bool[np.ndarray, "H W"]) -> RoomSurface:
    a, b, _, d = plane.corners_world
    # Texture axes: u along a -> b, v downwards from d to a, so that the picture is upright on a wall.
    grid = (np.arange(_TEXTURE_PX) + 0.5) / _TEXTURE_PX
    points_world = a + grid[None, :, None] * (b - a) + (1 - grid)[:, None, None] * (d - a)  # (T, T, 3)
    colour, seen, through = _look_up(points_world, photo, depth, free)
    filled = np.where(through[..., None], colour, _fill(colour, seen))
    material = Material(base_colour=filled, roughness=0.9)
    uv = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    mesh = Mesh(
        vertices=np.array(plane.corners_world, dtype=np.float64),
        faces=np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int64),
        uv=uv,
    )
    return RoomSurface(name=plane.name, mesh_world=mesh, material=material)


def _look_up(
    points_world: Float[np.ndarray, "T T 3"], photo: Photo, depth: Depth, free: Bool[np.ndarray, "H W"]
) -> tuple[UInt8[np.ndarray, "T T 3"], Bool[np.ndarray, "T T"], Bool[np.ndarray, "T T"]]:
    """Photo colours of points on a plane, where the photo shows the plane, and where it looks through it: a window."""
    camera = depth.camera
    points_cam = camera.cam_from_world(points_world)
    px = np.nan_to_num(camera.project(points_cam), nan=-1.0)
    width, height = camera.size_px
    inside = (px >= 0).all(axis=-1) & (px[..., 0] < width) & (px[..., 1] < height)
    column = np.clip(px[..., 0], 0, width - 1).astype(np.int64)
    row = np.clip(px[..., 1], 0, height - 1).astype(np.int64)
    z_m = np.maximum(points_cam[..., 2], 1e-6)
    valid, farther = depth.valid[row, column], depth.z_m[row, column] / z_m - 1
    shown = inside & free[row, column]
    seen = shown & valid & (np.abs(farther) < _DEPTH_AGREES_SHARE)
    return photo.rgb[row, column], seen, shown & ~seen & (~valid | (farther > 0))


def _fill(colour: UInt8[np.ndarray, "T T 3"], seen: Bool[np.ndarray, "T T"]) -> UInt8[np.ndarray, "T T 3"]:
    """Hidden texels take the broad colour of seen ones around them, and the grain of the largest part that is seen."""
    from scipy.ndimage import binary_erosion

    # What touches an object has its shadow and half its colour.
    sure = binary_erosion(seen, iterations=_RIM_TEXELS, border_value=1)
    sure = sure if sure.mean() >= _LEAST_SEEN else seen
    if sure.mean() < _LEAST_SEEN:
        return np.full_like(colour, 200)
    broad = _spread(colour, sure)
    filled = np.where(seen[..., None], colour, broad + _grain(colour - broad, sure))
    return np.clip(filled.round(), 0, 255).astype(np.uint8)


def _spread(colour: UInt8[np.ndarray, "T T 3"], sure: Bool[np.ndarray, "T T"]) -> Float[np.ndarray, "T T 3"]:
    """Blurred colours of what is sure, from ever wider neighbourhoods where there is nothing nearer."""
    from scipy.ndimage import gaussian_filter, zoom

    side = len(colour) // _COARSER
    blocks = np.where(sure[..., None], colour, 0.0).reshape(side, _COARSER, side, _COARSER, 3).mean(axis=(1, 3))
    weights = sure.reshape(side, _COARSER, side, _COARSER).mean(axis=(1, 3))
    result = np.broadcast_to(colour[sure].mean(axis=0), blocks.shape)
    for sigma in reversed(_NEIGHBOURHOODS):
        weight = gaussian_filter(weights, sigma / _COARSER)[..., None]
        mean = gaussian_filter(blocks, (sigma / _COARSER, sigma / _COARSER, 0)) / np.maximum(weight, 1e-9)
        here = np.clip(weight / _ENOUGH_WEIGHT, 0, 1)
        result = here * mean + (1 - here) * result
    return np.asarray(zoom(result, (_COARSER, _COARSER, 1), order=1, mode="nearest", grid_mode=True))


def _grain(detail: Float[np.ndarray, "T T 3"], sure: Bool[np.ndarray, "T T"]) -> Float[np.ndarray, "T T 3"]:
    """The detail of the largest sure square, repeated as in mirrors, so that no seam shows; things in it are damped."""
    from scipy.ndimage import distance_transform_cdt

    away = distance_transform_cdt(np.pad(sure, 1), metric="chessboard")[1:-1, 1:-1]
    row, column = np.unravel_index(int(away.argmax()), away.shape)
    half = int(away[row, column]) - 1
    if half < _SMALLEST_TILE:
        return np.zeros_like(detail)
    side = 2 * half + 1
    tile = detail[row - half : row + half + 1, column - half : column + half + 1]
    most = _GRAIN_DEVIATIONS * np.median(np.abs(tile), axis=(0, 1))
    mirrored = np.minimum(np.abs((np.arange(len(sure)) + side) % (2 * side) - side), side - 1)
    return np.asarray(np.clip(tile, -most, most)[np.ix_(mirrored, mirrored)])
