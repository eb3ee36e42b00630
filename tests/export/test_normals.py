from __future__ import annotations

import numpy as np
import pytest
import trimesh

from pixal3d_scene.asset import Mesh
from pixal3d_scene.export.normals import smooth_normals


def _mesh(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(vertices=np.asarray(solid.vertices), faces=np.asarray(solid.faces))


def _split(mesh: Mesh) -> Mesh:
    """Every triangle with three vertices of its own."""
    return Mesh(vertices=mesh.vertices[mesh.faces].reshape(-1, 3), faces=np.arange(mesh.faces.size).reshape(-1, 3))


def test_normals_of_a_ball_point_away_from_its_centre():
    ball = _mesh(trimesh.creation.icosphere(subdivisions=3, radius=0.7))
    assert np.abs(smooth_normals(ball) - ball.vertices / 0.7).max() < 0.01


def test_a_seam_does_not_show():
    ball = _mesh(trimesh.creation.icosphere(subdivisions=3, radius=0.7))
    assert np.allclose(smooth_normals(_split(ball)), smooth_normals(ball)[ball.faces].reshape(-1, 3), atol=1e-12)


def test_a_box_with_sides_of_its_own_keeps_its_edges():
    box = trimesh.creation.box((1, 2, 3))
    flat = np.repeat(box.face_normals, 3, axis=0)
    assert np.allclose(smooth_normals(_split(_mesh(box))), flat, atol=1e-12)


def test_corner_of_a_box_is_independent_of_its_triangulation():
    normals = smooth_normals(_mesh(trimesh.creation.box((1, 2, 3))))
    assert np.abs(normals) == pytest.approx(np.full((8, 3), 3**-0.5))


def test_every_normal_has_length_one_even_without_a_face():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1], [5, 5, 5], [2, 0, 0]], dtype=float)
    mesh = Mesh(vertices=vertices, faces=np.array([[0, 1, 2], [0, 1, 4]]))
    normals = smooth_normals(mesh)
    assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(5))
    assert normals[:3] == pytest.approx(np.tile([0, -1, 0], (3, 1)))
    assert normals[3] == pytest.approx([0, 1, 0])
