from __future__ import annotations

import numpy as np
import pytest
import trimesh
from autoencoder_cases import as_mesh, box, chamfer_obj, distance_obj, furniture

from pixal3d_scene.asset import Mesh
from pixal3d_scene.autoencoder.mesh_to_dual_grid import _minimise_on_border, mesh_to_dual_grid
from pixal3d_scene.autoencoder.surface_repair import repair_surface
from pixal3d_scene.errors import InputError


def flagged_edges(mesh: Mesh, resolution: int) -> set[tuple[int, ...]]:
    """(axis, x, y, z) of the lower end of each flagged grid edge."""
    grid = mesh_to_dual_grid(mesh, resolution=resolution).grid
    row, axis = np.nonzero(grid.edge_flags)
    # A voxel owns the edges at its far side: along the edge's own axis the edge starts where the voxel starts.
    start = grid.coords[row] + 1 - np.eye(3, dtype=int)[axis]
    return {(int(a), *map(int, c)) for a, c in zip(axis, start, strict=True)}


def inside_changes(inside: np.ndarray) -> set[tuple[int, ...]]:
    """The same from which grid nodes lie inside."""
    found = set()
    for axis in range(3):
        found |= {(axis, *edge) for edge in np.argwhere(np.diff(inside.astype(int), axis=axis)).tolist()}
    return found


def nodes_obj(resolution: int) -> np.ndarray:
    line = np.arange(resolution + 1) / resolution - 0.5
    return np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)


@pytest.mark.parametrize("at", [(0.0, 0.0, 0.0), (0.013, -0.021, 0.034)])
@pytest.mark.parametrize("size", [(0.5, 0.25, 0.75), (0.41, 0.77, 0.06)])
def test_edge_flags_of_a_box_are_exact(size: tuple[float, float, float], at: tuple[float, float, float]) -> None:
    low, high = np.array(at) - np.array(size) / 2, np.array(at) + np.array(size) / 2
    nodes = nodes_obj(32)
    # Nodes on the surface belong to the solid on its low sides: the half-open rule that keeps flags closed.
    inside = ((nodes >= low - 1e-12) & (nodes < high - 1e-12)).all(axis=-1)
    assert flagged_edges(as_mesh(box(size, at)), 32) == inside_changes(inside)


@pytest.mark.parametrize("size", [(0.5, 0.4, 0.6), (0.7, 0.3, 0.06)])
def test_edge_flags_of_a_turned_box_are_exact(size: tuple[float, float, float]) -> None:
    """No flag where an edge only grazes one of the box's ridges."""
    turn = trimesh.transformations.euler_matrix(0.3, 0.5, 0.1)
    inside = (np.abs(nodes_obj(48) @ turn[:3, :3]) < np.array(size) / 2).all(axis=-1)
    assert flagged_edges(as_mesh(box(size).apply_transform(turn)), 48) == inside_changes(inside)


def test_a_panel_thinner_than_a_voxel_keeps_its_whole_area() -> None:
    solid = box((0.7, 0.01, 0.5)).apply_transform(trimesh.transformations.euler_matrix(0.2, 0.3, 0.1))
    sheet = mesh_to_dual_grid(as_mesh(solid), resolution=32).grid.to_mesh()  # 0.3 voxels thick
    distance_vox = distance_obj(trimesh.sample.sample_surface(solid, 20000, seed=0)[0], sheet) * 32
    assert distance_vox.max() < 1


def test_edge_flags_of_a_ball_are_exact() -> None:
    radius, centre, resolution = 0.37, np.array([-0.029, 0.0188, 0.0248]), 28
    ball = trimesh.creation.icosphere(6, radius).apply_translation(centre)
    distance = np.linalg.norm(nodes_obj(resolution) - centre, axis=-1)
    facet_height = radius - np.einsum("fi,fi->f", ball.triangles[:, 0] - centre, ball.face_normals).min()
    assert np.abs(distance - radius).min() > facet_height, "a node between sphere and facets would decide nothing"
    assert flagged_edges(as_mesh(ball), resolution) == inside_changes(distance < radius)


def test_corners_and_sides_of_a_turned_box_stay_sharp() -> None:
    solid = box((0.5, 0.4, 0.6)).apply_transform(trimesh.transformations.euler_matrix(0.3, 0.5, 0.1))
    vertices = mesh_to_dual_grid(as_mesh(solid), resolution=48).grid.vertices_obj
    gap_vox = np.linalg.norm(vertices[:, None] - solid.vertices[None], axis=2).min(axis=0) * 48
    assert gap_vox.max() < 0.01


def test_offsets_stay_in_their_voxels_and_rows_are_sorted() -> None:
    grid = mesh_to_dual_grid(as_mesh(furniture()["vase"]), resolution=40).grid
    assert grid.offset_vox.min() >= 0
    assert grid.offset_vox.max() <= 1
    keys = (grid.coords @ (40**2, 40, 1)).tolist()
    assert keys == sorted(set(keys))


def test_a_mirrored_mesh_has_a_mirrored_grid() -> None:
    """Axes are neither swapped nor shifted: x -> -x maps voxel i to resolution - 1 - i and its offset o to 1 - o."""
    mesh = as_mesh(furniture()["chair"])
    mirrored = Mesh(vertices=mesh.vertices * (-1, 1, 1), faces=mesh.faces[:, ::-1])
    one = mesh_to_dual_grid(mesh, resolution=32).grid
    two = mesh_to_dual_grid(mirrored, resolution=32).grid
    coords = two.coords * (-1, 1, 1) + (31, 0, 0)
    order = np.lexsort(coords.T[::-1])
    np.testing.assert_array_equal(coords[order], one.coords)
    offsets = (two.offset_vox * (-1, 1, 1) + (1, 0, 0))[order]
    np.testing.assert_allclose(offsets, one.offset_vox, atol=1e-4)


def test_nearest_points_lie_on_the_mesh_near_their_voxel() -> None:
    solid = furniture()["sofa"]
    surface = mesh_to_dual_grid(as_mesh(solid), resolution=48)
    points = np.einsum("nk,nki->ni", surface.barycentric, solid.triangles[surface.face])
    centres = (surface.grid.coords + 0.5) / 48 - 0.5
    distance_vox = np.linalg.norm(points - centres, axis=1) * 48
    assert distance_vox.max() <= np.sqrt(3) / 2 + 1e-6  # as far as a piece of surface inside the voxel can be
    assert np.isin(surface.face, np.arange(len(solid.faces))).all()


def test_the_rim_of_an_open_sheet_stays_in_place() -> None:
    """A disc without thickness: its border comes back within a quarter of a voxel, thanks to the rim term."""
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    rim = np.stack([0.3 * np.cos(angle), 0.011 + 0.1 * np.cos(angle), 0.3 * np.sin(angle)], axis=1)
    vertices = np.concatenate([rim, [[0, 0.011, 0]]])
    faces = np.array([[n, (n + 1) % 60, 60] for n in range(60)])
    mesh = mesh_to_dual_grid(Mesh(vertices=vertices, faces=faces), resolution=64).grid.to_mesh()
    used = mesh.vertices[np.unique(mesh.faces)]
    assert np.hypot(used[:, 0], used[:, 2]).max() == pytest.approx(0.3, abs=1 / 64)
    np.testing.assert_allclose(used[:, 1], 0.011 + used[:, 0] / 3, atol=0.02 / 64)


def test_minimum_on_the_border_equals_a_fine_search() -> None:
    rng = np.random.default_rng(5)
    root = rng.normal(size=(40, 3, 3))
    matrix = np.einsum("kij,klj->kil", root, root) + 0.01 * np.eye(3)
    vector = rng.normal(size=(40, 3)) * 3
    steps = np.linspace(0, 1, 41)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)

    def value(x: np.ndarray, k: int) -> np.ndarray:
        return np.einsum("ni,ij,nj->n", x, matrix[k], x) - 2 * x @ vector[k]

    best = _minimise_on_border(matrix, vector)
    for k in range(40):
        assert value(best[k : k + 1], k)[0] <= value(cube, k).min() + 1e-9
        assert (best[k] >= 0).all()
        assert (best[k] <= 1).all()


def test_a_speck_inside_one_voxel_is_a_vertex_without_edges() -> None:
    speck = trimesh.creation.icosphere(1, 0.005).apply_translation([0.03, 0.03, 0.03])
    grid = mesh_to_dual_grid(as_mesh(speck), resolution=16).grid
    assert grid.coords.tolist() == [[8, 8, 8]]
    assert not grid.edge_flags.any()
    np.testing.assert_allclose(grid.vertices_obj, [[0.03, 0.03, 0.03]], atol=0.005)


def test_a_mesh_outside_the_cube_or_without_area_is_refused() -> None:
    with pytest.raises(InputError, match="leaves the cube"):
        mesh_to_dual_grid(as_mesh(box((1.0, 0.2, 0.2))), resolution=16)
    flat = Mesh(vertices=np.zeros((3, 3)), faces=np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="no triangle with an area"):
        mesh_to_dual_grid(flat, resolution=16)


@pytest.mark.slow
@pytest.mark.parametrize("resolution", [128, 256])
@pytest.mark.parametrize("name", sorted(furniture()))
def test_furniture_survives_the_round_trip(name: str, resolution: int) -> None:
    solid = furniture()[name]
    mesh = as_mesh(solid)
    back = mesh_to_dual_grid(mesh, resolution=resolution).grid.to_mesh()
    assert chamfer_obj(mesh, back) * resolution <= 0.5
    repaired = repair_surface(back)
    assert repaired.open_edges == 0
    whole = trimesh.Trimesh(repaired.mesh.vertices, repaired.mesh.faces, process=False)
    assert whole.is_winding_consistent
    assert whole.volume == pytest.approx(solid.volume, rel=0.02)
