"""Overlap of solids whose overlap is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered_scene import box

from pixal3d_scene.asset import Mesh
from pixal3d_scene.layout.overlap import Solid, box_pairs, penetration, shared_volume_m3, volume_m3


def sphere(radius: float, centre: tuple[float, float, float]) -> Mesh:
    solid = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    return Mesh(vertices=np.array(solid.vertices) + np.array(centre), faces=np.array(solid.faces))


def test_volume_that_two_boxes_share() -> None:
    first, second = Solid(box((1, 1, 1), (0, 0, 0))), Solid(box((1, 1, 1), (0.8, 0.1, -0.2)))
    assert shared_volume_m3(first, second) == pytest.approx(0.2 * 0.9 * 0.8, rel=0.02)
    assert shared_volume_m3(first, Solid(box((1, 1, 1), (1.01, 0, 0)))) == 0
    assert volume_m3(first) == pytest.approx(1, rel=0.02)


def test_boxes_that_meet_do_not_mean_solids_that_meet() -> None:
    first, second = sphere(0.5, (0, 0, 0)), sphere(0.5, (0.6, 0.6, 0.6))  # centres 1.04 apart
    assert len(box_pairs([first.bounds, second.bounds])) == 1
    assert shared_volume_m3(Solid(first), Solid(second)) == 0
    assert penetration(Solid(first), Solid(second)) is None


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_way_out_is_the_short_one(axis: int, side: float) -> None:
    centre = np.zeros(3)
    centre[axis] = 0.95 * side
    first, second = Solid(box((1, 1, 1), (0, 0, 0))), Solid(box((1, 0.99, 0.98), tuple(centre)))
    found = penetration(first, second)
    assert found is not None
    expected = np.zeros(3)
    expected[axis] = -side
    assert found.out @ expected > 0.95
    extent = (1 + [1, 0.99, 0.98][axis]) / 2
    assert found.depth_m == pytest.approx(extent - 0.95, abs=0.006)


def test_moving_along_the_way_out_ends_the_penetration() -> None:
    first, second = sphere(0.5, (0, 0, 0)), sphere(0.4, (0.5, 0.4, 0.1))
    found = penetration(Solid(first), Solid(second))
    assert found is not None
    moved = Mesh(vertices=first.vertices + (found.depth_m + 1e-3) * found.out, faces=first.faces)
    left = penetration(Solid(moved), Solid(second))
    assert left is None or left.depth_m < 0.1 * found.depth_m


def test_a_mesh_with_a_hole_is_still_a_solid() -> None:
    whole = sphere(0.5, (0, 0, 0))
    torn = Solid(Mesh(vertices=whole.vertices, faces=whole.faces[:-20]))
    inside = torn.contains(np.array([[0.0, 0, 0], [0.3, 0.1, 0], [0.6, 0, 0], [0, 0.45, 0.45]]))
    assert inside.tolist() == [True, True, False, False]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 25))
def test_the_sweep_finds_what_trying_all_pairs_finds(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-2, 2, (count, 3))
    bounds = [np.stack([lo, lo + e]) for lo, e in zip(low, rng.uniform(0.1, 1.5, (count, 3)), strict=True)]
    expected = {
        (i, j)
        for i in range(count)
        for j in range(i + 1, count)
        if (bounds[i][0] <= bounds[j][1]).all() and (bounds[j][0] <= bounds[i][1]).all()
    }
    assert {tuple(p) for p in box_pairs(bounds).tolist()} == expected
