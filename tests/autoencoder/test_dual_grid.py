from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_cases import golden_cases

from pixal3d_scene.autoencoder.dual_grid import DualGrid


@pytest.mark.golden
@pytest.mark.parametrize("weighted", [True, False])
def test_golden_mesh(golden_dir: Path, weighted: bool) -> None:
    for case in golden_cases(golden_dir, "flexible_dual_grid_to_mesh"):
        given = {name: tensor.numpy() for name, tensor in case.inputs.items()}
        mesh = DualGrid(
            coords=given["coords"],
            offset_vox=given["dual_vertices"],
            edge_flags=given["edge_flags"].astype(bool),
            split_weight=given["split_weight"][:, 0] if weighted else None,
            resolution=case.config["grid_size"],
        ).to_mesh()
        case.check("vertices", torch.tensor(mesh.vertices))
        faces = case.outputs["faces" if weighted else "faces_without_split_weight"]
        np.testing.assert_array_equal(mesh.faces, faces.numpy())


def block(axis: int, *, missing: int | None = None, weights: list[float] | None = None) -> DualGrid:
    """The four voxels around the edge at the far side of voxel (5, 6, 7), which alone is flagged, listed cyclically."""
    u, v = np.eye(3, dtype=np.int32)[[(axis + 1) % 3, (axis + 2) % 3]]
    coords = np.array([5, 6, 7], dtype=np.int32) + np.array([0 * u, v, u + v, u])
    keep = [n for n in range(4) if n != missing]
    flags = np.zeros((4, 3), dtype=bool)
    flags[0, axis] = True
    return DualGrid(
        coords=coords[keep],
        offset_vox=np.full((len(keep), 3), 0.5, dtype=np.float32),
        edge_flags=flags[keep],
        resolution=16,
        split_weight=None if weights is None else np.array(weights, dtype=np.float32)[keep],
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flag_joins_the_four_voxels_around_its_edge(axis: int) -> None:
    mesh = block(axis).to_mesh()
    middle = (np.array([5, 6, 7]) + 1.0) / 16 - 0.5  # the far corner of the owner's cell
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    got = mesh.vertices.mean(axis=0)
    np.testing.assert_allclose(np.delete(got, axis), np.delete(middle, axis), atol=1e-7)
    assert np.ptp(mesh.vertices[:, axis]) == 0


def test_a_quad_with_a_missing_voxel_is_dropped() -> None:
    for missing in (1, 2, 3):
        mesh = block(0, missing=missing).to_mesh()
        assert mesh.faces.shape == (0, 3)
        assert mesh.vertices.shape == (3, 3)


def test_the_heavier_diagonal_splits_and_a_tie_takes_the_second() -> None:
    assert block(2, weights=[2.0, 1, 2, 3]).to_mesh().faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert block(2, weights=[1.0, 2, 6, 3]).to_mesh().faces.tolist() == [[0, 1, 3], [3, 1, 2]]


def test_no_voxels_make_an_empty_mesh() -> None:
    none = np.zeros((0, 3))
    grid = DualGrid(coords=none.astype(int), offset_vox=none, edge_flags=none.astype(bool), resolution=8)
    assert grid.to_mesh().faces.shape == (0, 3)
