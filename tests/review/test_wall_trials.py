"""Rooms with things on walls, leaning and hanging: they are as they say, and the layout finds every relation."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.layout_study import DISTURBANCES
from pipelines.wall_study import KINDS, kind_of, study_scene
from pixal3d_scene.review.layout_trials import Disturbance, TrueScene
from pixal3d_scene.review.wall_trials import compose_wall_scene, wall_distance_m


@pytest.fixture(scope="module")
def scene() -> TrueScene:
    return compose_wall_scene(0)


def disturbance(name: str) -> Disturbance:
    return next(d for d in DISTURBANCES if d.name == name)


def test_every_kind_is_there_and_touches_what_it_should(scene: TrueScene) -> None:
    assert {kind_of(item) for item in scene.objects.values()} == set(KINDS)
    assert scene.size_m is not None
    for item in scene.objects.values():
        for wall in {item.parent, item.leans_on} - {None}:
            if wall.startswith(("wall", "ceiling", "floor")):
                assert wall_distance_m(wall, item.mesh_world, scene.size_m) == pytest.approx(0, abs=1e-9)
        if kind_of(item) == "hangs":
            assert item.mesh_world.bounds[0, 1] > 1


def test_the_masks_show_the_meshes(scene: TrueScene) -> None:
    camera = scene.depth.camera
    for value, item in scene.objects.items():
        px = camera.project(camera.cam_from_world(item.mesh_world.vertices))
        inside = (px > 0).all(axis=1) & (px < camera.size_px).all(axis=1)
        column, row = px[inside].astype(int).T
        columns = np.nonzero(scene.label_map == value)[1]
        assert abs(np.median(column) - np.median(columns)) < 80
        assert (scene.label_map[row, column] == value).any()


def test_with_perfect_depth_everything_is_where_it_was(scene: TrueScene) -> None:
    placed = study_scene(scene, disturbance("perfect"), seed=0)
    assert [item.name for item in placed if not item.right] == []
    assert np.median([item.position_m for item in placed]) < 0.001
    assert max(item.shown_m for item in placed if item.kind in ("against", "hangs")) < 0.005


@pytest.mark.slow
def test_under_noise_what_hangs_still_meets_the_wall_of_the_scene(scene: TrueScene) -> None:
    placed = study_scene(scene, disturbance("noise_5"), seed=0)
    assert [item.name for item in placed if not item.right] == []
    assert max(item.shown_m for item in placed if item.kind in ("against", "hangs")) < 0.015
    assert np.median([item.position_m for item in placed]) < 0.03
    assert max(item.sigmas for item in placed) <= 3
