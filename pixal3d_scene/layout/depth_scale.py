"""The one unknown of a pixel-aligned object: its scale, which is also its distance.

Along every pixel's ray the generated surface stands at `t` cube edges and the photo's depth says `z_m` metres,
so each visible pixel alone gives the scale `z_m / t`. Only the surface that the camera sees takes part, away
from the mask's rim and from depth edges; the answer is the robust centre of the log ratios (iteratively
reweighted least squares, Tukey's biweight; Holland and Welsch 1977).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..asset import Mesh, ObjectAsset
from ..crop import CropVolume
from ..frames import Similarity, cropcam_from_obj
from ..mesh.raycast import Raycaster
from .noise import DepthNoise

# Enough for a standard error far below the depth's own bias; more only costs time.
_MOST_PIXELS = 4000
_FEWEST_PIXELS = 12
# A ratio further than this from the centre is another surface (a hole, an occluder), not noise.
_LARGEST_LOG_ERROR = np.log(1.5)
# A step to a neighbour by more than this share of the depth is an edge; noise makes steps too.
_EDGE_SHARE = 0.05
_EDGE_SIGMAS = 5.0
# Blocks in which a mesh and the depth disagree together, across the object's own box in the picture.
_BLOCKS_ACROSS = 4
_FEWEST_PIXELS_OF_BLOCK = 8
# Slow depth errors have this width, as a share of the picture's.
_CORRELATION_SHARE = 0.25
# Ratios crowd where at least this share, and so many times what a normal distribution has, agree within the noise.
_SMALLEST_CROWD, _CROWDED, _NARROWEST_CROWD = 0.15, 2.0, 0.001
# What is left when everything agrees: half a voxel of the finest generator, depth in millimetres.
_SMALLEST_SIGMA = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthScale:
    """scale_m: length of a cube edge. residual_m: median distance along z. inlier_ratio: of the evidence pixels.

    sigma_log: standard deviation of log(scale), slow depth errors and disagreement in shape included.
    slow_log: the part of it that slow depth errors make, which neighbours in the picture share.
    conditioning: the same for independent noise alone over `sigma_log`; near 1, more pixels would help.
    pixels: how many had evidence.
    """

    scale_m: float
    residual_m: float
    inlier_ratio: float
    sigma_log: float
    slow_log: float
    conditioning: float
    pixels: int


def fit_scale(asset: ObjectAsset, volume: CropVolume, noise: DepthNoise) -> DepthScale | None:
    """Scale of one asset from the photo's depth; None where too few pixels tell anything."""
    rows, columns = np.nonzero(evidence_pixels(volume, noise))
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
    log_ratio = np.log(z_m) - np.log(t_obj)
    centre, spread = _robust_centre(log_ratio, noise)
    error = log_ratio - centre
    inlier = np.abs(error) < max(3 * spread, 0.01)
    from_pixels = spread / float(np.sqrt(max(inlier.sum(), 1)))
    between_blocks = _between_blocks(error[inlier], rows[seen][inlier], columns[seen][inlier])
    slow_log = _slow_error(volume, noise)
    sigma_log = np.linalg.norm([max(from_pixels, between_blocks), slow_log, _SMALLEST_SIGMA])
    return DepthScale(
        scale_m=float(np.exp(centre)),
        residual_m=float(np.median(np.abs(z_m - np.exp(centre) * t_obj))),
        inlier_ratio=float(inlier.mean()),
        sigma_log=float(sigma_log),
        slow_log=slow_log,
        conditioning=float(from_pixels / sigma_log),
        pixels=len(z_m),
    )


def evidence_pixels(volume: CropVolume, noise: DepthNoise) -> Bool[np.ndarray, "H W"]:
    """Mask pixels with valid depth away from the mask's rim and from depth edges, where surfaces mix."""
    from scipy.ndimage import binary_dilation, binary_erosion

    window = mask_window(volume.mask, margin_px=3)
    mask, z_m = volume.mask[window], volume.depth.z_m[window].astype(np.float64)
    usable = mask & volume.depth.valid[window]
    threshold = _EDGE_SHARE + _EDGE_SIGMAS * np.sqrt(2) * noise.independent
    edge = np.zeros_like(usable)
    for axis in (0, 1):
        step = np.abs(np.diff(np.log(np.where(usable, z_m, 1.0)), axis=axis)) > threshold
        step &= np.diff(usable.astype(np.int8), axis=axis) == 0
        before, after = (slice(None, -1), slice(1, None))
        edge[(before, slice(None)) if axis == 0 else (slice(None), before)] |= step
        edge[(after, slice(None)) if axis == 0 else (slice(None), after)] |= step
    inner = usable & binary_erosion(mask, iterations=2)
    smooth = inner & ~binary_dilation(edge)
    fewest = max(_FEWEST_PIXELS, 0.2 * usable.sum())
    chosen = next((m for m in (smooth, inner) if m.sum() >= fewest), usable)
    evidence = np.zeros_like(volume.mask)
    evidence[window] = chosen
    return evidence


def mesh_in_unit_cam(asset: ObjectAsset, volume: CropVolume) -> Mesh:
    """The mesh in axes of the photo's `cam`, in cube edges instead of metres."""
    T_cropcam_from_obj = cropcam_from_obj(scale_m=1.0, camera_distance_obj=asset.camera_distance_obj)
    T_cam_from_cropcam = Similarity(rotation=volume.R_cropcam_from_cam.inv())
    return asset.mesh_obj.transformed(T_cam_from_cropcam @ T_cropcam_from_obj)


def _robust_centre(log_ratio: Float[np.ndarray, "n"], noise: DepthNoise) -> tuple[float, float]:
    """Centre and spread (standard deviation of the inliers)."""
    centre = float(np.median(log_ratio))
    spread = 1.4826 * float(np.median(np.abs(log_ratio - centre)))
    crowd, held_spread = _crowd(log_ratio, spread, noise)
    centre = centre if crowd is None else crowd
    for _ in range(20):
        error = log_ratio - centre
        spread = max(held_spread or 1.4826 * float(np.median(np.abs(error))), 1e-6)
        cut = min(4.685 * spread, _LARGEST_LOG_ERROR)  # Tukey's constant for 95 % efficiency
        weight = np.clip(1 - (error / cut) ** 2, 0, None) ** 2
        step = float((weight * error).sum() / max(weight.sum(), 1e-12))
        centre += step
        if abs(step) < 1e-10:
            break
    return centre, spread


def _crowd(log_ratio: Float[np.ndarray, "n"], spread: float, noise: DepthNoise) -> tuple[float | None, float | None]:
    """Where many ratios agree within the depth's own noise while the others scatter: a centre and a spread.

    Leaves that a mesh lacks show what is behind them, always farther away; their median is no answer.
    """
    half = max(3 * noise.independent, _NARROWEST_CROWD)
    ordered = np.sort(log_ratio)
    counts = np.searchsorted(ordered, ordered + 2 * half, side="right") - np.arange(len(ordered))
    first = int(np.argmax(counts))
    share = float(counts[first]) / len(ordered)
    expected = math.erf(half / (math.sqrt(2) * max(spread, 1e-9)))
    if share < _SMALLEST_CROWD or share < _CROWDED * expected:
        return None, None
    return float(np.median(ordered[first : first + counts[first]])), half / 3


def _between_blocks(error: Float[np.ndarray, "n"], rows: Int[np.ndarray, "n"], columns: Int[np.ndarray, "n"]) -> float:
    """Standard error of the centre from the spread of block means: errors of shape and depth go together locally."""
    block = np.zeros(len(error), dtype=np.int64)
    for position in (rows, columns):
        extent = max(int(np.ptp(position)) + 1, 1)
        block = block * _BLOCKS_ACROSS + (position - position.min()) * _BLOCKS_ACROSS // extent
    counts = np.bincount(block, minlength=_BLOCKS_ACROSS**2)
    means = np.bincount(block, weights=error, minlength=_BLOCKS_ACROSS**2) / np.maximum(counts, 1)
    filled = counts >= _FEWEST_PIXELS_OF_BLOCK
    if filled.sum() < 3:
        return 0.0
    weight = counts[filled] / counts[filled].sum()
    variance = float((weight * (means[filled] - (weight * means[filled]).sum()) ** 2).sum())
    return float(np.sqrt(variance * (weight**2).sum() / (1 - (weight**2).sum())))


def _slow_error(volume: CropVolume, noise: DepthNoise) -> float:
    """What remains of the slow error after averaging over the object's extent in the picture."""
    window = mask_window(volume.mask, margin_px=0)
    length_px = _CORRELATION_SHARE * volume.mask.shape[1]
    blocks = [math.hypot(1.0, (s.stop - s.start) / length_px) for s in window]
    return noise.correlated / float(np.sqrt(blocks[0] * blocks[1]))


def mask_window(mask: Bool[np.ndarray, "H W"], *, margin_px: int) -> tuple[slice, slice]:
    """The rows and columns of the mask's box."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin_px, 0), int(rows[-1]) + margin_px + 1),
        slice(max(int(columns[0]) - margin_px, 0), int(columns[-1]) + margin_px + 1),
    )
