"""What the small networks see of a photo is what they saw in training."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from rendered_scene import camera_at, render, standing_box
from scipy.spatial.transform import RigidTransform, Rotation
from training_cases import small_pack

from pixal3d_scene.camera import Camera
from pixal3d_scene.conditioning.view_picture import BACKGROUND, HIDDEN, OBJECT
from pixal3d_scene.crop import CropVolume, plan_crops
from pixal3d_scene.depth import Depth
from pixal3d_scene.generator.own_view import network_view, object_pixels
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.learning.object_choice import SeenRoom, instance_ids
from pixal3d_scene.learning.object_pictures import CropPictures, crop_pictures
from pixal3d_scene.learning.object_view import ObjectView, object_view
from pixal3d_scene.learning.rasterise import rasterise
from pixal3d_scene.learning.sample_furniture import Shelf
from pixal3d_scene.learning.sample_room import sample_room
from pixal3d_scene.learning.scene_tensors import PackTensors, scene_triangles
from pixal3d_scene.learning.visible_surfaces import in_cameras, stacked
from pixal3d_scene.photo import Photo

SIZE_PX, PICTURE_PX, CUBE_OVER_CROP = (512, 384), 64, 1.25


@cache
def seen_room() -> SeenRoom:
    """A room for training, seen by a camera of a photo's size."""
    pack = small_pack()
    room = sample_room(Shelf.of(pack, "train"), 3, SIZE_PX)
    triangles = scene_triangles(PackTensors.of(pack, "cpu"), [room])
    cpu = torch.device("cpu")
    R, eye, K = (stacked([a], cpu) for a in (room.R_cam_from_world, room.eye_world, room.K))
    visible = rasterise(in_cameras(triangles, R, eye), triangles.scene, K, SIZE_PX)
    return SeenRoom(room=room, triangles=triangles, visible=visible)


@cache
def of_photo() -> tuple[CropVolume, ...]:
    """The same room as a photo with masks and depth."""
    seen = seen_room()
    pose = RigidTransform.from_components(seen.room.eye_world, Rotation.from_matrix(seen.room.R_cam_from_world.T))
    labels = instance_ids(seen.triangles, seen.visible.face)[0].numpy().astype(np.uint16)
    camera = Camera(K=np.asarray(seen.room.K, dtype=np.float64), size_px=SIZE_PX).at(pose)
    z_m, valid = seen.visible.z_m[0].numpy(), (seen.visible.face[0] >= 0).numpy()
    counts = {int(v): int((labels == v).sum()) for v in np.unique(labels) if v}
    labels = np.where(np.isin(labels, [v for v, n in counts.items() if n > 800]), labels, 0).astype(np.uint16)
    items = tuple(Instance(mask_value=v) for v, n in counts.items() if n > 800)
    photo = Photo(rgb=np.zeros((*labels.shape, 3), dtype=np.uint8), file_name="room.png", sha256="0" * 64)
    instances = Instances(label_map=labels, items=items, source="rendered")
    depth = Depth(z_m=z_m, valid=valid, camera=camera, source="rendered")
    return plan_crops(photo, instances, depth, size_px=2 * PICTURE_PX, margin=1.1)


@cache
def of_training() -> tuple[tuple[ObjectView, ...], CropPictures]:
    numbers = [v.instance.mask_value for v in of_photo()]
    views = tuple(
        object_view(
            small_pack(), seen_room().room, v.instance.mask_value, v.mask, v.depth.z_m,
            size_px=PICTURE_PX, margin=1.1, cube_over_crop=CUBE_OVER_CROP,
        )
        for v in of_photo()
    )  # fmt: skip
    cameras = [v.K_crop for v in views], [v.R_cropcam_from_cam for v in views]
    return views, crop_pictures(seen_room(), numbers, *cameras, size_px=PICTURE_PX)


@pytest.mark.slow
def test_regions_and_depths_are_those_of_training() -> None:
    views, pictures = of_training()
    assert len(views) >= 3
    kinds = set()
    for k, (volume, trained) in enumerate(zip(of_photo(), views, strict=True)):
        got = network_view(volume, picture_px=PICTURE_PX, cube_over_crop=CUBE_OVER_CROP)
        expected = pictures.region[k].numpy()
        kinds |= set(np.unique(expected).tolist())
        assert (got.region == expected).mean() > 0.99, volume.name
        both = (got.z_m > 0) & (expected == OBJECT)
        assert both.sum() > 0.98 * (expected == OBJECT).sum()
        assert not got.z_m[got.region != OBJECT].any()
        error = np.abs(got.z_m[both] / pictures.z_m[k].numpy()[both] - 1)
        assert np.median(error) < 1e-3
        assert np.quantile(error, 0.98) < 0.02
        assert got.camera_distance_obj == pytest.approx(trained.camera_distance_obj, rel=1e-6)
        assert got.scale_m == pytest.approx(trained.scale_m, rel=0.02)  # the median of other pixels
        assert got.fov_rad == pytest.approx(2 * math.atan(PICTURE_PX / 2 / trained.K_crop[0, 0]), rel=1e-6)
        shifted = np.roll(got.region, 1, axis=1)
        assert (shifted == expected).mean() < (got.region == expected).mean()
    assert kinds == {BACKGROUND, OBJECT, HIDDEN}


def test_colours_are_those_of_the_rays() -> None:
    """A photo whose colours are waves over its rays: a shift by half a pixel would show."""
    scene = render({3: standing_box((0.9, 0.6, 0.7), -0.7, -0.6)}, camera_at(size_px=(480, 360)))
    waves = np.rint(127 + 100 * np.sin(30 * scene.depth.camera.rays_cam()[..., [0, 1, 1]])).astype(np.uint8)
    [volume] = plan_crops(replace(scene.photo, rgb=waves), scene.instances, scene.depth, size_px=256, margin=1.1)
    got = network_view(volume, picture_px=PICTURE_PX, cube_over_crop=1.0)
    pixels = object_pixels(volume, size_px=PICTURE_PX)
    rays = volume.R_cropcam_from_cam.inv().apply(pixels.camera.rays_cam().reshape(-1, 3)).reshape(*pixels.z_m.shape, 3)
    expected = 127 + 100 * np.sin(30 * (rays / rays[..., 2:])[..., [0, 1, 1]])
    inner = pixels.region == OBJECT
    error = np.abs(got.rgb - expected)[inner]
    per_pixel = np.abs(expected - np.roll(expected, 1, axis=1))[inner][:, 0].mean()
    assert error.mean() < 0.15 * per_pixel
    assert volume.camera_distance_obj == pytest.approx(got.camera_distance_obj)


def test_what_is_hidden_is_not_what_is_seen_past() -> None:
    """A crate behind another and beyond the photo's border; a third crate farther away hides nothing."""
    meshes = {
        3: standing_box((0.8, 0.8, 0.6), -0.2, -0.6),
        7: standing_box((0.4, 0.4, 0.3), 0.1, 0.3),
        9: standing_box((0.8, 0.8, 0.6), 0.6, -2.2),
    }
    scene = render(meshes, camera_at(size_px=(320, 240)))
    volume = scene.volume(3)
    pixels = object_pixels(volume, size_px=256, widened=2.0)
    kinds = {}
    for value, mesh in meshes.items():
        front = mesh.vertices[mesh.vertices[:, 2] == mesh.vertices[:, 2].max()]
        top_world = front[front[:, 1] == front[:, 1].max()].mean(axis=0) - np.array([0.0, 0.1, 0.0])
        column, row = np.floor(pixels.camera.project(volume.camera.cam_from_world(top_world[None]))[0]).astype(int)
        kinds[value] = int(pixels.region[row, column])
    assert kinds == {3: OBJECT, 7: HIDDEN, 9: BACKGROUND}
    wide = object_pixels(volume, size_px=256, widened=8.0)
    assert (wide.region[[0, -1]] == HIDDEN).all()  # far beyond the photo
    np.testing.assert_array_equal(pixels.region[64:192, 64:192], object_pixels(volume, size_px=128).region)


def test_without_depth_of_what_stands_around_it_may_be_nearer() -> None:
    meshes = {3: standing_box((0.8, 0.8, 0.6), -0.2, -0.6), 9: standing_box((0.8, 0.8, 0.6), 0.6, -2.2)}
    scene = render(meshes, camera_at(size_px=(320, 240)))
    volume = scene.volume(3)
    known = object_pixels(volume, size_px=128)
    unknown = replace(volume.depth, valid=volume.depth.valid & (volume.label_map != 9))
    blind = object_pixels(replace(volume, depth=unknown), size_px=128)
    changed = known.region != blind.region
    assert changed.any()
    assert (known.region[changed] == BACKGROUND).all()
    assert (blind.region[changed] == HIDDEN).all()


def test_painted_pixels_are_the_object_without_depth() -> None:
    scene = render({3: standing_box((0.8, 0.8, 0.6), -0.2, -0.6)}, camera_at(size_px=(320, 240)))
    volume = scene.volume(3)
    invented = np.zeros(volume.rgba.shape[:2], dtype=bool)
    invented[:10, :20] = True
    got = network_view(replace(volume, invented=invented), picture_px=64, cube_over_crop=1.25)
    assert (got.region[:5, :10] == OBJECT).all()
    assert not got.z_m[:5, :10].any()
    assert (object_pixels(replace(volume, invented=invented), size_px=64).region[:5, :10] != OBJECT).any()
