"""Flying pixels of a depth map: depth and camera in, the pixels that lie on no surface out.

Networks and sensors smear a depth step over some pixels, which then hang in the air between two surfaces and become
bridges in every mesh made of them. Such a pixel has a much nearer one on one side and a much farther one on the other,
within a few pixels on one line; a pixel of a true surface has that only where the surface is seen edge-on.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float, Float32

from ..camera import Camera

# A surface seen at a smaller angle is not told from a bridge, and its depth is worth little anyway.
_GRAZING_RAD = math.radians(3.0)
_SMALLEST_STEP = 0.01  # of the depth from pixel to pixel: rounding and compression reach this
_NOISE_SIGMAS = 3.0
_REACH_PX = 2  # how far to either side is looked
_EDGE_STEP = math.log(1.1)
_LINES = ((0, 1), (1, 0), (1, 1), (1, -1))  # (rows, columns) per pixel along the four lines


def flying_pixels(
    z_m: Float32[np.ndarray, "H W"], valid: Bool[np.ndarray, "H W"], camera: Camera
) -> Bool[np.ndarray, "H W"]:
    """Valid pixels between two surfaces. z_m: along +z of `camera`, m; any unit does.

    The step from which on depth is taken to jump is that of a plane seen at three degrees, and three standard
    deviations of the map's own noise from pixel to pixel. Everything beyond it on both sides, in opposite directions,
    is flying; a crisp step without pixels in between loses nothing.
    """
    log_z = np.log(np.where(valid & (z_m > 0), z_m, 1.0)).astype(np.float32)
    valid = valid & (z_m > 0)
    per_px = max(1 / float(camera.K[0, 0]) / math.tan(_GRAZING_RAD), _SMALLEST_STEP)
    noise = _NOISE_SIGMAS * math.sqrt(2) * noise_share(log_z, valid)
    flying = np.zeros(z_m.shape, dtype=bool)
    for line in _LINES:
        flying |= _between(log_z, valid, line, per_px * math.hypot(*line), noise)
    return flying & valid


def smeared_share(
    z_m: Float32[np.ndarray, "H W"], valid: Bool[np.ndarray, "H W"], flying: Bool[np.ndarray, "H W"]
) -> float:
    """Flying pixels over pixels at depth steps of 10 %, beyond the noise: how smeared the steps of a map are.

    A crisp map has some "flying" pixels too, of thin things seen between near and far ones.
    """
    log_z = np.log(np.where(valid & (z_m > 0), z_m, 1.0)).astype(np.float32)
    limit = _EDGE_STEP + _NOISE_SIGMAS * math.sqrt(2) * noise_share(log_z, valid)
    at_step = np.zeros(z_m.shape, dtype=bool)
    for axis in (0, 1):
        jump = np.abs(np.diff(log_z, axis=axis)) > limit
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(0, -1), slice(1, None)
        at_step[tuple(before)] |= jump
        at_step[tuple(after)] |= jump
    return float(flying.sum() / max(int((at_step & valid).sum()), 1))


def _between(
    log_z: Float32[np.ndarray, "H W"],
    valid: Bool[np.ndarray, "H W"],
    line: tuple[int, int],
    per_px: float,
    noise: float,
) -> Bool[np.ndarray, "H W"]:
    """Pixels with one much nearer on one side of the line and one much farther on the other."""
    sides = []
    for sign in (1, -1):
        nearer, farther = np.zeros(log_z.shape, dtype=bool), np.zeros(log_z.shape, dtype=bool)
        for k in range(1, _REACH_PX + 1):
            here, there = _shifted(log_z.shape, sign * k * line[0], sign * k * line[1])
            step = log_z[there] - log_z[here]
            both = valid[there] & valid[here]
            limit = k * per_px + noise
            nearer[here] |= both & (step < -limit)
            farther[here] |= both & (step > limit)
        sides.append((nearer, farther))
    (nearer_a, farther_a), (nearer_b, farther_b) = sides
    return np.asarray((nearer_a & farther_b) | (farther_a & nearer_b))


def _shifted(shape: tuple[int, ...], rows: int, columns: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where pixel p of the first slice pair has its neighbour p + (rows, columns) in the second."""
    here, there = [], []
    for size, offset in zip(shape, (rows, columns), strict=True):
        here.append(slice(max(0, -offset), size - max(0, offset)))
        there.append(slice(max(0, offset), size - max(0, -offset)))
    return (here[0], here[1]), (there[0], there[1])


def noise_share(log_z: Float[np.ndarray, "H W"], valid: Bool[np.ndarray, "H W"]) -> float:
    """Standard deviation from pixel to pixel, as a share of the depth; second differences do not see slanted planes."""
    both = valid[:, :-2] & valid[:, 1:-1] & valid[:, 2:]
    if not both.any():
        return 0.0
    second = (log_z[:, :-2] - 2 * log_z[:, 1:-1] + log_z[:, 2:])[both]
    return float(1.4826 * np.median(np.abs(second)) / math.sqrt(6))  # 1 + 4 + 1 independent variances
