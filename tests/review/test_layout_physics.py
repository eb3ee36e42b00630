"""Physical figures of layouts that can be worked out by hand."""

from __future__ import annotations

import pytest
from rendered_scene import standing_box

from pixal3d_scene.review.layout_physics import measure_physics


def test_a_good_layout() -> None:
    meshes = {"table": standing_box((1, 0.7, 0.6), 0, 0), "vase": standing_box((0.2, 0.2, 0.2), 0, 0, y=0.7)}
    physics = measure_physics(meshes, {"table": "floor", "vase": "table"})
    assert physics.penetration_share == 0
    assert physics.floating_gap_m == pytest.approx(0, abs=1e-9)
    assert physics.in_contact == 1
    assert physics.coverage == pytest.approx(1, abs=0.02)


def test_a_tenth_of_a_box_in_another() -> None:
    meshes = {"a": standing_box((1, 1, 1), 0, 0), "b": standing_box((1, 1, 1), 0.9, 0)}
    physics = measure_physics(meshes, {"a": "floor", "b": "floor"})
    assert physics.penetration_share == pytest.approx(0.1 / 2, rel=0.05)
    assert physics.largest_depth_m == pytest.approx(0.1, abs=0.01)


def test_floating_and_sunken_objects_count_alike() -> None:
    meshes = {"a": standing_box((1, 1, 1), 0, 0, y=0.03), "b": standing_box((1, 1, 1), 3, 0, y=-0.02)}
    physics = measure_physics(meshes, {"a": "floor", "b": "floor"})
    assert physics.floating_gap_m == pytest.approx(0.03)
    assert physics.in_contact == 0


def test_half_of_a_foot_over_the_edge() -> None:
    meshes = {"table": standing_box((1, 0.7, 0.6), 0, 0), "box": standing_box((0.4, 0.2, 0.4), 0.5, 0, y=0.7)}
    physics = measure_physics(meshes, {"table": "floor", "box": "table"})
    assert physics.in_contact == 1
    assert physics.coverage == pytest.approx((1 + 0.5) / 2, abs=0.06)
