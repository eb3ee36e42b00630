"""Time and memory of the layout solver against the number of objects, and against ICP on the same meshes.

    python -m pipelines.benchmark_layout [--objects 5 20 80 320] [--json OUT]

Scenes are grids of tables on a floor with a box on every second one, seen from above at an angle, 640 x 480 pixels
and finely triangulated. ICP is open3d's point-to-point, 20,480 points, 50 iterations, once per object.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import RigidTransform

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.camera import Camera
from pixal3d_scene.crop import CropVolume, plan_crops
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.layout.room_shell import fit_room
from pixal3d_scene.layout.solve import solve_layout
from pixal3d_scene.mesh.raycast import Raycaster
from pixal3d_scene.peak_memory import peak_memory_bytes
from pixal3d_scene.photo import Photo
from pixal3d_scene.review.layout_baselines import icp
from pixal3d_scene.review.layout_trials import asset_of_truth
from pixal3d_scene.room import Room

COUNTS = (5, 20, 80, 320)
# ICP is timed on so many objects and scaled up, since its cost per object is nearly the same for all.
MOST_ICP_OBJECTS = 10
_SPACING_M = 1.5
_PICTURE_PX = (640, 480)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutTiming:
    """seconds: CPU time of the solver. peak_bytes: largest resident memory of the process up to its end,
    None where nothing tells it.
    icp_seconds: CPU time of ICP for all objects. ratio: of the two times."""

    objects: int
    triangles: int
    seconds: float
    peak_bytes: int | None
    icp_seconds: float
    ratio: float


def benchmark_layout(counts: tuple[int, ...] = COUNTS) -> list[LayoutTiming]:
    """One timing per number of objects; fewer are timed where some are not in the picture."""
    timings = []
    for count in sorted(counts):
        assets, volumes, room = grid_scene(count)
        started = time.process_time()
        solve_layout(assets, volumes, room, snap_m=0.15)
        seconds = time.process_time() - started
        # Of the whole process so far, the scene itself included: it only grows, so counts go from small to large.
        peak_bytes = peak_memory_bytes()
        every = max(len(assets) // MOST_ICP_OBJECTS, 1)
        tried = list(zip(assets, volumes, strict=True))[::every]
        started = time.process_time()
        for asset, volume in tried:
            icp(asset, volume)
        icp_seconds = (time.process_time() - started) * len(assets) / len(tried)
        timings.append(
            LayoutTiming(
                objects=len(assets),
                triangles=sum(len(a.mesh_obj.faces) for a in assets),
                seconds=seconds,
                peak_bytes=peak_bytes,
                icp_seconds=icp_seconds,
                ratio=seconds / icp_seconds,
            )
        )
    return timings


def grid_scene(count: int) -> tuple[tuple[ObjectAsset, ...], tuple[CropVolume, ...], Room]:
    """About `count` objects that the camera sees, their true meshes with the distance lost, and the depth."""
    meshes_world = _grid(count)
    camera = _camera_over(meshes_world)
    floor = Mesh(
        vertices=np.array([[-90.0, 0, 90], [90, 0, 90], [90, 0, -90], [-90, 0, -90]]),
        faces=np.array([[0, 1, 2], [0, 2, 3]]),
    )
    rays_world = camera.T_world_from_cam.rotation.apply(camera.rays_cam().reshape(-1, 3))
    hits = Raycaster([*meshes_world, floor]).cast(camera.centre_world, rays_world)
    values = np.array([*range(1, len(meshes_world) + 1), 0])
    label_map = np.where(hits.hit, values[hits.mesh_index], 0).astype(np.uint16).reshape(camera.shape_hw)
    depth = Depth(
        z_m=hits.t.reshape(camera.shape_hw).astype(np.float32),
        valid=hits.hit.reshape(camera.shape_hw),
        camera=camera,
        source="benchmark",
    )
    seen = [int(v) for v in np.unique(label_map) if v]
    instances = Instances(label_map=label_map, items=tuple(Instance(mask_value=v) for v in seen), source="benchmark")
    photo = Photo(rgb=np.zeros((*camera.shape_hw, 3), dtype=np.uint8), file_name="grid.png", sha256="0" * 64)
    volumes = plan_crops(photo, instances, depth, size_px=64, margin=1.1)
    assets = tuple(asset_of_truth(meshes_world[v.instance.mask_value - 1], v) for v in volumes)
    return assets, volumes, fit_room(depth, instances)


def _grid(count: int) -> list[Mesh]:
    """Tables in rows; every second one carries a box."""
    tables = math.ceil(count / 1.5)
    across = math.ceil(math.sqrt(tables))
    meshes = []
    for k in range(tables):
        x, z = (k % across - (across - 1) / 2) * _SPACING_M, -(k // across) * _SPACING_M
        meshes.append(_box((0.9, 0.7, 0.6), (x, 0.35, z)))
        if k % 2 and len(meshes) < count:
            meshes.append(_box((0.3, 0.3, 0.3), (x, 0.85, z)))
    return meshes[:count]


def _box(size: tuple[float, float, float], middle: tuple[float, float, float]) -> Mesh:
    solid = trimesh.creation.box(extents=size)
    for _ in range(5):
        solid = solid.subdivide()
    return Mesh(vertices=np.array(solid.vertices) + np.array(middle), faces=np.array(solid.faces, dtype=np.int64))


def _camera_over(meshes_world: list[Mesh]) -> Camera:
    """High enough to see the whole grid, 40 degrees down."""
    corners = np.concatenate([m.bounds for m in meshes_world])
    low, high = corners.min(axis=0), corners.max(axis=0)
    away_m = 1.2 * float(np.linalg.norm((high - low)[[0, 2]])) + 1.5
    pitch_rad = np.deg2rad(40.0)
    pose = world_from_level_camera(height_m=away_m * np.sin(pitch_rad), pitch_rad=pitch_rad)
    back_m = (low[2] + high[2]) / 2 + away_m * np.cos(pitch_rad)
    moved = RigidTransform.from_translation(np.array([0.0, 0.0, back_m])) * pose
    return Camera.from_fov(horizontal_fov_deg=50.0, size_px=_PICTURE_PX).at(moved)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="*", default=list(COUNTS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    timings = benchmark_layout(tuple(arguments.objects))
    print(
        "| objects | triangles | CPU s | s per object | peak MiB | ICP CPU s | ratio |\n|---|---|---|---|---|---|---|"
    )
    for t in timings:
        print(
            f"| {t.objects} | {t.triangles} | {t.seconds:.2f} | {t.seconds / t.objects:.4f} "
            f"| {'' if t.peak_bytes is None else f'{t.peak_bytes / 2**20:.0f}'} | {t.icp_seconds:.2f} | {t.ratio:.3f} |"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(t) for t in timings], indent=1))


if __name__ == "__main__":
    main()
