"""A few single objects of rooms with the small pack, and their grids' meshes before the crop camera."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor
from training_cases import small_pack

from pixal3d_scene.asset import Mesh
from pixal3d_scene.autoencoder.dual_grid import DualGrid
from pixal3d_scene.conditioning.view import front_view
from pixal3d_scene.learning.object_batch import ObjectBatch, ObjectGrid
from pixal3d_scene.learning.object_stream import object_batches
from pixal3d_scene.learning.rasterise import rasterise


@functools.cache
def small_objects() -> ObjectBatch:
    """Eight objects, pictures of 128 x 128, grids of 64 voxels, with their edges."""
    return next(object_batches(small_pack(), batch=8, seed=3))


def grid_mesh(grid: ObjectGrid) -> Mesh:
    """In `obj`."""
    return DualGrid(
        coords=grid.coords.numpy().astype(np.int32),
        offset_vox=grid.offset_vox.numpy().copy(),
        edge_flags=grid.edge_flags.numpy().copy(),
        resolution=grid.resolution,
    ).to_mesh()


def drawn_grid(batch: ObjectBatch, index: int, grid: ObjectGrid) -> tuple[Tensor, Tensor]:
    """(mask, depth in m) of the grid's mesh, as the object's crop camera sees it."""
    mesh, fov_rad = grid_mesh(grid), float(batch.fov_rad[index])
    side = batch.region.shape[-1]
    view = front_view(fov_rad, distance=float(batch.camera_distance_obj[index]))
    points = view.T_cam_from_obj.apply(mesh.vertices.astype(np.float64)) * float(batch.scale_m[index])
    corners = torch.tensor(points[mesh.faces], dtype=torch.float32)
    focal_px = side / 2 / np.tan(fov_rad / 2)
    K = torch.tensor([[[focal_px, 0, side / 2], [0, focal_px, side / 2], [0, 0, 1]]], dtype=torch.float32)
    visible = rasterise(corners, torch.zeros(len(corners), dtype=torch.int64), K, (side, side))
    return visible.face[0] >= 0, visible.z_m[0]
