"""Pairing of label maps and panoptic quality against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.review.matching import match_instances


def strip(*values: int) -> np.ndarray:
    """A label map of one row."""
    return np.array([values], dtype=np.int64)


def test_equal_maps_match_whatever_their_values() -> None:
    true = strip(0, 1, 1, 2, 2, 2)
    matching = match_instances(true, np.array([0, 900, 7])[true], [1, 2])
    assert [(m.true_value, m.found_value, m.iou) for m in matching.matches] == [(1, 900, 1.0), (2, 7, 1.0)]
    assert matching.panoptic_quality == 1.0


def test_an_overlap_of_exactly_one_half_is_no_match() -> None:
    half = match_instances(strip(1, 1, 0, 0), strip(5, 0, 0, 0), [1])
    assert half.matches == ()
    assert half.panoptic_quality == 0.0  # one missed, one wrong


def test_the_quality_counts_missed_and_wrong_regions_half() -> None:
    #             object 1: IoU 3/4   object 2: missed   a region on the shell
    true = strip(1, 1, 1, 1, 0, 2, 2, 0, 0, 0)
    found = strip(3, 3, 3, 0, 0, 0, 0, 0, 9, 9)
    matching = match_instances(true, found, [1, 2])
    assert [(m.true_value, m.found_value) for m in matching.matches] == [(1, 3)]
    assert matching.panoptic_quality == pytest.approx(0.75 / (1 + 0.5 + 0.5))


def test_a_region_on_an_object_too_small_to_count_is_not_wrong() -> None:
    true = strip(1, 1, 1, 2, 0, 0)
    assert match_instances(true, strip(1, 1, 1, 8, 0, 0), [1]).panoptic_quality == 1.0
    # half on it is not mostly on it
    assert match_instances(true, strip(1, 1, 1, 8, 8, 0), [1]).panoptic_quality == pytest.approx(1 / 1.5)


def test_nothing_found_and_nothing_wanted() -> None:
    assert match_instances(strip(1, 1, 0), strip(0, 0, 0), [1]).panoptic_quality == 0.0
    assert match_instances(strip(1, 1, 0), strip(4, 4, 0), []).matches == ()
    # an object that the map does not show at all is missed
    assert match_instances(strip(1, 1, 0), strip(4, 4, 0), [1, 3]).panoptic_quality == pytest.approx(1 / 1.5)
