"""Walls set straight: roughly found walls and the depth in, the same walls with better lines in plan out.

Each wall is fitted again to the flat pieces that lie on it, with the uncertainty that a slow depth error leaves. Most
rooms have right angles ("Manhattan world": Coughlan and Yuille, ICCV 1999), but not all: a wall takes the common
directions only where its own angle is within two standard deviations of them, and never from more than five degrees
away. Plan view: (x, z) of world, m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..depth import Depth
from ..frontend.room_planes import SeenPlane, fit_plane, smooth_share
from ..frontend.surfels import Surfels, find_surfels

_SAME_LINE, _SAME_COS = 0.05, math.cos(math.radians(20))  # share of the distance; between normals
_UPRIGHT = 0.3  # of a unit normal may be vertical
_FEWEST = 6
_SNAP_SIGMAS, _SNAP_MOST_RAD = 2.0, math.radians(5)
_LEAST_SIGMA_RAD = math.radians(0.1)
_QUARTER = math.pi / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WallLine:
    """A wall in plan: points with normal . p = offset; the normal points into the room. sigma_rad: of its angle,
    None where nothing tells it. snapped: it has one of the directions that several walls share."""

    normal: Float[np.ndarray, "2"]
    offset: float
    sigma_rad: float | None = None
    snapped: bool = False


def straightened(walls: list[WallLine], depth: Depth, usable: Bool[np.ndarray, "H W"]) -> list[WallLine]:
    """The walls fitted again to the usable pixels' flat pieces, at right angles where the evidence supports it."""
    if not walls:
        return walls
    surfels = find_surfels(depth, usable)
    rotation = depth.camera.T_world_from_cam.rotation.as_matrix()
    normals = surfels.normals_cam @ rotation.T
    plan = (surfels.points_cam @ rotation.T)[:, [0, 2]]  # relative to the camera
    camera_xz = depth.camera.centre_world[[0, 2]]
    upright = np.abs(normals[:, 1]) < _UPRIGHT
    on = [_on_wall(wall, plan, normals[:, [0, 2]], camera_xz) & upright for wall in walls]
    seen = [SeenPlane(kind="walls", on=pieces) for pieces in on if pieces.sum() >= _FEWEST]
    if not seen:
        return walls
    smooth = smooth_share(surfels, seen)
    size_px = depth.camera.size_px
    fitted = [
        _fitted(wall, surfels.where(pieces), plan[pieces], camera_xz, smooth, size_px)
        for wall, pieces in zip(walls, on, strict=True)
    ]
    return _snapped(fitted, on, plan, camera_xz)


def _on_wall(
    wall: WallLine, plan: Float[np.ndarray, "n 2"], normals: Float[np.ndarray, "n 2"], camera_xz: Float[np.ndarray, "2"]
) -> Bool[np.ndarray, "n"]:
    away = plan @ wall.normal + camera_xz @ wall.normal - wall.offset
    return np.asarray((np.abs(away) < _SAME_LINE * np.linalg.norm(plan, axis=1)) & (normals @ wall.normal > _SAME_COS))


def _fitted(
    wall: WallLine,
    pieces: Surfels,
    plan: Float[np.ndarray, "n 2"],
    camera_xz: Float[np.ndarray, "2"],
    smooth: float,
    size_px: tuple[int, int],
) -> WallLine:
    if len(pieces) < _FEWEST:
        return wall
    m, covariance = fit_plane(plan, pieces, smooth, size_px)
    length = float(np.linalg.norm(m))
    normal = m / length  # m . p = -1: towards the camera, so into the room
    if normal @ wall.normal < _SAME_COS:
        return wall
    along = np.array([-normal[1], normal[0]])
    sigma = math.sqrt(float(along @ covariance @ along)) / length
    return WallLine(
        normal=normal, offset=float(normal @ camera_xz - 1 / length), sigma_rad=max(sigma, _LEAST_SIGMA_RAD)
    )


def _snapped(
    walls: list[WallLine],
    on: list[Bool[np.ndarray, "n"]],
    plan: Float[np.ndarray, "n 2"],
    camera_xz: Float[np.ndarray, "2"],
) -> list[WallLine]:
    """Walls whose angles agree with the common directions within their uncertainty take them."""
    known = [(i, _angle(w), w.sigma_rad) for i, w in enumerate(walls) if w.sigma_rad is not None]
    best: tuple[float, list[int], float] | None = None
    for _, start, _ in known:  # the directions that most certainty agrees on
        agree = [(i, a, s) for i, a, s in known if abs(_turn(a, start)) < _allowed_rad(s)]
        weight = sum(1 / s**2 for _, _, s in agree)
        if len(agree) > 1 and (best is None or (len(agree), weight) > (len(best[1]), best[0])):
            common = start + sum(_turn(a, start) / s**2 for _, a, s in agree) / weight
            best = (weight, [i for i, _, _ in agree], common)
    if best is None:
        return walls
    _, members, common = best
    result = list(walls)
    for i in members:
        turn = -_turn(_angle(walls[i]), common)
        c, s = math.cos(turn), math.sin(turn)
        normal = np.array([[c, -s], [s, c]]) @ walls[i].normal
        offset = float(normal @ camera_xz + np.median(plan[on[i]] @ normal))
        result[i] = WallLine(normal=normal, offset=offset, sigma_rad=walls[i].sigma_rad, snapped=True)
    return result


def _allowed_rad(sigma_rad: float) -> float:
    return min(_SNAP_SIGMAS * sigma_rad + _LEAST_SIGMA_RAD, _SNAP_MOST_RAD)


def _angle(wall: WallLine) -> float:
    return math.atan2(float(wall.normal[1]), float(wall.normal[0]))


def _turn(angle: float, reference: float) -> float:
    """From the nearest of the four directions of `reference` to `angle`, -pi/4 to pi/4."""
    return (angle - reference + _QUARTER / 2) % _QUARTER - _QUARTER / 2
