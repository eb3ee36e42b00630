"""The layout solver without some of its parts, to see what each is worth. Same inputs and outputs as the baselines.

evidence_alone  every object by its own depth, nothing about what it touches.
with_turn       the same, and a small rotation wherever the Bayesian information criterion asks for it (Schwarz 1978).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ..asset import ObjectAsset
from ..crop import CropVolume
from ..frames import Similarity, cropcam_from_obj
from ..layout.depth_scale import evidence_pixels, fit_scale, mesh_in_unit_cam
from ..layout.evidence import noise_of
from ..mesh.raycast import Raycaster

_LARGEST_TURN_RAD = np.deg2rad(15.0)
# Rays that graze a surface tell nothing of its place.
_STEEPEST = 0.2


def evidence_alone(asset: ObjectAsset, volume: CropVolume) -> Similarity | None:
    """`T_cam_from_obj` by the robust depth ratio."""
    fit = fit_scale(asset, volume, noise_of([volume]))
    return None if fit is None else _T_cam_from_obj(asset, volume, fit.scale_m)


def with_turn(asset: ObjectAsset, volume: CropVolume) -> Similarity | None:
    """`T_cam_from_obj` with a small rotation about the middle of what is visible, where the evidence pays for it."""
    fit = fit_scale(asset, volume, noise_of([volume]))
    if fit is None:
        return None
    rows, columns = np.nonzero(evidence_pixels(volume, noise_of([volume])))
    rays = volume.depth.camera.rays_through(np.stack([columns + 0.5, rows + 0.5], axis=-1))
    mesh = mesh_in_unit_cam(asset, volume)
    hits = Raycaster([mesh]).cast(np.zeros(3), rays)
    normals = _face_normals(mesh.vertices[mesh.faces[np.where(hits.hit, hits.face, 0)]])
    facing = np.einsum("ij,ij->i", normals, rays)
    seen = hits.hit & (np.abs(facing) > _STEEPEST * np.linalg.norm(rays, axis=1))
    if seen.sum() < 50:
        return _T_cam_from_obj(asset, volume, fit.scale_m)
    points = rays[seen] * hits.t[seen, None]  # unit cam
    middle = points.mean(axis=0)
    error = np.log(volume.depth.z_m[rows, columns][seen]) - np.log(fit.scale_m * hits.t[seen])
    # A turn w moves the surface by w x d, the hit along its ray by n.(w x d) / n.r = w.(d x n) / n.r.
    lever = np.cross(points - middle, normals[seen]) / facing[seen, None] / hits.t[seen, None]
    turn, pays = _robust_turn(np.column_stack([np.ones(len(lever)), lever]), error)
    if not pays or np.linalg.norm(turn[1:]) > _LARGEST_TURN_RAD:
        return _T_cam_from_obj(asset, volume, fit.scale_m)
    R = Rotation.from_rotvec(turn[1:])
    about_middle = Similarity(rotation=R, translation=fit.scale_m * (middle - R.apply(middle)))
    scale = float(np.exp(turn[0]))
    return Similarity(scale=scale) @ about_middle @ _T_cam_from_obj(asset, volume, fit.scale_m)


def _robust_turn(A: Float[np.ndarray, "n 4"], error: Float[np.ndarray, "n"]) -> tuple[Float[np.ndarray, "4"], bool]:
    """Weighted least squares for log scale and turn; whether three more unknowns pay for themselves."""
    found = np.zeros(4)
    inlier = np.ones(len(error), dtype=bool)
    for _ in range(10):
        rest = error - A @ found
        spread = max(1.4826 * float(np.median(np.abs(rest - np.median(rest)))), 1e-6)
        inlier = np.abs(rest) < 3 * spread
        found = np.linalg.lstsq(A[inlier], error[inlier], rcond=None)[0]
    with_turn_rss = float(((error - A @ found)[inlier] ** 2).sum())
    without_rss = float(((error[inlier] - error[inlier].mean()) ** 2).sum())
    count = int(inlier.sum())
    gain = count * np.log(max(without_rss, 1e-30) / max(with_turn_rss, 1e-30))
    return found, bool(gain > 3 * np.log(count))


def _face_normals(corners: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3"]:
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30))


def _T_cam_from_obj(asset: ObjectAsset, volume: CropVolume, scale_m: float) -> Similarity:
    T_cropcam_from_obj = cropcam_from_obj(scale_m=scale_m, camera_distance_obj=asset.camera_distance_obj)
    return Similarity(rotation=volume.R_cropcam_from_cam.inv()) @ T_cropcam_from_obj
