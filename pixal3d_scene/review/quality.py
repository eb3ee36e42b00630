"""How well the placed objects agree with the photo: scene, masks and depth in, figures per object out.

The scene is looked at through the photo's own camera by ray casting, so that what hides an object there hides
it here; no ground truth is needed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from ..depth import Depth
from ..instances import Instances
from ..mesh.raycast import Raycaster
from ..scene_graph import SceneGraph, SceneObject
from .render import mesh_in_world
from .views import photo_view

_LONGEST_SIDE_PX = 1024


def measure_quality(scene: SceneGraph, instances: Instances, depth: Depth) -> dict[str, dict[str, float]]:
    """Figures per object name; a figure without evidence is left out.

    silhouette_iou: pixels where the object is the first thing seen against its mask, intersection over union.
    depth_residual_m: median |mesh - depth| along z where both show the object. floor_gap_m: height of the
    lowest vertex above the floor (negative: below it), of objects that stand on the floor.
    Photos above 1024 px are sampled at 1024 px.
    """
    z_m, first = _look(scene)
    rows, columns = _photo_pixels(first.shape, instances.label_map.shape)
    labels = instances.label_map[rows, columns]
    measured_z_m, valid = depth.z_m[rows, columns].astype(np.float64), depth.valid[rows, columns]
    figures = {}
    for item in scene.objects:
        seen, mask = first == item.instance.mask_value, labels == item.instance.mask_value
        figures[item.name] = _floor_gap(item)
        if (seen | mask).any():
            figures[item.name]["silhouette_iou"] = float((seen & mask).sum() / (seen | mask).sum())
        both = seen & mask & valid
        if both.any():
            figures[item.name]["depth_residual_m"] = float(np.median(np.abs(z_m - measured_z_m)[both]))
    return figures


def with_quality(scene: SceneGraph, instances: Instances, depth: Depth) -> SceneGraph:
    """The same scene, its objects' `quality` filled with `measure_quality`."""
    figures = measure_quality(scene, instances, depth)
    objects = [replace(item, quality={**item.quality, **figures[item.name]}) for item in scene.objects]
    return SceneGraph(camera=scene.camera, objects=objects, room=scene.room, surfaces=scene.surfaces)


def _look(scene: SceneGraph) -> tuple[Float[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """Depth along z and mask value of the first object of every pixel (0: none) through the photo's camera."""
    camera = photo_view(scene.camera, longest_side_px=_LONGEST_SIDE_PX)
    shown = [item for item in scene.objects if item.mesh_node is not None]
    meshes = [
        mesh_in_world(item.mesh_node, item.placement.T_world_from_node) for item in shown if item.mesh_node is not None
    ]
    rays_cam = camera.rays_cam()
    rays_world = camera.T_world_from_cam.rotation.apply(rays_cam.reshape(-1, 3)).reshape(rays_cam.shape)
    hits = Raycaster(meshes).cast(camera.centre_world, rays_world)  # t is the depth: the rays have z = 1 in cam
    mask_values = np.array([item.instance.mask_value for item in shown] or [0])
    return hits.t, np.where(hits.hit, mask_values[np.where(hits.hit, hits.mesh_index, 0)], 0)


def _photo_pixels(
    shape: tuple[int, ...], photo_shape: tuple[int, ...]
) -> tuple[Int[np.ndarray, "h 1"], Int[np.ndarray, "1 w"]]:
    """Rows and columns of the photo's pixels under the pixel centres of a smaller picture."""
    rows = ((np.arange(shape[0]) + 0.5) * photo_shape[0] / shape[0]).astype(np.int64)
    columns = ((np.arange(shape[1]) + 0.5) * photo_shape[1] / shape[1]).astype(np.int64)
    return rows[:, None], columns[None, :]


def _floor_gap(item: SceneObject) -> dict[str, float]:
    if item.mesh_node is None or item.placement.parent != "floor" or item.placement.relation != "on":
        return {}
    heights_m = item.placement.T_world_from_node.apply(np.array(item.mesh_node.vertices, dtype=np.float64))[:, 1]
    return {"floor_gap_m": float(heights_m.min())}
