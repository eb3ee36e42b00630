from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_cases import golden_cases

from pixal3d_scene.autoencoder import pbr_voxels
from pixal3d_scene.autoencoder.pbr_voxels import PbrVoxels, sample_voxels


@pytest.mark.golden
def test_golden_sampling(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "sparse_trilinear"):
        given = {name: tensor.numpy() for name, tensor in case.inputs.items()}
        sampled = sample_voxels(given["coords"], given["feats"], given["query_voxel_units"])
        case.check("sampled", torch.from_numpy(sampled))


@pytest.fixture
def ramp() -> PbrVoxels:
    """Every voxel of a 4^3 grid; red rises with x, green with y, blue with z, by 0.25 per voxel from the centre."""
    coords = np.stack(np.unravel_index(np.arange(64), (4, 4, 4)), axis=1)
    attributes = np.concatenate([(coords + 0.5) / 4, np.tile([0.2, 0.7, 1.0], (64, 1))], axis=1)
    return PbrVoxels(coords=coords, attributes=attributes, resolution=4)


def test_a_full_grid_is_interpolated_exactly_and_axes_are_not_swapped(ramp: PbrVoxels) -> None:
    points_obj = np.random.default_rng(0).uniform(-0.37, 0.37, (50, 3))
    got = ramp.sample(points_obj)
    np.testing.assert_allclose(got[:, :3], points_obj + 0.5, atol=1e-12)
    np.testing.assert_allclose(got[:, 3:], np.tile([0.2, 0.7, 1.0], (50, 1)), atol=1e-12)


def test_missing_neighbours_do_not_darken(ramp: PbrVoxels) -> None:
    thin = ramp.coords[:, 1] == 2  # one layer of voxels
    layer = PbrVoxels(coords=ramp.coords[thin], attributes=ramp.attributes[thin], resolution=4)
    points_obj = np.array([[0.1, 0.2, -0.1], [0.1, 0.05, -0.1]])
    np.testing.assert_allclose(layer.sample(points_obj)[:, [0, 2]], points_obj[:, [0, 2]] + 0.5, atol=1e-12)
    np.testing.assert_allclose(layer.sample(points_obj)[:, 1], 2.5 / 4, atol=1e-12)


def test_far_from_every_voxel_is_zero(ramp: PbrVoxels) -> None:
    assert not ramp.sample(np.array([[-0.9, 0.0, 0.0], [5.0, 5.0, 5.0]])).any()
    none = PbrVoxels(coords=np.zeros((0, 3), dtype=int), attributes=np.zeros((0, 6)), resolution=4)
    assert not none.sample(np.zeros((2, 3))).any()


def test_points_are_worked_on_in_chunks(ramp: PbrVoxels, monkeypatch: pytest.MonkeyPatch) -> None:
    points_obj = np.random.default_rng(1).uniform(-0.5, 0.5, (23, 3))
    whole = ramp.sample(points_obj)
    monkeypatch.setattr(pbr_voxels, "_CHUNK_POINTS", 5)
    np.testing.assert_array_equal(ramp.sample(points_obj), whole)


def test_vertex_colours_are_cut_to_bytes() -> None:
    attributes = np.array([[0.999, -0.2, 1.3, 0.4, 0.5, 0.5]])
    one = PbrVoxels(coords=np.array([[1, 1, 1]]), attributes=attributes, resolution=4)
    assert one.vertex_colours(np.array([[-0.125, -0.125, -0.125]])).tolist() == [[254, 0, 255, 127]]
