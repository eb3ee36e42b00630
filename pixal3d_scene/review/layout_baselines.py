"""How others place a generated object, on the same inputs, to compare with.

In: an asset and its crop volume. Out: `T_cam_from_obj`, a similarity into the photo's camera (m), or None where a
method finds nothing. All know the crop camera, hence the object's turn; how they use it differs:

variance_ratio  every mesh vertex that projects into the mask is paired with the depth's point at that pixel; scale is
                the ratio of the standard deviations, translation the difference of the means (the alignment node
                that ships for Pixal3D in a node-based editor); no visibility test, no robust weights.
umeyama         the same pairs, least-squares similarity with rotation (Umeyama 1991).
icp             point-to-point ICP with scale (open3d), 20,480 points of the mesh and at most as many of the depth,
                50 iterations, started at the variance ratio's result.
ransac_5dof     translation, scale and a turn about gravity from two pairs of points, best of many by the number of
                pairs that agree, refined on those (as in assembly of scenes from retrieved shapes).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ..asset import ObjectAsset
from ..crop import CropVolume
from ..frames import Similarity, cropcam_from_obj
from ..layout.depth_scale import mesh_in_unit_cam
from .metrics import surface_points

Baseline = Callable[[ObjectAsset, CropVolume], Similarity | None]

_FEWEST_PAIRS = 8
_ICP_POINTS = 20_480
_ICP_ITERATIONS = 50
_RANSAC_TRIALS = 500
_RANSAC_AGREES_SHARE = 0.02  # of the distance


def variance_ratio(asset: ObjectAsset, volume: CropVolume) -> Similarity | None:
    """Ratio of standard deviations over all vertices."""
    pairs = _pairs(asset, volume)
    return None if pairs is None else _from_unit_cam(_variance_ratio(*pairs), asset, volume)


def umeyama(asset: ObjectAsset, volume: CropVolume) -> Similarity | None:
    """Least-squares similarity over all vertices."""
    pairs = _pairs(asset, volume)
    return None if pairs is None else _from_unit_cam(_least_squares(*pairs), asset, volume)


def icp(asset: ObjectAsset, volume: CropVolume) -> Similarity | None:
    """Point-to-point ICP with scale between the whole surface and the visible points."""
    import open3d as o3d

    pairs = _pairs(asset, volume)
    if pairs is None:
        return None
    start = _variance_ratio(*pairs)
    clouds = []
    seen = _seen_cam(volume)
    seen = seen[np.linspace(0, len(seen) - 1, min(_ICP_POINTS, len(seen))).astype(np.int64)]
    for points in (start.apply(surface_points(mesh_in_unit_cam(asset, volume), _ICP_POINTS)), seen):
        cloud = o3d.geometry.PointCloud()
        cloud.points = o3d.utility.Vector3dVector(np.ascontiguousarray(points))
        clouds.append(cloud)
    reach_m = float(np.linalg.norm(np.ptp(np.asarray(clouds[0].points), axis=0)))
    found = o3d.pipelines.registration.registration_icp(
        *clouds, reach_m, np.eye(4), o3d.pipelines.registration.TransformationEstimationPointToPoint(True),
        o3d.pipelines.registration.ICPConvergenceCriteria(max_iteration=_ICP_ITERATIONS),
    )  # fmt: skip
    linear = np.array(found.transformation)[:3, :3]
    scale = float(np.cbrt(np.linalg.det(linear)))
    if scale <= 1e-6:
        return None
    step = Similarity(
        rotation=Rotation.from_matrix(linear / scale), translation=np.array(found.transformation)[:3, 3], scale=scale
    )
    return _from_unit_cam(step @ start, asset, volume)


def ransac_5dof(asset: ObjectAsset, volume: CropVolume) -> Similarity | None:
    """Scale, translation and a turn about gravity by consensus."""
    pairs = _pairs(asset, volume)
    if pairs is None:
        return None
    p, q = pairs
    up = volume.depth.camera.up_cam
    agrees_m = _RANSAC_AGREES_SHARE * float(np.median(q[:, 2]))
    rng = np.random.default_rng(0)
    best = np.zeros(len(p), dtype=bool)
    for _ in range(_RANSAC_TRIALS):
        i, j = rng.choice(len(p), 2, replace=False)
        found = _upright(p[[i, j]], q[[i, j]], up)
        if found is None:
            continue
        agrees = np.linalg.norm(found.apply(p) - q, axis=1) < agrees_m
        if agrees.sum() > best.sum():
            best = agrees
    refined = _upright(p[best], q[best], up) if best.sum() >= 2 else None
    return None if refined is None else _from_unit_cam(refined, asset, volume)


BASELINES: dict[str, Baseline] = {
    "variance_ratio": variance_ratio,
    "umeyama": umeyama,
    "icp": icp,
    "ransac_5dof": ransac_5dof,
}


def _pairs(asset: ObjectAsset, volume: CropVolume) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]] | None:
    """Every vertex that projects into the mask (axes of `cam`, cube edges) with the depth's point there (cam, m)."""
    p = np.array(mesh_in_unit_cam(asset, volume).vertices)
    px = np.floor(np.nan_to_num(volume.depth.camera.project(p), nan=-1.0)).astype(np.int64)
    width, height = volume.depth.camera.size_px
    inside = (px >= 0).all(axis=1) & (px[:, 0] < width) & (px[:, 1] < height)
    p, px = p[inside], px[inside]
    usable = (volume.mask & volume.depth.valid)[px[:, 1], px[:, 0]]
    p, px = p[usable], px[usable]
    if len(p) < _FEWEST_PAIRS:
        return None
    return p, volume.depth.camera.unproject(px + 0.5, volume.depth.z_m[px[:, 1], px[:, 0]].astype(np.float64))


def _seen_cam(volume: CropVolume) -> Float[np.ndarray, "n 3"]:
    rows, columns = np.nonzero(volume.mask & volume.depth.valid)
    px = np.stack([columns + 0.5, rows + 0.5], axis=-1)
    return volume.depth.camera.unproject(px, volume.depth.z_m[rows, columns].astype(np.float64))


def _variance_ratio(p: Float[np.ndarray, "n 3"], q: Float[np.ndarray, "n 3"]) -> Similarity:
    scale = float(np.sqrt(q.var(axis=0).sum() / max(p.var(axis=0).sum(), 1e-12)))
    return Similarity(scale=max(scale, 1e-6), translation=q.mean(axis=0) - max(scale, 1e-6) * p.mean(axis=0))


def _least_squares(p: Float[np.ndarray, "n 3"], q: Float[np.ndarray, "n 3"]) -> Similarity:
    from skimage.transform import SimilarityTransform

    found = SimilarityTransform.from_estimate(p, q)
    matrix = np.asarray(found.params)
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    return Similarity(rotation=Rotation.from_matrix(matrix[:3, :3] / scale), translation=matrix[:3, 3], scale=scale)


def _upright(p: Float[np.ndarray, "n 3"], q: Float[np.ndarray, "n 3"], up: Float[np.ndarray, "3"]) -> Similarity | None:
    """Least-squares scale, translation and turn about `up`; None where the points do not tell."""
    p0, q0 = p - p.mean(axis=0), q - q.mean(axis=0)
    spread = float((p0**2).sum())
    across = np.cross(np.broadcast_to(up, p0.shape), p0)
    level = p0 - (p0 @ up)[:, None] * up
    turn = float(np.arctan2((q0 * across).sum(), (q0 * level).sum()))
    rotation = Rotation.from_rotvec(turn * up)
    scale = float((rotation.apply(p0) * q0).sum()) / max(spread, 1e-12)
    if not (np.isfinite(scale) and scale > 1e-6):
        return None
    return Similarity(
        rotation=rotation, scale=scale, translation=q.mean(axis=0) - scale * rotation.apply(p.mean(axis=0))
    )


def _from_unit_cam(T_cam_from_unit: Similarity, asset: ObjectAsset, volume: CropVolume) -> Similarity:
    """The same for the mesh in its cube."""
    T_unit_from_obj = Similarity(rotation=volume.R_cropcam_from_cam.inv()) @ cropcam_from_obj(
        scale_m=1.0, camera_distance_obj=asset.camera_distance_obj
    )
    return T_cam_from_unit @ T_unit_from_obj
