"""Flat things that lie on what carries them, such as rugs: one object's believed pixels in, a thin slab out (world).

Nothing of such an object rises above its surroundings, so there is no solid to complete: its visible surface is
given a thickness along its own normal.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from ..asset import Material, Mesh
from ..crop import CropVolume
from ..mesh.simplify import simplify_closed
from ..mesh.surface import solid_surface
from .lift_texture import crop_picture, uv_in_crop
from .lift_visible import points_at

THICKNESS_M = 0.02
_LONGEST_SIDE_CELLS = 160
_PLANE_POINTS, _PLANE_ROUNDS = 2000, 10
_NOISE_DEVIATIONS, _EVEN_M = 2.5, 0.005
_LAYERS = 3  # grid points across the slab; the outer two are empty space


def lift_sheet(
    volume: CropVolume, believed: Bool[np.ndarray, "H W"], *, max_faces: int, texture_px: int
) -> tuple[Mesh, Material]:
    """A closed slab in world, standing on the plane of the visible surface; its texture is the crop picture.

    Raises ValueError where no patch of the believed pixels is wide enough for a slab.
    """
    rows, columns = np.nonzero(believed)
    low_px = np.array([rows.min(), columns.min()])
    extent_px = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    step_px = max(1, -(-extent_px // _LONGEST_SIDE_CELLS))
    inside = believed[low_px[0] : rows.max() + 1 : step_px, low_px[1] : columns.max() + 1 : step_px]
    # A field that is positive in the middle layer of the mask: its surface is the slab in (row, column, layer).
    field = np.full((*inside.shape, _LAYERS), -1.0)
    field[..., 1] = np.where(inside, 1.0, -1.0)
    slab = solid_surface(field, np.zeros(3), 1.0)
    world = _slab_in_world(slab, volume, believed, low_px, step_px)
    mesh = simplify_closed(world, max_faces)
    photo_px = volume.depth.camera.project(volume.depth.camera.cam_from_world(mesh.vertices))
    textured = Mesh(vertices=mesh.vertices, faces=mesh.faces, uv=uv_in_crop(photo_px, volume))
    return textured, Material(base_colour=crop_picture(volume, texture_px), roughness=0.9)


def _slab_in_world(
    slab: Mesh, volume: CropVolume, believed: Bool[np.ndarray, "H W"], low_px: Int[np.ndarray, "2"], step_px: int
) -> Mesh:
    """Grid places (row, column, layer) to world: along the pixel's ray to the seen plane, then along its normal."""
    camera = volume.depth.camera
    middle, normal = _seen_plane(points_at(volume, *np.nonzero(believed)))
    if normal @ (camera.centre_world - middle) < 0:
        normal = -normal
    place_px = low_px[::-1] + slab.vertices[:, [1, 0]] * step_px + 0.5  # (x, y)
    rays_world = camera.T_world_from_cam.rotation.apply(camera.rays_through(place_px))
    along = rays_world @ normal
    reach = ((middle - camera.centre_world) @ normal) / np.where(np.abs(along) < 1e-6, -1e-6, along)
    layer = slab.vertices[:, 2] - 0.5  # 0 on the far side, 1 on the seen side
    on_plane = camera.centre_world + reach[:, None] * rays_world
    vertices = on_plane + (layer * THICKNESS_M)[:, None] * normal
    return Mesh(vertices=vertices, faces=slab.faces)


def _seen_plane(points_world: Float[np.ndarray, "n 3"]) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """A point and the normal of the plane that most of the points lie on; legs of a table in a rug's mask do not.

    Least squares, again without what is farther off than noise explains (Rousseeuw and Leroy 1987, reweighting),
    from a level plane, as such things mostly lie.
    """
    sample = points_world[:: max(1, len(points_world) // _PLANE_POINTS)]
    middle, normal = np.median(sample, axis=0), np.array([0.0, 1.0, 0.0])
    for _ in range(_PLANE_ROUNDS):
        off_m = np.abs((sample - middle) @ normal)
        near = sample[off_m <= max(_NOISE_DEVIATIONS * 1.4826 * float(np.median(off_m)), _EVEN_M)]
        middle = near.mean(axis=0)
        normal = np.linalg.svd(near - middle, full_matrices=False)[2][-1]
    return middle, normal
