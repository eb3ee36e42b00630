from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixal3d_scene.autoencoder.triangle_cells import crossed_edges, overlapped_voxels, segment_voxels

SIZE = 9


def random_triangles(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, SIZE, (count, 1, 3)) + rng.uniform(-1, 1, (count, 3, 3)) * rng.uniform(0.1, 4)


def unit_normals(triangles: np.ndarray) -> np.ndarray:
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def clipped_area(triangle: np.ndarray, voxel: np.ndarray) -> float:
    """Area of a triangle inside a voxel, by cutting the polygon with the six planes (Sutherland and Hodgman 1974)."""
    polygon = list(triangle)
    for axis in range(3):
        for sign, limit in ((1, voxel[axis]), (-1, -(voxel[axis] + 1))):
            kept = []
            for p, q in zip(polygon, polygon[1:] + polygon[:1], strict=True):
                a, b = sign * p[axis] - limit, sign * q[axis] - limit
                if a >= 0:
                    kept.append(p)
                if (a > 0 > b) or (a < 0 < b):
                    kept.append(p + a / (a - b) * (q - p))
            polygon = kept
    if len(polygon) < 3:
        return 0.0
    fan = np.array([np.cross(polygon[i] - polygon[0], polygon[i + 1] - polygon[0]) for i in range(1, len(polygon) - 1)])
    return float(np.linalg.norm(fan.sum(axis=0)) / 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_overlapped_voxels_are_those_that_hold_a_piece_of_the_triangle(seed: int) -> None:
    triangles = random_triangles(4, seed)
    index, voxels = overlapped_voxels(triangles, unit_normals(triangles))
    for n, triangle in enumerate(triangles):
        mine = [tuple(v) for v in voxels[index == n]]
        assert len(mine) == len(set(mine))
        low, high = np.floor(triangle.min(axis=0)).astype(int), np.floor(triangle.max(axis=0)).astype(int)
        areas = {tuple(low + cell): clipped_area(triangle, low + cell) for cell in np.ndindex(*(high - low + 1))}
        assert {v for v, area in areas.items() if area > 1e-9} <= set(mine)
        assert all(areas[v] > 0 for v in mine)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_crossings_equal_the_exact_test_of_every_edge(seed: int) -> None:
    triangles = random_triangles(4, seed)
    got = crossed_edges(triangles, unit_normals(triangles))
    found = set(zip(got.triangle.tolist(), got.axis.tolist(), map(tuple, got.corner.tolist()), strict=True))
    expected = set()
    for n, (p, q, r) in enumerate(triangles):
        for axis in range(3):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            low, high = np.ceil(triangles[n].min(axis=0)).astype(int), np.floor(triangles[n].max(axis=0)).astype(int)
            for i in range(low[u], high[u] + 1):
                for j in range(low[v], high[v] + 1):
                    flat = np.array([[c[u] for c in (p, q, r)], [c[v] for c in (p, q, r)], [1, 1, 1]])
                    weights = np.linalg.solve(flat, [i, j, 1])
                    if (weights >= 0).all():
                        corner = np.zeros(3, dtype=int)
                        corner[[u, v]] = i, j
                        corner[axis] = int(np.floor(weights @ [p[axis], q[axis], r[axis]]))
                        expected.add((n, axis, tuple(corner.tolist())))
    assert found == expected
    normals = unit_normals(triangles)[got.triangle]
    on_plane = np.einsum("mi,mi->m", got.points - triangles[got.triangle, 0], normals)
    np.testing.assert_allclose(on_plane, 0, atol=1e-9)


@pytest.mark.parametrize("corner", [(1.0, 2.0, 3.0), (1.5, 2.25, 3.75), (1.0, 2.5, 3.0)])
def test_a_box_is_crossed_once_where_inside_changes_even_if_it_lies_on_the_grid(corner: tuple[float, ...]) -> None:
    import trimesh

    low = np.array(corner)
    high = low + np.array([4, 3, 2])
    box = trimesh.creation.box(bounds=[low, high])
    crossings = crossed_edges(np.asarray(box.triangles), np.asarray(box.face_normals))
    got = sorted(zip(crossings.axis.tolist(), map(tuple, crossings.corner.tolist()), strict=True))
    nodes = np.stack(np.meshgrid(*[np.arange(SIZE + 1)] * 3, indexing="ij"), axis=-1)
    inside = ((nodes >= low) & (nodes < high)).all(axis=-1)
    expected = []
    for axis in range(3):
        expected += [(axis, tuple(edge)) for edge in np.argwhere(np.diff(inside.astype(int), axis=axis)).tolist()]
    assert got == sorted(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_segments_visit_the_voxels_that_dense_samples_find(seed: int) -> None:
    ends = random_triangles(3, seed)
    starts, stops = ends[:, 0], ends[:, 1]
    index, voxels = segment_voxels(starts, stops)
    for n in range(3):
        mine = set(map(tuple, voxels[index == n].tolist()))
        samples = starts[n] + np.linspace(0, 1, 2001)[:, None] * (stops[n] - starts[n])
        seen = set(map(tuple, np.floor(samples).astype(int).tolist()))
        assert seen <= mine
        assert len(mine - seen) <= 2  # pieces shorter than the samples' distance
        assert len(mine) == (index == n).sum()
