"""Gravity and the camera's height from everything that tells: flat pieces of the room and straight lines in, both out.

Floor and ceiling are level, walls are upright, and lines of the photo run up; each says so with its own uncertainty,
and the direction that fits all of them is sought. What contradicts the rest (a sloping roof, a wall that leans)
loses its weight, but never the floor. In cam, m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import RigidTransform

from ..depth import Depth
from .room_planes import (
    FIRST_SMOOTH,
    LEVEL_COS,
    SeenPlane,
    enough,
    fit_plane,
    floor_pieces,
    height_above,
    lowest_level,
    seen_planes,
    smooth_share,
)
from .surfels import Surfels
from .vanishing import LINES_TOO_SURE, Turn, room_directions_cam
from .view import pose_from_up

_LINES_LEAST_RAD = math.radians(0.5)
_LINES_SURE_RAD = math.radians(4)
_SWEEP_PITCH_DEG, _SWEEP_ROLL_DEG = np.arange(-40, 41, 2.5), np.arange(-10, 10.1, 2.5)
_FITS_RAD = math.radians(6)  # between a piece's normal and a direction of the room
_LENS_RAD = math.radians(0.3)  # a focal length that is a little wrong bends walls and ceiling against the floor
_LEAST_VARIANCE = 1e-8
_LEAST_FLOOR = 0.002  # of the photo
_OUTLIER = 3.0  # standard deviations beyond which evidence loses its weight
_ROUNDS, _SETTLED_RAD = 6, 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """How the camera stands.

    up_cam: unit vector against gravity. sigma_rad: its standard deviation. height_m: above the floor, None where no
    floor is seen; height_sigma_m likewise. floor_share: of the room that is seen. told_by: "floor", "ceiling", "walls",
    "lines", "network", those that count most first; empty where nothing tells and the camera is taken to be held
    upright.
    """

    up_cam: Float[np.ndarray, "3"]
    sigma_rad: float
    height_m: float | None
    height_sigma_m: float | None
    floor_share: float
    told_by: tuple[str, ...]

    def pose(self, height_m: float) -> RigidTransform:
        """`T_world_from_cam` at a height, heading along -z."""
        return pose_from_up(self.up_cam, height_m=height_m)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """Rows . up = values, each with its variance; the rows of one kind lose their weight together."""

    kind: str
    rows: Float[np.ndarray, "k 3"]
    values: Float[np.ndarray, "k"]
    covariance: Float[np.ndarray, "k k"]


def find_stance(
    surfels: Surfels,
    turn: Turn,
    *,
    size_px: tuple[int, int],
    is_floor: Bool[np.ndarray, "n"] | None = None,
) -> Stance:
    """Gravity and height from the flat pieces of the room (no objects) and the straight lines' turn.

    size_px: of the photo. is_floor: pieces that a segmenter recognised as floor, where one did.
    """
    up = _first_up(surfels, turn)
    height_m = _first_height(surfels, up, is_floor)
    smooth, floor = FIRST_SMOOTH, np.zeros(len(surfels), dtype=bool)
    told: list[tuple[str, float]] = []
    covariance = np.eye(3)
    for _ in range(_ROUNDS):
        floor = floor_pieces(surfels, up, height_m, smooth, is_floor)
        planes = seen_planes(surfels, up, floor)
        if planes:
            smooth = smooth_share(surfels, planes)
        evidence = [_lines_evidence(turn), *(_plane_evidence(surfels, p, up, smooth, size_px) for p in planes)]
        before = up
        up, covariance, told = _fuse(evidence, up)
        if floor.any():
            height_m, _ = height_above(surfels, floor, up, smooth, size_px)
        if np.linalg.norm(up - before) < _SETTLED_RAD:
            break
    sigma_rad = math.sqrt(float(np.trace(covariance)))
    height_sigma = None
    if floor.any():
        height_m, relative = height_above(surfels, floor, up, smooth, size_px)
        reach_m = float(np.linalg.norm(surfels.points_cam[floor].mean(axis=0) + height_m * up))
        height_sigma = math.hypot(height_m * relative, reach_m * sigma_rad / math.sqrt(2))
    return Stance(
        up_cam=up,
        sigma_rad=sigma_rad,
        height_m=height_m if floor.any() else None,
        height_sigma_m=height_sigma,
        floor_share=float(floor.mean()) if len(floor) else 0.0,
        told_by=tuple(kind for kind, weight in sorted(told, key=lambda t: -t[1]) if weight > 0.05),
    )


def height_above_floor(surfels: Surfels, up_cam: Float[np.ndarray, "3"], *, size_px: tuple[int, int]) -> float | None:
    """The camera's height above the floor where gravity is known; None where no floor is seen."""
    height_m = _first_height(surfels, up_cam, None)
    for _ in range(_ROUNDS):
        floor = floor_pieces(surfels, up_cam, height_m, FIRST_SMOOTH, None)
        if not floor.any():
            return None
        before, (height_m, _) = height_m, height_above(surfels, floor, up_cam, FIRST_SMOOTH, size_px)
        if abs(height_m - before) < _SETTLED_RAD * before:
            break
    return height_m


def _lines_evidence(turn: Turn) -> _Evidence:
    """The straight lines' up, as two angles about the level axes of the camera."""
    _, heading, right = room_directions_cam(turn.pitch_rad, turn.roll_rad, 0.0)
    sigmas = [max(LINES_TOO_SURE * s, _LINES_LEAST_RAD) for s in (turn.pitch_sigma_rad, turn.roll_sigma_rad)]
    return _Evidence(
        kind="lines", rows=np.stack([heading, right]), values=np.zeros(2), covariance=np.diag(np.square(sigmas))
    )


def _first_up(surfels: Surfels, turn: Turn) -> Float[np.ndarray, "3"]:
    """The straight lines' up where they are sure; else that to which most pieces fit."""
    lines_up = room_directions_cam(turn.pitch_rad, turn.roll_rad, turn.yaw_rad)[0]
    if LINES_TOO_SURE * turn.pitch_sigma_rad < _LINES_SURE_RAD:
        return lines_up
    if not enough(len(surfels), surfels):
        return lines_up
    ups = np.stack(
        [
            room_directions_cam(turn.pitch_rad + math.radians(p), turn.roll_rad + math.radians(r), 0.0)[0]
            for p in _SWEEP_PITCH_DEG
            for r in _SWEEP_ROLL_DEG
        ]
    )  # (u, 3)
    facing = np.arccos(np.clip(surfels.normals_cam @ ups.T, -1, 1))  # (n, u): 0 floor, pi / 2 upright, pi ceiling
    away = np.minimum(np.abs(facing - math.pi / 2), np.minimum(facing, math.pi - facing))
    fits = np.exp(-0.5 * (away / _FITS_RAD) ** 2) * np.where(facing < math.pi / 4, 2.0, 1.0)  # floors are level
    votes = fits.sum(axis=0)
    tilt = np.arccos(np.clip(ups @ lines_up, -1, 1))
    return ups[int((votes * np.exp(-0.5 * (tilt / math.radians(25)) ** 2)).argmax())]


def _first_height(surfels: Surfels, up: Float[np.ndarray, "3"], is_floor: Bool[np.ndarray, "n"] | None) -> float:
    """The camera's height above the lowest large level; 0 where there is none."""
    level = surfels.normals_cam @ up > LEVEL_COS
    if is_floor is not None and enough(int((level & is_floor).sum()), surfels):
        level &= is_floor
    if not enough(int(level.sum()), surfels):
        return 0.0
    return lowest_level(surfels.points_cam[level], up) or 0.0


def _plane_evidence(
    surfels: Surfels, plane: SeenPlane, up: Float[np.ndarray, "3"], smooth: float, size_px: tuple[int, int]
) -> _Evidence:
    pieces = surfels.where(plane.on)
    m, covariance = fit_plane(pieces.points_cam, pieces, smooth, size_px)
    length = float(np.linalg.norm(m))
    normal = m / length
    if plane.kind == "walls":
        # normal . up = 0, with the variance of the normal along up
        variance = max(float(up @ covariance @ up), 0.0) / length**2 + _LENS_RAD**2
        return _Evidence(kind=plane.kind, rows=normal[None], values=np.zeros(1), covariance=np.array([[variance]]))
    across = np.linalg.svd(normal[None])[2][1:]  # two directions in the plane: both are level
    return _Evidence(
        kind=plane.kind,
        rows=across,
        values=np.zeros(2),
        covariance=_positive(across @ covariance @ across.T / length**2),
    )


def _positive(covariance: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """The same with all variances above zero: of pieces that lie in a line, rounding leaves some below it."""
    values, axes = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(axes * np.maximum(values, _LEAST_VARIANCE) @ axes.T)


def _fuse(
    evidence: list[_Evidence], up: Float[np.ndarray, "3"]
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"], list[tuple[str, float]]]:
    """The unit vector that fits all evidence, its covariance, and the share of each kind in it."""
    covariance = np.eye(3)
    told: list[tuple[str, float]] = []
    for _ in range(4):
        tangent = np.linalg.svd(up[None])[2][1:]  # (2, 3)
        information, pull, parts = np.zeros((2, 2)), np.zeros(2), []
        for item in evidence:
            rows = item.rows @ tangent.T  # (k, 2)
            left = item.values - item.rows @ up
            inverse = np.linalg.inv(item.covariance)
            surprise = math.sqrt(float(left @ inverse @ left) / len(left)) / _OUTLIER
            # Geman and McClure's weight; what stands on the floor must stand on it, so the floor is never given up.
            weight = 1.0 if item.kind == "floor" else 1 / (1 + surprise**2) ** 2
            information += weight * rows.T @ inverse @ rows
            pull += weight * rows.T @ inverse @ left
            parts.append((item.kind, float(weight * np.trace(rows.T @ inverse @ rows))))
        own = np.linalg.inv(information + 1e-9 * np.eye(2))
        up = up + tangent.T @ (own @ pull)
        up = up / np.linalg.norm(up)
        covariance = tangent.T @ own @ tangent
        total = sum(w for _, w in parts)
        kinds = dict.fromkeys(kind for kind, _ in parts)
        told = [(kind, sum(w for k, w in parts if k == kind) / max(total, 1e-12)) for kind in kinds]
    return up, covariance, told


def stance_on_floor(
    depth: Depth, on_floor: Bool[np.ndarray, "H W"], room: Bool[np.ndarray, "H W"], turn: Turn
) -> Stance:
    """Gravity from a turn that is the lines' and a network's, height from pixels that the network knows as floor.

    For depth whose floor tilts and bulges: its planes say nothing of gravity, and the middle of its floor says how far
    below the camera it is. room: pixels of no object.
    """
    up = room_directions_cam(turn.pitch_rad, turn.roll_rad, 0.0)[0]
    sigma_rad = math.hypot(turn.pitch_sigma_rad, turn.roll_sigma_rad)
    found = on_floor & depth.valid
    drop_m = -depth.points_cam()[found] @ up
    height_m = float(np.median(drop_m)) if found.mean() > _LEAST_FLOOR else 0.0
    seen = height_m > 0
    spread_m = 1.4826 * float(np.median(np.abs(drop_m - height_m))) if seen else None
    return Stance(
        up_cam=up,
        sigma_rad=sigma_rad,
        height_m=height_m if seen else None,
        height_sigma_m=spread_m,
        floor_share=float(found.sum() / max(int((room | found).sum()), 1)) if seen else 0.0,
        told_by=("lines", "network"),
    )
