"""The room shell as textured meshes: what the photo shows of each plane, filled plausibly where it is hidden."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..asset import Material, Mesh
from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from ..room import Room, RoomPlane
from ..scene_graph import RoomSurface
from .room_shell import background_mask

_TEXTURE_PX = 512
# A pixel belongs to a plane if its depth agrees within this share.
_DEPTH_AGREES_SHARE = 0.06


def texture_room(room: Room, photo: Photo, depth: Depth, instances: Instances) -> tuple[RoomSurface, ...]:
    """One quad per plane of the room, in world, with a texture seen from the photo's camera."""
    background = background_mask(depth, instances)
    return tuple(_surface(plane, photo, depth, background) for plane in room.planes)


def _surface(plane: RoomPlane, photo: Photo, depth: Depth, background: Bool[np.ndarray, "H W"]) -> RoomSurface:
    a, b, _, d = plane.corners_world
    # Texture axes: u along a -> b, v downwards from d to a, so that the picture is upright on a wall.
    grid = (np.arange(_TEXTURE_PX) + 0.5) / _TEXTURE_PX
    points_world = a + grid[None, :, None] * (b - a) + (1 - grid)[:, None, None] * (d - a)  # (T, T, 3)
    colour, seen = _look_up(points_world, photo, depth, background)
    material = Material(base_colour=_fill(colour, seen), roughness=0.9)
    uv = np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    mesh = Mesh(
        vertices=np.array(plane.corners_world, dtype=np.float64),
        faces=np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int64),
        uv=uv,
    )
    return RoomSurface(name=plane.name, mesh_world=mesh, material=material)


def _look_up(
    points_world: Float[np.ndarray, "T T 3"], photo: Photo, depth: Depth, background: Bool[np.ndarray, "H W"]
) -> tuple[UInt8[np.ndarray, "T T 3"], Bool[np.ndarray, "T T"]]:
    """Photo colours of points on a plane, and where the photo really shows them."""
    camera = depth.camera
    points_cam = camera.cam_from_world(points_world)
    px = np.nan_to_num(camera.project(points_cam), nan=-1.0)
    width, height = camera.size_px
    inside = (px >= 0).all(axis=-1) & (px[..., 0] < width) & (px[..., 1] < height)
    column = np.clip(px[..., 0], 0, width - 1).astype(np.int64)
    row = np.clip(px[..., 1], 0, height - 1).astype(np.int64)
    z_m = points_cam[..., 2]
    agrees = np.abs(depth.z_m[row, column] - z_m) < _DEPTH_AGREES_SHARE * np.maximum(z_m, 1e-6)
    return photo.rgb[row, column], inside & background[row, column] & agrees


def _fill(colour: UInt8[np.ndarray, "T T 3"], seen: Bool[np.ndarray, "T T"]) -> UInt8[np.ndarray, "T T 3"]:
    """Hidden texels take a blurred mixture of the nearest seen ones, and the mean colour far from any."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    if seen.mean() < 1e-3:
        return np.full_like(colour, 200)
    mean = colour[seen].mean(axis=0)
    distance, (rows, columns) = distance_transform_edt(~seen, return_indices=True)
    nearest = colour[rows, columns].astype(np.float64)
    # The reach over which the neighbourhood's colour fades into the mean of the whole plane.
    fade = np.exp(-distance / (0.15 * len(colour)))[..., None]
    blurred = np.stack([gaussian_filter(nearest[..., c], sigma=6) for c in range(3)], axis=-1)
    filled = np.where(seen[..., None], colour, fade * blurred + (1 - fade) * mean)
    return np.clip(filled.round(), 0, 255).astype(np.uint8)
