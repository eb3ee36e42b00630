"""Where a foot meets what it stands on, for shapes whose gap and patch are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from rendered_scene import box, standing_box

from pixal3d_scene.asset import Mesh
from pixal3d_scene.layout.patch import Column, rest_on, rest_on_floor


def together(*meshes: Mesh) -> Mesh:
    whole = trimesh.util.concatenate([trimesh.Trimesh(m.vertices, m.faces, process=False) for m in meshes])
    return Mesh(vertices=np.array(whole.vertices), faces=np.array(whole.faces))


LEGS = [standing_box((0.04, 0.7, 0.04), x, z) for x in (-0.5, 0.5) for z in (-0.3, 0.3)]
TABLE = together(box((1.1, 0.04, 0.7), (0, 0.72, 0)), *LEGS)


def test_four_legs_stand_on_the_area_between_them() -> None:
    patch = rest_on_floor(Column(TABLE))
    assert patch.gap_m == pytest.approx(0)
    assert patch.area_m2 == pytest.approx(1.04 * 0.64)
    assert patch.middle_world == pytest.approx([0, 0, 0], abs=0.02)


@pytest.mark.parametrize("gap_m", [-0.03, 0.0, 0.05])
def test_gap_to_a_table_top(gap_m: float) -> None:
    patch = rest_on(Column(standing_box((0.2, 0.3, 0.2), 0.1, 0.1, y=0.74 + gap_m)), Column(TABLE), reach_m=0.1)
    assert patch is not None
    assert patch.gap_m == pytest.approx(gap_m, abs=1e-6)
    assert patch.share == 1
    assert patch.area_m2 == pytest.approx(0.04, rel=0.02)


def test_out_of_reach_or_beside_is_no_contact() -> None:
    above = Column(standing_box((0.2, 0.3, 0.2), 0.1, 0.1, y=1.0))
    beside = Column(standing_box((0.2, 0.3, 0.2), 2.0, 0.1, y=0.74))
    assert rest_on(above, Column(TABLE), reach_m=0.1) is None
    assert rest_on(beside, Column(TABLE), reach_m=0.1) is None


def test_an_overhanging_object_stands_on_what_is_below_it() -> None:
    half_over = Column(standing_box((0.4, 0.3, 0.2), 0.55, 0.0, y=0.74))
    patch = rest_on(half_over, Column(TABLE), reach_m=0.1)
    assert patch is not None
    assert 0.4 < patch.share < 0.6
    assert patch.middle_world[0] < 0.55  # the half that lies on the table


def test_the_highest_part_of_the_support_carries() -> None:
    # A rim 2 cm above a sunken middle, both under the foot.
    tray = together(box((1, 0.5, 1), (0, 0.25, 0)), box((0.1, 0.02, 1), (-0.35, 0.51, 0)))
    patch = rest_on(Column(standing_box((0.8, 0.3, 0.8), 0, 0, y=0.52)), Column(tray), reach_m=0.1)
    assert patch is not None
    assert patch.gap_m == pytest.approx(0, abs=1e-6)
