"""Closed solids from dual grids: what is enclosed is full, what is a sheet has a thickness, nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lift_cases import box, chair, joined
from scipy.spatial.transform import Rotation

from pixal3d_scene.asset import Mesh
from pixal3d_scene.autoencoder.dual_grid import DualGrid
from pixal3d_scene.autoencoder.mesh_to_dual_grid import mesh_to_dual_grid
from pixal3d_scene.generator.own_solid import closed_solid
from pixal3d_scene.mesh.closed import is_closed, volume

VOXEL = 1 / 64


def in_cube(mesh: Mesh, size: float = 0.8) -> Mesh:
    """Turned, centred, `size` edges large."""
    vertices = Rotation.from_euler("xyz", [20, 30, 5], degrees=True).apply(np.array(mesh.vertices))
    vertices = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return Mesh(vertices=vertices * size / np.ptp(vertices, axis=0).max(), faces=mesh.faces)


def grid_of(mesh: Mesh) -> DualGrid:
    return mesh_to_dual_grid(mesh, resolution=64).grid


def solid_mesh(grid: DualGrid) -> Mesh:
    solid = closed_solid(grid)
    assert solid is not None
    mesh = solid.mesh_obj()
    assert is_closed(mesh)
    return mesh


def without(grid: DualGrid, gone: np.ndarray) -> DualGrid:
    weight = None if grid.split_weight is None else grid.split_weight[~gone]
    return replace(
        grid,
        coords=grid.coords[~gone],
        offset_vox=grid.offset_vox[~gone],
        edge_flags=grid.edge_flags[~gone],
        split_weight=weight,
    )


def test_a_box_stays_where_it_is_and_is_full() -> None:
    truth = in_cube(box((0, 0, 0), (1.0, 0.6, 0.4)))
    got = solid_mesh(grid_of(truth))
    assert volume(got) == pytest.approx(volume(truth), rel=0.015)
    np.testing.assert_allclose(got.bounds, truth.bounds, atol=0.5 * VOXEL)


def test_thin_parts_stay_and_get_a_thickness() -> None:
    truth = in_cube(chair(0, 0))
    got = solid_mesh(grid_of(truth))
    np.testing.assert_allclose(got.bounds, truth.bounds, atol=0.9 * VOXEL)
    assert volume(got) == pytest.approx(volume(truth), rel=0.1)


def test_holes_in_something_thick_are_closed() -> None:
    """Missing voxels, as a network leaves them out: three at places, and one in a hundred everywhere."""
    truth = in_cube(box((0, 0, 0), (1.0, 0.6, 0.4)))
    grid = grid_of(truth)
    gone = np.random.default_rng(0).random(len(grid.coords)) < 0.01
    got = solid_mesh(without(grid, gone))
    assert volume(got) == pytest.approx(volume(truth), rel=0.03)


def test_a_sheet_becomes_a_plate() -> None:
    side = np.array([[-0.3, -0.3, 0.1], [0.3, -0.3, 0.1], [0.3, 0.3, 0.1], [-0.3, 0.3, 0.1]])
    sheet = Mesh(vertices=side, faces=np.array([[0, 1, 2], [0, 2, 3]]))
    got = solid_mesh(grid_of(sheet))
    low, high = got.bounds
    np.testing.assert_allclose([low[2], high[2]], [0.1 - 0.4 * VOXEL, 0.1 + 0.4 * VOXEL], atol=0.2 * VOXEL)
    np.testing.assert_allclose([low[0], high[0]], [-0.3, 0.3], atol=1.5 * VOXEL)


def test_a_gap_between_parts_stays_open_and_crumbs_go() -> None:
    """Two boxes four voxels apart are two bodies; a speck far from both is none."""
    gap = 4 * VOXEL
    parts = joined(
        box((-0.4, -0.3, -0.2), (-gap / 2, 0.3, 0.2)),
        box((gap / 2, -0.3, -0.2), (0.4, 0.3, 0.2)),
    )
    speck = box((0.4, 0.4, 0.4), (0.42, 0.42, 0.42))
    got = solid_mesh(grid_of(joined(parts, speck)))
    assert volume(got) == pytest.approx(volume(parts), rel=0.03)
    inside_gap = np.abs(got.vertices[:, 0]) < gap / 2 - VOXEL
    assert not inside_gap.any()
    assert got.vertices[:, 1].max() < 0.35


def test_nothing_in_nothing_out() -> None:
    grid = grid_of(in_cube(box((0, 0, 0), (1.0, 1.0, 1.0))))
    assert closed_solid(replace(grid, edge_flags=np.zeros_like(grid.edge_flags))) is None
