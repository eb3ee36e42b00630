"""What the object networks learn from: one object of a sampled room in the generator's cube, with its crop camera.

The same camera as `crop.exact_crop_camera` plans and the same cube as `frames.cropcam_from_obj` (the tests compare),
written again in numpy alone for machines that train.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..conditioning.view_picture import MEDIAN_OBJ
from .model_pack import ModelPack
from .sampled_room import SampledRoom
from .scene_tensors import unit_box

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float, Int64

_CAM_FROM_GL = np.array([1.0, -1.0, -1.0])  # half a turn about x, as in `frames.cropcam_from_obj`


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectView:
    """One object before its crop camera.

    vertices_obj: in `obj`, cube edges. K_crop: of the square crop. R_cropcam_from_cam: the crop camera's turn.
    A_crop_from_photo: homography on pixels. scale_m: length of the cube's edge. camera_distance_obj: in edges.
    fits: whether the cube holds the mesh; it does not where the mask shows only a small piece of the object.
    """

    vertices_obj: Float[np.ndarray, "V 3"]
    faces: Int64[np.ndarray, "F 3"]
    K_crop: Float[np.ndarray, "3 3"]
    R_cropcam_from_cam: Float[np.ndarray, "3 3"]
    A_crop_from_photo: Float[np.ndarray, "3 3"]
    scale_m: float
    camera_distance_obj: float
    fits: bool


def object_view(
    pack: ModelPack,
    room: SampledRoom,
    number: int,
    mask: Bool[np.ndarray, "H W"],
    z_m: Float[np.ndarray, "H W"],
    *,
    size_px: int,
    margin: float = 1.1,
    cube_over_crop: float = 1.0,
    camera_distance_obj: float | None = None,
) -> ObjectView:
    """The object with instance id `number`, cropped by `mask`, its visible pixels.

    z_m: what the photo's camera sees, at least on the mask; its median puts the cube (`conditioning.view_picture`).
    cube_over_crop: the cube's edge over the width that the crop shows of its middle plane.
    camera_distance_obj: where the generator fixes it instead.
    ValueError for an empty mask.
    """
    if not mask.any():
        raise ValueError(f"object {number} of room {room.seed} has no pixel to crop by")
    vertices_cam, faces = _mesh_cam(pack, room, number)
    R, focal_px = crop_camera(room.K, room.R_cam_from_world[:, 1], outline_corners_px(mask), size_px, margin)
    K_crop = np.array([[focal_px, 0, size_px / 2], [0, focal_px, size_px / 2], [0, 0, 1.0]])
    distance = focal_px / size_px / cube_over_crop if camera_distance_obj is None else camera_distance_obj
    vertices_cropcam = vertices_cam @ R.T
    scale_m = float(np.median(_z_along(R[2], room.K, mask, z_m))) / (distance - MEDIAN_OBJ)
    middle_m = scale_m * distance
    vertices_obj = (vertices_cropcam - [0.0, 0.0, middle_m]) * _CAM_FROM_GL / scale_m
    return ObjectView(
        vertices_obj=vertices_obj,
        faces=faces,
        K_crop=K_crop,
        R_cropcam_from_cam=R,
        A_crop_from_photo=K_crop @ R @ np.linalg.inv(room.K),
        scale_m=scale_m,
        camera_distance_obj=float(distance),
        fits=bool((np.abs(vertices_obj) <= 0.5).all()),
    )


def outline_corners_px(mask: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "n 2"]:
    """As `crop.outline_corners_px`: outer corners of the first and last mask pixel of every row."""
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    x = np.concatenate([left, right, left, right]).astype(np.float64)
    y = np.concatenate([rows, rows, rows + 1, rows + 1]).astype(np.float64)
    return np.stack([x, y], axis=-1)


def crop_camera(
    K: Float[np.ndarray, "3 3"],
    up_cam: Float[np.ndarray, "3"],
    corners_px: Float[np.ndarray, "n 2"],
    size_px: int,
    margin: float,
) -> tuple[Float[np.ndarray, "3 3"], float]:
    """(R_cropcam_from_cam, focal length in px), as `crop.exact_crop_camera`."""
    rays_cam = np.concatenate([corners_px, np.ones((len(corners_px), 1))], axis=1) @ np.linalg.inv(K).T
    axis_cam = np.array([0.0, 0.0, 1.0])
    for _ in range(30):
        R = _look_along(axis_cam, up_cam)
        rays = rays_cam @ R.T
        tangents = rays[:, :2] / rays[:, 2:]
        middle = np.tan((np.arctan(tangents.min(axis=0)) + np.arctan(tangents.max(axis=0))) / 2)
        axis_cam = np.array([middle[0], middle[1], 1.0]) @ R
        if np.abs(middle).max() < 1e-12:
            break
    return R, float(size_px / 2 / (np.abs(tangents).max() * margin))


def _look_along(axis_cam: Float[np.ndarray, "3"], up_cam: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """As `frames.look_along`."""
    z = axis_cam / np.linalg.norm(axis_cam)
    x = np.cross(z, up_cam)
    if np.linalg.norm(x) <= 1e-3:
        x = np.cross(z, np.array([0.0, -1.0, 0.0]))
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _z_along(
    axis_cam: Float[np.ndarray, "3"],
    K: Float[np.ndarray, "3 3"],
    mask: Bool[np.ndarray, "H W"],
    z_m: Float[np.ndarray, "H W"],
) -> Float[np.ndarray, "n"]:
    """Depth of the mask's pixels along another axis than the camera's own."""
    rows, columns = np.nonzero(mask)
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=-1)
    return (pixels @ np.linalg.inv(K).T @ axis_cam) * z_m[rows, columns]


def _mesh_cam(
    pack: ModelPack, room: SampledRoom, number: int
) -> tuple[Float[np.ndarray, "V 3"], Int64[np.ndarray, "F 3"]]:
    """The object's mesh in `cam`, m."""
    thing = next(t for t in room.things if t.number == number)
    if thing.model >= 0:
        vertices, faces = pack.vertices_node(thing.model).astype(np.float64), pack.faces_of(thing.model)
    else:
        triangles = unit_box()
        vertices, faces = triangles.reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3)
    world = vertices @ thing.axes_world.T + thing.place_world
    return (world - room.eye_world) @ room.R_cam_from_world.T, faces
