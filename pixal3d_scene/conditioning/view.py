"""Cameras as Pixal3D knows them: points of the generator's cube in, pixels of its square picture out.

A view is a pinhole with square pixels, no distortion, the principal point in the middle of a square picture;
its picture's pixels run from the corner (0, 0) to (S, S). The camera looks along -z of the frame `obj` at the
cube's centre from a distance d in scaled units, where the cube's edge is 1 / mesh_scale; a posed view is one of
several cameras around the cube of the first. All axis changes come from `frames`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial.transform import RigidTransform
from torch import Tensor

from ..frames import Similarity, cropcam_from_obj, cv_from_gl

# The nearest that a point may come to the camera's plane, as upstream: keeps the division finite.
_DEPTH_OFFSET = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One camera around the cube. T_cam_from_obj: to OpenCV axes, in scaled units. fov_rad: across the picture."""

    T_cam_from_obj: Similarity
    fov_rad: float

    def project(
        self, points_obj: Float[Tensor, "T 3"], size_px: int
    ) -> tuple[Float[Tensor, "T 2"], Float[Tensor, "T"]]:
        """Points of the cube to (u right, w down) in px of a picture of `size_px`, and depth along the axis."""
        T = torch.from_numpy(self.T_cam_from_obj.as_matrix()).to(points_obj)  # (4, 4)
        points_cam = points_obj @ T[:3, :3].T + T[:3, 3]  # (T, 3)
        depth = points_cam[:, 2]  # (T,)
        rays = points_cam[:, :2] / (depth + _DEPTH_OFFSET)[:, None]  # (T, 2)
        return size_px / 2 + focal_px(self.fov_rad, size_px) * rays, depth


def focal_px(fov_rad: float, size_px: int) -> float:
    """Focal length in pixels of a picture `size_px` wide."""
    return size_px / 2 / math.tan(fov_rad / 2)


def camera_distance(fov_rad: float, *, mesh_scale: float = 1.0, extend_px: float = 0.0, size_px: int = 512) -> float:
    """Distance d at which the cube's middle plane fills the picture and `extend_px` more on each side.

    In scaled units, where the cube's edge is 1 / mesh_scale; multiplied by mesh_scale it is in cube edges.
    """
    return focal_px(fov_rad, size_px) * 0.5 / (mesh_scale * (size_px / 2 + extend_px))


def front_view(fov_rad: float, *, distance: float | None = None, mesh_scale: float = 1.0) -> View:
    """The view of a single picture, straight onto the cube; by default at the distance that fills the picture."""
    d = camera_distance(fov_rad, mesh_scale=mesh_scale) if distance is None else distance
    return View(
        T_cam_from_obj=cropcam_from_obj(scale_m=1 / mesh_scale, camera_distance_obj=d * mesh_scale), fov_rad=fov_rad
    )


def posed_views(
    T_world_from_glcam: Float[np.ndarray, "V 4 4"], fov_rad: Float[np.ndarray, "V"], *, mesh_scale: float = 1.0
) -> tuple[View, ...]:
    """Views of several pictures with known poses; the first one sees the cube's front.

    T_world_from_glcam: camera-to-world with the camera looking along its -z, +y up (Blender, NeRF). The world's
    own axes do not matter: only the motion from view 0 to the others does. The cube's centre is as far in front
    of view 0 as that camera stands from the world's origin.
    """
    distance = float(np.linalg.norm(T_world_from_glcam[0, :3, 3]))
    front = front_view(float(fov_rad[0]), distance=distance, mesh_scale=mesh_scale)
    poses = [RigidTransform.from_matrix(np.asarray(T, dtype=np.float64)) for T in T_world_from_glcam]
    cv_from_glcam = RigidTransform.from_rotation(cv_from_gl())
    views = []
    for pose, fov in zip(poses, fov_rad, strict=True):
        T_cam_from_cam0 = cv_from_glcam * pose.inv() * poses[0] * cv_from_glcam.inv()
        T_cam_from_obj = Similarity.from_rigid(T_cam_from_cam0) @ front.T_cam_from_obj
        views.append(View(T_cam_from_obj=T_cam_from_obj, fov_rad=float(fov)))
    return tuple(views)


def node_positions(coords: Int[Tensor, "T 3"], grid: int) -> Float[Tensor, "T 3"]:
    """Where the tokens of a grid^3 stand in the cube: on nodes, so that the outer ones lie on its faces."""
    return coords.float() / (grid - 1) - 0.5  # (T, 3)
