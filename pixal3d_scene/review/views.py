"""From where the report's pictures of a scene are taken: cameras in world."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform, Rotation

from ..camera import Camera
from ..frames import WORLD_UP, heading_towards, look_along
from ..scene_graph import SceneGraph

_SIDE_TURN_DEG = 50.0
_SIDE_ELEVATION_DEG = 32.0
_SIDE_FOV_DEG = 40.0
_SIDE_MARGIN = 1.12


def photo_view(camera: Camera, *, longest_side_px: int) -> Camera:
    """The photo's camera for a picture that is no larger than asked."""
    width, height = camera.size_px
    scale = min(1.0, longest_side_px / max(width, height))
    return camera.resized((max(round(width * scale), 1), max(round(height * scale), 1)))


def side_view(scene: SceneGraph, *, size_px: tuple[int, int]) -> Camera:
    """Three-quarter bird's view that frames all objects, turned 50 degrees away from the photo's direction.

    A scene without any mesh shows its floor.
    """
    corners_world = _corners_world(scene)
    middle_world = (corners_world.min(axis=0) + corners_world.max(axis=0)) / 2
    return look_at(
        corners_world,
        middle_world,
        _towards_eye(middle_world, scene.camera.centre_world),
        size_px=size_px,
    )


def look_at(
    points_world: Float[np.ndarray, "n 3"],
    middle_world: Float[np.ndarray, "3"],
    towards_eye_world: Float[np.ndarray, "3"],
    *,
    size_px: tuple[int, int],
) -> Camera:
    """A camera in direction `towards_eye_world` of `middle_world`, as near as it can be to see all points."""
    camera = Camera.from_fov(horizontal_fov_deg=_SIDE_FOV_DEG, size_px=size_px)
    R_cam_from_world = look_along(-towards_eye_world, WORLD_UP)
    offsets_cam = R_cam_from_world.apply(points_world - middle_world)  # (n, 3)
    half_tangents = np.array(size_px) / 2 / np.diag(camera.K)[:2] / _SIDE_MARGIN
    needed_m = np.abs(offsets_cam[:, :2]) / half_tangents - offsets_cam[:, 2:]
    distance_m = max(float(needed_m.max()), 0.1)
    eye_world = middle_world + distance_m * towards_eye_world
    return camera.at(RigidTransform.from_components(eye_world, R_cam_from_world.inv()))


def _towards_eye(middle_world: Float[np.ndarray, "3"], eye_world: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Unit vector from the middle of the objects to the side camera."""
    R_world_from_facing = heading_towards(eye_world, middle_world)
    turn = Rotation.from_rotvec(np.radians(_SIDE_TURN_DEG) * WORLD_UP)
    elevation_rad = np.radians(_SIDE_ELEVATION_DEG)
    return (turn * R_world_from_facing).apply([0.0, np.sin(elevation_rad), np.cos(elevation_rad)])


def _corners_world(scene: SceneGraph) -> Float[np.ndarray, "n 3"]:
    """Corners of the boxes of all objects."""
    corners = []
    for item in scene.objects:
        if item.mesh_node is not None and len(item.mesh_node.vertices):
            low, high = item.mesh_node.bounds
            box = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
            corners.append(item.placement.T_world_from_node.apply(box.astype(np.float64)))
    return np.concatenate(corners) if corners else np.array(scene.room.floor.corners_world, dtype=np.float64)
