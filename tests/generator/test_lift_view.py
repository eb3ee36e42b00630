"""How wide the parts of an object are that its pixels show."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.generator.lift_view import _inner_distance, _local_width


@pytest.mark.parametrize("grow", [1, 12])
def test_a_part_is_as_wide_as_the_largest_disc_in_it(grow: int) -> None:
    """A leg 10 and a body 60 px wide, also twelve times larger, where widths are measured on a coarser grid."""
    shape = np.zeros((160, 180), dtype=bool)
    shape[20:80, 20:160] = True
    shape[80:150, 40:50] = True
    width_px = _local_width(_inner_distance(shape.repeat(grow, axis=0).repeat(grow, axis=1)))
    assert width_px[50 * grow, 90 * grow] == pytest.approx(60 * grow, rel=0.02)
    leg_px = width_px[90 * grow : 140 * grow, 44 * grow : 46 * grow]
    assert leg_px.min() > 0.74 * 10 * grow
    assert leg_px.max() < 1.1 * 10 * grow
    assert width_px[: 19 * grow].max() == 0.0


def test_widths_do_not_depend_on_how_much_is_seen_around_the_object() -> None:
    shape = np.random.default_rng(0).random((60, 80)) < 0.7
    alone = _local_width(_inner_distance(np.pad(shape, 2)))
    within = _local_width(_inner_distance(np.pad(shape, 200)))
    np.testing.assert_array_equal(within[198:-198, 198:-198], alone)
    assert within.sum() == alone.sum()


def test_what_shows_nothing_has_no_width() -> None:
    assert _local_width(np.zeros((5, 7))).tolist() == [[0.0] * 7] * 5
