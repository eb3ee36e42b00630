"""The turn of the camera against the room from straight lines: one photo in, pitch, roll, yaw and focal length out.

Indoor lines run along three directions: up, and two level ones at right angles. Their vanishing points are
not searched one by one; instead the camera is sought that explains most lines, as in the Bayesian compass of
Coughlan and Yuille, "Manhattan World", Neural Computation 2003 (sections 3 to 5): every line belongs to one of the
three directions or to none, and mild priors on pitch, roll and focal length decide where the lines do not.
Lines are in photo pixels (origin at the corner of the top-left pixel); angles follow `frames`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from ..camera import Camera

TYPICAL_PITCH_RAD = math.radians(10)  # people hold a camera at eye height and look slightly down at furniture

_WORKING_SIDE_PX = 800
_SIGMA_RAD = math.radians(0.8)  # how well a line points to its vanishing point
_OUTLIER_DENSITY = 0.02  # share of the peak density that a line of no direction has
_EFFECTIVE_LINES = 60.0  # lines are not independent: more of them (a tiled floor) do not make surer
LINES_TOO_SURE = 1.8  # measured: errors of what the lines say over what they claim
_PITCH_SIGMA_RAD, _ROLL_SIGMA_RAD, _LOG_FOCAL_SIGMA = math.radians(10), math.radians(1.5), 0.2
_KNOWN_SIGMA_RAD = math.radians(0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedTurn:
    """What a network says before any line is read. up_cam: unit vector against gravity.

    up_sigma_rad: of each of its two angles; log_focal_sigma: of the focal length that comes with it, 0 where known.
    """

    up_cam: Float[np.ndarray, "3"]
    up_sigma_rad: float
    log_focal_sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How the camera is turned in a room whose walls run along x and z.

    pitch_rad > 0 looks down, roll_rad > 0 is clockwise seen from behind the camera (as `frames` says);
    yaw_rad: from the camera's level heading to the nearest wall direction, -pi/4 to pi/4, positive to the left.
    pitch_sigma_rad, roll_sigma_rad, focal_sigma: what the lines leave open (focal_sigma relative); the prior's width
    where they say nothing. yaw_support: share of all lines' weight that runs along the two level directions.
    """

    pitch_rad: float
    roll_rad: float
    yaw_rad: float
    focal_px: float
    pitch_sigma_rad: float
    roll_sigma_rad: float
    focal_sigma: float
    yaw_support: float


def straight_lines(rgb: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "n 2 2"]:
    """Straight edges of a picture as their two ends (x, y) in its pixels, refined on the edge pixels.

    Canny edges and the progressive probabilistic Hough transform with a fixed seed; then each line is fitted
    again to the edge pixels beside it, since the transform's own ends are whole pixels.
    """
    from skimage.feature import canny
    from skimage.transform import probabilistic_hough_line

    height, width = rgb.shape[:2]
    shrink = max(1.0, max(width, height) / _WORKING_SIDE_PX)
    size_px = (round(width / shrink), round(height / shrink))
    grey = np.asarray(Image.fromarray(np.asarray(rgb)).convert("L").resize(size_px, Image.Resampling.BOX))
    edges = canny(grey / 255.0, sigma=1.5, low_threshold=0.02, high_threshold=0.06)
    shortest = max(12, round(0.04 * max(size_px)))
    found = probabilistic_hough_line(edges, threshold=10, line_length=shortest, line_gap=2, rng=0)
    lines = _refined(np.array(found, dtype=np.float64).reshape(-1, 2, 2), edges)
    return lines * [width / size_px[0], height / size_px[1]]


def _refined(ends: Float[np.ndarray, "n 2 2"], edges: np.ndarray) -> Float[np.ndarray, "n 2 2"]:
    """Total least squares on the edge pixels within 1.5 px; ends move to their foot points, centres at +0.5."""
    rows, columns = np.nonzero(edges)
    pixels = np.stack([columns, rows], axis=-1) + 0.5
    refined = []
    for a, b in ends + 0.5:
        along = (b - a) / np.linalg.norm(b - a)
        offset = pixels - a
        t, across = offset @ along, offset @ [-along[1], along[0]]
        near = pixels[(np.abs(across) < 1.5) & (t > -1) & (t < np.linalg.norm(b - a) + 1)]
        if len(near) < 5:
            continue
        middle = near.mean(axis=0)
        direction = np.linalg.svd(near - middle, full_matrices=False)[2][0]
        reach = (near - middle) @ direction
        refined.append([middle + reach.min() * direction, middle + reach.max() * direction])
    return np.array(refined, dtype=np.float64).reshape(-1, 2, 2)


def find_turn(
    lines_px: Float[np.ndarray, "n 2 2"],
    camera: Camera,
    *,
    focal_is_known: bool,
    up_cam: Float[np.ndarray, "3"] | None = None,
    expected: ExpectedTurn | None = None,
) -> Turn:
    """The most probable turn of the camera; `camera` gives the principal point and the (expected) focal length.

    focal_is_known: False lets the focal length move, by a factor of about 1.2 unless the lines insist.
    up_cam: unit vector against gravity where it is known, so that only the yaw is sought. expected: is fused with the
    lines, each with its own uncertainty; the spreads of the turn are then those of both.
    """
    from scipy import optimize

    minimize: Any = optimize.minimize  # its overloads do not know a plain ndarray
    evidence = _Evidence(lines_px, camera, focal_is_known=focal_is_known, up_cam=up_cam, expected=expected)
    focal_steps = (0.0,) if focal_is_known else (-0.25, 0.0, 0.25)
    typical_pitch, typical_roll = evidence.typical_rad
    pitches = [typical_pitch]
    if up_cam is None:
        pitches = [*np.radians([-20, -10, -3, 3, 8, 13, 18, 25, 35, 50]), *([] if expected is None else pitches)]
    starts = [
        np.array([pitch, typical_roll, yaw, log_focal])
        for pitch in pitches
        for yaw in np.radians(np.arange(-42, 45, 6))
        for log_focal in focal_steps
    ]
    starts.sort(key=evidence.cost)
    free = 3 if focal_is_known else 4
    steps = np.array([math.radians(3), math.radians(1), math.radians(3), 0.08])
    best, best_cost = starts[0], math.inf
    for start in starts[:6]:
        simplex = np.stack([start[:free], *(start[:free] + np.diag(steps[:free]))])
        options: Any = {"initial_simplex": simplex, "xatol": 1e-4, "fatol": 1e-4, "maxiter": 400}
        found = minimize(lambda x: evidence.cost(_full(x)), start[:free], method="Nelder-Mead", options=options)
        if found.fun < best_cost:
            best, best_cost = _full(found.x), float(found.fun)
    pitch_sigma, roll_sigma, focal_sigma = _spread(evidence, best, free)
    yaw = (best[2] + math.pi / 4) % (math.pi / 2) - math.pi / 4  # walls look alike after a quarter turn
    return Turn(
        pitch_rad=float(best[0]),
        roll_rad=float(best[1]),
        yaw_rad=float(yaw),
        focal_px=float(camera.K[0, 0] * math.exp(best[3])),
        pitch_sigma_rad=pitch_sigma,
        roll_sigma_rad=roll_sigma,
        focal_sigma=0.0 if focal_is_known else focal_sigma,
        yaw_support=evidence.level_share(best),
    )


def _full(x: np.ndarray) -> np.ndarray:
    """(pitch, roll, yaw, log focal factor), the last one 0 where it is not sought."""
    return np.concatenate([x, np.zeros(4 - len(x))])


def _spread(evidence: _Evidence, best: np.ndarray, free: int) -> tuple[float, float, float]:
    """Standard deviations of pitch, roll and focal length from the curvature of the cost (Laplace's method)."""
    step = np.array([4e-3, 4e-3, 4e-3, 1e-2])[:free]

    def cost(offset: np.ndarray) -> float:
        return evidence.cost(best + _full(offset))

    hessian = np.zeros((free, free))
    for i in range(free):
        for j in range(free):
            a, b = np.eye(free)[i] * step[i], np.eye(free)[j] * step[j]
            hessian[i, j] = (cost(a + b) - cost(a - b) - cost(b - a) + cost(-a - b)) / (4 * step[i] * step[j])
    values, vectors = np.linalg.eigh(hessian)
    covariance = vectors @ np.diag(1 / np.maximum(values, 1.0)) @ vectors.T
    sigma = np.sqrt(np.diag(covariance))
    limits = (_PITCH_SIGMA_RAD, _ROLL_SIGMA_RAD, _LOG_FOCAL_SIGMA)
    pitch, roll, focal = (min(float(s), limit) for s, limit in zip(sigma[[0, 1, -1]], limits, strict=True))
    return pitch, roll, focal


def pitch_and_roll_rad(up_cam: Float[np.ndarray, "3"]) -> tuple[float, float]:
    """The angles of `frames.world_from_level_camera` that give this unit vector against gravity."""
    pitch_rad = math.asin(float(np.clip(-up_cam[2], -1, 1)))
    return pitch_rad, math.atan2(-float(up_cam[0]), -float(up_cam[1]))


def room_directions_cam(pitch_rad: float, roll_rad: float, yaw_rad: float) -> Float[np.ndarray, "3 3"]:
    """Unit rows in cam: up, and the level wall directions ahead (`yaw_rad` to the left of the heading) and right.

    `frames.world_from_level_camera` written out, since a search calls it thousands of times.
    """
    (sp, cp), (sr, cr), (sy, cy) = ((math.sin(a), math.cos(a)) for a in (pitch_rad, roll_rad, yaw_rad))
    up = np.array([-sr * cp, -cr * cp, -sp])
    heading = np.array([-sr * sp, -cr * sp, cp])
    right = np.array([cr, -sr, 0.0])
    return np.stack([up, cy * heading - sy * right, sy * heading + cy * right])


def _as_expected(expected: ExpectedTurn) -> tuple[tuple[float, float], tuple[float, float]]:
    """Pitch and roll by the network and by habit together, and their standard deviations."""
    told = pitch_and_roll_rad(expected.up_cam)
    usual = ((TYPICAL_PITCH_RAD, _PITCH_SIGMA_RAD), (0.0, _ROLL_SIGMA_RAD))
    shares = [sigma**2 / (sigma**2 + expected.up_sigma_rad**2) for _, sigma in usual]
    means = [share * own + (1 - share) * habit for share, own, (habit, _) in zip(shares, told, usual, strict=True)]
    sigmas = [math.sqrt(share) * expected.up_sigma_rad for share in shares]
    return (means[0], means[1]), (sigmas[0], sigmas[1])


class _Evidence:
    """Minus the logarithm of the posterior of (pitch, roll, yaw, log focal factor), given lines."""

    def __init__(
        self,
        lines_px: Float[np.ndarray, "n 2 2"],
        camera: Camera,
        *,
        focal_is_known: bool,
        up_cam: Float[np.ndarray, "3"] | None,
        expected: ExpectedTurn | None,
    ) -> None:
        self._focal_is_known = focal_is_known
        self._log_focal_sigma, most_lines = _LOG_FOCAL_SIGMA, _EFFECTIVE_LINES
        self.typical_rad, self._sigma_rad = (TYPICAL_PITCH_RAD, 0.0), (_PITCH_SIGMA_RAD, _ROLL_SIGMA_RAD)
        if expected is not None:
            self.typical_rad, self._sigma_rad = _as_expected(expected)
            self._log_focal_sigma = expected.log_focal_sigma or _LOG_FOCAL_SIGMA
            most_lines /= LINES_TOO_SURE**2  # against somebody who knows his own error, theirs must be true as well
        if up_cam is not None:
            self.typical_rad, self._sigma_rad = pitch_and_roll_rad(up_cam), (_KNOWN_SIGMA_RAD, _KNOWN_SIGMA_RAD)
        rays = camera.rays_through(lines_px)[..., :2]  # (n, 2, 2) on the plane z = 1
        self._middle = rays.mean(axis=1)  # (n, 2)
        along = rays[:, 1] - rays[:, 0]
        length = np.linalg.norm(along, axis=-1)
        self._along = along / np.maximum(length, 1e-9)[:, None]
        weight = np.minimum(length, 0.5)  # one very long line is still one line
        total = max(float(weight.sum()), 1e-9)
        self._weight = weight / total * min(float(len(lines_px)), most_lines)

    def cost(self, x: np.ndarray) -> float:
        p = self._density(x)
        prior = sum(((x[i] - self.typical_rad[i]) / self._sigma_rad[i]) ** 2 for i in range(2))
        if not self._focal_is_known:
            prior += (x[3] / self._log_focal_sigma) ** 2
        return float(-(self._weight * np.log(_OUTLIER_DENSITY + p.sum(axis=0))).sum() + prior / 2)

    def level_share(self, x: np.ndarray) -> float:
        """Weight of the lines that run along one of the two level directions, over the weight of all."""
        p = self._density(x)
        level = p[1:].sum(axis=0) / (_OUTLIER_DENSITY + p.sum(axis=0))
        return float((self._weight * level).sum() / max(float(self._weight.sum()), 1e-9))

    def _density(self, x: np.ndarray) -> Float[np.ndarray, "3 n"]:
        """Per direction (up, two level ones) and line, relative to the peak; a third of the lines each."""
        axes = room_directions_cam(float(x[0]), float(x[1]), float(x[2]))
        axes = axes / np.array([1.0, 1.0, math.exp(x[3])])  # a longer focal length narrows the plane z = 1 ...
        # ... so its points are compared as they were read: direction from a line's middle to the vanishing point
        to_x = axes[:, None, 0] - self._middle[None, :, 0] * axes[:, None, 2]  # (3, n)
        to_y = axes[:, None, 1] - self._middle[None, :, 1] * axes[:, None, 2]
        distance = np.maximum(np.hypot(to_x, to_y), 1e-9)
        sine = (to_x * self._along[None, :, 1] - to_y * self._along[None, :, 0]) / distance
        return np.exp(-0.5 * (sine / _SIGMA_RAD) ** 2) / 3
