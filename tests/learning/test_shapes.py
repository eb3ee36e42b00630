"""The solids: exact sizes, closed, outward, smooth where round and sharp where not."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from pixal3d_scene.asset import Mesh
from pixal3d_scene.learning.shapes import box, corner_normals, cushion, lathe, leaf, leg, moved, rounded_box, strut


def closed(mesh: Mesh) -> trimesh.Trimesh:
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert solid.area_faces.min() > 0
    return solid


def test_box_and_rounded_box_have_the_volume_of_geometry() -> None:
    assert closed(box((1.0, 2.0, 3.0))).volume == pytest.approx(6.0)
    a, b, c, r = 1.0, 0.6, 0.4, 0.1
    solid = closed(rounded_box((a, b, c), r, steps=24))
    x, y, z = a - 2 * r, b - 2 * r, c - 2 * r
    exact = x * y * z + 2 * r * (x * y + y * z + z * x) + np.pi * r**2 * (x + y + z) + 4 / 3 * np.pi * r**3
    assert solid.volume == pytest.approx(exact, rel=2e-3)
    np.testing.assert_allclose(solid.extents, (a, b, c), atol=1e-12)


def test_cushion_lies_on_its_superellipsoid() -> None:
    size = np.array([0.6, 0.2, 0.4])
    mesh = cushion(tuple(size), power=4.0)
    closed(mesh)
    np.testing.assert_allclose((np.abs(mesh.vertices / (size / 2)) ** 4).sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(mesh.bounds, [-size / 2, size / 2], atol=1e-12)


def test_lathe_of_a_cylinder_and_of_a_ring() -> None:
    n = 96
    polygon = n / 2 * np.sin(2 * np.pi / n)  # area of the regular n-gon of radius 1
    assert closed(lathe([(0, 0), (0.3, 0), (0.3, 2), (0, 2)], n)).volume == pytest.approx(polygon * 0.09 * 2)
    ring = closed(lathe([(0.2, 0), (0.3, 0), (0.3, 1), (0.2, 1)], n))
    assert ring.volume == pytest.approx(polygon * (0.09 - 0.04))


def test_strut_and_leg_run_from_foot_to_top() -> None:
    start, end = np.array([0.1, 0.2, 0.3]), np.array([-0.4, 0.9, 0.1])
    rod = closed(strut(start, end, 0.02, 0.01))
    along = (rod.vertices - start) @ (end - start) / ((end - start) @ (end - start))
    assert along.min() == pytest.approx(0, abs=1e-9)
    assert along.max() == pytest.approx(1, abs=1e-9)
    thick = np.linalg.norm(rod.vertices - start - along[:, None] * (end - start), axis=1)
    assert thick[along < 0.5].max() == pytest.approx(0.02)
    assert thick[along > 0.5].max() == pytest.approx(0.01)
    post = closed(leg((0.2, 0.0, 0.1), (0.1, 0.7, 0.1), 0.01, 0.03))
    flat = post.vertices[post.vertices[:, 1] == 0]
    np.testing.assert_allclose(flat.mean(axis=0), (0.2, 0.0, 0.1), atol=1e-3)


def test_leaf_grows_to_the_front_and_bends_down() -> None:
    blade = closed(leaf(0.3, 0.1, droop_rad=1.0))
    tip = blade.vertices[blade.vertices[:, 2].argmax()]
    assert tip[2] == pytest.approx(0.3 * np.sin(1.0), rel=0.02)
    assert tip[1] == pytest.approx(-0.3 * (1 - np.cos(1.0)), rel=0.1)


def test_moved_turns_first_and_then_shifts() -> None:
    mesh = moved(box((2.0, 0.1, 0.1)), to_m=(0, 5, 0), turn=Rotation.from_euler("z", 90, degrees=True))
    np.testing.assert_allclose(mesh.bounds, [[-0.05, 4, -0.05], [0.05, 6, 0.05]], atol=1e-12)


def test_corner_normals_are_sharp_on_boxes_and_round_on_balls() -> None:
    sharp = corner_normals(box((1.0, 2.0, 3.0)))
    assert (np.sort(np.abs(sharp), axis=-1) == [0, 0, 1]).all()
    ball = cushion((1.0, 1.0, 1.0), power=2.0, steps=21)
    expected = ball.vertices[ball.faces] * 2
    assert np.einsum("fcx,fcx->fc", corner_normals(ball), expected).min() > 0.99
