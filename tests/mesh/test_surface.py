"""The surface of a field, and the same with fewer triangles."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.asset import Mesh
from pixal3d_scene.mesh.closed import is_closed, smallest_area, volume
from pixal3d_scene.mesh.simplify import simplify_closed
from pixal3d_scene.mesh.surface import solid_surface

SPACING = 0.1
LOW = np.array([-1.0, 2.0, 5.0])


def ball_field(n: int, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(n) * SPACING] * 3, indexing="ij"), axis=-1) + LOW
    return radius - np.linalg.norm(grid - centre, axis=-1)


def test_ball_is_where_the_field_says() -> None:
    centre = (0.1, 3.0, 6.1)
    mesh = solid_surface(ball_field(24, centre, 0.63), LOW, SPACING)
    assert is_closed(mesh)
    assert smallest_area(mesh) > 0
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices - centre, axis=1), 0.63, atol=0.02 * SPACING + 0.003)
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * 0.63**3, rel=0.02)


def test_axes_are_not_swapped() -> None:
    field = np.full((4, 6, 9), -SPACING)
    field[1:3, 1:5, 1:8] = SPACING
    np.testing.assert_allclose(solid_surface(field, LOW, SPACING).bounds - LOW, [[0.05] * 3, [0.25, 0.45, 0.75]])


def test_surface_through_grid_points_has_no_empty_triangles() -> None:
    field = np.zeros((5, 5, 5))
    field[1:4, 1:4, 1:4] = SPACING
    mesh = solid_surface(field, LOW, SPACING)
    assert is_closed(mesh)
    assert smallest_area(mesh) > 0


def test_solid_that_touches_the_border_is_closed_there() -> None:
    mesh = solid_surface(np.full((3, 3, 3), SPACING), LOW, SPACING)
    assert is_closed(mesh)
    assert volume(mesh) > 0


def test_simplified_ball_is_a_ball() -> None:
    centre = np.array([0.1, 3.0, 6.1])
    mesh = solid_surface(ball_field(24, tuple(centre), 0.63), LOW, SPACING)
    simple = simplify_closed(mesh, 300)
    assert len(simple.faces) <= 330
    assert is_closed(simple)
    np.testing.assert_allclose(np.linalg.norm(simple.vertices - centre, axis=1), 0.63, atol=0.03)


def test_small_mesh_is_left_alone() -> None:
    mesh = solid_surface(ball_field(24, (0.1, 3.0, 6.1), 0.3), LOW, SPACING)
    assert simplify_closed(mesh, 100_000) is mesh


def test_pinched_sheets_are_taken_apart() -> None:
    """A crumpled thing simplified far below its detail stays closed, also after joining equal positions."""
    rng = np.random.default_rng(0)
    mesh = solid_surface(np.where(rng.random((14, 14, 14)) < 0.4, SPACING, -SPACING), LOW, SPACING)
    simple = simplify_closed(mesh, len(mesh.faces) // 6)
    assert len(simple.faces) < len(mesh.faces) // 4
    assert is_closed(simple)
    single, index = np.unique(simple.vertices.astype(np.float32), axis=0, return_inverse=True)
    assert is_closed(Mesh(vertices=single.astype(float), faces=index.reshape(-1)[simple.faces]))
