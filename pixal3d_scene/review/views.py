"""From where the report's pictures of a scene are taken: cameras in world."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform, Rotation

from ..asset import Mesh
from ..camera import Camera
from ..frames import WORLD_UP, heading_towards, look_along
from ..scene_graph import SceneGraph

_FOV_DEG = 40.0
_MARGIN = 1.1


def photo_view(camera: Camera, *, longest_side_px: int) -> Camera:
    """The photo's camera for a picture that is no larger than asked."""
    width, height = camera.size_px
    scale = min(1.0, longest_side_px / max(width, height))
    return camera.resized((max(round(width * scale), 1), max(round(height * scale), 1)))


def side_view(scene: SceneGraph, *, size_px: tuple[int, int]) -> Camera:
    """Three-quarter bird's view that frames all objects, turned 50 degrees away from the photo's direction.

    A scene without any mesh shows its floor.
    """
    boxes = [
        item.placement.T_world_from_node.apply(_box_corners(item.mesh_node))
        for item in scene.objects
        if item.mesh_node is not None and len(item.mesh_node.vertices)
    ]
    corners_world = np.concatenate(boxes) if boxes else np.array(scene.room.floor.corners_world, dtype=np.float64)
    return look_at(corners_world, scene.camera.centre_world, turn_deg=50.0, elevation_deg=32.0, size_px=size_px)


def object_view(mesh_world: Mesh, eye_world: Float[np.ndarray, "3"], *, size_px: tuple[int, int]) -> Camera:
    """One object alone, turned 35 degrees away from how `eye_world` sees it."""
    return look_at(_box_corners(mesh_world), eye_world, turn_deg=35.0, elevation_deg=20.0, size_px=size_px)


def look_at(
    points_world: Float[np.ndarray, "n 3"],
    eye_world: Float[np.ndarray, "3"],
    *,
    turn_deg: float,
    elevation_deg: float,
    size_px: tuple[int, int],
) -> Camera:
    """A level camera that looks at the middle of some points, as near as it can be to see them all.

    It stands in the horizontal direction of `eye_world`, turned to its right by `turn_deg` about the middle,
    and looks down by `elevation_deg`.
    """
    middle_world = (points_world.min(axis=0) + points_world.max(axis=0)) / 2
    turn = Rotation.from_rotvec(np.radians(turn_deg) * WORLD_UP)
    elevation_rad = np.radians(elevation_deg)
    to_eye_world = (turn * heading_towards(eye_world, middle_world)).apply(
        [0.0, np.sin(elevation_rad), np.cos(elevation_rad)]
    )
    camera = Camera.from_fov(horizontal_fov_deg=_FOV_DEG, size_px=size_px)
    R_cam_from_world = look_along(-to_eye_world, WORLD_UP)
    offsets_cam = R_cam_from_world.apply(points_world - middle_world)  # (n, 3)
    half_tangents = np.array(size_px) / 2 / np.diag(camera.K)[:2] / _MARGIN
    needed_m = np.abs(offsets_cam[:, :2]) / half_tangents - offsets_cam[:, 2:]
    distance_m = max(float(needed_m.max()), 0.1)
    return camera.at(RigidTransform.from_components(middle_world + distance_m * to_eye_world, R_cam_from_world.inv()))


def _box_corners(mesh: Mesh) -> Float[np.ndarray, "8 3"]:
    """The corners of a mesh's box, in the mesh's frame."""
    low, high = mesh.bounds.astype(np.float64)
    return np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
