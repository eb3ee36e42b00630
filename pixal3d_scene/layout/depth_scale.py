"""The one unknown of a pixel-aligned object: its scale, which is also its distance.

Along every pixel's ray the generated surface stands at `t` cube edges and the photo's depth says `z_m` metres,
so each visible pixel alone gives the scale `z_m / t`. Only the surface that the camera sees takes part, away
from depth edges; the answer is the robust centre of the log ratios (iteratively reweighted, Tukey's biweight).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..asset import Mesh, ObjectAsset
from ..crop import CropVolume
from ..frames import Similarity, cropcam_from_obj
from ..mesh.raycast import Raycaster

# Enough for a standard error far below the depth's own bias; more only costs time.
_MOST_PIXELS = 4000
_FEWEST_PIXELS = 12
# A ratio further than this from the centre is another surface (a hole, an occluder), not noise.
_LARGEST_LOG_ERROR = np.log(1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthScale:
    """scale_m: length of a cube edge. residual_m: median distance along z. inlier_ratio: of the evidence pixels.

    sigma_log: standard error of log(scale) from the spread of the ratios. pixels: how many had evidence.
    """

    scale_m: float
    residual_m: float
    inlier_ratio: float
    sigma_log: float
    pixels: int


def fit_scale(asset: ObjectAsset, volume: CropVolume) -> DepthScale | None:
    """Scale of one asset from the photo's depth; None where too few pixels tell anything."""
    evidence = evidence_pixels(volume)
    rows, columns = np.nonzero(evidence)
    if len(rows) > _MOST_PIXELS:
        chosen = np.linspace(0, len(rows) - 1, _MOST_PIXELS).astype(np.int64)
        rows, columns = rows[chosen], columns[chosen]
    if len(rows) < _FEWEST_PIXELS:
        return None
    rays_cam = volume.depth.camera.rays_through(np.stack([columns + 0.5, rows + 0.5], axis=-1))  # (n, 3)
    hits = Raycaster([mesh_in_unit_cam(asset, volume)]).cast(np.zeros(3), rays_cam)
    seen = hits.hit & (hits.t > 0)
    if seen.sum() < _FEWEST_PIXELS:
        return None
    z_m = volume.depth.z_m[rows, columns][seen].astype(np.float64)
    t_obj = hits.t[seen]
    return _robust_ratio(z_m, t_obj)


def evidence_pixels(volume: CropVolume) -> Bool[np.ndarray, "H W"]:
    """Mask pixels with valid depth that do not touch the mask's rim, where depth may be another surface's."""
    from scipy.ndimage import binary_erosion

    usable = volume.mask & volume.depth.valid
    inner = usable & binary_erosion(volume.mask, iterations=2)
    return inner if inner.sum() >= _FEWEST_PIXELS else usable


def mesh_in_unit_cam(asset: ObjectAsset, volume: CropVolume) -> Mesh:
    """The mesh in axes of the photo's `cam`, in cube edges instead of metres."""
    T_cropcam_from_obj = cropcam_from_obj(scale_m=1.0, camera_distance_obj=asset.camera_distance_obj)
    T_cam_from_cropcam = Similarity(rotation=volume.R_cropcam_from_cam.inv())
    return asset.mesh_obj.transformed(T_cam_from_cropcam @ T_cropcam_from_obj)


def _robust_ratio(z_m: Float[np.ndarray, "n"], t_obj: Float[np.ndarray, "n"]) -> DepthScale:
    log_ratio = np.log(z_m) - np.log(t_obj)
    centre = float(np.median(log_ratio))
    for _ in range(20):
        error = log_ratio - centre
        spread = max(1.4826 * float(np.median(np.abs(error))), 1e-6)
        cut = min(4.685 * spread, _LARGEST_LOG_ERROR)  # Tukey's constant for 95 % efficiency
        weight = np.clip(1 - (error / cut) ** 2, 0, None) ** 2
        step = float((weight * error).sum() / max(weight.sum(), 1e-12))
        centre += step
        if abs(step) < 1e-10:
            break
    scale_m = float(np.exp(centre))
    error = log_ratio - centre
    inlier = np.abs(error) < max(3 * spread, 0.01)
    return DepthScale(
        scale_m=scale_m,
        residual_m=float(np.median(np.abs(z_m - scale_m * t_obj))),
        inlier_ratio=float(inlier.mean()),
        sigma_log=spread / float(np.sqrt(max(inlier.sum(), 1))),
        pixels=len(z_m),
    )
