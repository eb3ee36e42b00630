"""A small scene built by hand from trimesh primitives: an L-shaped table with a lamp on it, a ball, a failure.

Nothing in it is symmetric, so that a mirrored or turned copy differs.
"""

from __future__ import annotations

import numpy as np
import trimesh
from scipy.spatial.transform import RigidTransform, Rotation

from pixal3d_scene.asset import Material, Mesh, Status
from pixal3d_scene.camera import Camera
from pixal3d_scene.frames import Similarity, world_from_level_camera
from pixal3d_scene.instances import Instance
from pixal3d_scene.photo import Photo
from pixal3d_scene.room import Room, RoomPlane
from pixal3d_scene.scene_graph import Contact, Placement, Relation, SceneGraph, SceneObject

SIZE_PX = (320, 240)


def marked_texture(size_px: int = 32, *, alpha: bool = False) -> np.ndarray:
    """Four corners of four colours: red at the top left, green right of it, blue below, yellow opposite."""
    picture = np.zeros((size_px, size_px, 4 if alpha else 3), dtype=np.uint8)
    half = size_px // 2
    picture[:half, :half, 0] = 220
    picture[:half, half:, 1] = 200
    picture[half:, :half, 2] = 210
    picture[half:, half:, :2] = 190
    if alpha:
        picture[..., 3] = 255
        picture[half:, half:, 3] = 0
    return picture


def box_mesh(size_m: tuple[float, float, float]) -> Mesh:
    """A closed box with eight shared corners on y = 0, uv from its x and y."""
    box = trimesh.creation.box(size_m)
    vertices = np.asarray(box.vertices) + np.array([0, size_m[1] / 2, 0])
    uv = np.stack([vertices[:, 0] / size_m[0] + 0.5, 1 - vertices[:, 1] / size_m[1]], axis=-1)
    return Mesh(vertices=vertices, faces=np.asarray(box.faces, dtype=np.int64), uv=uv)


def corner_mesh() -> Mesh:
    """Three boxes of different size welded into one asymmetric closed solid."""
    boxes = []
    for size, centre in (
        ((1.2, 0.7, 0.4), (0.0, 0.35, 0.0)),
        ((0.3, 0.5, 0.6), (0.4, 0.25, 0.3)),
        ((0.2, 0.2, 0.2), (-0.45, 0.75, 0.1)),
    ):
        box = trimesh.creation.box(size)
        box.apply_translation(centre)
        boxes.append(box)
    solid = trimesh.boolean.union(boxes)
    vertices = np.asarray(solid.vertices)
    uv = np.stack([vertices[:, 0] + 0.5, 1 - vertices[:, 1]], axis=-1)
    return Mesh(vertices=vertices, faces=np.asarray(solid.faces, dtype=np.int64), uv=uv)


def ball_mesh(radius_m: float = 0.3) -> Mesh:
    """A ball on y = 0 with vertex colours and no texture."""
    ball = trimesh.creation.icosphere(subdivisions=3, radius=radius_m)
    vertices = np.asarray(ball.vertices) + np.array([0, radius_m, 0])
    colours = np.zeros((len(vertices), 4), dtype=np.uint8)
    colours[:, 0] = np.round(255 * vertices[:, 1] / (2 * radius_m))
    colours[:, 1:] = (90, 160, 255)
    return Mesh(vertices=vertices, faces=np.asarray(ball.faces, dtype=np.int64), colours=colours)


def hand_made_object(
    mask_value: int,
    label: str,
    mesh: Mesh | None,
    T_world_from_node: RigidTransform,
    *,
    parent: str = "floor",
    relation: Relation = "on",
    material: Material | None = None,
    status: Status = "lifted",
    warnings: tuple[str, ...] = (),
) -> SceneObject:
    instance = Instance(mask_value=mask_value, label=label, score=0.9)
    placement = Placement(
        name=instance.name,
        T_world_from_node=T_world_from_node,
        T_node_from_obj=Similarity(scale=1.3, translation=np.array([0.0, 0.4, 0.1])),
        parent=parent,
        relation=relation,
        residual_m=0.02,
        inlier_ratio=0.8,
        contacts=(
            Contact(
                other=parent, relation=relation, confidence=1.0, gap_m=0.0, middle_world=T_world_from_node.translation
            ),
        ),
    )
    return SceneObject(
        instance=instance,
        placement=placement,
        mesh_node=mesh,
        material=material or Material(base_colour=marked_texture()),
        status=status,
        generator="lift",
        quality={"silhouette_iou": 0.75},
        warnings=warnings,
    )


def pose(x_m: float, y_m: float, z_m: float, yaw_deg: float = 0.0) -> RigidTransform:
    return RigidTransform.from_components([x_m, y_m, z_m], Rotation.from_euler("y", yaw_deg, degrees=True))


def hand_made_camera(size_px: tuple[int, int] = SIZE_PX) -> Camera:
    camera = Camera.from_fov(horizontal_fov_deg=62.0, size_px=size_px)
    return camera.at(world_from_level_camera(height_m=1.5, pitch_rad=0.22, roll_rad=0.03))


def hand_made_room() -> Room:
    floor = RoomPlane(
        name="floor", corners_world=np.array([[-2.5, 0, 0], [2.5, 0, 0], [2.5, 0, -4.5], [-2.5, 0, -4.5]], dtype=float)
    )
    wall = RoomPlane(
        name="wall_01",
        corners_world=np.array([[-2.5, 0, -4.5], [2.5, 0, -4.5], [2.5, 2.6, -4.5], [-2.5, 2.6, -4.5]], dtype=float),
    )
    side = RoomPlane(
        name="wall_02",
        corners_world=np.array([[2.5, 0, -4.5], [2.5, 0, 0], [2.5, 2.6, 0], [2.5, 2.6, -4.5]], dtype=float),
    )
    return Room(planes=(floor, wall, side))


def hand_made_scene(camera: Camera | None = None) -> SceneGraph:
    """Table on the floor, lamp on the table, ball on the floor, cut-out leaf on the wall, a failed object."""
    table = hand_made_object(3, "Couch table", corner_mesh(), pose(-0.5, 0.0, -3.0, 35))
    lamp = hand_made_object(
        7, "lámp", box_mesh((0.2, 0.45, 0.15)), pose(-0.35, 0.7, -3.05, -20), parent=table.name, warnings=("Tilted.",)
    )
    ball = hand_made_object(
        12, "ball", ball_mesh(), pose(0.9, 0.0, -2.6), material=Material(base_colour_factor=(0.8, 0.9, 1.0, 1.0))
    )
    leaf = hand_made_object(
        13,
        "leaf",
        box_mesh((0.5, 0.6, 0.05)),
        pose(1.3, 1.0, -4.4),
        parent="wall_01",
        relation="against",
        material=Material(base_colour=marked_texture(alpha=True), double_sided=True),
    )
    failed = hand_made_object(
        20, "vase", None, pose(0.1, 0.0, -2.2), status="failed", warnings=("No depth inside the mask.",)
    )
    return SceneGraph(
        camera=camera or hand_made_camera(), objects=(table, lamp, ball, leaf, failed), room=hand_made_room()
    )


def hand_made_photo(size_px: tuple[int, int] = SIZE_PX) -> Photo:
    ramp = np.linspace(60, 220, size_px[0], dtype=np.uint8)
    rgb = np.repeat(np.tile(ramp, (size_px[1], 1))[..., None], 3, axis=-1)
    return Photo(rgb=rgb, file_name="room <b>&.jpg", sha256="0" * 64)
