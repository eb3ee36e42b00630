"""The texture of a generated mesh: the photo where it shows the surface, the networks' own colours everywhere else.

The crop picture is the upper part of the texture. Below it every triangle that the photo does not show has a block of
2 x 2 texels, in which the colours of its three corners are interpolated. The networks' colours are without light; they
are brought to the light of the visible side. Mesh in `obj`, seen from the crop camera.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..asset import Material, Mesh
from ..autoencoder.dual_grid import DualGrid
from ..autoencoder.pbr_voxels import PbrVoxels
from ..colour import linear_from_srgb, srgb_from_linear
from ..conditioning.view_picture import OBJECT
from ..crop import CropVolume
from ..frames import cropcam_from_obj
from ..mesh.raycast import Raycaster
from .lift_texture import crop_picture
from .own_view import ObjectPixels

_BLOCK_PX = 2
_NARROWEST_PX = 256
# A triangle turned further away than this (cosine) shows a smear of few pixels.
_GRAZING = 0.15
# How far behind the first surface, in cube edges, a triangle still counts as seen: the rounding of a ray.
_SEEN_OBJ = 0.004
_NEIGHBOURS = 4  # voxels that a colour is the mean of
_MOST_GAIN = 4.0  # of the light


def paint_generated(
    mesh_obj: Mesh,
    grid: DualGrid,
    pbr: PbrVoxels,
    volume: CropVolume,
    pixels: ObjectPixels,
    *,
    camera_distance_obj: float,
    texture_px: int,
) -> tuple[Mesh, Material]:
    """The mesh with uv, its corners doubled along seams (at equal positions), and its material."""
    mesh_cropcam = mesh_obj.transformed(cropcam_from_obj(scale_m=1.0, camera_distance_obj=camera_distance_obj))
    crop_px = volume.camera.project(mesh_cropcam.vertices)  # (V, 2)
    picture = crop_picture(volume, texture_px)
    shown = _shown(mesh_cropcam, pixels)  # (F,)
    attributes = _attributes_at(mesh_obj, grid, pbr)  # (V, 6)
    uv_crop = np.clip(crop_px / volume.camera.size_px[0], 0, 1)  # (V, 2)
    colours = _in_this_light(attributes[:, :3], uv_crop[np.unique(mesh_obj.faces[shown])], mesh_obj, shown, picture)
    mesh, texture = _with_texture(mesh_obj, shown, uv_crop, colours, picture)
    return mesh, Material(
        base_colour=texture,
        metallic=float(np.clip(np.median(attributes[:, 3]), 0, 1)),
        roughness=float(np.clip(np.median(attributes[:, 4]), 0, 1)),
    )


def _shown(mesh_cropcam: Mesh, pixels: ObjectPixels) -> Bool[np.ndarray, "F"]:
    """Triangles that the camera sees well, at pixels of the object."""
    a, b, c = (mesh_cropcam.vertices[mesh_cropcam.faces[:, k]] for k in range(3))
    centres, normals = (a + b + c) / 3, np.cross(b - a, c - a)
    rays = centres / np.maximum(centres[:, 2:], 1e-3)
    hits = Raycaster([mesh_cropcam]).cast(np.zeros(3), rays)
    length = np.linalg.norm(normals, axis=1) * np.linalg.norm(centres, axis=1)
    facing = -np.einsum("ij,ij->i", normals, centres) / np.maximum(length, 1e-30)
    first = hits.hit & (hits.t > centres[:, 2] - _SEEN_OBJ)
    at = np.floor(pixels.camera.project(centres)).astype(np.int64)
    side = pixels.camera.size_px[0]
    inside = ((at >= 0) & (at < side)).all(axis=1)
    at = np.clip(at, 0, side - 1)
    return first & inside & (facing > _GRAZING) & (pixels.region[at[:, 1], at[:, 0]] == OBJECT)


def _attributes_at(mesh_obj: Mesh, grid: DualGrid, pbr: PbrVoxels) -> Float[np.ndarray, "V 6"]:
    """Of the nearest voxels' vertices, by inverse distance: a closed surface also runs where no voxel is."""
    from scipy.spatial import cKDTree

    count = min(_NEIGHBOURS, len(grid.coords))
    distance, row = cKDTree(grid.vertices_obj).query(np.array(mesh_obj.vertices), k=np.arange(1, count + 1))
    weight = 1 / (distance + 0.25 / grid.resolution)  # (V, k)
    return np.einsum("vk,vkc->vc", weight / weight.sum(axis=1, keepdims=True), pbr.attributes[row])


def _in_this_light(
    srgb: Float[np.ndarray, "V 3"],
    uv_shown: Float[np.ndarray, "n 2"],
    mesh: Mesh,
    shown: Bool[np.ndarray, "F"],
    picture: UInt8[np.ndarray, "s s 3"],
) -> UInt8[np.ndarray, "V 3"]:
    """The networks' colours times what makes those of the visible side as bright and tinted as the photo has them."""
    linear = linear_from_srgb(np.clip(srgb, 0, 1))  # (V, 3)
    if shown.any():
        side = len(picture)
        x, y = np.clip((uv_shown * side).astype(np.int64), 0, side - 1).T
        of_photo = np.median(linear_from_srgb(picture[y, x] / 255), axis=0)  # (3,)
        own = np.median(linear[np.unique(mesh.faces[shown])], axis=0)  # (3,)
        linear = linear * np.clip(of_photo / np.maximum(own, 1e-3), 1 / _MOST_GAIN, _MOST_GAIN)
    return np.rint(255 * srgb_from_linear(np.clip(linear, 0, 1))).astype(np.uint8)


def _with_texture(
    mesh: Mesh,
    shown: Bool[np.ndarray, "F"],
    uv_crop: Float[np.ndarray, "V 2"],
    colours: UInt8[np.ndarray, "V 3"],
    picture: UInt8[np.ndarray, "s s 3"],
) -> tuple[Mesh, UInt8[np.ndarray, "h w 3"]]:
    """Corners of shown triangles keep their place in the picture; every other triangle gets corners of its own."""
    side, hidden = len(picture), mesh.faces[~shown]  # (F', 3)
    width = max(side, _NARROWEST_PX)
    in_a_row = width // _BLOCK_PX
    height = side + _BLOCK_PX * -(-len(hidden) // in_a_row)
    texture = np.zeros((height, width, 3), dtype=np.uint8)
    texture[:side, :side] = picture
    texture[:side, side:] = picture[:, -1:]
    row, column = np.divmod(np.arange(len(hidden)), in_a_row)
    y, x = side + _BLOCK_PX * row, _BLOCK_PX * column  # (F',) upper left texel
    a, b, c = (colours[hidden[:, k]] for k in range(3))  # (F', 3)
    opposite = np.clip(b.astype(np.int64) + c - a, 0, 255).astype(np.uint8)
    for dy, dx, colour in ((0, 0, a), (0, 1, b), (1, 0, c), (1, 1, opposite)):
        texture[y + dy, x + dx] = colour
    corners_px = np.stack([x, y], axis=-1)[:, None] + np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]])  # (F', 3, 2)

    used, seen_faces = np.unique(mesh.faces[shown], return_inverse=True)
    faces = np.zeros_like(mesh.faces, dtype=np.int64)
    faces[shown] = seen_faces.reshape(-1, 3)
    faces[~shown] = len(used) + np.arange(hidden.size).reshape(-1, 3)
    uv_px = np.concatenate([uv_crop[used] * side, corners_px.reshape(-1, 2)])
    painted = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices[used], mesh.vertices[hidden.ravel()]]),
        faces=faces,
        uv=uv_px / np.array([width, height]),
    )
    return painted, texture
