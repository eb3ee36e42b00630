"""Where a known mesh stands in a photo: its turn about gravity and its place, its size being given.

A mesh in its node frame (m, y up) and the crop volume of another object enter; a pose in world leaves, with how well
it explains what the photo shows there. Evidence: the mask's depth points must lie on the mesh, and no part of the mesh
may be seen beside the mask, unless something nearer may hide it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import RigidTransform, Rotation

from ..asset import Mesh
from ..camera import Camera
from ..crop import CropVolume
from ..frames import WORLD_UP, Similarity
from ..mesh.raycast import Raycaster
from .depth_scale import evidence_pixels
from .noise import DepthNoise
from .overlap import spread_points

_TURNS = 24
_REFINED = 4
_MOST_EVALUATIONS = 25
_TREE_POINTS, _OUTLINE_POINTS, _DEPTH_POINTS = 6000, 500, 500
# What counts as a large distance of a depth point, and of a mesh point beside the mask, as a share of the size.
_SOFT_SHARE = 0.03
# Weight of a mesh point beside the mask against a depth point beside the mesh.
_OUTLINE_WEIGHT = 1.0
# The foot's height is known from what the object stands on, to this share of its height.
_FOOT_SHARE = 0.05
# Something may be in front of an object where it is nearer than the object's far side by this share.
_MAY_HIDE_SHARE = 0.02
_VIEW_PX = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """silhouette_iou: of the mesh as the photo would show it with the mask, hidden parts aside.

    depth_share: median distance along z between mesh and depth over the mesh's diagonal; None without depth.
    """

    T_world_from_node: RigidTransform
    silhouette_iou: float
    depth_share: float | None


def register(
    mesh_node: Mesh, volume: CropVolume, foot_world: Float[np.ndarray, "3"], noise: DepthNoise
) -> Registration:
    """The best of several starts all around. foot_world: bottom centre of the object as far as it is known."""
    from scipy.optimize import least_squares

    evidence = _Evidence(mesh_node, volume, foot_world, noise)
    starts = [np.array([k * 2 * np.pi / _TURNS, 0.0, 0.0, 0.0]) for k in range(_TURNS)]
    found = [
        least_squares(
            evidence.residuals, start, loss="soft_l1", f_scale=_SOFT_SHARE, diff_step=1e-3, max_nfev=_MOST_EVALUATIONS,
            x_scale=[0.1, 0.05, 0.05, 0.05],
        )
        for start in sorted(starts, key=lambda x: float(np.abs(evidence.residuals(x)).mean()))[:_REFINED]
    ]  # fmt: skip
    fits = [measure_fit(mesh_node, volume, evidence.pose(f.x), noise) for f in found]
    return max(fits, key=lambda fit: fit.silhouette_iou - (fit.depth_share or 0.0))


def measure_fit(
    mesh_node: Mesh, volume: CropVolume, T_world_from_node: RigidTransform, noise: DepthNoise
) -> Registration:
    """How well a mesh at a pose agrees with a mask and its depth."""
    camera = volume.depth.camera
    mesh_cam = mesh_node.transformed(Similarity.from_rigid(camera.T_world_from_cam.inv() * T_world_from_node))
    rows, columns = _grid(volume, mesh_cam, camera)
    rays_cam = camera.rays_through(np.stack([columns + 0.5, rows + 0.5], axis=-1))
    hits = Raycaster([mesh_cam]).cast(np.zeros(3), rays_cam)
    mask, counts = volume.mask[rows, columns], ~_may_hide(volume)[rows, columns]
    seen = hits.hit & (hits.t > 0)
    union = (seen | mask) & counts
    both = seen & mask & evidence_pixels(volume, noise)[rows, columns]
    depth_share = None
    if both.any():
        diagonal_m = float(np.linalg.norm(np.ptp(mesh_node.bounds, axis=0)))
        error_m = np.abs(hits.t[both] - volume.depth.z_m[rows, columns][both])
        depth_share = float(np.median(error_m)) / diagonal_m
    return Registration(
        T_world_from_node=T_world_from_node,
        silhouette_iou=float((seen & mask & counts).sum() / max(union.sum(), 1)),
        depth_share=depth_share,
    )


class _Evidence:
    """Residuals of a pose (turn; shift x, y, z from the start, in diagonals of the mesh), in diagonals of the mesh."""

    def __init__(
        self, mesh_node: Mesh, volume: CropVolume, foot_world: Float[np.ndarray, "3"], noise: DepthNoise
    ) -> None:
        from scipy.ndimage import distance_transform_edt
        from scipy.spatial import cKDTree

        self._camera = volume.depth.camera
        surface = spread_points(mesh_node, _TREE_POINTS)[0]
        self._axis = np.array([*mesh_node.bounds.mean(axis=0)]) * [1, 0, 1] + [0, float(mesh_node.bounds[0, 1]), 0]
        self._tree = cKDTree(surface - self._axis)
        self._outline = (surface - self._axis)[:: _TREE_POINTS // _OUTLINE_POINTS]
        self._foot_world = np.asarray(foot_world, dtype=np.float64)
        self._diagonal_m = float(np.linalg.norm(np.ptp(mesh_node.bounds, axis=0)))
        self._height_share = float(np.ptp(mesh_node.bounds[:, 1])) / self._diagonal_m
        rows, columns = np.nonzero(evidence_pixels(volume, noise) & volume.depth.valid)
        chosen = np.linspace(0, len(rows) - 1, min(_DEPTH_POINTS, len(rows))).astype(np.int64)
        px = np.stack([columns[chosen] + 0.5, rows[chosen] + 0.5], axis=-1)
        z_m = volume.depth.z_m[rows[chosen], columns[chosen]].astype(np.float64)
        self._points_world = self._camera.world_from_cam(self._camera.unproject(px, z_m))
        self._beside_px = distance_transform_edt(~(volume.mask | _may_hide(volume)))

    def pose(self, x: Float[np.ndarray, "4"]) -> RigidTransform:
        R = Rotation.from_rotvec(x[0] * WORLD_UP)
        return RigidTransform.from_components(self._foot_world + x[1:] * self._diagonal_m - R.apply(self._axis), R)

    def residuals(self, x: Float[np.ndarray, "4"]) -> Float[np.ndarray, "n"]:
        R, at_world = Rotation.from_rotvec(x[0] * WORLD_UP), self._foot_world + x[1:] * self._diagonal_m
        apart = self._tree.query(R.inv().apply(self._points_world - at_world))[0] / self._diagonal_m
        outline_cam = self._camera.cam_from_world(R.apply(self._outline) + at_world)
        beside = self._beside_m(outline_cam) / self._diagonal_m
        balance = np.sqrt(len(beside) / max(len(apart), 1))
        foot = x[2] / (_FOOT_SHARE * self._height_share) * _SOFT_SHARE * np.sqrt(len(beside) / 10)
        return np.concatenate([balance * apart, _OUTLINE_WEIGHT * beside, [foot]])

    def _beside_m(self, points_cam: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
        """How far beside the mask points are seen, in metres at their distance; 0 outside the picture."""
        px = np.nan_to_num(self._camera.project(points_cam), nan=-1.0)
        width, height = self._camera.size_px
        inside = (px >= 0).all(axis=1) & (px < [width, height]).all(axis=1)
        column, row = np.clip(px, 0, [width - 1, height - 1]).astype(np.int64).T
        return np.where(inside, self._beside_px[row, column], 0.0) * points_cam[:, 2] / self._camera.K[0, 0]


def _may_hide(volume: CropVolume) -> Bool[np.ndarray, "H W"]:
    """Pixels of other objects that are nearer than this one's far side; all of them where it has no depth."""
    mask, depth = volume.mask, volume.depth
    others = (volume.label_map > 0) & ~mask
    own = mask & depth.valid
    if not own.any():
        return np.asarray(others)
    farthest_m = float(np.percentile(depth.z_m[own], 90))
    return np.asarray(others & (~depth.valid | (depth.z_m < farthest_m * (1 - _MAY_HIDE_SHARE))))


def _grid(volume: CropVolume, mesh_cam: Mesh, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of pixels, at most about `_VIEW_PX` each way, over the box of the mask and the mesh."""
    rows, columns = np.nonzero(volume.mask)
    px = np.nan_to_num(camera.project(mesh_cam.vertices), nan=0.0)
    width, height = camera.size_px
    axes = []
    for values, seen, size in ((rows, px[:, 1], height), (columns, px[:, 0], width)):
        low = int(np.clip(min(values.min(), seen.min()), 0, size - 1))
        high = int(np.clip(max(values.max(), seen.max()), 0, size - 1))
        axes.append(np.arange(low, high + 1, max(1, (high - low) // _VIEW_PX)))
    grid = np.meshgrid(*axes, indexing="ij")
    return grid[0].ravel(), grid[1].ravel()
