"""Voxels to a coloured mesh: where colours end up, and what fewer triangles keep."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.autoencoder.dual_grid import DualGrid
from pixal3d_scene.autoencoder.pbr_voxels import PbrVoxels
from pixal3d_scene.generator.voxel_mesh import mesh_from_voxels

R = 32


def cube_grid(low: int = 6, high: int = 20) -> DualGrid:
    """The closed border of a cube of cells [low, high)^3, as flags on grid edges that cross it."""
    axis = np.arange(low - 1, high)
    coords = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    # A voxel owns, per axis, the edge at its far side in the two other axes, from coordinate c to c + 1.
    flags = np.zeros((len(coords), 3), dtype=bool)
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        inside = [(coords[:, k] + 1 >= low) & (coords[:, k] + 1 < high) for k in (b, c)]
        crossed = (coords[:, a] == low - 1) | (coords[:, a] == high - 1)
        flags[:, a] = inside[0] & inside[1] & crossed
    return DualGrid(
        coords=coords.astype(np.int32),
        offset_vox=np.full(coords.shape, 0.5, dtype=np.float32),
        edge_flags=flags,
        resolution=R,
    )


def painted(grid: DualGrid) -> PbrVoxels:
    """Red grows with x, green with y, blue with z: a swapped or mirrored axis shows."""
    attributes = np.zeros((len(grid.coords), 6), dtype=np.float32)
    attributes[:, :3] = (grid.coords + 0.5) / R
    attributes[:, 3:] = [0.25, 0.75, 0.1]
    return PbrVoxels(coords=grid.coords, attributes=attributes, resolution=R)


@pytest.mark.parametrize(("max_faces", "tolerance"), [(10**6, 1 / 255), (300, 0.06)])
def test_colours_are_those_of_the_place(max_faces: int, tolerance: float) -> None:
    grid = cube_grid()
    made = mesh_from_voxels(grid, painted(grid), max_faces=max_faces)
    assert made is not None
    assert 0 < len(made.mesh.faces) <= max_faces
    colours = made.mesh.colours
    assert colours is not None
    np.testing.assert_allclose(colours[:, :3] / 255, made.mesh.vertices + 0.5, atol=tolerance)
    assert (colours[:, 3] == 255).all()  # alpha is not drawn


def test_material_and_sides() -> None:
    grid = cube_grid()
    closed = mesh_from_voxels(grid, painted(grid), max_faces=10**6)
    assert closed is not None
    assert (closed.material.metallic, closed.material.roughness) == pytest.approx((0.25, 0.75))
    assert not closed.material.double_sided
    assert closed.notes == ()
    a, b, c = (closed.mesh.vertices[closed.mesh.faces[:, k]] for k in range(3))
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx((14 / R) ** 3, rel=0.2)  # faces outwards


def test_an_open_surface_is_drawn_from_both_sides() -> None:
    whole = cube_grid()
    kept = whole.coords[:, 1] < 15
    grid = DualGrid(
        coords=whole.coords[kept],
        offset_vox=whole.offset_vox[kept],
        edge_flags=whole.edge_flags[kept],
        resolution=R,
    )
    made = mesh_from_voxels(grid, painted(grid), max_faces=10**6)
    assert made is not None
    assert made.material.double_sided
    assert made.notes == ("The surface is open in places and drawn from both sides.",)


def test_no_faces_no_mesh() -> None:
    whole = cube_grid()
    bare = DualGrid(
        coords=whole.coords,
        offset_vox=whole.offset_vox,
        edge_flags=np.zeros_like(whole.edge_flags),
        resolution=R,
    )
    assert mesh_from_voxels(bare, painted(bare), max_faces=100) is None
