"""The truth of one object in its cube: the dual grid of its mesh, and the colours that it wears in its room."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .object_batch import ObjectGrid
from .object_view import ObjectView
from .rasterise import Visible
from .scene_tensors import SceneTriangles
from .visible_surfaces import worn_colours

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float32, Int64

_LEAST_QUADS = 48
_LEAST_QUADS_PER_VOXEL = 0.5  # about 1 on closed surfaces; less where the grid's mesh is torn


def object_grid(view: ObjectView, triangles: SceneTriangles, number: int, *, resolution: int) -> ObjectGrid | None:
    """None where the mesh has no grid that is worth learning: nearly empty, or torn."""
    from ..asset import Mesh
    from ..autoencoder.mesh_to_dual_grid import mesh_to_dual_grid

    try:
        surface = mesh_to_dual_grid(Mesh(vertices=view.vertices_obj, faces=view.faces), resolution=resolution)
    except InputError:
        return None
    grid = surface.grid
    quads = len(grid.to_mesh().faces) // 2
    if quads < max(_LEAST_QUADS, _LEAST_QUADS_PER_VOXEL * len(grid.coords)):
        return None
    face = torch.from_numpy(np.asarray(surface.face, dtype=np.int64).copy())
    barycentric = torch.from_numpy(np.asarray(surface.barycentric, dtype=np.float32).copy())
    return ObjectGrid(
        coords=torch.from_numpy(grid.coords.astype(np.uint8)),
        offset_vox=torch.from_numpy(grid.offset_vox.clip(0, 1)),
        edge_flags=torch.from_numpy(grid.edge_flags.copy()),
        attributes=worn_attributes(triangles, number, face, barycentric, voxel_m=view.scale_m / resolution),
        resolution=resolution,
    )


def worn_attributes(
    triangles: SceneTriangles,
    number: int,
    face: Int64[Tensor, "N"],
    barycentric: Float32[Tensor, "N 3"],
    *,
    voxel_m: float,
) -> Float32[Tensor, "N 6"]:
    """Attributes of `ObjectGrid` at places on triangles of object `number`, as it is coloured in the rendered room.

    Patterns finer than a voxel are faded out, as those finer than a pixel are in pictures. The pack knows no metal and
    no glass: metallic is 0 and alpha 1. Roughness goes down with the mirror reflectance of the material.
    """
    device = triangles.corners_world.device
    thing = int((triangles.thing_number == number).nonzero()[0, 0])
    first = int((triangles.thing == thing).nonzero()[0, 0])
    points = Visible(
        face=face.to(device)[None, :, None] + first,
        z_m=torch.ones((1, len(face), 1), device=device),
        barycentric=barycentric.to(device)[None, :, None],
    )
    linear = worn_colours(triangles, points, torch.full_like(points.z_m, voxel_m))[0, :, 0]
    gloss = triangles.materials[triangles.material[points.face[0, :, 0]], 10]
    coded = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(1e-6) ** (1 / 2.4) - 0.055)
    attributes = torch.zeros((len(face), 6))
    attributes[:, :3] = coded.clamp(0, 1).cpu()
    attributes[:, 4] = (0.9 - 0.6 * (gloss / 0.15).clamp(0, 1).sqrt()).cpu()
    attributes[:, 5] = 1.0
    return attributes
