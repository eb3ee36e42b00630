"""What the photo's border cuts off: which side it is, and how far the object goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from rendered_scene import camera_at, render, standing_box

from pixal3d_scene.asset import Mesh
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.generator import lift_extent
from pixal3d_scene.generator.lift import lifted_solid
from pixal3d_scene.generator.lift_box import visible_box
from pixal3d_scene.generator.lift_cut import FEATURES, CutBox, facing_box, mirrored_features
from pixal3d_scene.generator.lift_extent import MOST_GROWTH, grown_box, growth
from pixal3d_scene.generator.lift_sight import look
from pixal3d_scene.learning.extent_task import ExtentNetwork

LEFT, RIGHT, BOTTOM = 0, 1, 2


def bench(x: float) -> Mesh:
    return standing_box((1.6, 0.5, 0.5), x, 0.0)


def cut_of(volume: CropVolume) -> CutBox:
    return look(volume).cut


def seen_alone(*meshes: Mesh) -> CropVolume:
    return render({3 + k: mesh for k, mesh in enumerate(meshes)}, camera_at(size_px=(320, 240))).volume(3)


def test_a_whole_object_is_cut_nowhere() -> None:
    cut = cut_of(seen_alone(bench(0.0)))
    assert cut.open_share == 0
    assert not cut.border_sides.any()
    assert grown_box(cut) is None
    assert cut.features.shape == (FEATURES,)


@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_the_border_cuts_the_side_where_it_is(side: int) -> None:
    cut = cut_of(seen_alone(bench(-2.0 if side == LEFT else 2.0)))
    assert cut.border_share > 0.05
    assert cut.border_share == cut.open_share
    assert cut.border_sides[side] > 0.2
    assert cut.border_sides[1 - side] == 0


def test_what_stands_before_an_object_covers_it_and_does_not_cut() -> None:
    cut = cut_of(seen_alone(bench(0.0), standing_box((0.3, 1.0, 0.1), 0.75, 0.6)))
    assert cut.open_share > 0.05
    assert cut.border_share == 0
    assert grown_box(cut) is None


def test_the_mirrored_scene_has_the_mirrored_features() -> None:
    """Swapped sides, a wrong sign of the angle or swapped axes of the cells would show."""
    one, other = cut_of(seen_alone(bench(-1.9))), cut_of(seen_alone(bench(1.9)))
    np.testing.assert_allclose(mirrored_features(one.features), other.features, atol=0.06)
    assert np.abs(one.features - other.features).max() > 0.3


def test_the_box_faces_the_camera() -> None:
    box = visible_box(np.random.default_rng(0).random((200, 3)), np.zeros(3), bottom_m=0.0, slack_m=0.0)
    for eye in ([5.0, 1.0, 0.2], [-5.0, 1.0, 0.2], [0.2, 1.0, 5.0], [0.2, 1.0, -5.0]):
        facing = facing_box(box, np.array(eye))
        towards = facing.box_from_world(np.array(eye)[None])[0] - facing.middle
        assert towards[2] >= abs(towards[0])
        corners = {tuple(c) for c in facing.corners_world().round(6).tolist()}
        assert corners == {tuple(c) for c in box.corners_world().round(6).tolist()}


def test_numpy_answers_as_torch_does() -> None:
    torch.manual_seed(0)
    network = ExtentNetwork(width=16, dropout=0.1).eval()
    network.mean.normal_()
    network.std.uniform_(0.5, 2)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    for features in np.random.default_rng(1).normal(size=(5, FEATURES)):
        with torch.no_grad():
            answer = network(torch.tensor(features, dtype=torch.float32)[None])[0].double().expm1().numpy()
        np.testing.assert_allclose(growth(features, weights), np.clip(answer, 0, MOST_GROWTH), atol=1e-5)


def test_a_cut_object_goes_on_beyond_the_photo_on_that_side_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = seen_alone(bench(-2.0))
    monkeypatch.setattr(lift_extent, "growth", lambda *_: np.array([0.6, 0.6, 0.6, 0.6, 0.0, 0.0]))
    grown = lifted_solid(volume, look(volume), voxels=64)
    monkeypatch.setattr(lift_extent, "growth", lambda *_: np.zeros(6))
    plain = lifted_solid(volume, look(volume), voxels=64)
    low, high = (f(grown.surface_world(4000).vertices) for f in (lambda v: v.min(axis=0), lambda v: v.max(axis=0)))
    seen_low, seen_high = plain.surface_world(4000).bounds
    assert low[0] < seen_low[0] - 0.3
    np.testing.assert_allclose([*low[1:], *high], [*seen_low[1:], *seen_high], atol=0.06)
    assert any("what lies beyond is a network's guess" in note for note in grown.notes)
    assert not any("beyond" in note for note in plain.notes)


def test_the_packages_network_makes_a_cut_bench_longer() -> None:
    cut = cut_of(seen_alone(bench(-2.0)))
    grown = grown_box(cut)
    assert grown is not None
    assert grown.size_m[0] > 1.1 * cut.box.size_m[0]
    assert grown.low[1] == cut.box.low[1]
    nearly = replace(cut, border_share=0.0)
    assert grown_box(nearly) is None
