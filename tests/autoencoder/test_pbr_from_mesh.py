from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.asset import Material, Mesh
from pixal3d_scene.autoencoder.mesh_to_dual_grid import mesh_to_dual_grid
from pixal3d_scene.autoencoder.pbr_from_mesh import pbr_voxels_of

VERTICES = np.array([[-0.4, 0.01, -0.4], [0.4, 0.01, -0.4], [0.4, 0.01, 0.4], [-0.4, 0.01, 0.4]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
UV = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1]])


def test_texture_is_read_at_the_nearest_surface_point_with_v_down() -> None:
    sheet = Mesh(vertices=VERTICES, faces=FACES, uv=UV)
    columns, rows = np.meshgrid(np.arange(64), np.arange(64))
    texture = np.stack([4 * columns, 4 * rows, 0 * rows], axis=-1).astype(np.uint8)
    surface = mesh_to_dual_grid(sheet, resolution=32)
    voxels = pbr_voxels_of(sheet, Material(base_colour=texture, metallic=0.25, roughness=0.5), surface)
    x, z = ((voxels.coords + 0.5) / 32 - 0.5)[:, [0, 2]].T
    inner = np.maximum(np.abs(x), np.abs(z)) < 0.38
    expected = np.stack([(x + 0.4) / 0.8, (z + 0.4) / 0.8], axis=1) * 4 * 64 - 2  # texel centres are at half-integers
    np.testing.assert_allclose(voxels.attributes[inner, :2] * 255, expected[inner], atol=0.05)
    np.testing.assert_allclose(voxels.attributes[:, 3:], np.tile([0.25, 0.5, 1.0], (len(x), 1)))


def test_vertex_colours_and_factor_multiply_as_light() -> None:
    grey = np.tile(np.array([188, 188, 188, 128], dtype=np.uint8), (4, 1))  # sRGB 188 is half the light
    sheet = Mesh(vertices=VERTICES, faces=FACES, colours=grey)
    voxels = pbr_voxels_of(
        sheet, Material(base_colour_factor=(0.5, 1.0, 0.0, 0.5)), mesh_to_dual_grid(sheet, resolution=16)
    )
    half, quarter = 188 / 255, 0.537  # sRGB codes of 1/2 and 1/4
    np.testing.assert_allclose(voxels.attributes[0], [quarter, half, 0, 0, 0.8, 64 / 255], atol=2e-3)


def test_a_plain_white_material_needs_neither_texture_nor_colours() -> None:
    sheet = Mesh(vertices=VERTICES, faces=FACES, uv=UV)
    voxels = pbr_voxels_of(sheet, Material(), mesh_to_dual_grid(sheet, resolution=16))
    assert voxels.attributes[:, [0, 1, 2, 5]] == pytest.approx(1)
