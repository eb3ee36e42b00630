"""The box of what is seen: turned with the object, also where the object is a line on the plan."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.generator.lift_box import visible_box


@pytest.mark.parametrize("heading_deg", [0, 20, 45, 90, 135, 160])
def test_a_line_on_the_plan_has_a_box_along_it(heading_deg: float) -> None:
    # Exactly on one line, as the depth of a rendered wall is: there is no hull around such points.
    along_m, height_m = np.meshgrid(np.linspace(0, 2, 9), [0.0, 1.0])
    heading = np.round([np.cos(np.radians(heading_deg)), np.sin(np.radians(heading_deg))], 12)
    points = np.stack([along_m * heading[0], height_m, along_m * heading[1]], axis=-1).reshape(-1, 3)
    box = visible_box(points, np.array([0.0, 1.5, 5.0]), bottom_m=0.0, slack_m=0.01)
    assert sorted(box.size_m[[0, 2]]) == pytest.approx([0.02, 2.02], abs=1e-6)
