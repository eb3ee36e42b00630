"""Analytic scenes as the front-end would deliver them: meshes in world in; photo, masks and depth out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from pixal3d_scene.asset import Material, Mesh, ObjectAsset
from pixal3d_scene.camera import Camera
from pixal3d_scene.crop import CropVolume, plan_crops
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import Similarity, cropcam_from_obj, world_from_level_camera
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.mesh.raycast import Raycaster
from pixal3d_scene.photo import Photo

COLOURS = np.array([[190, 190, 185], [200, 60, 50], [60, 120, 200], [70, 170, 80], [210, 170, 60], [150, 80, 170]])


@dataclass(frozen=True, kw_only=True)
class RenderedScene:
    photo: Photo
    instances: Instances
    depth: Depth
    volumes: tuple[CropVolume, ...]
    meshes_world: dict[int, Mesh]

    def volume(self, mask_value: int) -> CropVolume:
        return next(v for v in self.volumes if v.instance.mask_value == mask_value)


def box(size: tuple[float, float, float], centre: tuple[float, float, float]) -> Mesh:
    """An axis-aligned box; size and centre in m, world."""
    solid = trimesh.creation.box(extents=size)
    return Mesh(vertices=np.array(solid.vertices) + np.array(centre), faces=np.array(solid.faces))


def standing_box(size: tuple[float, float, float], x: float, z: float, y: float = 0.0) -> Mesh:
    """A box whose bottom is at height y."""
    return box(size, (x, y + size[1] / 2, z))


def shell(width: float = 6.0, depth: float = 6.0, height: float = 2.6) -> Mesh:
    """Floor, ceiling and four walls of a room centred on the origin in plan."""
    return box((width, height, depth), (0, height / 2, 0))


def camera_at(
    *, height_m: float = 1.5, pitch_deg: float = 15.0, z: float = 2.7, size_px: tuple[int, int] = (320, 240)
) -> Camera:
    """A camera at (0, height, z) that looks along -z of world and down by `pitch_deg`."""
    from scipy.spatial.transform import RigidTransform

    pose = world_from_level_camera(height_m=height_m, pitch_rad=np.deg2rad(pitch_deg))
    moved = RigidTransform.from_translation(np.array([0.0, 0.0, z])) * pose
    return Camera.from_fov(horizontal_fov_deg=65.0, size_px=size_px).at(moved)


def render(meshes_world: dict[int, Mesh], camera: Camera, *, room: Mesh | None = None) -> RenderedScene:
    """What the camera sees. Keys of `meshes_world` are mask values."""
    values = list(meshes_world)
    meshes = [*meshes_world.values(), room if room is not None else shell()]
    rays_world = camera.T_world_from_cam.rotation.apply(camera.rays_cam().reshape(-1, 3))
    hits = Raycaster(meshes).cast(camera.centre_world, rays_world)
    lookup = np.array([*values, 0])
    label_map = np.where(hits.hit, lookup[hits.mesh_index], 0).astype(np.uint16).reshape(camera.shape_hw)
    z_m = hits.t.reshape(camera.shape_hw).astype(np.float32)
    valid = hits.hit.reshape(camera.shape_hw)
    rgb = COLOURS[label_map % len(COLOURS)].astype(np.uint8)
    photo = Photo(rgb=rgb, file_name="analytic.png", sha256="0" * 64)
    seen = [int(v) for v in np.unique(label_map) if v]
    instances = Instances(label_map=label_map, items=tuple(Instance(mask_value=v) for v in seen), source="analytic")
    depth = Depth(z_m=z_m, valid=valid, camera=camera, source="analytic")
    volumes = plan_crops(photo, instances, depth, size_px=128, margin=1.1)
    return RenderedScene(
        photo=photo, instances=instances, depth=depth, volumes=volumes, meshes_world=dict(meshes_world)
    )


def true_asset(scene: RenderedScene, mask_value: int, *, expected_scale_m: float | None = None) -> ObjectAsset:
    """The true mesh as a perfect generator would give it: in its cube, with the distance lost."""
    volume = scene.volume(mask_value)
    mesh = scene.meshes_world[mask_value]
    T_cropcam_from_world = Similarity.from_rigid(volume.camera.T_world_from_cam).inverse()
    middle_z_m = float(T_cropcam_from_world.apply(mesh.vertices)[:, 2].mean())
    distance_obj = volume.camera_distance_obj
    T_cropcam_from_obj = cropcam_from_obj(scale_m=middle_z_m / distance_obj, camera_distance_obj=distance_obj)
    return ObjectAsset(
        mask_value=mask_value,
        mesh_obj=mesh.transformed(T_cropcam_from_obj.inverse() @ T_cropcam_from_world),
        material=Material(),
        camera_distance_obj=distance_obj,
        expected_scale_m=expected_scale_m,
        generator="truth",
        status="generated",
    )
