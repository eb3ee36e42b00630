"""All frames and all axis changes. `docs/conventions.md` tells the same in words.

    photo   x right, y down, origin at the corner of the top-left pixel, centres at +0.5   px
    cam     x right, y down, z forward (OpenCV)                                            m
    world   right-handed, y up, floor at y = 0 (glTF)                                      m
    crop    square generator picture, axes as `photo`                                      px
    cropcam the crop's camera: `cam` turned about the same centre of projection            m
    obj     the generator's cube [-0.5, 0.5]^3: x right, y up, z towards the crop camera   cube edges
    node    y = gravity up, origin at the bottom centre of the object's box,
            +z towards the photo's camera (or the object's front where known)              m

A transform is named `T_to_from_from` and read right to left: `T_world_from_cam @ points_cam`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import RigidTransform, Rotation

from .arrays import read_only

# Half a turn about x: OpenCV camera axes (y down, z forward) <-> OpenGL axes (y up, z backward).
_HALF_TURN_X = read_only(np.diag([1.0, -1.0, -1.0]))

WORLD_UP = read_only(np.array([0.0, 1.0, 0.0]))


def cv_from_gl() -> Rotation:
    """Rotation between an OpenCV camera and the glTF/OpenGL camera at the same place (its own inverse)."""
    return Rotation.from_matrix(_HALF_TURN_X)


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """`p -> scale * rotation(p) + translation`: a placement with one scale."""

    rotation: Rotation = field(default_factory=Rotation.identity)
    translation: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"Similarity.scale must be finite and positive, got {self.scale}.")

    def apply(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Points of the right-hand frame in the left-hand frame."""
        flat = np.array(points, dtype=np.float64).reshape(-1, 3)  # a copy: SciPy refuses read-only arrays
        return np.asarray(self.scale * self.rotation.apply(flat) + self.translation).reshape(np.shape(points))

    def __matmul__(self, other: Similarity) -> Similarity:
        return Similarity(
            rotation=self.rotation * other.rotation,
            translation=self.scale * self.rotation.apply(other.translation) + self.translation,
            scale=self.scale * other.scale,
        )

    def inverse(self) -> Similarity:
        rotation = self.rotation.inv()
        return Similarity(
            rotation=rotation, translation=-rotation.apply(self.translation) / self.scale, scale=1 / self.scale
        )

    def as_matrix(self) -> Float[np.ndarray, "4 4"]:
        matrix = np.eye(4)
        matrix[:3, :3] = self.scale * self.rotation.as_matrix()
        matrix[:3, 3] = self.translation
        return matrix

    @staticmethod
    def from_rigid(T: RigidTransform) -> Similarity:
        return Similarity(rotation=T.rotation, translation=np.asarray(T.translation, dtype=np.float64))

    def as_rigid(self) -> RigidTransform:
        """The same motion without scale; raises ValueError if there is one."""
        if abs(self.scale - 1) > 1e-9:
            raise ValueError(f"A similarity with scale {self.scale} is not rigid.")
        return RigidTransform.from_components(self.translation, self.rotation)


def similarity_from_matrix(matrix: Float[np.ndarray, "4 4"]) -> Similarity:
    """Read a 4x4 matrix with one scale and no shear; raises ValueError otherwise."""
    linear = np.asarray(matrix, dtype=np.float64)[:3, :3]
    if not np.isfinite(matrix).all():
        raise ValueError("The matrix holds a value that is not finite.")
    scale = float(np.cbrt(np.linalg.det(linear)))
    if scale <= 0 or not np.allclose(linear @ linear.T, scale**2 * np.eye(3), atol=1e-6 * scale**2):
        raise ValueError("The matrix mirrors, shears or scales its axes differently.")
    return Similarity(
        rotation=Rotation.from_matrix(linear / scale),
        translation=np.asarray(matrix, dtype=np.float64)[:3, 3],
        scale=scale,
    )


def cropcam_from_obj(*, scale_m: float, camera_distance_obj: float) -> Similarity:
    """The generator's cube in front of the crop camera.

    scale_m: length of one cube edge. camera_distance_obj: from the camera to the cube's centre, in cube
    edges, fixed by the generator; so the depth in metres is `scale_m * camera_distance_obj` and the scale is
    the only unknown of a placement.
    """
    return Similarity(
        rotation=Rotation.from_matrix(_HALF_TURN_X),
        translation=np.array([0.0, 0.0, scale_m * camera_distance_obj]),
        scale=scale_m,
    )


def look_along(axis_cam: Float[np.ndarray, "3"], up_cam: Float[np.ndarray, "3"]) -> Rotation:
    """`R_cropcam_from_cam` whose z axis is `axis_cam` and whose picture has `up_cam` upwards.

    Where the axis is (nearly) parallel to `up_cam`, the photo's own up direction takes its place.
    """
    z = axis_cam / np.linalg.norm(axis_cam)
    for up in (up_cam, np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])):
        x = np.cross(z, up)  # z forward, up up: right is z x up for y-down axes
        if np.linalg.norm(x) > 1e-3 * np.linalg.norm(up):
            x = x / np.linalg.norm(x)
            return Rotation.from_matrix(np.stack([x, np.cross(z, x), z]))
    raise AssertionError("unreachable: three independent up directions")


def heading_towards(eye_world: Float[np.ndarray, "3"], at_world: Float[np.ndarray, "3"]) -> Rotation:
    """`R_world_from_node` of an object at `at_world`: y up, +z horizontally towards `eye_world`."""
    towards = eye_world - at_world
    yaw_rad = float(np.arctan2(towards[0], towards[2])) if np.hypot(towards[0], towards[2]) > 1e-9 else 0.0
    return Rotation.from_rotvec(yaw_rad * WORLD_UP)


def world_from_level_camera(*, height_m: float = 0.0, pitch_rad: float = 0.0, roll_rad: float = 0.0) -> RigidTransform:
    """Camera `height_m` above the floor, above the world's origin, looking along -z of the world.

    pitch_rad > 0 looks down; roll_rad > 0 turns the camera clockwise about its axis, seen from behind it.
    """
    # A level camera: cam x = world x, cam y (down) = -world y, cam z (forward) = -world z.
    level = Rotation.from_matrix(_HALF_TURN_X)
    tilt = Rotation.from_euler("x", -pitch_rad)  # about cam x (right): negative turns z (forward) down to +y
    roll = Rotation.from_euler("z", roll_rad)
    return RigidTransform.from_components(np.array([0.0, height_m, 0.0]), level * tilt * roll)


def scaled_pose(T_world_from_cam: RigidTransform, factor: float) -> RigidTransform:
    """The pose after all lengths of world and cam were multiplied by `factor`; the floor stays at y = 0."""
    return RigidTransform.from_components(np.asarray(T_world_from_cam.translation) * factor, T_world_from_cam.rotation)
