"""Disturbed depth and hand-made bodies for the layout's tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from rendered_scene import RenderedScene, true_asset
from scipy.ndimage import zoom

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import Similarity
from pixal3d_scene.layout.body import Body
from pixal3d_scene.layout.room_shell import fit_room
from pixal3d_scene.layout.solve import solve_layout
from pixal3d_scene.scene_graph import Placement

EYE = np.array([0.0, 1.5, 3.0])


def disturbed(depth: Depth, *, noise_share: float, smooth_share: float, seed: int) -> Depth:
    """Independent noise and an error that varies over a quarter of the picture."""
    rng = np.random.default_rng(seed)
    shape = depth.z_m.shape
    smooth = zoom(rng.standard_normal((4, 4)), (shape[0] / 4, shape[1] / 4), order=3, grid_mode=True, mode="nearest")
    error = noise_share * rng.standard_normal(shape) + smooth_share * smooth / smooth.std()
    return replace(depth, z_m=(depth.z_m * np.clip(1 + error, 0.2, None)).astype(np.float32))


def log_scale_error(scene: RenderedScene, volume: CropVolume, scale_m: float) -> float:
    """Of a cube edge in metres against the truth."""
    true_mesh = scene.meshes_world[volume.instance.mask_value]
    asset = true_asset(scene, volume.instance.mask_value)
    true_scale = np.ptp(true_mesh.vertices[:, 1]) / _upright_extent(asset, volume)
    return float(np.log(scale_m / true_scale))


def _upright_extent(asset: ObjectAsset, volume: CropVolume) -> float:
    up_crop = volume.camera.T_world_from_cam.rotation.inv().apply([0.0, 1.0, 0.0])
    up_obj = up_crop * [1, -1, -1]
    return float(np.ptp(asset.mesh_obj.vertices @ up_obj))


def place(scene: RenderedScene, snap_m: float = 0.15, depth: Depth | None = None) -> dict[str, Placement]:
    """Placements of the true meshes, by name."""
    depth = depth or scene.depth
    volumes = tuple(replace(v, depth=depth) for v in scene.volumes)
    assets = [true_asset(scene, v.instance.mask_value) for v in volumes]
    room = fit_room(depth, scene.instances)
    return {p.name: p for p in solve_layout(assets, volumes, room, snap_m=snap_m)}


def placed_vertices(scene: RenderedScene, volume: CropVolume, placement: Placement) -> np.ndarray:
    """The true mesh where a placement puts it, world, m."""
    T = Similarity.from_rigid(placement.T_world_from_node) @ placement.T_node_from_obj
    return T.apply(true_asset(scene, volume.instance.mask_value).mesh_obj.vertices)


def body(name: str, mesh_world: Mesh, *, sigma_log: float = 0.02, sigma_shape_m: float = 0.01) -> Body:
    """A body seen from `EYE` whose evidence puts it where its mesh is."""
    return Body(
        name=name,
        label="box",
        mesh_world=mesh_world,
        T_world_from_obj=Similarity(),
        eye_world=EYE,
        middle_px=np.zeros(2),
        sigma_log=sigma_log,
        slow_log=0.5 * sigma_log,
        sigma_shape_m=sigma_shape_m,
        fit=None,
    )


def bodies(meshes_world: Mapping[str, Mesh], **sigmas: float) -> dict[str, Body]:
    return {name: body(name, mesh, **sigmas) for name, mesh in meshes_world.items()}
