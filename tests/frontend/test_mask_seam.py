"""What is known of a cut: exact rooms of boxes, votes that say nothing."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from mask_scenes import SOFA, TABLE, VASE, Box, render
from scipy.ndimage import distance_transform_edt

from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.mask_evidence import gather_evidence
from pixal3d_scene.frontend.mask_seam import Seam, trace_seam
from pixal3d_scene.frontend.object_votes import VoteMaps

FLAT = math.log(0.003)
# Their fronts face the camera in one plane, above each other.
LOWER: tuple[Box, ...] = (((-0.6, 0.0, -2.9), (0.6, 0.5, -2.5)),)
UPPER: tuple[Box, ...] = (((-0.3, 0.5, -2.9), (0.3, 1.1, -2.5)),)
BEHIND: tuple[Box, ...] = (((-0.3, 0.5, -3.9), (0.3, 1.1, -3.5)),)


def seam_of(depth: Depth, part: np.ndarray, rest: np.ndarray, at_middle: np.ndarray | None = None) -> Seam:
    """Every pixel points to itself; at_middle: see `VoteMaps`."""
    mask = part | rest
    box = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    at_middle = np.zeros((6, 8)) if at_middle is None else at_middle
    votes = VoteMaps(
        offset=np.zeros((2, *at_middle.shape), dtype=np.float32),
        word=np.ones((1, 6, 8), dtype=np.float32),
        middle=np.zeros((0, 2)),
        at_middle=at_middle.astype(np.float32),
    ).of_box(box, mask.shape)
    inner_px = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    surface = gather_evidence(depth, mask.shape[::-1]).surface(mask, box)
    return trace_seam(surface, votes, part, inner_px, by_depth=False)


@pytest.mark.parametrize("other", [UPPER, BEHIND])
def test_sides_are_as_far_apart_as_their_median_depths(other: tuple[Box, ...]) -> None:
    depth, ids = render(LOWER, other)
    medians_m = [float(np.median(depth.z_m[ids == k])) for k in (1, 2)]
    seam = seam_of(depth, ids == 2, ids == 1)
    assert seam.apart == pytest.approx(abs(math.log(medians_m[0] / medians_m[1])), abs=1e-6)


def test_a_plane_has_no_relief_and_the_seat_and_back_of_a_sofa_have() -> None:
    depth, ids = render(TABLE, SOFA)
    front = (ids == 2) & (depth.points_world()[..., 2] > -2.6 - 1e-4)  # exactly a plane, and seen slantwise
    assert front.sum() > 500
    wall, sofa = ids == -2, (ids == 2) & ~front
    assert seam_of(depth, front, wall).relief == pytest.approx(FLAT, abs=0.01)
    assert seam_of(depth, sofa, wall).relief > FLAT + 1


def test_a_seam_is_the_same_from_both_sides() -> None:
    depth, ids = render(TABLE, VASE)
    one, other = (astuple(seam_of(depth, a, b)) for a, b in ((ids == 1, ids == 2), (ids == 2, ids == 1)))
    np.testing.assert_allclose(one, other)


def test_a_side_without_depth_says_nothing() -> None:
    depth, ids = render(TABLE, VASE)
    blind = Depth(z_m=depth.z_m, valid=ids != 2, camera=depth.camera, source="exact")
    seam = seam_of(blind, ids == 2, ids == 1)
    assert (seam.apart, seam.relief, seam.step, seam.gap) == (0.0, FLAT, math.log(0.01), math.log(0.02))


def test_a_middle_counts_where_the_smaller_side_points_and_nowhere_else() -> None:
    depth, ids = render(TABLE, VASE)
    rows, columns = np.nonzero(ids == 2)  # the smaller one; its pixels point to themselves
    height, width = ids.shape
    away = np.hypot(*(np.mgrid[:height, :width] + 0.5 - np.array([rows.mean(), columns.mean()])[:, None, None] - 0.5))
    for at_middle, said in ((away < 5, 1.0), (away > 30, 0.0), (0.4 * (away < 5), 0.4)):
        seam = seam_of(depth, ids == 2, ids == 1, at_middle.astype(np.float64))
        assert seam.middle == pytest.approx(math.log(0.1 + said), abs=1e-6)


def test_the_gap_is_that_between_the_sides_in_plan_view() -> None:
    depth, ids = render(LOWER, BEHIND)
    # Their fronts are seen: the lower one's at z = -2.5, with its top behind it to -2.9, the other one's at z = -3.5.
    assert seam_of(depth, ids == 2, ids == 1).gap == pytest.approx(math.log(0.02 + 0.6), abs=0.05)
    depth, ids = render(LOWER, UPPER)
    assert seam_of(depth, ids == 2, ids == 1).gap < math.log(0.02 + 0.05)
