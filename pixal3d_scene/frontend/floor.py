"""The floor in a metric point cloud: visible points in cam in, the up direction and the camera's height out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform, Rotation

from .view import pose_from_up

_MOST_POINTS = 8_000
_SWEEP_PITCH_DEG = np.arange(-32.5, 33, 2.5)
_SWEEP_ROLL_DEG = np.arange(-10, 10.1, 2.5)
_BELOW_PENALTY = 4.0  # nothing lies below a floor: a table top has the floor below it
_SMALLEST_SHARE = 0.03
_HEIGHT_BINS = 500  # of 2 % of the median depth: heights to ten times that depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """up_cam: unit vector against gravity, in cam. height_m: of the camera. share: of the points that lie on it."""

    up_cam: Float[np.ndarray, "3"]
    height_m: float
    share: float

    @property
    def T_world_from_cam(self) -> RigidTransform:
        """The camera above the world's origin, heading along -z, the floor at y = 0."""
        return pose_from_up(self.up_cam, height_m=self.height_m)


def find_floor(points_cam: Float[np.ndarray, "n 3"], up_guess_cam: Float[np.ndarray, "3"]) -> Floor | None:
    """The lowest large plane that is level within some 30 degrees of the guess; None if there is none.

    A sweep over up directions votes for a height in each (a Hough transform of planes with a gravity prior), points
    below a plane vote against it; the best planes are then fitted by reweighted total least squares.
    """
    points = points_cam[np.isfinite(points_cam).all(axis=1)]
    if len(points) < 50:
        return None
    chosen = np.random.default_rng(0).permutation(len(points))[:_MOST_POINTS]
    points = np.ascontiguousarray(points[chosen], dtype=np.float64)
    step_m = 0.02 * float(np.median(points[:, 2]))
    planes = sorted((_best_height(points, up, step_m) for up in _up_directions(up_guess_cam)), key=lambda p: -p[0])
    fitted = [_fit(points, up, height, 2 * step_m) for _, height, up in planes[:5]]
    best = max(fitted, key=lambda plane: _score(points, plane, step_m))
    tilt = math.acos(float(np.clip(best.up_cam @ up_guess_cam, -1, 1)))
    if best.share < _SMALLEST_SHARE or best.height_m <= 0 or tilt > math.radians(45):
        return None
    return best


def lowest_level(points_cam: Float[np.ndarray, "n 3"], up_cam: Float[np.ndarray, "3"]) -> float | None:
    """Height of the camera above the lowest large level of the points, for an up direction that is known."""
    step_m = 0.02 * float(np.median(points_cam[:, 2]))
    votes, height_m, _ = _best_height(points_cam, up_cam, step_m)
    return height_m if votes > 0 and height_m > step_m else None


def _up_directions(up_guess_cam: Float[np.ndarray, "3"]) -> list[Float[np.ndarray, "3"]]:
    turns = Rotation.from_euler("xz", [(p, r) for p in _SWEEP_PITCH_DEG for r in _SWEEP_ROLL_DEG], degrees=True)
    return list(turns.apply(np.asarray(up_guess_cam, dtype=np.float64)))


def _best_height(
    points: Float[np.ndarray, "n 3"], up: Float[np.ndarray, "3"], step_m: float
) -> tuple[float, float, Float[np.ndarray, "3"]]:
    """(votes, height of the camera above the plane, up) of the best plane with this normal."""
    drop_m = -points @ up  # below the camera
    bins = np.bincount(np.clip((drop_m / step_m).astype(np.int64), 0, _HEIGHT_BINS), minlength=_HEIGHT_BINS + 1)
    bins[0] = 0  # at or above the camera
    on = np.convolve(bins, np.ones(3), mode="same")
    below = np.concatenate([np.cumsum(bins[::-1])[::-1][2:], np.zeros(2)])[: len(bins)]  # two bins lower and more
    votes = on - _BELOW_PENALTY * below
    k = int(votes.argmax())
    return float(votes[k]), (k + 0.5) * step_m, up


def _fit(points: Float[np.ndarray, "n 3"], up: Float[np.ndarray, "3"], height_m: float, tolerance_m: float) -> Floor:
    """Total least squares on the points near the plane, nearer ones heavier, with a tolerance that shrinks."""
    weight = 1 / np.maximum(points[:, 2], 1e-6) ** 2  # the error of a depth grows with the distance
    near = np.abs(points @ up + height_m) < tolerance_m
    for _ in range(12):
        if near.sum() < 10:
            break
        middle = np.average(points[near], axis=0, weights=weight[near])
        centred = (points[near] - middle) * np.sqrt(weight[near])[:, None]
        normal = np.linalg.svd(centred, full_matrices=False)[2][-1]
        up = normal if normal @ up > 0 else -normal
        height_m = float(-middle @ up)
        distance = np.abs(points @ up + height_m)
        spread_m = 1.4826 * float(np.median(distance[near]))
        near = distance < np.clip(3 * spread_m, 0.1 * tolerance_m, tolerance_m)
    return Floor(up_cam=up, height_m=height_m, share=float(near.mean()))


def _score(points: Float[np.ndarray, "n 3"], plane: Floor, step_m: float) -> float:
    above_m = points @ plane.up_cam + plane.height_m
    return float((np.abs(above_m) < step_m).sum() - _BELOW_PENALTY * (above_m < -2 * step_m).sum())
