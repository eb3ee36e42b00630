from __future__ import annotations

import numpy as np
import pytest
import torch
from sparse_cases import random_sparse

from pixal3d_scene.autoencoder.dual_grid import DualGrid
from pixal3d_scene.autoencoder.official import AUTOENCODERS
from pixal3d_scene.autoencoder.voxel_blocks import DownBlock, UpBlock
from pixal3d_scene.autoencoder.voxel_decoder import ShapeDecoder
from pixal3d_scene.autoencoder.voxel_encoder import ShapeEncoder, VoxelEncoder, shape_encoder_input
from pixal3d_scene.sparse.subdivision import Subdivision

ENCODER = {"latent_channels": 4, "model_channels": [8, 16, 32], "num_blocks": [0, 1, 1]}
DECODER = {"latent_channels": 4, "model_channels": [32, 16, 8], "num_blocks": [1, 1, 0]}


@pytest.fixture
def grids() -> list[DualGrid]:
    """Two grids of different size, in no particular order of rows."""
    rng = np.random.default_rng(0)
    made = []
    for count in (90, 40):
        coords = np.stack(np.unravel_index(rng.choice(18**3, count, replace=False), (18, 18, 18)), axis=1)
        made.append(
            DualGrid(
                coords=coords.astype(np.int32),
                offset_vox=rng.random((count, 3), dtype=np.float32),
                edge_flags=rng.random((count, 3)) < 0.5,
                resolution=18,
            )
        )
    return made


def test_encoder_input_is_centred_offsets_and_flags(grids: list[DualGrid]) -> None:
    fine = shape_encoder_input(grids)
    assert fine.coords[:, 0].bincount().tolist() == [90, 40]
    np.testing.assert_array_equal(fine.feats[90:, :3], grids[1].offset_vox - 0.5)
    np.testing.assert_array_equal(fine.feats[90:, 3:], grids[1].edge_flags - 0.5)


def test_decoder_follows_the_encoder_back_to_the_same_voxels(grids: list[DualGrid]) -> None:
    torch.manual_seed(0)
    fine = shape_encoder_input(grids)
    encoded = ShapeEncoder(**ENCODER)(fine)
    decoded = ShapeDecoder(**DECODER)(encoded.sample(torch.Generator().manual_seed(0)), encoded.subdivisions)
    assert encoded.mean.feats.shape == encoded.logvar.feats.shape == (len(encoded.mean.voxels), 4)
    assert torch.equal(decoded.raw.coords, fine.coords[encoded.fine_order])
    for step, logits in zip(decoded.subdivisions, decoded.logits, strict=True):
        assert logits.shape == step.active.shape


def test_the_order_of_the_input_rows_does_not_matter(grids: list[DualGrid]) -> None:
    torch.manual_seed(0)
    encoder = ShapeEncoder(**ENCODER)
    turned = [
        DualGrid(coords=g.coords[::-1], offset_vox=g.offset_vox[::-1], edge_flags=g.edge_flags[::-1], resolution=18)
        for g in grids
    ]
    one, two = encoder(shape_encoder_input(grids)), encoder(shape_encoder_input(turned))
    assert torch.equal(one.mean.coords, two.mean.coords)
    torch.testing.assert_close(one.mean.feats, two.mean.feats)


def test_gradients_reach_every_parameter_of_both(grids: list[DualGrid]) -> None:
    encoder, decoder = ShapeEncoder(**ENCODER), ShapeDecoder(**DECODER)
    encoded = encoder(shape_encoder_input(grids))
    decoded = decoder(encoded.sample(), encoded.subdivisions)
    (decoded.raw.feats.square().sum() + sum(logits.square().sum() for logits in decoded.logits)).backward()
    for module in (encoder, decoder):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_skips_of_the_two_directions_are_inverse() -> None:
    """With the convolutions switched off only the skips remain: up, then down, is the identity on full octants."""
    up, down = UpBlock(32, 16, predicts_subdivision=False), DownBlock(16, 32)
    for block in (up, down):
        torch.nn.init.zeros_(block.conv2.weight)
        torch.nn.init.zeros_(block.conv2.bias)
    x = random_sparse([(3, 2, 4)], 32)
    step = Subdivision(x.voxels, torch.ones(len(x.voxels), 8, dtype=torch.bool))
    torch.testing.assert_close(down(up(x, step), step).feats, x.feats)


def test_keys_mirror_the_decoder() -> None:
    state = AUTOENCODERS["SparseUnetVaeEncoder"](**ENCODER, in_channels=6, down_block_type=["SparseResBlockS2C3d"] * 2)
    keys = set(state.state_dict())
    assert {"input_layer.weight", "to_latent.bias", "blocks.0.0.conv1.weight", "blocks.1.0.mlp.2.bias"} <= keys
    assert {"blocks.1.1.norm1.weight", "blocks.1.1.conv2.bias", "blocks.2.0.norm.weight"} <= keys
    assert not any("norm2" in key or "to_subdiv" in key for key in keys)
    assert state.to_latent.weight.shape == (8, 32)


def test_official_encoder_has_as_many_blocks_as_the_decoder() -> None:
    with torch.device("meta"):
        encoder = VoxelEncoder(
            in_channels=6, latent_channels=32, model_channels=[64, 128, 256, 512, 1024], num_blocks=[0, 4, 8, 16, 4]
        )
    assert [len(level) for level in encoder.blocks] == [1, 5, 9, 17, 4]
