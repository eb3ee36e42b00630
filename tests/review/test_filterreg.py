"""FilterReg against exact sums and a motion that is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pixal3d_scene.review.filterreg import align_by_filterreg, expect

DEFAULTS = {"steps": 100, "tolerance": 1e-4, "least_variance": 1e-3}


def blob(count: int = 1200, seed: int = 3) -> np.ndarray:
    """Points on the surface of an uneven body without any symmetry."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    bumps = 1 + 0.3 * directions[:, :1] * directions[:, 1:2] + 0.2 * directions[:, 2:] ** 3
    return directions * bumps * [0.9, 0.6, 0.4]


@pytest.mark.parametrize("sigma", [0.6, 0.2, 0.05])
def test_the_filter_equals_the_sums_that_it_stands_for(sigma: float) -> None:
    queries, targets = blob(seed=1)[:300] * 1.05, blob()
    squared = ((queries[:, None] - targets[None]) ** 2).sum(axis=2)
    weights = np.exp(-squared / (2 * sigma**2))
    got = expect(queries, targets, sigma=sigma)
    assert got.near.all()
    mean = (weights @ targets) / weights.sum(axis=1, keepdims=True)
    spread = (weights * squared).sum(axis=1) / weights.sum(axis=1)
    # The grid has two cells a standard deviation: means are right to a few hundredths of it.
    assert np.abs(got.mean - mean).max() < 0.1 * sigma
    assert np.abs(got.mean - mean).mean() < 0.02 * sigma
    assert np.abs(got.squared_distance - spread).mean() < 0.05 * spread.mean()


def test_far_points_have_no_expectation() -> None:
    got = expect(np.array([[50.0, 0, 0], [0.9, 0, 0]]), blob(), sigma=0.1)
    assert got.near.tolist() == [False, True]


@pytest.mark.slow
def test_a_known_rigid_motion_is_undone() -> None:
    motion = Rotation.from_euler("xyz", [12, -9, 15], degrees=True)
    moved = motion.apply(blob(seed=4)) + np.array([0.15, -0.1, 0.2])
    back = align_by_filterreg(moved, blob(), **DEFAULTS)
    # Other samples of the same body: right to half of their spacing.
    assert np.linalg.norm(back - blob(seed=4), axis=1).max() < 0.03


@pytest.mark.slow
def test_no_scale_and_no_mirror_image() -> None:
    grown = align_by_filterreg(blob() * 1.1, blob(), **DEFAULTS)
    np.testing.assert_allclose(
        np.linalg.norm(grown - grown[0], axis=1), 1.1 * np.linalg.norm(blob() - blob()[0], axis=1)
    )
    mirrored = blob() * [-1.0, 1.0, 1.0]
    aligned = align_by_filterreg(mirrored, blob(), **DEFAULTS)
    motion = np.linalg.lstsq(mirrored - mirrored.mean(axis=0), aligned - aligned.mean(axis=0), rcond=None)[0]
    assert np.linalg.det(motion) == pytest.approx(1)


def test_no_steps_leave_the_points_where_they_are() -> None:
    np.testing.assert_allclose(align_by_filterreg(blob() + 0.3, blob(), **{**DEFAULTS, "steps": 0}), blob() + 0.3)
