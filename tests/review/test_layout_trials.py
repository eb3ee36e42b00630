"""Rooms with known truth: what is disturbed is disturbed as said, and the layout reaches its figures on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipelines.layout_study import SOLVER, study_room
from pixal3d_scene.review.layout_trials import Disturbance, TrueScene, make_trial, read_true_scene

PERFECT = Disturbance(name="perfect")
NOISY = Disturbance(name="noise_5", noise_share=0.05, smooth_share=0.02, eroded_px=3)


@pytest.fixture(scope="module")
def scene(rooms_dir: Path) -> TrueScene:
    return read_true_scene(rooms_dir / "room00")


def test_the_true_scene_is_consistent(scene: TrueScene) -> None:
    # Every mesh projects onto its own mask.
    camera = scene.depth.camera
    for value, item in scene.objects.items():
        px = camera.project(camera.cam_from_world(item.mesh_world.vertices))
        inside = (px > 0).all(axis=1) & (px < camera.size_px).all(axis=1)
        column, row = px[inside].astype(int).T
        assert np.mean(scene.label_map[row, column] == value) > 0.5


def test_disturbances_have_the_size_they_say(scene: TrueScene) -> None:
    trial = make_trial(scene, NOISY, seed=3)
    depth = trial.volumes[0].depth
    error = depth.z_m[depth.valid] / scene.depth.z_m[depth.valid] - 1
    assert error.std() == pytest.approx(np.hypot(0.05, 0.02), rel=0.1)
    assert (trial.volumes[0].label_map > 0).sum() < (scene.label_map > 0).sum()
    other = make_trial(scene, Disturbance(name="other", missing_share=0.4, scale_bias=1.05), seed=3).volumes[0].depth
    assert other.valid.mean() == pytest.approx(0.6 * scene.depth.valid.mean(), rel=0.05)
    np.testing.assert_allclose(other.z_m, 1.05 * scene.depth.z_m, rtol=1e-5)


@pytest.mark.slow
def test_the_layout_reaches_its_figures_and_is_ahead_of_the_others(scene: TrueScene) -> None:
    perfect, noisy = study_room(scene, PERFECT, seed=0), study_room(scene, NOISY, seed=0)
    assert np.median([p.position_m for p in perfect.placed[SOLVER]]) <= 0.005
    assert np.median([p.scale for p in perfect.placed[SOLVER]]) <= 0.005
    iou = {m: np.mean([p.box_iou for p in placed]) for m, placed in noisy.placed.items()}
    assert iou[SOLVER] >= 0.9 * np.mean([p.box_iou for p in perfect.placed[SOLVER]])
    assert iou[SOLVER] == max(iou.values())
    for result in (perfect, noisy):
        assert all(result.support_right)
        assert max(result.moved_sigmas) <= 3
        assert result.physics.penetration_share <= 1e-3
        assert result.physics.in_contact == 1
