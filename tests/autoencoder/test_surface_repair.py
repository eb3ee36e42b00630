from __future__ import annotations

import numpy as np
import pytest
import trimesh
from autoencoder_cases import as_mesh, box
from trimesh.creation import icosphere

from pixal3d_scene.asset import Mesh
from pixal3d_scene.autoencoder.mesh_to_dual_grid import mesh_to_dual_grid
from pixal3d_scene.autoencoder.surface_repair import repair_surface


def scrambled(solid: trimesh.Trimesh, seed: int = 0) -> Mesh:
    """The same surface with every second triangle or so turned over, in random order, plus an unused vertex."""
    rng = np.random.default_rng(seed)
    faces = solid.faces[rng.permutation(len(solid.faces))]
    flip = rng.random(len(faces)) < 0.5
    faces = np.where(flip[:, None], faces[:, ::-1], faces)
    return Mesh(vertices=np.concatenate([[[9.0, 9, 9]], solid.vertices]), faces=faces + 1)


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


@pytest.mark.parametrize("mirror", [1, -1])
def test_every_body_faces_outwards_whatever_the_first_triangle_says(mirror: int) -> None:
    bodies = [box((0.2, 0.3, 0.1), (-0.3, 0, 0)), icosphere(2, 0.1).apply_translation((0.3, 0.1, mirror * 0.2))]
    expected = sum(body.volume for body in bodies)
    repaired = repair_surface(scrambled(trimesh.util.concatenate(bodies)))
    whole = as_trimesh(repaired.mesh)
    assert whole.is_winding_consistent
    assert whole.is_watertight
    assert whole.volume == pytest.approx(expected)
    assert all(part.volume > 0 for part in whole.split())
    assert repaired.open_edges == repaired.holes_filled == 0
    assert len(repaired.mesh.vertices) == sum(len(body.vertices) for body in bodies)


def test_a_consistent_mesh_is_left_as_it_is() -> None:
    solid = icosphere(3, 0.3)
    repaired = repair_surface(as_mesh(solid))
    assert repaired.triangles_flipped == 0
    np.testing.assert_array_equal(repaired.mesh.faces, solid.faces)


def test_small_loops_are_closed_by_a_fan_and_large_ones_are_not() -> None:
    solid = icosphere(4, 0.3)  # sides of about 0.02
    small = np.flatnonzero((solid.faces == 100).any(axis=1))  # one vertex with its fan: a loop of five or six sides
    large = np.flatnonzero(solid.triangles_center[:, 1] < -0.25)
    rest = solid.copy()
    rest.update_faces(np.setdiff1d(np.arange(len(solid.faces)), np.concatenate([small, large])))
    perimeter = len(small) * 0.03
    repaired = repair_surface(scrambled(rest), max_perimeter_obj=perimeter)
    assert repaired.holes_filled == 1
    assert repaired.open_edges > 20
    whole = as_trimesh(repaired.mesh)
    assert whole.is_winding_consistent
    loop = np.setdiff1d(solid.faces[small], [100])
    middle = solid.vertices[loop].mean(axis=0)  # of a closed loop also the mean of its sides' midpoints
    assert np.linalg.norm(whole.vertices - middle, axis=1).min() < 1e-9
    assert repair_surface(scrambled(rest), max_perimeter_obj=100.0).open_edges == 0


def test_a_loop_that_touches_itself_is_left_open() -> None:
    """Two missing triangles that share one vertex: it has four boundary sides."""
    solid = icosphere(2, 0.3)
    around = np.flatnonzero((solid.faces == 50).any(axis=1))
    first = around[0]
    second = next(f for f in around if len(np.intersect1d(solid.faces[f], solid.faces[first])) == 1)
    rest = solid.copy()
    rest.update_faces(np.setdiff1d(np.arange(len(solid.faces)), [first, second]))
    repaired = repair_surface(as_mesh(rest), max_perimeter_obj=100.0)
    assert (repaired.holes_filled, repaired.open_edges) == (0, 6)


def test_one_sided_surfaces_do_not_loop_for_ever() -> None:
    count = 24
    turn = np.arange(count) * 2 * np.pi / count
    radial = np.stack([np.cos(turn), np.zeros(count), np.sin(turn)], axis=1)
    across = np.cos(turn / 2)[:, None] * radial + np.sin(turn / 2)[:, None] * [0, 1, 0]
    vertices = np.concatenate([radial * 0.3 + 0.1 * across, radial * 0.3 - 0.1 * across])
    quads = [(n, (n + 1), count + n + 1, count + n) for n in range(count - 1)]
    quads.append((count - 1, count, 0, 2 * count - 1))  # the twist
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    strip = Mesh(vertices=vertices, faces=faces)
    repaired = repair_surface(strip)
    assert repaired.triangles_flipped == 0
    assert len(repaired.mesh.faces) == len(faces)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_dual_grid_mesh_becomes_a_solid_even_without_one_of_its_voxels(missing: int) -> None:
    solid = icosphere(5, 0.4)
    raw = mesh_to_dual_grid(as_mesh(solid), resolution=48).grid.to_mesh()
    assert not as_trimesh(raw).is_winding_consistent
    gone = raw.faces[1234, 0] if missing else -1
    holed = Mesh(vertices=raw.vertices, faces=raw.faces[(raw.faces != gone).all(axis=1)])
    repaired = repair_surface(holed, max_perimeter_obj=0.2)
    assert repaired.holes_filled == missing
    whole = as_trimesh(repaired.mesh)
    assert whole.is_watertight
    assert whole.is_winding_consistent
    assert whole.volume == pytest.approx(solid.volume, rel=0.01)


def test_coloured_meshes_are_refused() -> None:
    solid = as_mesh(icosphere(1, 0.3))
    coloured = Mesh(
        vertices=solid.vertices, faces=solid.faces, colours=np.zeros((len(solid.vertices), 4), dtype=np.uint8)
    )
    with pytest.raises(ValueError, match="repair first"):
        repair_surface(coloured)
    assert len(repair_surface(Mesh(vertices=np.zeros((0, 3)), faces=np.zeros((0, 3), dtype=int))).mesh.faces) == 0
