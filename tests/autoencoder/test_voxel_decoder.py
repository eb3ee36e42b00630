from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from autoencoder_cases import traced
from golden_cases import GoldenCase, golden_cases
from sparse_cases import needs_spconv, random_sparse

from pixal3d_scene.autoencoder.official import AUTOENCODERS
from pixal3d_scene.autoencoder.voxel_decoder import ShapeDecoder, TextureDecoder, VoxelDecoder
from pixal3d_scene.errors import InputError
from pixal3d_scene.sparse import neighbours
from pixal3d_scene.sparse.subdivision import Subdivision
from pixal3d_scene.sparse.tensor import Backend, SparseTensor, Voxels

OFFICIAL = {
    "latent_channels": 32,
    "model_channels": [1024, 512, 256, 128, 64],
    "num_blocks": [4, 16, 8, 4, 0],
    "block_type": ["SparseConvNeXtBlock3d"] * 5,
    "up_block_type": ["SparseResBlockC2S3d"] * 4,
    "block_args": [{"use_checkpoint": False}] * 5,
    "use_fp16": True,
}
SMALL = {"latent_channels": 4, "model_channels": [32, 16, 8], "num_blocks": [1, 1, 0]}


def loaded(case: GoldenCase) -> Any:
    decoder = AUTOENCODERS[case.about["class_name"]](**case.config)
    decoder.load_state_dict(case.weights)
    return decoder


def latent_of(case: GoldenCase, backend: Backend | None = None) -> SparseTensor:
    return SparseTensor(case.inputs["z"], Voxels(case.inputs["coords"], backend=backend))


@pytest.mark.golden
@pytest.mark.parametrize("backend", ["torch", pytest.param("spconv", marks=needs_spconv)])
def test_golden_shape_decoder(golden_dir: Path, backend: Backend) -> None:
    for case in golden_cases(golden_dir, "shape_decoder"):
        decoder, latent = loaded(case), latent_of(case, backend)
        seen = traced(decoder, case)
        with torch.no_grad():
            decoded = decoder(latent)
        for name, output in seen.items():
            case.check(name, output)
        for level, (step, logits) in enumerate(zip(decoded.subdivisions, decoded.logits, strict=True)):
            assert torch.equal(step.parents.coords, case.outputs[f"sub{level}_coords"])
            case.check(f"sub{level}_logits", logits)
        assert torch.equal(decoded.raw.coords, case.outputs["final_coords"])
        case.check("final_raw7", decoded.raw.feats)
        for item, grid in enumerate(decoder.dual_grids(decoded.raw, resolution=case.about["resolution_set"])):
            mesh = grid.to_mesh()
            case.check(f"mesh{item}_vertices", torch.tensor(mesh.vertices))
            assert torch.equal(torch.tensor(mesh.faces), case.outputs[f"mesh{item}_faces"])


@pytest.mark.golden
def test_golden_upsampling_alone(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "shape_decoder"):
        with torch.no_grad():
            levels = min(4, len(case.config["model_channels"]) - 1)
            voxels = loaded(case).fine_voxels(latent_of(case), levels=levels)
        assert torch.equal(voxels.coords, case.outputs["upsample_coords"])


@pytest.mark.golden
def test_golden_texture_decoder(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "tex_decoder"):
        decoder, guide = loaded(case), []
        for level in range(len(case.config["model_channels"]) - 1):
            parents = Voxels(case.inputs[f"guide_sub{level}_coords"])
            guide.append(Subdivision(parents, case.inputs[f"guide_sub{level}_logits"] > 0))
        with torch.no_grad():
            decoded = decoder(latent_of(case), guide)
        assert torch.equal(decoded.raw.coords, case.outputs["coords"])
        case.check("raw6", decoded.raw.feats)
        case.check("attrs", decoder.attributes(decoded.raw).feats)


@pytest.mark.parametrize(
    ("make", "millions", "tensors", "file_mb"),
    [
        (lambda: ShapeDecoder(**OFFICIAL, resolution=256, voxel_margin=0.5), 474.23, 292, 948.6),
        (lambda: TextureDecoder(**OFFICIAL, out_channels=6, pred_subdiv=False), 474.2, 284, 948.6),
    ],
)
def test_official_size(make: Any, millions: float, tensors: int, file_mb: float) -> None:
    with torch.device("meta"):
        decoder = make()
    state = decoder.state_dict()
    assert len(state) == tensors
    assert sum(p.numel() for p in state.values()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert sum(p.numel() * p.element_size() for p in state.values()) / 1e6 == pytest.approx(file_mb, abs=0.1)
    assert state["blocks.1.16.conv1.weight"].shape == (8 * 256, 3, 3, 3, 512)
    full = {name for name, p in state.items() if p.dtype == torch.float32}
    assert full == {n for n in state if "norm" in n or not n.startswith("blocks")}


def small_shape_decoder(**changes: Any) -> ShapeDecoder:
    torch.manual_seed(0)
    return ShapeDecoder(**{**SMALL, **changes})


def test_a_batch_decodes_as_its_items_do_alone() -> None:
    decoder = small_shape_decoder()
    latent = random_sparse([(5, 3, 4), (0, 0, 0), (2, 2, 2)], 4, fill=0.4)
    with torch.no_grad():
        batch = decoder.dual_grids(decoder(latent).raw, resolution=20)
        for (feats, coords), got in zip(latent.items(), batch, strict=True):
            alone = Voxels(torch.cat([torch.zeros(len(coords), 1), coords], dim=1), batch_size=1)
            (expected,) = decoder.dual_grids(decoder(SparseTensor(feats, alone)).raw, resolution=20)
            np.testing.assert_array_equal(got.coords, expected.coords)
            np.testing.assert_array_equal(got.edge_flags, expected.edge_flags)
            np.testing.assert_allclose(got.offset_vox, expected.offset_vox, atol=1e-5)
    assert [len(grid.coords) > 0 for grid in batch] == [True, False, True]


def test_upsampling_alone_stops_at_the_level_asked_for() -> None:
    decoder, latent = small_shape_decoder(), random_sparse([(4, 4, 4)], 4)
    with torch.no_grad():
        decoded = decoder(latent)
        for levels in (1, 2):
            coords = decoder.fine_voxels(latent, levels=levels).coords
            assert torch.equal(coords, decoded.subdivisions[levels - 1].children.coords)


def test_a_latent_without_any_child_decodes_to_nothing() -> None:
    decoder, latent = small_shape_decoder(), random_sparse([(3, 3, 3)], 4)
    with torch.no_grad():
        decoder.blocks[0][-1].to_subdiv.bias.fill_(-1e6)
        raw = decoder(latent).raw
        (grid,) = decoder.dual_grids(raw, resolution=12)
    assert raw.feats.shape == (0, 7)
    assert len(grid.to_mesh().faces) == 0


def test_dual_vertices_may_leave_their_voxel_by_the_margin() -> None:
    raw = torch.zeros(3, 7)
    raw[0, :6], raw[2, :6] = -100, 100
    offset, _, weight = small_shape_decoder(voxel_margin=0.25).heads(raw)
    assert offset.tolist() == [[-0.25] * 3, [0.5] * 3, [1.25] * 3]
    torch.testing.assert_close(weight, torch.full((3,), np.log(2.0), dtype=torch.float32))


def test_texture_shares_the_shape_levels_and_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []
    real = neighbours._linear_keys
    monkeypatch.setattr(neighbours, "_linear_keys", lambda coords: (searches.append(len(coords)), real(coords))[1])
    shape, texture = small_shape_decoder(), TextureDecoder(**SMALL, out_channels=6)
    latent = random_sparse([(3, 4, 5)], 4)
    with torch.no_grad():
        decoded = shape(latent)
        textured = texture(SparseTensor(latent.feats, Voxels(latent.coords)), decoded.subdivisions)
    assert textured.raw.voxels is decoded.raw.voxels
    assert textured.logits == ()
    assert len(searches) == 3


def test_texture_needs_a_guide_that_fits() -> None:
    texture, latent = TextureDecoder(**SMALL, out_channels=6), random_sparse([(3, 4, 5)], 4)
    with pytest.raises(InputError, match="guide"):
        texture(latent)
    other = Subdivision(Voxels(latent.coords.flip(0)), torch.ones(len(latent.voxels), 8, dtype=torch.bool))
    with pytest.raises(InputError, match="coarse voxels"):
        texture(latent, [other])


def test_attributes_map_minus_one_to_one_onto_zero_to_one() -> None:
    voxels = Voxels(torch.zeros(1, 4))
    raw = SparseTensor(torch.tensor([[-1.0, 0.0, 1.0, 2.0, -3.0, 0.5]]), voxels)
    decoder = TextureDecoder(**SMALL, out_channels=6)
    assert decoder.attributes(raw).feats.tolist() == [[0.0, 0.5, 1.0, 1.5, -1.0, 0.75]]
    (voxels_of_item,) = decoder.pbr_voxels(raw, resolution=4)
    assert voxels_of_item.attributes.tolist() == [[0.0, 0.5, 1.0, 1.0, 0.0, 0.75]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_torso(dtype: torch.dtype) -> None:
    decoder, latent = small_shape_decoder(), random_sparse([(3, 4, 5)], 4)
    with torch.no_grad():
        exact = decoder(latent)
        decoder.set_torso_dtype(dtype)
        rough = decoder(latent, exact.subdivisions)
    assert {p.dtype for n, p in decoder.named_parameters() if "norm" in n or "blocks" not in n} == {torch.float32}
    assert rough.raw.feats.dtype == torch.float32
    assert rough.logits[0].dtype == dtype
    assert 0 < (rough.raw.feats - exact.raw.feats).abs().max() < 50 * torch.finfo(dtype).eps


def test_gradients_reach_every_parameter() -> None:
    decoder, latent = small_shape_decoder(), random_sparse([(3, 4, 5)], 4)
    decoded = decoder(latent)
    (decoded.raw.feats.square().sum() + sum(logits.square().sum() for logits in decoded.logits)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.parameters())


def test_json_arguments_that_change_the_network_are_read_or_refused() -> None:
    wide = VoxelDecoder(**SMALL, out_channels=1, block_args=[{"mlp_ratio": 2.5}, {}, {}], unknown_key=3)
    assert wide.blocks[0][0].mlp[0].weight.shape == (80, 32)
    assert wide.blocks[1][0].mlp[0].weight.shape == (64, 16)
    with pytest.raises(InputError, match="SparseResBlockUpsample3d"):
        VoxelDecoder(**SMALL, out_channels=1, up_block_type=["SparseResBlockUpsample3d"] * 2)
