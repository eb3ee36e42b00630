"""The material of a mesh, carried over to the voxels of its dual grid: the training target of the texture network."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from ..asset import Material, Mesh
from ..colour import linear_from_srgb, srgb_from_linear
from .mesh_to_dual_grid import SurfaceVoxels
from .pbr_voxels import PbrVoxels


def pbr_voxels_of(mesh_obj: Mesh, material: Material, surface: SurfaceVoxels) -> PbrVoxels:
    """Base colour (sRGB-coded), metallic, roughness and alpha at the surface point nearest to each voxel's centre.

    surface: of this mesh. The base colour is the product of texture, vertex colours and factor, as in glTF (multiplied
    as light, that is in linear values).
    """
    corners = np.asarray(mesh_obj.faces)[surface.face]  # (N, 3)
    rgba = np.tile(np.asarray(material.base_colour_factor, dtype=np.float64), (len(corners), 1))  # (N, 4) linear
    if mesh_obj.uv is not None and material.base_colour is not None:
        uv = np.einsum("nk,nki->ni", surface.barycentric, mesh_obj.uv[corners])  # (N, 2)
        rgba *= _decoded(_sample_texture(material.base_colour, uv))
    if mesh_obj.colours is not None:
        rgba *= _decoded(np.einsum("nk,nki->ni", surface.barycentric, mesh_obj.colours[corners] / 255))
    attributes = np.zeros((len(corners), 6), dtype=np.float32)  # (N, 6)
    attributes[:, :3] = srgb_from_linear(rgba[:, :3])
    attributes[:, 3], attributes[:, 4], attributes[:, 5] = material.metallic, material.roughness, rgba[:, 3]
    return PbrVoxels(coords=surface.grid.coords, attributes=attributes, resolution=surface.grid.resolution)


def _sample_texture(texture: UInt8[np.ndarray, "h w c"], uv: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 4"]:
    """RGBA in [0, 1] at uv (origin top left, v down), between the four nearest texels; the texture repeats."""
    size_px = np.array(texture.shape[1::-1])  # (2,) width, height
    at = uv * size_px - 0.5  # (N, 2) texel centres are at half-integers
    low = np.floor(at).astype(np.int64)  # (N, 2)
    right, down = (at - low).T  # (N,), (N,)
    rgba = np.ones((len(uv), 4))  # (N, 4)
    channels = np.zeros((len(uv), texture.shape[2]))  # (N, c)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = ((low + np.array([dx, dy])) % size_px).T  # (N,), (N,)
        weight = np.where(dx, right, 1 - right) * np.where(dy, down, 1 - down)  # (N,)
        channels += weight[:, None] * texture[y, x] / 255
    rgba[:, : texture.shape[2]] = channels
    return rgba


def _decoded(rgba: Float[np.ndarray, "N 4"]) -> Float[np.ndarray, "N 4"]:
    """sRGB-coded colour as linear light; alpha is linear already."""
    return np.concatenate([linear_from_srgb(rgba[:, :3]), rgba[:, 3:]], axis=1)
