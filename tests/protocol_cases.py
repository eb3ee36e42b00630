"""True rooms and runs in memory, of shapes whose figures are known in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import trimesh

from pixal3d_scene.asset import Mesh
from pixal3d_scene.camera import Camera
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.review.metrics import surface_points
from pixal3d_scene.review.room_files import ReviewedObject, ReviewedRun, TrueRoom

SIZE_PX = (80, 60)
CAMERA = Camera.from_focal(focal_px=40.0, size_px=SIZE_PX)
T_WORLD_FROM_CAM = world_from_level_camera(height_m=1.5).as_matrix()
TRUE_SAMPLES = 6000


def sphere(radius_m: float, z_m: float = 4.0) -> trimesh.Trimesh:
    """In `cam`, on the axis, before the camera."""
    ball = trimesh.creation.icosphere(subdivisions=5, radius=radius_m)
    return ball.apply_translation([0, 0, z_m])


def block(size: tuple[float, float, float], centre: tuple[float, float, float]) -> trimesh.Trimesh:
    """A box along the axes of the frame."""
    return trimesh.creation.box(extents=size).apply_translation(centre)


def shifted(mesh: trimesh.Trimesh, x: float, y: float, z: float) -> trimesh.Trimesh:
    return mesh.copy().apply_translation([x, y, z])


def as_mesh(mesh: trimesh.Trimesh) -> Mesh:
    return Mesh(vertices=np.array(mesh.vertices, dtype=np.float64), faces=np.array(mesh.faces, dtype=np.int64))


def true_room(
    meshes_cam: Mapping[int, trimesh.Trimesh], *, wall_z_m: float = 0.0, parents: Mapping[int, int] | None = None
) -> TrueRoom:
    """Every object is shown by a strip of the picture, whatever it looks like; the right half shows the wall."""
    label_map = np.zeros(SIZE_PX[::-1], dtype=np.int64)
    for row, value in enumerate(meshes_cam):
        label_map[4 * row : 4 * row + 4, : SIZE_PX[0] // 2] = value
    return TrueRoom(
        name="known",
        camera=CAMERA,
        T_world_from_cam=np.array(T_WORLD_FROM_CAM),
        label_map=label_map,
        z_m=np.where(label_map == 0, wall_z_m, 2.0),
        points_cam={v: surface_points(mesh, TRUE_SAMPLES, seed=7) for v, mesh in meshes_cam.items()},
        parents=dict(parents or dict.fromkeys(meshes_cam, 0)),
        meshes_cam={v: as_mesh(mesh) for v, mesh in meshes_cam.items()},
    )


def run_of(
    truth: TrueRoom,
    meshes_cam: Mapping[int, trimesh.Trimesh],
    *,
    parents: Mapping[int, str] | None = None,
    background_cam: trimesh.Trimesh | None = None,
) -> ReviewedRun:
    """A run with the truth's masks and these meshes."""
    objects = tuple(
        ReviewedObject(
            name=f"object_{v}", mask_value=v, parent=(parents or {}).get(v, "floor"), relation="on", mesh_cam=mesh
        )
        for v, mesh in meshes_cam.items()
    )
    return ReviewedRun(
        camera=CAMERA,
        T_world_from_cam=np.array(T_WORLD_FROM_CAM),
        objects=objects,
        label_map=np.array(truth.label_map),
        z_m=np.array(truth.z_m),
        background_cam=None if background_cam is None else as_mesh(background_cam),
    )


def with_swapped_masks(run: ReviewedRun, a: int, b: int) -> ReviewedRun:
    label_map = np.array(run.label_map)
    label_map[run.label_map == a], label_map[run.label_map == b] = b, a
    return replace(run, label_map=label_map)


def l_shape(size_m: float = 1.0, z_m: float = 4.0) -> trimesh.Trimesh:
    """Two boxes, mirror image of itself about no plane but its own."""
    foot = block((size_m, 0.25 * size_m, 0.5 * size_m), (0, 0.375 * size_m, z_m))
    stem = block((0.25 * size_m, 0.9 * size_m, 0.49 * size_m), (-0.37 * size_m, -0.05 * size_m, z_m))
    return trimesh.util.concatenate([foot, stem])


def mirrored(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Left and right exchanged about x = 0."""
    return mesh.copy().apply_transform(np.diag([-1.0, 1.0, 1.0, 1.0]))


def sampling_squared(area: float, count: int) -> float:
    """Mean squared distance to the nearest of `count` uniform points on a surface of this area, along the surface."""
    return area / (np.pi * count)
