"""Rooms with known truth as exams for camera pose, floor, walls and scale: depth as bad as one likes in, errors out.

The front-end is given the photo, disturbed depth, masks (or none) and the true intrinsics, but no pose. Errors are
taken in `cam`, which estimate and truth share, so that the heading of the estimated world costs nothing. Metres.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt16

from ..camera import Camera
from ..depth import Depth
from ..frontend.given import GivenDepth
from ..frontend.known_size import at_known_sizes, measure_height
from ..frontend.protocols import KnownSize, KnownView
from ..frontend.room_planes import FIRST_SMOOTH, height_above
from ..frontend.surfels import find_surfels
from ..instances import Instance, Instances
from ..layout.room_shell import fit_room
from ..room import RoomPlane
from .layout_trials import Disturbance, TrueScene, disturbed, eroded

_FLOOR_M = 0.005  # true height of what counts as visible floor
_SAME_WALL_DEG, _SAME_WALL_M = 20.0, 0.5
_LARGE_PX = 1000
_EDGE_RATIO = 1.15  # depth steps beside which flying pixels are planted


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthDisturbance:
    """What is done to a room. depth: see `Disturbance`; its eroded_px is of the masks. flying: share of the pixels
    beside a depth step that are put somewhere in between. merged: touching masks become one. masks: False for none."""

    depth: Disturbance
    flying: float = 0.0
    merged: bool = False
    masks: bool = True

    @property
    def name(self) -> str:
        return self.depth.name


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthTrial:
    """Errors of one room. Lengths are relative to the disturbed scale, so that a wrong scale is one number, `scale`.

    height_m: of the camera. floor_m: mean height of the truly visible floor in the estimated world. floor_known_m:
    error of the camera's height where gravity and the floor's pixels are told, so that depth alone is to blame. walls:
    per true wall that was found, (angle of the normal in degrees, distance of its middle in m). walls_true,
    walls_found: counts.
    flying_found: share of planted flying pixels that are invalid, None without any. true_lost: share of the other valid
    pixels that are. known_size: scale error left after one object's true height was told, None without such an object.
    """

    room: str
    disturbance: str
    gravity_deg: float
    height_m: float
    floor_m: float
    floor_known_m: float
    walls: tuple[tuple[float, float], ...]
    walls_true: int
    walls_found: int
    flying_found: float | None
    true_lost: float
    scale: float
    known_size: float | None


def run_trial(scene: TrueScene, disturbance: DepthDisturbance, *, seed: int) -> DepthTrial:
    """The front-end on one disturbed room, held against the truth."""
    rng = np.random.default_rng(seed)
    truth = scene.depth
    clean, planted = _with_flying_pixels(truth, disturbance.flying, rng)
    depth = disturbed(clean, disturbance.depth, rng)
    instances = _instances(scene, disturbance)
    bare = Camera(K=truth.camera.K, size_px=truth.camera.size_px)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "depth.npy"
        np.save(file, np.where(depth.valid, depth.z_m, np.nan))
        estimator = GivenDepth(file, camera_height_m=1.5, fallback_fov_deg=60.0)
        found = estimator.estimate(scene.photo, instances, KnownView(camera=bare, pose_known=False))
    scale = disturbance.depth.scale_bias
    up = found.camera.up_cam
    height_m, true_height_m = float(found.camera.centre_world[1]) / scale, float(truth.camera.centre_world[1])
    on_floor = truth.valid & (scene.label_map == 0) & (np.abs(truth.points_world()[..., 1]) < _FLOOR_M)
    floor_cam = truth.points_cam()[on_floor]
    walls, walls_true, walls_found = _wall_errors(scene, found, instances, scale)
    others = depth.valid & ~planted
    return DepthTrial(
        room=scene.name,
        disturbance=disturbance.name,
        gravity_deg=math.degrees(math.acos(min(1.0, float(up @ truth.camera.up_cam)))),
        height_m=height_m - true_height_m,
        floor_m=float((floor_cam @ up).mean() + height_m) if len(floor_cam) else math.nan,
        floor_known_m=_height_of_known_floor(depth, on_floor, truth.camera) / scale
        - float(truth.camera.centre_world[1]),
        walls=walls,
        walls_true=walls_true,
        walls_found=walls_found,
        flying_found=float((~found.valid)[planted].mean()) if planted.any() else None,
        true_lost=float((~found.valid)[others].mean()),
        scale=scale - 1,
        known_size=_after_known_size(scene, found, instances, truth),
    )


def _height_of_known_floor(depth: Depth, on_floor: Bool[np.ndarray, "H W"], camera: Camera) -> float:
    """The camera's height by the best linear unbiased estimate from the depth of the true floor, true gravity given."""
    surfels = find_surfels(depth, depth.valid & on_floor)
    every = np.ones(len(surfels), dtype=bool)
    return height_above(surfels, every, camera.up_cam, FIRST_SMOOTH, camera.size_px)[0] if len(surfels) else math.nan


def _instances(scene: TrueScene, disturbance: DepthDisturbance) -> Instances | None:
    """The masks as disturbed; None where there are none."""
    if not disturbance.masks:
        return None
    label_map = eroded(scene.label_map, disturbance.depth.eroded_px)
    if disturbance.merged:
        label_map = _merged(label_map)
    values = [int(v) for v in np.unique(label_map) if v]
    items = tuple(Instance(mask_value=v, label=scene.labels[v]) for v in values)
    return Instances(label_map=label_map, items=items, source="truth")


def _merged(label_map: UInt16[np.ndarray, "H W"]) -> UInt16[np.ndarray, "H W"]:
    """Masks that touch are one, under the smallest of their values."""
    from scipy.ndimage import label

    joined = label_map.copy()
    parts, count = label(label_map > 0)
    for part in range(1, count + 1):
        inside = parts == part
        joined[inside] = label_map[inside].min()
    return joined


def _with_flying_pixels(depth: Depth, share: float, rng: np.random.Generator) -> tuple[Depth, Bool[np.ndarray, "H W"]]:
    """Depth with pixels between two surfaces, and which of them are farther than 5 % from both."""
    from scipy.ndimage import maximum_filter, minimum_filter

    near, far = minimum_filter(depth.z_m, 3), maximum_filter(depth.z_m, 3)
    put = (far > _EDGE_RATIO * near) & (rng.random(near.shape) < share)
    between = rng.random(near.shape)
    z_m = np.where(put, near ** (1 - between) * far**between, depth.z_m).astype(np.float32)
    invented = put & (z_m > 1.05 * near) & (1.05 * z_m < far)
    return replace(depth, z_m=z_m), invented


def _wall_errors(
    scene: TrueScene, found: Depth, instances: Instances | None, scale: float
) -> tuple[tuple[tuple[float, float], ...], int, int]:
    """Errors of the walls that were found, how many fill at least 4 % of the picture, and how many were found."""
    none = Instances(label_map=np.zeros_like(scene.label_map), items=(), source="none")
    room = fit_room(found, none if instances is None else instances)
    errors, true_walls, matched = [], 0, set()
    for normal_cam, middle_cam in _true_walls(scene):
        true_walls += 1
        best: tuple[float, float, int] | None = None
        for index, wall in enumerate(room.walls):
            angle_deg, away_m = _against(wall, found.camera, normal_cam, middle_cam * scale)
            away_m /= scale
            if angle_deg < _SAME_WALL_DEG and abs(away_m) < _SAME_WALL_M and (best is None or abs(away_m) < best[1]):
                best = (angle_deg, abs(away_m), index)
        if best is not None:
            errors.append(best[:2])
            matched.add(best[2])
    return tuple(errors), true_walls, len(matched)


def _true_walls(scene: TrueScene) -> list[tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]]:
    """Normals (into the room) and middles, in cam, of the walls along the world's axes that fill 4 % of the picture."""
    depth = scene.depth
    points = depth.points_world()
    shell = depth.valid & (scene.label_map == 0) & (points[..., 1] > 0.05)
    walls = []
    for axis in (0, 2):
        for sign, end in ((1.0, points[shell][:, axis].min()), (-1.0, points[shell][:, axis].max())):
            on = shell & (np.abs(points[..., axis] - end) < 0.01)
            if on.mean() > 0.04:
                normal = np.zeros(3)
                normal[axis] = sign
                middle_cam = depth.camera.cam_from_world(points[on].mean(axis=0))
                walls.append((depth.camera.T_world_from_cam.rotation.inv().apply(normal), middle_cam))
    return walls


def _against(
    wall: RoomPlane, camera: Camera, normal_cam: Float[np.ndarray, "3"], middle_cam: Float[np.ndarray, "3"]
) -> tuple[float, float]:
    """Angle between the normals in degrees, and how far the true wall's middle is from the found wall."""
    normal = camera.T_world_from_cam.rotation.inv().apply(wall.normal_world)
    angle_deg = math.degrees(math.acos(float(np.clip(normal @ normal_cam, -1, 1))))
    return angle_deg, float(wall.distance_m(camera.world_from_cam(middle_cam)[None])[0])


def _after_known_size(scene: TrueScene, found: Depth, instances: Instances | None, truth: Depth) -> float | None:
    """Scale error that is left when the height of the largest whole object on the floor is told."""
    if instances is None:
        return None
    whole = []
    for item in instances.items:
        true_object = scene.objects[item.mask_value]
        rows = np.flatnonzero((instances.label_map == item.mask_value).any(axis=1))
        large = int((instances.label_map == item.mask_value).sum()) > _LARGE_PX
        if large and true_object.parent == "floor" and rows[0] > 0 and rows[-1] < instances.label_map.shape[0] - 1:
            low, high = np.percentile(true_object.mesh_world.vertices[:, 1], [0, 100])
            seen_m = measure_height(truth, instances, item.mask_value, name=item.name)
            if abs(seen_m / (high - low) - 1) < 0.05:  # its top and foot are visible
                whole.append((true_object.visible_px, item.name, float(high - low)))
    if not whole:
        return None
    _, name, height_m = max(whole)
    scaled = at_known_sizes(found, instances, [KnownSize(name=name, height_m=height_m)])
    ratio = scaled.z_m[scaled.valid & truth.valid] / truth.z_m[scaled.valid & truth.valid]
    return float(np.median(ratio) - 1)
