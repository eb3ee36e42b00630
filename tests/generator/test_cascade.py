"""The stages on tensors: what each of them computes, told apart by networks that are known exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pixal3d_scene.autoencoder.structure import StructureDecoder
from pixal3d_scene.autoencoder.voxel_decoder import ShapeDecoder, TextureDecoder
from pixal3d_scene.conditioning.condition import Condition, join_conditions
from pixal3d_scene.generator import cascade
from pixal3d_scene.generator.checkpoint import load_network
from pixal3d_scene.generator.flow import DenseFlow, SparseFlow
from pixal3d_scene.generator.pipeline_file import Normalisation, PipelineFile, read_pipeline
from pixal3d_scene.generator.sampler import FlowSampler, dense_std, sparse_std

GUIDED = FlowSampler(steps=3, guidance_strength=4.0, guidance_rescale=0.5, guidance_interval=(0.5, 1.0))


@pytest.fixture(scope="module")
def pipeline(tiny_folder: Path) -> PipelineFile:
    return read_pipeline(tiny_folder)


@pytest.fixture(scope="module")
def networks(pipeline: PipelineFile) -> dict:
    return {role: load_network(place, torso=torch.float32, cache=False) for role, place in pipeline.checkpoints.items()}


def cells_of(seed: int, count: int, grid: int = 32) -> Tensor:
    chosen = torch.randperm(grid**3, generator=torch.Generator().manual_seed(seed))[:count].sort().values
    return torch.stack([chosen // grid**2, chosen // grid % grid, chosen % grid], dim=1).int()


def condition_of(seed: int, tokens: int, channels: int) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    return Condition(
        global_tokens=torch.randn(1, 5, 32, generator=generator),
        proj=torch.randn(tokens, channels, generator=generator),
    )


@torch.no_grad()
def test_structure_is_sampled_with_the_dense_rule(networks: dict) -> None:
    flow = networks["sparse_structure_flow_model"]
    assert isinstance(flow, DenseFlow)
    condition, noise = condition_of(1, 8**3, 32), torch.randn(1, 4, 8, 8, 8)
    got = cascade.sample_structure(flow, GUIDED, condition, noise, keep=True)
    zeros = Condition(global_tokens=torch.zeros(1, 5, 32), proj=torch.zeros(8**3, 32))
    expected = GUIDED.sample(noise, flow.field(flow.prepare(condition)), flow.field(flow.prepare(zeros)), dense_std)
    torch.testing.assert_close(got, expected)
    assert torch.equal(got, cascade.sample_structure(flow, GUIDED, condition, noise, keep=False))


@torch.no_grad()
def test_occupied_cells_are_pooled_to_the_coarse_grid_in_row_major_order() -> None:
    class Known(StructureDecoder):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)

        def forward(self, latent: Tensor) -> Tensor:
            logits = torch.full((1, 1, 64, 64, 64), -1.0)
            for x, y, z in ((63, 0, 2), (62, 1, 3), (0, 5, 9), (0, 5, 63), (0, 4, 8)):
                logits[0, 0, x, y, z] = 0.5
            logits[0, 0, 9, 9, 9] = 0.0  # not above
            return logits

    cells = cascade.occupied_cells(Known(), torch.zeros(1, 1, 1, 1, 1))
    assert cells.tolist() == [[0, 2, 4], [0, 2, 31], [31, 0, 1]]
    assert cells.dtype == torch.int32


@torch.no_grad()
def test_a_batch_gives_every_object_what_it_gets_alone(networks: dict) -> None:
    flow = networks["tex_slat_flow_model_1024"]
    assert isinstance(flow, SparseFlow)
    counts = (7, 3, 11)
    cells = [cells_of(i, n) for i, n in enumerate(counts)]
    conditions = [condition_of(i, n, 64) for i, n in enumerate(counts)]
    noise = [torch.randn(n, 8) for n in counts]
    shapes = [torch.randn(n, 8) for n in counts]
    together = cascade.sample_latents(flow, GUIDED, join_conditions(conditions), cells, noise, shapes, keep=True)
    for i, got in enumerate(together):
        [alone] = cascade.sample_latents(flow, GUIDED, conditions[i], [cells[i]], [noise[i]], [shapes[i]], keep=False)
        torch.testing.assert_close(got, alone, atol=1e-4, rtol=1e-4)
    swapped = cascade.sample_latents(
        flow, GUIDED, conditions[0], [cells[0].flip(1)], [noise[0]], [shapes[0]], keep=True
    )
    assert (swapped[0] - together[0]).abs().max() > 1e-3  # x and z are not the same


@torch.no_grad()
def test_texture_noise_comes_before_the_shape(networks: dict) -> None:
    flow = networks["tex_slat_flow_model_1024"]
    cells, condition = cells_of(0, 5), condition_of(0, 5, 64)
    noise, shape = torch.randn(5, 8), torch.randn(5, 8)
    [got] = cascade.sample_latents(flow, FlowSampler(steps=1), condition, [cells], [noise], [shape], keep=True)
    prepared = flow.prepare(condition, cascade.with_items([cells]))
    expected = noise - flow(torch.cat([noise, shape], dim=1), torch.tensor([1000.0]), prepared)
    torch.testing.assert_close(got, expected)


def test_sparse_std_is_per_object() -> None:
    x = torch.randn(5, 3)
    std = sparse_std((2, 3))(x)
    assert std[0].item() == pytest.approx(x[:2].std(correction=0).item(), rel=1e-5)


@torch.no_grad()
def test_surface_voxels_are_those_of_the_whole_decoder(networks: dict, pipeline: PipelineFile) -> None:
    decoder = networks["shape_slat_decoder"]
    assert isinstance(decoder, ShapeDecoder)
    cells, shape = cells_of(3, 4), torch.randn(4, 8)
    voxels = cascade.surface_voxels(decoder, cells, shape, pipeline.shape_normalisation)
    assert len(voxels) == 4 * 4**4  # every cell a flat sheet of 16 x 16
    assert int(voxels.max()) < 512
    assert torch.equal(torch.unique(voxels // 16, dim=0), cells)
    assert bool((voxels[:, 2] % 16 == 0).all())


def test_token_grid_lowers_the_resolution_until_the_cap_holds() -> None:
    axis = torch.arange(0, 512, 8, dtype=torch.int32)
    voxels = torch.cartesian_prod(axis, axis, torch.tensor([100, 300], dtype=torch.int32))
    tokens, resolution = cascade.token_grid(voxels, resolution=1536, max_tokens=10**6)
    assert resolution == 1536
    assert int(tokens.max()) <= 95
    fewer, lower = cascade.token_grid(voxels, resolution=1536, max_tokens=len(tokens))  # as many is one too many
    assert lower < 1536
    assert len(fewer) < len(tokens)
    _, lowest = cascade.token_grid(voxels, resolution=1536, max_tokens=1)
    assert lowest == 1024
    coarse, half = cascade.token_grid(voxels, resolution=512, max_tokens=1)
    assert half == 512
    assert int(coarse.max()) <= 31


@torch.no_grad()
def test_decoding_gives_materials_on_the_voxels_of_the_shape(networks: dict, pipeline: PipelineFile) -> None:
    shape_decoder, texture_decoder = networks["shape_slat_decoder"], networks["tex_slat_decoder"]
    assert isinstance(texture_decoder, TextureDecoder)
    tokens, shape, texture = cells_of(5, 6, grid=64), torch.randn(6, 8), torch.randn(6, 8)
    grid, pbr = cascade.decode(
        shape_decoder,
        texture_decoder,
        tokens,
        shape,
        texture,
        shape_normalisation=pipeline.shape_normalisation,
        texture_normalisation=pipeline.texture_normalisation,
        resolution=1024,
    )
    assert grid.resolution == pbr.resolution == 1024
    assert np.array_equal(grid.coords, pbr.coords)
    assert len(grid.to_mesh().faces) == 6 * 15 * 15 * 2
    assert 0 <= pbr.attributes.min() < pbr.attributes.max() <= 1


def test_denormalisation_is_per_channel() -> None:
    got = cascade.denormalised(torch.tensor([[1.0, 1.0]]), Normalisation(mean=(3.0, 0.0), std=(2.0, 5.0)))
    assert got.tolist() == [[5.0, 5.0]]


def test_rows_of_several_objects() -> None:
    one, none, other = torch.tensor([[1, 2, 3]]), torch.zeros(0, 3, dtype=torch.int32), torch.tensor([[4, 5, 6]])
    assert cascade.with_items([one, none, other]).tolist() == [[0, 1, 2, 3], [2, 4, 5, 6]]
