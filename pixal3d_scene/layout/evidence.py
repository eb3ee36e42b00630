"""What the photo says of each object alone: an asset and its crop volume in, a `Body` in world out.

Depth gives the distance; where it says nothing, the generator's own belief, the depth of what is seen below the object
and the usual size of such a thing do together, each by how good it is; failing all, the middle of the picture's depth.
The uncertainty says which of these it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..asset import ObjectAsset
from ..crop import CropVolume
from ..frames import Similarity, cropcam_from_obj
from . import usual_size
from .body import Body
from .depth_scale import DepthScale, fit_scale
from .noise import DepthNoise, measure_noise

# Masks end a pixel or two beside the object.
_MASK_ERROR_PX = 2.0
# Corners that a generator rounds off, as a share of the object's size, by what the mesh was made of.
_SHAPE_ERROR = {"generated": 0.01, "lifted": 0.01, "box": 0.03, "failed": 0.03}
# A foot that nobody sees was made up: its height is known to this share of the object's height.
_HIDDEN_FOOT_ERROR = 0.10
_GENERATOR_SIGMA_LOG = 0.15
# Depth of what is seen within so many pixels below an object that has none itself; mostly what it stands on.
_NEIGHBOUR_PX = 12
_NEIGHBOUR_SIGMA_LOG = 0.15
_GUESS_SIGMA_LOG = 0.4
# The neighbour below is another surface in front when it is nearer by more than this.
_IN_FRONT_LOG = 0.03


def noise_of(volumes: Sequence[CropVolume]) -> DepthNoise:
    """Noise of the photo's depth; all volumes of a scene share it."""
    if not volumes:
        return DepthNoise(independent=0.0, correlated=0.0, measured=False)
    return measure_noise(volumes[0].depth, volumes[0].label_map == 0)


def place_alone(asset: ObjectAsset, volume: CropVolume, noise: DepthNoise) -> Body:
    """The object where its own evidence puts it."""
    fit = fit_scale(asset, volume, noise)
    scale_m, sigma_log, slow_log = _distance(asset, volume, fit)
    T_cropcam_from_obj = cropcam_from_obj(scale_m=scale_m, camera_distance_obj=asset.camera_distance_obj)
    T_world_from_obj = Similarity.from_rigid(volume.camera.T_world_from_cam) @ T_cropcam_from_obj
    mesh_world = asset.mesh_obj.transformed(T_world_from_obj)
    eye_world = np.array(volume.depth.camera.centre_world, dtype=np.float64)
    rows, columns = np.nonzero(volume.mask)
    low, high = mesh_world.bounds
    pixel_m = float(np.linalg.norm((low + high) / 2 - eye_world) / volume.depth.camera.K[0, 0])
    sigma_shape_m = np.linalg.norm(
        [
            _MASK_ERROR_PX * pixel_m,
            _SHAPE_ERROR[asset.status] * float((high - low).max()),
            _HIDDEN_FOOT_ERROR * hidden_foot_share(volume) * float(high[1] - low[1]),
        ]
    )
    return Body(
        name=volume.name,
        label=volume.instance.label,
        mesh_world=mesh_world,
        T_world_from_obj=T_world_from_obj,
        eye_world=eye_world,
        middle_px=np.array([columns.mean() + 0.5, rows.mean() + 0.5]),
        sigma_log=sigma_log,
        slow_log=slow_log,
        sigma_shape_m=float(sigma_shape_m),
        fit=fit,
    )


def hidden_foot_share(volume: CropVolume) -> float:
    """Share of the mask's columns below which something nearer, or the picture's end, follows."""
    mask, depth = volume.mask, volume.depth
    columns = np.flatnonzero(mask.any(axis=0))
    last_row = mask.shape[0] - 1 - mask[::-1, columns].argmax(axis=0)
    # The depth on the rim itself is mixed: look two pixels to either side of it.
    below, above = last_row + 2, np.maximum(last_row - 2, 0)
    ends = below >= mask.shape[0]
    below = np.minimum(below, mask.shape[0] - 1)
    known = ~ends & depth.valid[below, columns] & depth.valid[above, columns]
    nearer = np.zeros(len(columns), dtype=bool)
    ratio = depth.z_m[below, columns][known] / np.maximum(depth.z_m[above, columns][known], 1e-6)
    nearer[known] = np.log(np.maximum(ratio, 1e-6)) < -_IN_FRONT_LOG
    other = volume.label_map[below, columns] > 0
    return float((ends | (nearer & other)).mean())


def _distance(asset: ObjectAsset, volume: CropVolume, fit: DepthScale | None) -> tuple[float, float, float]:
    """Cube edge in metres, standard deviation of its logarithm, and the part of that shared with the neighbourhood."""
    if fit is not None:
        return fit.scale_m, fit.sigma_log, fit.slow_log
    guesses = _guesses(asset, volume)
    if not guesses:
        # As far as the median of what is known in the picture.
        z_m = float(np.median(volume.depth.z_m[volume.depth.valid])) if volume.depth.valid.any() else 3.0
        return z_m / asset.camera_distance_obj, _GUESS_SIGMA_LOG, 0.0
    # The mean of the logarithms, each by how good it is.
    log_scale, sigma = np.log([g[0] for g in guesses]), np.array([g[1] for g in guesses])
    weight = sigma**-2
    return float(np.exp((weight * log_scale).sum() / weight.sum())), float(weight.sum() ** -0.5), 0.0


def _guesses(asset: ObjectAsset, volume: CropVolume) -> list[tuple[float, float]]:
    """Cube edges (m) by whatever there is but depth on the object, with standard deviations of their logarithms."""
    guesses = []
    if asset.expected_scale_m is not None:
        guesses.append((asset.expected_scale_m, _GENERATOR_SIGMA_LOG))
    below_m = _depth_below(volume)
    if below_m is not None:
        guesses.append((below_m / asset.camera_distance_obj, _NEIGHBOUR_SIGMA_LOG))
    side_m = usual_size.usual_longest_side_m(volume.instance.label)
    if side_m is not None:
        low, high = asset.mesh_obj.bounds
        guesses.append((side_m / float((high - low).max()), usual_size.SIGMA_LOG))
    return guesses


def _depth_below(volume: CropVolume) -> float | None:
    """Median depth of the pixels just below a mask; None where nothing is known there."""
    mask, depth = volume.mask, volume.depth
    columns = np.flatnonzero(mask.any(axis=0))
    last_row = mask.shape[0] - 1 - mask[::-1, columns].argmax(axis=0)
    below = last_row[:, None] + 1 + np.arange(_NEIGHBOUR_PX)
    rows, columns = np.minimum(below, mask.shape[0] - 1), np.broadcast_to(columns[:, None], below.shape)
    # Only under the object's lowest part: higher up, what is seen below the mask is behind it.
    lowest = rows[:, 0] >= np.percentile(rows[:, 0], 50)
    known = depth.valid[rows, columns] & (below < mask.shape[0]) & lowest[:, None]
    return float(np.median(depth.z_m[rows, columns][known])) if known.any() else None
