"""Inputs and losses of the object networks: the truth costs nothing, and what is rescaled decodes as before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from object_cases import small_objects

from pixal3d_scene.autoencoder.dual_grid import DualGrid
from pixal3d_scene.autoencoder.voxel_encoder import shape_encoder_input
from pixal3d_scene.conditioning import view_picture
from pixal3d_scene.conditioning.view_picture import MEDIAN_OBJ
from pixal3d_scene.learning import object_batch
from pixal3d_scene.learning.object_flows import SIGMA_MIN, _on_the_way
from pixal3d_scene.learning.object_inputs import occupancy, view_pictures, voxel_targets
from pixal3d_scene.learning.object_networks import scale_structure_latent, structure_autoencoder, voxel_autoencoders
from pixal3d_scene.learning.structure_task import StructureAutoencoder, occupancy_iou, pooled
from pixal3d_scene.learning.training_settings import StructureSettings, VoxelSettings
from pixal3d_scene.learning.voxel_task import VoxelAutoencoders, voxel_iou
from pixal3d_scene.sparse.tensor import SparseTensor, Voxels


def test_both_sides_name_the_regions_alike() -> None:
    assert (view_picture.BACKGROUND, view_picture.OBJECT, view_picture.HIDDEN) == (
        object_batch.BACKGROUND, object_batch.OBJECT, object_batch.HIDDEN,
    )  # fmt: skip


def test_the_shape_is_read_as_the_encoder_reads_dual_grids() -> None:
    batch = small_objects()
    grids = [
        DualGrid(
            coords=g.coords.numpy().astype(np.int32),
            offset_vox=g.offset_vox.numpy().copy(),
            edge_flags=g.edge_flags.numpy().copy(),
            resolution=g.resolution,
        )
        for g in batch.grids
    ]
    expected, got = shape_encoder_input(grids), voxel_targets(batch)
    torch.testing.assert_close(got.shape.coords, expected.coords)
    torch.testing.assert_close(got.shape.feats, expected.feats)
    torch.testing.assert_close(got.material.feats, 2 * torch.cat([g.attributes for g in batch.grids]) - 1)
    assert got.material.voxels is got.shape.voxels


def test_occupied_cells_are_those_of_the_voxels() -> None:
    batch = small_objects()
    volume = occupancy(batch)
    assert volume.shape == (8, 1, 32, 32, 32)
    for item, grid in enumerate(batch.grids):
        cells = torch.unique(grid.coords.long() // 2, dim=0)
        torch.testing.assert_close(volume[item, 0].nonzero(), cells)
        tokens = torch.unique(grid.coords.long() // 4, dim=0)
        torch.testing.assert_close(pooled(volume > 0)[item, 0].nonzero(), tokens)


def test_the_picture_is_believed_at_the_given_distance() -> None:
    batch = small_objects().without_edges()
    distance = batch.camera_distance_obj
    own, other = view_pictures(batch), view_pictures(batch, 2 * distance)
    farther = (2 * distance - MEDIAN_OBJ) / (distance - MEDIAN_OBJ)  # the median of what is seen
    small = own[:, 5].abs() < 0.4
    torch.testing.assert_close(other[:, 5][small], (farther[:, None, None] * own[:, 5])[small])


def test_a_scaled_latent_decodes_as_before() -> None:
    torch.manual_seed(0)
    networks = [d.build() for d in structure_autoencoder(StructureSettings(channels=(8, 8, 8))).values()]
    model = StructureAutoencoder(*networks)
    volume = occupancy(small_objects())
    with torch.no_grad():
        logits, mean, logvar = model(volume, None)
        std = float(mean.std())
        scale_structure_latent(model.encoder, model.decoder, std)
        scaled_logits, scaled_mean, scaled_logvar = model(volume, None)
    assert abs(std - 1) > 0.1  # else this test says nothing
    torch.testing.assert_close(scaled_logits, logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scaled_mean * std, mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close((0.5 * scaled_logvar).exp() * std, (0.5 * logvar).exp(), atol=1e-5, rtol=1e-4)


def test_decoders_follow_the_true_octree_row_by_row() -> None:
    sizes = VoxelSettings(
        shape_channels=(8, 8, 8), shape_blocks=(0, 0, 0), material_channels=(8, 8, 8), material_blocks=(0, 0, 0)
    )
    model = VoxelAutoencoders(*(d.build() for d in voxel_autoencoders(sizes).values()))
    targets = voxel_targets(small_objects())
    with torch.no_grad():
        encoded, shape, material = model(targets, None)
    order = encoded.shape.fine_order
    for decoded in (shape, material):
        torch.testing.assert_close(decoded.raw.coords, targets.shape.coords[order])
    assert voxel_iou(shape.raw, targets.shape) == 1.0
    half = torch.arange(len(order)) % 2 == 0

    some = SparseTensor(targets.shape.feats[half], Voxels(targets.shape.coords[half]))
    assert voxel_iou(some, targets.shape) == pytest.approx(float(half.float().mean()))


def test_iou_of_volumes_is_per_item() -> None:
    a, b = torch.zeros(2, 1, 4, 4, 4, dtype=torch.bool), torch.zeros(2, 1, 4, 4, 4, dtype=torch.bool)
    a[0, 0, :2], b[0, 0, 1:3], a[1, 0, 0, 0, 0], b[1, 0, 0, 0, 0] = True, True, True, True
    assert occupancy_iou(a, b) == pytest.approx((1 / 3 + 1) / 2)


def test_the_velocity_leads_from_noise_to_data() -> None:
    torch.manual_seed(0)
    data, noise = torch.randn(5, 3), torch.randn(5, 3)
    t = torch.rand(5, 1)
    x, v = _on_the_way(data, noise, t)
    torch.testing.assert_close(x - t * v, data + SIGMA_MIN * noise, atol=1e-5, rtol=0)
    torch.testing.assert_close(_on_the_way(data, noise, torch.ones(5, 1))[0], noise)
