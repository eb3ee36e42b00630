"""How far walls are off where they meet the floor: a depth map and walls in, a shift of each along its normal out, m.

A wall is only as exact as the depth that it was fitted to. The floor's depth, though, is known from the camera's pose,
and a slow error of the depth is the same just below and just above the line in which the two meet. World frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from ..arrays import nearest
from ..depth import Depth

# Width of the neighbourhood in which the slow error is taken for one value, as a share of the picture's longer side.
_ALIKE_SHARE = 0.02
# Between floor and wall, as a share of the distance, nobody knows which of the two a pixel shows.
_BETWEEN_SHARE = 0.04
# A pixel is floor, or this wall, when it lies so near to where it should be (log of depth).
_NEAR_LOG = 0.15
# Weight of the floor in the neighbourhood of a wall's pixel that makes its error known.
_LEAST_FLOOR = 0.08
_FEWEST_PIXELS = 100
# A larger depth map is looked at with this longer side: what is sought is slow, and the neighbourhood's cost grows with
# the cube of the side.
_SIDE_PX = 1600
_ROUNDS = 2


def shifts_at_foot(
    depth: Depth, background: Bool[np.ndarray, "H W"], walls: Sequence[tuple[Float[np.ndarray, "2"], float]]
) -> list[float]:
    """walls: normal into the room and offset in plan (x, z). A wall whose foot is not in sight gets 0."""
    shrink = max(1.0, max(depth.camera.size_px) / _SIDE_PX)
    if shrink > 1:
        size_px = (max(1, int(depth.camera.size_px[0] / shrink)), max(1, int(depth.camera.size_px[1] / shrink)))
        depth, background = depth.resized(size_px), nearest(background, size_px)
    camera = depth.camera
    height_m = float(camera.centre_world[1])
    rays_world = camera.T_world_from_cam.rotation.apply(camera.rays_cam().reshape(-1, 3)).reshape(*depth.z_m.shape, 3)
    down = -rays_world[..., 1]
    looks_down = (down > 1e-3) & (height_m > 0)
    floor_z_m = np.where(looks_down, height_m / np.where(looks_down, down, 1.0), np.inf)
    eye_xz, rays_xz = camera.centre_world[[0, 2]], rays_world[..., [0, 2]]
    usable = background & depth.valid
    z_m = np.where(usable, depth.z_m, 1.0).astype(np.float64)
    shifts = [0.0] * len(walls)
    for _ in range(_ROUNDS):
        # Along each ray, where the walls as they are known so far begin.
        wall_z_m = [
            _depth_of(normal, offset + shift, eye_xz, rays_xz)
            for (normal, offset), shift in zip(walls, shifts, strict=True)
        ]
        nearest_m = np.min(wall_z_m, axis=0) if walls else np.full(z_m.shape, np.inf)
        floor = usable & (floor_z_m < nearest_m * (1 - _BETWEEN_SHARE))
        floor &= np.abs(np.log(z_m / np.where(floor, floor_z_m, z_m))) < _NEAR_LOG
        error, known = _slow_error(np.where(floor, np.log(z_m / np.where(floor, floor_z_m, z_m)), 0.0), floor)
        for k, (normal, offset) in enumerate(walls):
            own = usable & known & (wall_z_m[k] == nearest_m) & (floor_z_m > nearest_m * (1 + _BETWEEN_SHARE))
            own &= np.abs(np.log(z_m / np.where(own, nearest_m, z_m))) < _NEAR_LOG
            if own.sum() >= _FEWEST_PIXELS:
                true_xz = eye_xz + rays_xz[own] * (z_m[own] * np.exp(-error[own]))[:, None]
                shifts[k] = float(np.median(true_xz @ normal)) - offset
    return shifts


def _depth_of(
    normal: Float[np.ndarray, "2"], offset: float, eye_xz: Float[np.ndarray, "2"], rays_xz: Float[np.ndarray, "H W 2"]
) -> Float[np.ndarray, "H W"]:
    """Depth at which each ray meets an upright plane; infinite where it does not."""
    speed = rays_xz @ normal
    meets = speed < -1e-6
    return np.where(meets, (offset - float(eye_xz @ normal)) / np.where(meets, speed, 1.0), np.inf)


def _slow_error(
    log_error: Float[np.ndarray, "H W"], floor: Bool[np.ndarray, "H W"]
) -> tuple[Float[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """Mean of the floor's error around every pixel, and where there is enough floor for it."""
    from scipy.ndimage import gaussian_filter

    sigma_px = _ALIKE_SHARE * max(floor.shape)
    weight = gaussian_filter(floor.astype(np.float64), sigma_px)
    return gaussian_filter(log_error, sigma_px) / np.maximum(weight, 1e-9), weight >= _LEAST_FLOOR
