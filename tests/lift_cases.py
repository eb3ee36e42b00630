"""Analytic rooms for the tests of `lift`: meshes in world in, exactly rendered crop volumes and lifted meshes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.camera import Camera
from pixal3d_scene.crop import CropVolume, plan_crops
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import Similarity, cropcam_from_obj, world_from_level_camera
from pixal3d_scene.generator.lift import Lift
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.mesh.raycast import Hits, view
from pixal3d_scene.photo import Photo
from pixal3d_scene.progress import Silent

SIZE_PX = (320, 240)
VOXELS = 96
CAMERA = Camera.from_fov(horizontal_fov_deg=60.0, size_px=SIZE_PX).at(
    world_from_level_camera(height_m=1.4, pitch_rad=float(np.radians(18)))
)


def box(low: tuple[float, float, float], high: tuple[float, float, float], yaw_deg: float = 0.0) -> Mesh:
    """A closed box with outward faces, turned about the vertical through its own middle."""
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(8, 3)
    faces = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    triangles = np.array([t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))])
    low_, high_ = np.array(low, dtype=float), np.array(high, dtype=float)
    vertices = low_ + corners * (high_ - low_)
    middle = (low_ + high_) / 2
    turned = Rotation.from_euler("y", yaw_deg, degrees=True).apply(vertices - middle) + middle
    return Mesh(vertices=turned, faces=triangles)


def joined(*meshes: Mesh) -> Mesh:
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(
        vertices=np.concatenate([m.vertices for m in meshes]),
        faces=np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=False)]),
    )


def sphere(centre: tuple[float, float, float], radius_m: float) -> Mesh:
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=4, radius=radius_m)
    return Mesh(vertices=np.array(ball.vertices) + centre, faces=np.array(ball.faces, dtype=np.int64))


def chair(x: float, z: float) -> Mesh:
    """A seat, a back along the far side and four legs of 4 cm."""
    legs = [box((x + dx, 0, z + dz), (x + dx + 0.04, 0.45, z + dz + 0.04)) for dx in (0, 0.41) for dz in (0, 0.41)]
    seat = box((x, 0.43, z), (x + 0.45, 0.48, z + 0.45))
    back = box((x, 0.48, z), (x + 0.45, 0.95, z + 0.04))
    return joined(seat, back, *legs)


ROOM = joined(box((-4, -0.1, -7), (4, 0, 2)), box((-4, 0, -7.1), (4, 3, -7)))


def render(objects: dict[int, Mesh], camera: Camera = CAMERA) -> tuple[CropVolume, ...]:
    """Crop volumes of objects (by mask value) in a room with a floor and a back wall."""
    meshes = [ROOM, *objects.values()]
    inverse = Similarity.from_rigid(camera.T_world_from_cam).inverse()
    hits = view([m.transformed(inverse) for m in meshes], camera)
    values = np.array([0, *objects], dtype=np.uint16)
    label_map = np.where(hits.hit, values[hits.mesh_index], 0).astype(np.uint16)
    colours = np.array(
        [[150, 150, 150], *[(60 * v % 200 + 40, 90, 255 - 40 * v % 200) for v in objects]], dtype=np.uint8
    )
    rgb = np.where(hits.hit[..., None], colours[hits.mesh_index], 0).astype(np.uint8)
    depth = Depth(
        z_m=np.where(hits.hit, hits.t, 1).astype(np.float32), valid=hits.hit, camera=camera, source="rendered"
    )
    items = tuple(Instance(mask_value=int(v)) for v in np.unique(label_map) if v)
    photo = Photo(rgb=rgb, file_name="x.png", sha256="0", focal_px=None, notes=())
    instances = Instances(label_map=label_map, items=items, source="rendered")
    return plan_crops(photo, instances, depth, size_px=128, margin=1.1)


def with_depth(volume: CropVolume, z_m: np.ndarray, valid: np.ndarray | None = None) -> CropVolume:
    depth = replace(volume.depth, z_m=z_m.astype(np.float32), valid=volume.depth.valid if valid is None else valid)
    return replace(volume, depth=depth)


def generate(*volumes: CropVolume):
    return list(Lift(VOXELS, 6000, 128).generate(volumes, [0] * len(volumes), Silent()))


def placed(volume: CropVolume, asset: ObjectAsset) -> Mesh:
    """The asset where it says it is, in world."""
    assert isinstance(asset, ObjectAsset), asset
    assert asset.expected_scale_m is not None
    T_cropcam_from_obj = cropcam_from_obj(scale_m=asset.expected_scale_m, camera_distance_obj=asset.camera_distance_obj)
    return asset.mesh_obj.transformed(Similarity.from_rigid(volume.camera.T_world_from_cam) @ T_cropcam_from_obj)


def lifted(volume: CropVolume) -> Mesh:
    (asset,) = generate(volume)
    return placed(volume, asset)


def seen_by_camera(volume: CropVolume, mesh_world: Mesh) -> Hits:
    """The mesh as the photo's camera sees it, with nothing else in the room."""
    camera = volume.depth.camera
    return view([mesh_world.transformed(Similarity.from_rigid(camera.T_world_from_cam).inverse())], camera)


def silhouette_iou(volume: CropVolume, mesh_world: Mesh) -> float:
    """Of the pixels that see the mesh and the mask, where nothing nearer hides the mesh."""
    hits = seen_by_camera(volume, mesh_world)
    drawn = hits.hit & ((hits.t < volume.depth.z_m * 1.02) | volume.mask)
    return float((drawn & volume.mask).sum() / (drawn | volume.mask).sum())


def merged(mesh: Mesh) -> Mesh:
    """Corners at one place joined, as a reader of the file would."""
    vertices, index = np.unique(mesh.vertices, axis=0, return_inverse=True)
    return Mesh(vertices=vertices, faces=index.reshape(-1)[mesh.faces])


def inside(mesh_world: Mesh, points_world: np.ndarray) -> np.ndarray:
    """Whether points lie inside a closed mesh: an odd number of surfaces above."""
    import trimesh

    closed = merged(mesh_world)
    solid = trimesh.Trimesh(closed.vertices, closed.faces, process=False)
    return np.asarray(solid.contains(np.atleast_2d(points_world)))
