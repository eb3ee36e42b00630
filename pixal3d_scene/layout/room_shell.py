"""Floor, walls and ceiling from the depth of everything that is not an object.

The floor is y = 0 by the definition of world. Walls are vertical planes found one after the other by RANSAC on
the points' plan view (x, z); each must be supported by normals and by enough of the picture.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from ..depth import Depth
from ..instances import Instances
from ..room import Room, RoomPlane
from .noise import independent_share
from .wall_angles import WallLine, straightened
from .wall_foot import shifts_at_foot

_MOST_WALLS = 4
_WALL_TOLERANCE_SHARE = 0.02  # of the distance from the camera: depth noise grows with depth
_FEWEST_WALL_SHARE = 0.04  # of the background points
_MOST_POINTS = 12_000
_QUIET_SHARE = 0.005  # depth noise from pixel to pixel, as a share of the depth, up to which nothing is smoothed
_MOST_SMOOTHING = 5.0
_DEFAULT_WALL_HEIGHT_M = 2.5
_JOIN_M = 1.5  # walls that miss each other by less than this, behind furniture, are extended to their corner


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wall:
    """Plan view: points p with normal . p = offset; `along` is the direction of the wall, lo..hi its extent."""

    normal: Float[np.ndarray, "2"]
    offset: float
    low_m: float
    high_m: float

    @property
    def along(self) -> Float[np.ndarray, "2"]:
        return np.array([-self.normal[1], self.normal[0]])


def fit_room(depth: Depth, instances: Instances) -> Room:
    """The shell of the room in world."""
    points_world, normals_world = _background(depth, instances)
    camera_xz = depth.camera.centre_world[[0, 2]]
    walls = _find_walls(points_world, normals_world, camera_xz) if len(points_world) else []
    walls = _straight(walls, depth, instances)
    shifts_m = shifts_at_foot(depth, background_mask(depth, instances), [(w.normal, w.offset) for w in walls])
    walls = [replace(wall, offset=wall.offset + shift_m) for wall, shift_m in zip(walls, shifts_m, strict=True)]
    walls = _join_corners(walls)
    ceiling_m = _ceiling_height(points_world, normals_world)
    notes = []
    highest_m = _highest_object(depth, instances)
    if ceiling_m is not None and ceiling_m < highest_m:
        notes.append(
            f"A ceiling at {ceiling_m:.2f} m would cut off objects that reach {highest_m:.2f} m; it is left out."
        )
        ceiling_m = None
    height_m = ceiling_m
    if height_m is None:
        top_m = float(np.percentile(points_world[:, 1], 99)) if len(points_world) else 0.0
        height_m = max(top_m, highest_m, _DEFAULT_WALL_HEIGHT_M if walls else 0.0)
        if walls:
            notes.append(f"The ceiling is not in the picture; walls are drawn {height_m:.2f} m high.")
    if not walls:
        notes.append("No wall was found in the picture: the scene has none.")
    planes = [_floor(points_world, walls, depth)]
    planes += [_wall_plane(w, i + 1, height_m) for i, w in enumerate(walls)]
    if ceiling_m is not None:
        corners = np.array(planes[0].corners_world)[::-1].copy()
        corners[:, 1] = ceiling_m
        planes.append(RoomPlane(name="ceiling", corners_world=corners))
    return Room(planes=tuple(planes), notes=tuple(notes))


def background_mask(depth: Depth, instances: Instances) -> Bool[np.ndarray, "H W"]:
    """Valid pixels that belong to no object and do not touch one, where depth jumps."""
    return depth.valid & free_of_objects(instances)


def free_of_objects(instances: Instances) -> Bool[np.ndarray, "H W"]:
    """Pixels that belong to no object and do not touch one."""
    from scipy.ndimage import binary_dilation

    return ~np.asarray(binary_dilation(instances.label_map > 0, iterations=2), dtype=bool)


def _background(depth: Depth, instances: Instances) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """A subset of the background's points with normals (towards the camera), world."""
    usable = background_mask(depth, instances)
    # Differences over several pixels: neighbours of a millimetre depth map are too coarse, of a noisy one far more.
    noisy = float(np.clip(independent_share(depth) / _QUIET_SHARE, 1.0, _MOST_SMOOTHING))
    step = int(noisy * max(2, min(depth.camera.size_px) // 150))
    points = (_smoothed(depth, usable, 2 * step + 1) if noisy > 1 else depth).points_world()  # (H, W, 3)
    right, below = np.roll(points, -step, axis=1) - points, np.roll(points, -step, axis=0) - points
    normals = np.cross(below, right)
    length = np.linalg.norm(normals, axis=-1)
    inside = usable & np.roll(usable, -step, axis=1) & np.roll(usable, -step, axis=0) & (length > 1e-9)
    inside[-step:], inside[:, -step:] = False, False
    rows, columns = np.nonzero(inside)
    if len(rows) > _MOST_POINTS:
        chosen = np.linspace(0, len(rows) - 1, _MOST_POINTS).astype(np.int64)
        rows, columns = rows[chosen], columns[chosen]
    p = points[rows, columns]
    n = normals[rows, columns] / length[rows, columns][:, None]
    towards = np.einsum("ij,ij->i", n, depth.camera.centre_world - p)
    return p, n * np.where(towards < 0, -1.0, 1.0)[:, None]


def _smoothed(depth: Depth, usable: Bool[np.ndarray, "H W"], window_px: int) -> Depth:
    """Mean of 1 / z over a square of usable pixels: on a plane 1 / z is linear in the picture, so planes stay."""
    from scipy.ndimage import uniform_filter

    inverse = np.where(usable, 1 / np.where(usable, depth.z_m, 1.0), 0.0)
    share = uniform_filter(usable.astype(np.float64), window_px)
    mean = uniform_filter(inverse, window_px) / np.maximum(share, 1e-9)
    z_m = np.where(usable, 1 / np.where(usable, mean, 1.0), depth.z_m)
    return replace(depth, z_m=z_m.astype(np.float32))


def _find_walls(
    points_world: Float[np.ndarray, "n 3"], normals_world: Float[np.ndarray, "n 3"], camera_xz: Float[np.ndarray, "2"]
) -> list[_Wall]:
    from skimage.measure import LineModelND, ransac

    upright = (np.abs(normals_world[:, 1]) < 0.3) & (points_world[:, 1] > 0.15)
    xz, n_xz = points_world[upright][:, [0, 2]], normals_world[upright][:, [0, 2]]
    n_xz = n_xz / np.maximum(np.linalg.norm(n_xz, axis=1, keepdims=True), 1e-9)
    fewest = max(int(_FEWEST_WALL_SHARE * len(points_world)), 50)
    walls: list[_Wall] = []
    while len(walls) < _MOST_WALLS and len(xz) >= fewest:
        reach = np.linalg.norm(xz - camera_xz, axis=1)
        tolerance_m = _WALL_TOLERANCE_SHARE * float(np.median(reach))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # RANSAC warns where it finds no inliers; the check below decides
            model, inliers = ransac(
                xz, LineModelND, min_samples=2, residual_threshold=tolerance_m, max_trials=200, rng=0
            )
        if model is None or inliers is None:
            break
        origin, along = model.origin, model.direction
        normal = np.array([along[1], -along[0]])
        offset = float(normal @ origin)
        if normal @ camera_xz < offset:  # the normal points into the room, where the camera is
            normal, offset = -normal, -offset
        inliers = inliers & (n_xz @ normal > 0.8)
        if inliers.sum() < fewest:
            break
        position = xz[inliers] @ np.array([-normal[1], normal[0]])
        low_m, high_m = np.percentile(position, [0.5, 99.5])
        walls.append(_Wall(normal=normal, offset=offset, low_m=float(low_m), high_m=float(high_m)))
        keep = np.abs(xz @ normal - offset) > 2 * tolerance_m
        xz, n_xz = xz[keep], n_xz[keep]
    return walls


def _straight(walls: list[_Wall], depth: Depth, instances: Instances) -> list[_Wall]:
    """Better lines for the same walls, each with its own extent along the new line."""
    usable = background_mask(depth, instances)
    lines = straightened([WallLine(normal=w.normal, offset=w.offset) for w in walls], depth, usable)
    straight = []
    for wall, line in zip(walls, lines, strict=True):
        new = replace(wall, normal=line.normal, offset=line.offset)
        ends = [(wall.normal * wall.offset + wall.along * end) @ new.along for end in (wall.low_m, wall.high_m)]
        straight.append(replace(new, low_m=float(min(ends)), high_m=float(max(ends))))
    return straight


def _join_corners(walls: list[_Wall]) -> list[_Wall]:
    """Extend walls to the corner that they share with a neighbour where they nearly reach it, and stop them there."""
    result = []
    for i, wall in enumerate(walls):
        low_m, high_m = wall.low_m, wall.high_m
        for j, other in enumerate(walls):
            if i == j or abs(float(wall.normal @ other.normal)) > 0.9:
                continue
            corner = np.linalg.solve(np.stack([wall.normal, other.normal]), np.array([wall.offset, other.offset]))
            at_m = float(corner @ wall.along)
            if abs(at_m - low_m) < _JOIN_M:
                low_m = at_m
            elif abs(at_m - high_m) < _JOIN_M:
                high_m = at_m
        result.append(_Wall(normal=wall.normal, offset=wall.offset, low_m=low_m, high_m=high_m))
    return result


def _ceiling_height(points_world: Float[np.ndarray, "n 3"], normals_world: Float[np.ndarray, "n 3"]) -> float | None:
    above = (normals_world[:, 1] < -0.9) & (points_world[:, 1] > 1.8)
    if above.sum() < max(_FEWEST_WALL_SHARE / 2 * len(points_world), 50):
        return None
    return float(np.median(points_world[above, 1]))


def _highest_object(depth: Depth, instances: Instances) -> float:
    """Height that all but the stray points of objects stay below, 0 without objects."""
    y_m = depth.points_world()[depth.valid & (instances.label_map > 0)][:, 1]
    return float(np.percentile(y_m, 99.5)) if len(y_m) else 0.0


def _wall_plane(wall: _Wall, number: int, height_m: float) -> RoomPlane:
    a = wall.normal * wall.offset + wall.along * wall.low_m
    b = wall.normal * wall.offset + wall.along * wall.high_m
    bottom = [np.array([a[0], 0, a[1]]), np.array([b[0], 0, b[1]])]
    top = [p + np.array([0, height_m, 0]) for p in reversed(bottom)]
    plane = RoomPlane(name=f"wall_{number:02d}", corners_world=np.stack([*bottom, *top]))
    if plane.normal_world[[0, 2]] @ wall.normal < 0:
        plane = RoomPlane(name=plane.name, corners_world=np.array(plane.corners_world)[::-1].copy())
    return plane


def _floor(points_world: Float[np.ndarray, "n 3"], walls: list[_Wall], depth: Depth) -> RoomPlane:
    """A rectangle along the first wall that holds the visible floor and the feet of all walls."""
    along = walls[0].along if walls else np.array([1.0, 0.0])
    axes = np.stack([along, np.array([-along[1], along[0]])])  # (2, 2) rows: plan axes
    ends = [w.normal * w.offset + w.along * e for w in walls for e in (w.low_m, w.high_m)]
    on_floor = points_world[np.abs(points_world[:, 1]) < 0.1][:, [0, 2]] if len(points_world) else np.zeros((0, 2))
    if len(on_floor):
        # Percentiles drop stray points; the walls' ends count fully, so that walls stand on the floor.
        local = on_floor @ axes.T
        corners_local = np.percentile(local, [0.5, 99.5], axis=0)
    else:
        camera_xz = depth.camera.centre_world[[0, 2]]
        corners_local = (camera_xz + np.array([[-2.0, -4.0], [2.0, 0.0]])) @ axes.T
    reach = np.concatenate([corners_local, np.reshape(ends, (-1, 2)) @ axes.T])
    (u0, v0), (u1, v1) = reach.min(axis=0), reach.max(axis=0)
    corners = np.array([[u0, v0], [u0, v1], [u1, v1], [u1, v0]]) @ axes
    corners_world = np.stack([corners[:, 0], np.zeros(4), corners[:, 1]], axis=-1)
    plane = RoomPlane(name="floor", corners_world=corners_world)
    return plane if plane.normal_world[1] > 0 else RoomPlane(name="floor", corners_world=corners_world[::-1].copy())
