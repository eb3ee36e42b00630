"""The large planes of a room: flat pieces of the visible surfaces in, planes with their uncertainty out, in cam, m.

Depth errors of networks vary slowly over the picture: they are modelled as a field that is correlated over a sixth of
it, so that a plane's uncertainty follows from how much of the picture it fills, not from how many pixels. A relative
error of the depth is the same share of the camera's distance to the plane wherever a point of it is seen, so all points
count alike, near and far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .surfels import Surfels

LEVEL_COS = math.cos(math.radians(25))
FIRST_SMOOTH = 0.02  # standard deviation of the slow error until it is measured
_UPRIGHT_COS = math.sin(math.radians(20))
_CORRELATED_PX = 0.17  # of the longer side of the picture
_LEAST_SMOOTH, _MOST_SMOOTH = 0.001, 0.1
_FOLLOWED = 3.0
_FEWEST = 6  # flat pieces of a plane
_FEWEST_SHARE = 0.02  # of all flat pieces
_MOST_WALLS = 4
_WALL_STARTS = 120
_SAME_PLANE, _SAME_COS = 0.05, math.cos(math.radians(20))  # share of the distance; between normals
_REFITS = 3
_OPEN_SHARE = 1e-10
_REWEIGHTINGS, _BELONGS_SIGMAS = 8, 3.0
_BELOW_PENALTY = 4.0  # nothing lies below a floor: a table top has the floor below it
_HEIGHT_BINS = 500  # of 2 % of the median depth: heights to ten times that depth


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPlane:
    """kind: "floor", "ceiling" or "walls". on: which pieces lie on it."""

    kind: str
    on: Bool[np.ndarray, "n"]


def enough(count: int, surfels: Surfels) -> bool:
    """Whether so many flat pieces make a plane."""
    return count >= max(_FEWEST, _FEWEST_SHARE * len(surfels))


def lowest_level(points_cam: Float[np.ndarray, "n 3"], up_cam: Float[np.ndarray, "3"]) -> float | None:
    """Height of the camera above the lowest large level of the points; None where most are above the camera.

    Points vote for heights in steps of 2 % of the median depth; points below a level vote against it.
    """
    step_m = 0.02 * float(np.median(points_cam[:, 2]))
    drop_m = -points_cam @ up_cam  # below the camera
    bins = np.bincount(np.clip((drop_m / step_m).astype(np.int64), 0, _HEIGHT_BINS), minlength=_HEIGHT_BINS + 1)
    bins[0] = 0  # at or above the camera
    on = np.convolve(bins, np.ones(3), mode="same")
    below = np.concatenate([np.cumsum(bins[::-1])[::-1][2:], np.zeros(2)])[: len(bins)]  # two bins lower and more
    votes = on - _BELOW_PENALTY * below
    k = int(votes.argmax())
    if votes[k] <= 0:
        return None
    return float(np.median(drop_m[np.abs(drop_m / step_m - k - 0.5) < 1.5]))


def floor_pieces(
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
    on = (np.abs(away) < tolerance) & (surfels.normals_cam @ up > LEVEL_COS)
    if is_floor is not None and (on & is_floor).sum() >= _FEWEST:
        on &= is_floor
    return on if enough(int(on.sum()), surfels) else np.zeros(len(surfels), dtype=bool)


def seen_planes(surfels: Surfels, up: Float[np.ndarray, "3"], floor: Bool[np.ndarray, "n"]) -> list[SeenPlane]:
    """The floor, the ceiling and the largest walls, each by its pieces."""
    planes = [SeenPlane(kind="floor", on=floor)] if floor.any() else []
    rest = ~floor
    fewest = max(_FEWEST, 2 * _FEWEST_SHARE * len(surfels))
    ceiling = _largest(surfels, rest & (surfels.normals_cam @ up < -LEVEL_COS) & (surfels.points_cam @ up > 0))
    if ceiling.sum() >= fewest:
        planes.append(SeenPlane(kind="ceiling", on=ceiling))
        rest = rest & ~ceiling
    upright = rest & (np.abs(surfels.normals_cam @ up) < _UPRIGHT_COS)
    for _ in range(_MOST_WALLS):
        wall = _largest(surfels, upright)
        if wall.sum() < fewest:
            break
        planes.append(SeenPlane(kind="walls", on=wall))
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


def fit_plane(
    points: Float[np.ndarray, "n k"], pieces: Surfels, smooth: float, size_px: tuple[int, int]
) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "k k"]]:
    """m of the plane m . p = -1 through points of the pieces, by generalised least squares, and its covariance.

    points: relative to the camera, in any axes; with k = 2, in plan, the plane is upright. Pieces that do not belong
    (the rim of a thing that stands on the floor) are left out.
    """
    belongs = _belonging(points)
    points, pieces = points[belongs], pieces.where(belongs)
    weight = np.linalg.inv(_kernel(pieces, smooth, size_px))
    information = points.T @ weight @ points
    # Pieces in a line leave a direction open: a covariance as good as infinite there, instead of none.
    covariance = np.linalg.inv(information + _OPEN_SHARE * np.trace(information) * np.eye(len(information)))
    return -covariance @ (points.T @ weight @ np.ones(len(points))), covariance


def _belonging(points: Float[np.ndarray, "n k"]) -> Bool[np.ndarray, "n"]:
    """Which points lie on the plane that most of them lie on: least absolute distances by reweighting."""
    weight = np.ones(len(points))
    away = weight
    for _ in range(_REWEIGHTINGS):
        m, *_ = np.linalg.lstsq(points * weight[:, None], -weight, rcond=None)
        away = np.abs(1 + points @ m)
        weight = 1 / np.sqrt(np.maximum(away, 1e-4))
    return np.asarray(away <= _BELONGS_SIGMAS * 1.4826 * np.median(away) + 1e-6)


def smooth_share(surfels: Surfels, planes: list[SeenPlane]) -> float:
    """Standard deviation of the slow error, from how far the pieces are from the planes through them.

    A plane fitted to a slow error follows most of it: `_FOLLOWED` makes up for that, as measured on rooms with a known
    slow error.
    """
    squares, count = 0.0, 0
    for plane in planes:
        points = surfels.points_cam[plane.on]
        points = points[_belonging(points)]
        m, *_ = np.linalg.lstsq(points, -np.ones(len(points)), rcond=None)
        away = np.sort(np.abs(1 + points @ m))[: max(3, int(0.9 * len(points)))]
        squares += float((away**2).sum())
        count += len(away)
    own = float(np.median(surfels.sigma))
    return float(np.clip(_FOLLOWED * math.sqrt(max(squares / count - own**2, 0.0)), _LEAST_SMOOTH, _MOST_SMOOTH))


def height_above(
    surfels: Surfels, floor: Bool[np.ndarray, "n"], up: Float[np.ndarray, "3"], smooth: float, size_px: tuple[int, int]
) -> tuple[float, float]:
    """The camera's height above the floor pieces for a given up, and its standard deviation as a share of it."""
    pieces = surfels.where(floor)
    drop_m = -pieces.points_cam @ up
    away = np.abs(drop_m / np.median(drop_m) - 1)
    pieces = pieces.where(away <= _BELONGS_SIGMAS * 1.4826 * np.median(away) + 1e-6)
    weight = np.linalg.inv(_kernel(pieces, smooth, size_px)).sum(axis=0)
    drop_m = -pieces.points_cam @ up
    mean_m = float(weight @ drop_m / weight.sum())
    return mean_m, 1 / math.sqrt(float(weight.sum()))
