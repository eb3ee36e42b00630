"""Gravity and the camera's height from everything that tells: flat pieces of the room and straight lines in, both out.

Floor and ceiling are level, walls are upright, and lines of the photo run up; each says so with its own uncertainty,
and the direction that fits all of them is sought. What contradicts the rest (a sloping roof, a ramp taken for the
floor) loses its weight. Depth errors of networks vary slowly over the picture: they are modelled as a field that is
correlated over a sixth of it, so that a plane's uncertainty follows from how much of the picture it fills, not from how
many pixels. A relative error of the depth is the same share of the camera's height wherever a floor point is, so all
floor counts alike, near and far. In cam, m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import RigidTransform

from .floor import find_floor, lowest_level
from .surfels import Surfels
from .vanishing import Turn, room_directions_cam
from .view import pose_from_up

_CORRELATED_PX = 0.17  # of the longer side of the picture
_LEAST_SMOOTH, _MOST_SMOOTH, _FIRST_SMOOTH = 0.001, 0.1, 0.02  # standard deviation of the slow error
_FEWEST = 6  # flat pieces of a plane
_FEWEST_SHARE = 0.02  # of all flat pieces
_MOST_WALLS = 4
_WALL_STARTS = 120
_SAME_PLANE, _SAME_COS = 0.05, math.cos(math.radians(20))  # share of the distance; between normals
_REFITS = 3
_LEVEL_COS, _UPRIGHT_COS = math.cos(math.radians(25)), math.sin(math.radians(20))
_LINES_TOO_SURE = 1.8  # measured: errors of the straight lines over what they claim
_LINES_LEAST_RAD = math.radians(0.5)
_LINES_SURE_RAD = math.radians(4)
_OUTLIER = 3.0  # standard deviations beyond which evidence loses its weight
_ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """How the camera stands.

    up_cam: unit vector against gravity. sigma_rad: its standard deviation. height_m: above the floor, None where no
    floor is seen; height_sigma_m likewise. floor_share: of the flat pieces. told_by: "floor", "ceiling", "walls",
    "lines", those that count most first; empty where nothing tells and the camera is taken to be held upright.
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
    lines = _lines_evidence(turn)
    lines_up = room_directions_cam(turn.pitch_rad, turn.roll_rad, turn.yaw_rad)[0]
    up, height_m = _start(surfels, lines_up, turn, is_floor)
    smooth, floor = _FIRST_SMOOTH, np.zeros(len(surfels), dtype=bool)
    told: list[tuple[str, float]] = []
    covariance = np.eye(3)
    for _ in range(_ROUNDS):
        floor = _on_floor(surfels, up, height_m, smooth, is_floor)
        planes = _planes(surfels, up, floor)
        if planes:
            smooth = _smooth_share(surfels, planes)
        evidence = [lines] + [_plane_evidence(surfels, kind, on, up, smooth, size_px) for kind, on in planes]
        up, covariance, told = _fuse(evidence, up)
        if not floor.any():
            break
        height_m, _ = _height(surfels, floor, up, smooth, size_px)
    sigma_rad = math.sqrt(float(np.trace(covariance)))
    height_sigma = None
    if floor.any():
        height_m, relative = _height(surfels, floor, up, smooth, size_px)
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
    level = surfels.normals_cam @ up_cam > _LEVEL_COS
    if level.sum() < max(_FEWEST, _FEWEST_SHARE * len(surfels)):
        return None
    height_m = lowest_level(surfels.points_cam[level], up_cam)
    for _ in range(_ROUNDS if height_m is not None else 0):
        floor = _on_floor(surfels, up_cam, height_m or 0.0, _FIRST_SMOOTH, None)
        if not floor.any():
            return None
        height_m, _ = _height(surfels, floor, up_cam, _FIRST_SMOOTH, size_px)
    return height_m


def _lines_evidence(turn: Turn) -> _Evidence:
    """The straight lines' up, as two angles about the level axes of the camera."""
    _, heading, right = room_directions_cam(turn.pitch_rad, turn.roll_rad, 0.0)
    sigmas = [max(_LINES_TOO_SURE * s, _LINES_LEAST_RAD) for s in (turn.pitch_sigma_rad, turn.roll_sigma_rad)]
    return _Evidence(
        kind="lines", rows=np.stack([heading, right]), values=np.zeros(2), covariance=np.diag(np.square(sigmas))
    )


def _start(
    surfels: Surfels, lines_up: Float[np.ndarray, "3"], turn: Turn, is_floor: Bool[np.ndarray, "n"] | None
) -> tuple[Float[np.ndarray, "3"], float]:
    """A first up direction and height; the height is 0 where there is no floor."""
    points = surfels.points_cam
    if is_floor is not None and is_floor.sum() >= _FEWEST:
        points = points[is_floor]
    coarse = find_floor(points, lines_up)
    if len(points) >= _FEWEST and _LINES_TOO_SURE * turn.pitch_sigma_rad < _LINES_SURE_RAD:
        level = np.abs(surfels.normals_cam @ lines_up) > _LEVEL_COS
        if is_floor is not None and is_floor.sum() >= _FEWEST:
            level &= is_floor
        if level.sum() >= max(_FEWEST, _FEWEST_SHARE * len(surfels)):
            height_m = lowest_level(surfels.points_cam[level], lines_up)
            if height_m is not None:
                return lines_up, height_m
    if coarse is not None:
        return coarse.up_cam, coarse.height_m
    return lines_up, 0.0


def _on_floor(
    surfels: Surfels,
    up: Float[np.ndarray, "3"],
    height_m: float,
    smooth: float,
    is_floor: Bool[np.ndarray, "n"] | None,
) -> Bool[np.ndarray, "n"]:
    """Level pieces at the floor's height, as far as the errors allow; none where they are too few."""
    if height_m <= 0:
        return np.zeros(len(surfels), dtype=bool)
    away = 1 + surfels.points_cam @ up / height_m
    reach = np.linalg.norm(surfels.points_cam, axis=1) / height_m
    # A tilt of the first guess lifts what is far away: two degrees are allowed for.
    tolerance = 3 * np.hypot(max(smooth, 0.005), surfels.sigma) + math.radians(1.0) * reach
    on = (np.abs(away) < tolerance) & (surfels.normals_cam @ up > _LEVEL_COS)
    if is_floor is not None and (on & is_floor).sum() >= _FEWEST:
        on &= is_floor
    if on.sum() < max(_FEWEST, _FEWEST_SHARE * len(surfels)):
        return np.zeros(len(surfels), dtype=bool)
    return on


def _planes(
    surfels: Surfels, up: Float[np.ndarray, "3"], floor: Bool[np.ndarray, "n"]
) -> list[tuple[str, Bool[np.ndarray, "n"]]]:
    """The floor, the ceiling and the largest walls, each by its pieces."""
    planes = [("floor", floor)] if floor.any() else []
    rest = ~floor
    fewest = max(_FEWEST, 2 * _FEWEST_SHARE * len(surfels))
    ceiling = _largest(surfels, rest & (surfels.normals_cam @ up < -_LEVEL_COS) & (surfels.points_cam @ up > 0))
    if ceiling.sum() >= fewest:
        planes.append(("ceiling", ceiling))
        rest = rest & ~ceiling
    upright = rest & (np.abs(surfels.normals_cam @ up) < _UPRIGHT_COS)
    for _ in range(_MOST_WALLS):
        wall = _largest(surfels, upright)
        if wall.sum() < fewest:
            break
        planes.append(("walls", wall))
        upright = upright & ~wall
    return planes


def _largest(surfels: Surfels, among: Bool[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
    """The pieces of the plane through one of them that holds most."""
    found = np.zeros(len(surfels), dtype=bool)
    index = np.flatnonzero(among)
    if not len(index):
        return found
    starts = index[np.unique(np.linspace(0, len(index) - 1, _WALL_STARTS).astype(np.int64))]
    points, normals = surfels.points_cam[index], surfels.normals_cam[index]
    offset = np.einsum("ij,ij->i", surfels.normals_cam[starts], surfels.points_cam[starts])  # (s,)
    away = normals @ surfels.normals_cam[starts].T
    distance = np.abs(points @ surfels.normals_cam[starts].T - offset) / np.linalg.norm(points, axis=1)[:, None]
    on = (away > _SAME_COS) & (distance < _SAME_PLANE)
    on = on[:, on.sum(axis=0).argmax()]
    for _ in range(_REFITS):  # the piece it was started from has an error of its own
        m, *_ = np.linalg.lstsq(points[on], -np.ones(int(on.sum())), rcond=None)
        again = (normals @ m > _SAME_COS * np.linalg.norm(m)) & (np.abs(1 + points @ m) < _SAME_PLANE)
        if again.sum() < _FEWEST:
            break
        on = again
    found[index[on]] = True
    return found


def _kernel(surfels: Surfels, smooth: float, size_px: tuple[int, int]) -> Float[np.ndarray, "n n"]:
    """Covariance of the relative errors of the pieces' distances."""
    across = surfels.centres_px[:, None] - surfels.centres_px[None]
    near = np.exp(-(across**2).sum(axis=-1) / (_CORRELATED_PX * max(size_px)) ** 2)
    return np.asarray(smooth**2 * near + np.diag(surfels.sigma**2 + (0.2 * smooth) ** 2))


def _fit(surfels: Surfels, smooth: float, size_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """m of the plane m . p = -1 through the pieces, by generalised least squares, and its covariance."""
    weight = np.linalg.inv(_kernel(surfels, smooth, size_px))
    points = surfels.points_cam
    covariance = np.linalg.inv(points.T @ weight @ points)
    return -covariance @ (points.T @ weight @ np.ones(len(points))), covariance


def _smooth_share(surfels: Surfels, planes: list[tuple[str, Bool[np.ndarray, "n"]]]) -> float:
    """The slow error, from how the pieces of a plane leave it; three numbers per plane were fitted to it."""
    squares, count = 0.0, 0
    for _, on in planes:
        points = surfels.points_cam[on]
        m, *_ = np.linalg.lstsq(points, -np.ones(len(points)), rcond=None)
        away = np.sort(np.abs(1 + points @ m))[: max(3, int(0.9 * len(points)))]  # what does not belong is left out
        squares += float((away**2).sum() * 1.6)
        count += len(away)
    own = float(np.median(surfels.sigma))
    return float(np.clip(math.sqrt(max(1.5 * squares / count - own**2, 0.0)), _LEAST_SMOOTH, _MOST_SMOOTH))


def _plane_evidence(
    surfels: Surfels,
    kind: str,
    on: Bool[np.ndarray, "n"],
    up: Float[np.ndarray, "3"],
    smooth: float,
    size_px: tuple[int, int],
) -> _Evidence:
    m, covariance = _fit(surfels.where(on), smooth, size_px)
    length = float(np.linalg.norm(m))
    normal = m / length
    if kind == "walls":
        # normal . up = 0, with the variance of the normal along up
        variance = up @ covariance @ up / length**2
        return _Evidence(kind=kind, rows=normal[None], values=np.zeros(1), covariance=np.array([[variance]]))
    across = np.linalg.svd(normal[None])[2][1:]  # two directions in the plane: both are level
    return _Evidence(kind=kind, rows=across, values=np.zeros(2), covariance=across @ covariance @ across.T / length**2)


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
            weight = 1 / (1 + surprise**2) ** 2  # Geman and McClure
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


def _height(
    surfels: Surfels, floor: Bool[np.ndarray, "n"], up: Float[np.ndarray, "3"], smooth: float, size_px: tuple[int, int]
) -> tuple[float, float]:
    """The camera's height above the floor pieces for a given up, and its standard deviation as a share of it."""
    pieces = surfels.where(floor)
    weight = np.linalg.inv(_kernel(pieces, smooth, size_px)).sum(axis=0)
    drop_m = -pieces.points_cam @ up
    mean_m = float(weight @ drop_m / weight.sum())
    return mean_m, 1 / math.sqrt(float(weight.sum()))
