"""Single objects for training: what the picture shows is where the shape is, in the colours that it has."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from object_cases import drawn_grid, small_objects
from torch.nn import functional as F
from training_cases import small_pack

from pixal3d_scene.learning.model_pack import ModelPack
from pixal3d_scene.learning.object_augment import mirrored_grid
from pixal3d_scene.learning.object_batch import BACKGROUND, HIDDEN, OBJECT, ObjectBatch, ObjectGrid, object_region
from pixal3d_scene.learning.object_choice import PHOTO_PX, SeenRoom, instance_ids, see_room
from pixal3d_scene.learning.object_stream import CUBE_OVER_CROP, ObjectFormat, object_batches
from pixal3d_scene.learning.object_targets import object_grid
from pixal3d_scene.learning.object_view import ObjectView, object_view
from pixal3d_scene.learning.sample_furniture import Shelf
from pixal3d_scene.learning.sample_room import sample_room
from pixal3d_scene.learning.scene_tensors import PackTensors
from pixal3d_scene.learning.visible_surfaces import seen_surfaces, stacked
from pixal3d_scene.learning.vocabulary import LABELS

ROOT = Path(__file__).resolve().parents[2]


def same(one: ObjectBatch, other: ObjectBatch) -> bool:
    plain = all(
        torch.equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(ObjectBatch) if f.name != "grids"
    )
    names = ("coords", "offset_vox", "edge_flags", "attributes")
    grids = zip(one.grids, other.grids, strict=True)
    return plain and all(torch.equal(getattr(a, n), getattr(b, n)) for a, b in grids for n in names)


def misfit(batch: ObjectBatch, index: int, grid: ObjectGrid) -> tuple[float, float]:
    """(share of pixels where drawn grid and picture disagree, median error of depth in voxels), where nothing hides."""
    region = batch.region[index]
    mask, z_m = drawn_grid(batch, index, grid)
    own = region == OBJECT
    wrong = ((mask != own) & (region != HIDDEN)).sum() / own.sum()
    voxel_m = float(batch.scale_m[index]) / grid.resolution
    both = mask & own
    apart = (z_m - batch.z_m[index])[both].median().abs() / voxel_m if both.any() else torch.tensor(torch.inf)
    return float(wrong), float(apart)


@functools.cache
def sound_grids() -> tuple[ObjectGrid, ...]:
    """The batch's grids; those of chairs finer, since their legs are thinner than a voxel of 64 and torn there."""
    batch, finer = small_objects(), {}
    for index, seen, _, view in objects_in_photos():
        if LABELS[batch.label[index]] == "chair":
            finer[index] = object_grid(view, seen.triangles, int(batch.number[index]), resolution=192)
    assert finer
    return tuple(finer.get(index) or grid for index, grid in enumerate(batch.grids))


def test_shape_and_picture_agree() -> None:
    batch = small_objects()
    assert len(batch) == 8
    for index, grid in enumerate(sound_grids()):
        wrong, depth_vox = misfit(batch, index, grid)
        assert wrong < 0.04, index
        assert depth_vox < 0.2, index


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_a_voxel_is_seen(axis: int) -> None:
    batch = small_objects()
    shift = 0.5 * torch.eye(3)[axis]
    for index, grid in enumerate(sound_grids()):
        wrong, depth_vox = misfit(batch, index, replace(grid, offset_vox=grid.offset_vox + shift))
        if axis == 2:
            assert depth_vox > 0.3, index
        else:
            assert wrong > 1.4 * misfit(batch, index, grid)[0], index


def test_a_mirrored_shape_is_seen() -> None:
    batch = small_objects()
    for index, grid in enumerate(batch.grids):
        assert misfit(batch, index, mirrored_grid(grid))[0] > 1.6 * misfit(batch, index, grid)[0], index


def test_another_cube_is_seen() -> None:
    batch = small_objects()
    farther = replace(batch, camera_distance_obj=batch.camera_distance_obj * CUBE_OVER_CROP)
    for index, grid in enumerate(batch.grids):
        wrong, depth_vox = misfit(farther, index, grid)
        assert wrong > 0.2, index
        assert depth_vox > 5, index


def test_cubes_hold_their_objects_and_grids_are_sound() -> None:
    for index, grid in enumerate(small_objects().grids):
        assert grid.coords.max() < grid.resolution
        assert ((grid.offset_vox >= 0) & (grid.offset_vox <= 1)).all()
        assert ((grid.attributes >= 0) & (grid.attributes <= 1)).all()
        key = (grid.coords.long() * torch.tensor([64 * 64, 64, 1])).sum(dim=1)
        assert (key.diff() > 0).all()
        fov, distance = small_objects().fov_rad[index], small_objects().camera_distance_obj[index]
        assert float(distance) == pytest.approx(0.5 / np.tan(float(fov) / 2) / CUBE_OVER_CROP, rel=1e-5)


def test_pictures_show_the_object_and_a_few_pixels_more() -> None:
    batch = small_objects()
    own = batch.region == OBJECT
    near = F.max_pool2d(own[:, None].float(), 5, 1, 2)[:, 0] > 0
    assert (batch.z_m[own] > 0).all()
    assert (batch.z_m[~near] == 0).all()
    assert (batch.picture.amax(dim=1)[~near] == 0).all()
    assert (batch.z_m[near & ~own] > 0).any()
    strict = batch.without_edges()
    assert torch.equal(strict.z_m > 0, own)
    assert (strict.picture.amax(dim=1)[~own] == 0).all()
    assert torch.equal(strict.picture.amax(dim=1)[own], batch.picture.amax(dim=1)[own])
    for b in range(len(batch)):
        assert batch.picture[b].amax(dim=0)[own[b]].float().std() > 1
        rows, columns = own[b].any(dim=1).nonzero(), own[b].any(dim=0).nonzero()
        extent = max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0])) + 1
        assert 0.8 * 128 < extent < 0.97 * 128  # 1 / 1.1 of the crop, but for the coarse mask that it was planned by


@functools.cache
def seen_room(seed: int) -> SeenRoom:
    room = sample_room(Shelf.of(small_pack(), "train"), seed, PHOTO_PX)
    return see_room(PackTensors.of(small_pack(), "cpu"), room)


def objects_in_photos() -> Iterator[tuple[int, SeenRoom, np.ndarray, ObjectView]]:
    """(index into `small_objects`, its room, its mask in the photo, its cube) of every object."""
    batch = small_objects()
    for index, (seed, number) in enumerate(zip(batch.seeds.tolist(), batch.number.tolist(), strict=True)):
        seen = seen_room(seed)
        mask = (instance_ids(seen.triangles, seen.visible.face)[0] == number).numpy()
        yield (
            index, seen, mask,
            object_view(
                small_pack(), seen.room, number, mask, seen.visible.z_m[0].numpy(),
                size_px=128, cube_over_crop=CUBE_OVER_CROP,
            ),
        )  # fmt: skip


def test_crops_show_what_the_photo_shows() -> None:
    batch = small_objects()
    for index, seen, mask, view in objects_in_photos():
        rows, columns = np.nonzero(mask)
        pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
        u, v, w = view.A_crop_from_photo @ pixels
        x, y = (u / w).astype(int), (v / w).astype(int)
        assert (batch.region[index].numpy()[y, x] == OBJECT).mean() > 0.85  # but for the mask's border
        points_cam = np.linalg.inv(seen.room.K) @ pixels * seen.visible.z_m[0].numpy()[mask]
        relative = batch.z_m[index].numpy()[y, x] / (view.R_cropcam_from_cam @ points_cam)[2] - 1
        assert np.median(np.abs(relative)) < 0.004


def test_voxels_have_the_colours_that_the_photo_is_rendered_with() -> None:
    batch = small_objects()
    for index, seen, mask, view in objects_in_photos():
        room, grid = seen.room, batch.grids[index]
        eye = stacked([room.eye_world], torch.device("cpu"))
        surfaces = seen_surfaces(seen.triangles, seen.visible, torch.full((1, 1, 1), float(room.K[0, 0])), eye)
        cam = (surfaces.points_world[0].numpy()[mask] - room.eye_world) @ room.R_cam_from_world.T
        cropcam = cam @ view.R_cropcam_from_cam.T
        middle = np.array([0.0, 0.0, view.scale_m * view.camera_distance_obj])
        voxels = np.floor(((cropcam - middle) * [1, -1, -1] / view.scale_m + 0.5) * 64).astype(int)
        table = {tuple(c): a for c, a in zip(grid.coords.tolist(), grid.attributes.numpy(), strict=True)}
        found = np.array([k for k, voxel in enumerate(voxels.tolist()) if tuple(voxel) in table])
        assert len(found) > 0.95 * len(voxels)
        coded = np.array([table[tuple(voxels[k])][:3] for k in found])
        albedo = surfaces.albedo[0].numpy()[mask][found]
        expected = np.where(albedo <= 0.0031308, albedo * 12.92, 1.055 * albedo ** (1 / 2.4) - 0.055)
        assert np.abs(np.median(coded - expected, axis=0)).max() < 0.02
        assert np.median(np.abs(coded - expected)) < 0.04


def test_shapes_without_a_sound_grid_are_left_out() -> None:
    index, seen, _, view = next(objects_in_photos())
    number = int(small_objects().number[index])
    assert object_grid(view, seen.triangles, number, resolution=32) is not None
    tiny = replace(view, vertices_obj=view.vertices_obj * 0.02)
    assert object_grid(tiny, seen.triangles, number, resolution=32) is None
    flat = replace(view, vertices_obj=view.vertices_obj * [1, 0, 0])  # no triangle has an area
    assert object_grid(flat, seen.triangles, number, resolution=32) is None


def test_regions_follow_from_labels_and_depth() -> None:
    labels = torch.tensor([[1, 1, 0, 0], [2, 1, 3, 0], [2, 2, 3, 1]])
    z_m = torch.tensor([[2.0, 2.5, 1.0, 4.0], [1.0, 2.2, 3.0, 4.0], [2.4, 2.6, 2.0, 9.0]])
    in_photo = torch.tensor([[True] * 4, [True] * 4, [True, True, True, False]])
    expected = torch.tensor(
        [
            [OBJECT, OBJECT, BACKGROUND, BACKGROUND],  # a wall hides nothing, however near
            [HIDDEN, OBJECT, BACKGROUND, BACKGROUND],
            [HIDDEN, BACKGROUND, HIDDEN, HIDDEN],  # 2.6 m is beyond the farthest visible point; the last is not shown
        ]
    )
    assert torch.equal(object_region(labels, z_m, 1, in_photo).long(), expected)


def test_a_seed_gives_the_same_objects() -> None:
    wanted = ObjectFormat(picture_px=32, resolution=16)
    first, second = islice(object_batches(small_pack(), batch=1, seed=5, wanted=wanted), 2)
    again = next(object_batches(small_pack(), batch=1, seed=5, wanted=wanted, start=1))
    assert same(again, second)
    assert not set(first.seeds.tolist()) & set(second.seeds.tolist())
    assert not same(first, second)


def test_splits_share_no_model_and_no_room() -> None:
    split = np.arange(len(small_pack())).astype(np.uint8) % 2
    pack: ModelPack = replace(small_pack(), split=split)
    wanted = ObjectFormat(picture_px=32, resolution=16)
    train, validation = (
        next(object_batches(pack, batch=2, split=name, wanted=wanted)) for name in ("train", "validation")
    )
    assert (split[train.model.numpy()] == 0).all()
    assert (split[validation.model.numpy()] == 1).all()
    assert not set(train.seeds.tolist()) & set(validation.seeds.tolist())


def test_finer_shading_changes_the_picture_alone() -> None:
    fine = next(object_batches(small_pack(), batch=1, seed=3, wanted=ObjectFormat(finer=2)))
    plain = small_objects()
    assert torch.equal(fine.region, plain.region[:1])
    assert torch.equal(fine.z_m, plain.z_m[:1])
    own = fine.region == OBJECT
    apart = (fine.picture.float() - plain.picture[:1].float()).abs().mean(dim=1)[own]
    assert 0 < apart.median() < 8


def test_batches_and_files_need_torch_and_numpy_alone() -> None:
    program = """
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jaxtyping", "scipy", "trimesh", "PIL", "skimage", "pydantic", "beartype"):
            raise ModuleNotFoundError(name, name=name.split(".")[0])
sys.meta_path.insert(0, Blocked())
import pixal3d_scene.learning.object_batch, pixal3d_scene.learning.object_files, pixal3d_scene.learning.object_pictures
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
