"""Point-set metrics against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pixal3d_scene.review.metrics import (
    Surface,
    align_rigidly,
    box_centre,
    box_iou,
    box_overlap,
    gap,
    stretched_to_unit,
)

ICP = {"steps": 50, "relative_change": 1e-5}


def blob(count: int = 600) -> np.ndarray:
    """Points without any symmetry."""
    points = np.random.default_rng(3).normal(size=(count, 3)) * [1.0, 0.5, 0.25]
    points[: count // 4] += [1.5, 0.7, 0.3]
    return points


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    """The eight corners."""
    return np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3).astype(float)


def test_equal_sets_have_no_gap() -> None:
    between = gap(blob(), Surface(blob()))
    assert between.squared_chamfer == between.mean_chamfer == 0
    assert between.f_score(1e-9) == 100


def test_two_points_give_the_distances_by_hand() -> None:
    # one found point 3 away from the only true one; a second found point 4 away
    found = np.array([[3.0, 0, 0], [0, 4.0, 0]])
    between = gap(found, Surface(np.zeros((1, 3))))
    assert between.from_result.tolist() == [3, 4]
    assert between.from_truth.tolist() == [3]
    assert between.squared_chamfer == (9 + 16) / 2 + 9
    assert between.mean_chamfer == ((3 + 4) / 2 + 3) / 2
    assert between.f_score(3.5) == pytest.approx(100 * 2 * 0.5 * 1 / 1.5)
    assert between.f_score(3.0) == 0  # the threshold itself is outside
    assert between.f_score(4.1) == 100


def test_the_two_directions_are_not_swapped() -> None:
    line = np.stack([np.arange(10.0), np.zeros(10), np.zeros(10)], axis=-1)
    between = gap(line[:5], Surface(line))  # half is missing: precision 1, recall 1/2
    assert between.f_score(0.5) == pytest.approx(100 * 2 * 0.5 / 1.5)
    assert between.from_result.shape == (5,)
    assert between.from_truth.max() == 5


def test_icp_undoes_a_small_motion_and_no_scale() -> None:
    true = blob()
    turned = Rotation.from_euler("xyz", [3, -4, 2], degrees=True).apply(true) + np.array([0.02, -0.03, 0.01])
    np.testing.assert_allclose(align_rigidly(turned, Surface(true), **ICP), true, atol=2e-2)
    grown = align_rigidly(true * 1.05, Surface(true), **ICP)
    assert np.ptp(grown, axis=0).prod() == pytest.approx(np.ptp(true * 1.05, axis=0).prod(), rel=0.02)


def test_icp_never_mirrors() -> None:
    flat = blob() * [1.0, 1.0, 0.02]  # a flat set tempts the least-squares fit to a reflection
    aligned = align_rigidly(flat * [-1.0, 1.0, 1.0], Surface(flat), **ICP)
    fitted, _ = Rotation.align_vectors(aligned - aligned.mean(axis=0), (flat - flat.mean(axis=0)) * [-1.0, 1.0, 1.0])
    np.testing.assert_allclose(
        fitted.apply((flat - flat.mean(axis=0)) * [-1.0, 1.0, 1.0]), aligned - aligned.mean(axis=0), atol=1e-9
    )


def test_stretching_leaves_shape_without_size() -> None:
    stretched = stretched_to_unit(blob() * [3.0, 0.1, 7.0] + [5.0, 5.0, 5.0], half_side=0.95)
    np.testing.assert_allclose(stretched, stretched_to_unit(blob(), half_side=0.95), atol=1e-9)
    np.testing.assert_allclose(stretched.min(axis=0), -0.95)
    np.testing.assert_allclose(stretched.max(axis=0), 0.95)
    flat = stretched_to_unit(blob() * [1.0, 0.0, 1.0], half_side=0.95)
    assert np.isfinite(flat).all()
    assert not flat[:, 1].any()


@pytest.mark.parametrize(
    ("a", "b", "iou", "overlap"),
    [
        (box((0, 0, 0), (1, 1, 1)), box((0, 0, 0), (1, 1, 1)), 1.0, 1.0),
        (box((0, 0, 0), (1, 1, 1)), box((0.5, 0, 0), (1.5, 1, 1)), 0.5 / 1.5, 0.5),
        (box((0, 0, 0), (1, 1, 1)), box((0, 0, 0), (2, 2, 2)), 1 / 8, 1.0),
        (box((0, 0, 0), (2, 3, 4)), box((1, 1, 1), (3, 4, 5)), 6 / (24 + 24 - 6), 6 / 24),
        (box((0, 0, 0), (1, 1, 1)), box((1, 0, 0), (2, 1, 1)), 0.0, 0.0),
        (box((0, 0, 0), (1, 1, 1)), box((2, 2, 2), (3, 3, 3)), 0.0, 0.0),
        (box((0, 0, 0), (1, 1, 0)), box((0, 0, 0), (1, 1, 0)), 0.0, 0.0),
    ],
)
def test_boxes(a: np.ndarray, b: np.ndarray, iou: float, overlap: float) -> None:
    assert box_iou(a, b) == pytest.approx(box_iou(b, a)) == pytest.approx(iou)
    assert box_overlap(a, b) == pytest.approx(box_overlap(b, a)) == pytest.approx(overlap)


def test_box_centre_is_not_the_mean() -> None:
    np.testing.assert_allclose(box_centre(np.array([[0.0, 0, 0], [0, 0, 0], [2, 4, -6]])), [1, 2, -3])


@settings(deadline=None, max_examples=25)
@given(st.floats(0.01, 0.9), st.integers(0, 2), st.floats(0.001, 2.0), st.floats(1.0, 3.0))
def test_f_score_grows_with_the_threshold(offset: float, axis: int, within: float, factor: float) -> None:
    between = gap(blob(200) + np.eye(3)[axis] * offset, Surface(blob(200)))
    assert between.f_score(within) <= between.f_score(within * factor)
    assert between.f_score(offset * 1.001) == 100
    assert gap(blob(200) + 100.0, Surface(blob(200))).f_score(within) == 0
