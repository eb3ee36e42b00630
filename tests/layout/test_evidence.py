"""An object without depth: every other hint counts by how good it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered_scene import RenderedScene, camera_at, render, standing_box, true_asset

from pixal3d_scene.layout.evidence import noise_of, place_alone
from pixal3d_scene.layout.usual_size import usual_longest_side_m


@pytest.fixture(scope="module")
def blind() -> RenderedScene:
    """A box whose own pixels have no depth; the floor around it has."""
    scene = render({1: standing_box((0.5, 0.9, 0.5), 0.2, 0.0)}, camera_at())
    depth = replace(scene.depth, valid=scene.depth.valid & ~scene.volume(1).mask)
    volumes = tuple(replace(v, depth=depth) for v in scene.volumes)
    return replace(scene, depth=depth, volumes=volumes)


def test_hints_are_weighed_against_each_other(blind: RenderedScene) -> None:
    volume, asset = blind.volume(1), true_asset(blind, 1)
    noise = noise_of(blind.volumes)
    below = place_alone(asset, volume, noise)
    believed = replace(asset, expected_scale_m=2 * below.T_world_from_obj.scale)
    both = place_alone(believed, volume, noise)
    # Equally good hints, a factor of two apart: the middle of the logarithms, and surer than either.
    assert both.T_world_from_obj.scale == pytest.approx(np.sqrt(2) * below.T_world_from_obj.scale, rel=1e-9)
    assert both.sigma_log == pytest.approx(below.sigma_log / np.sqrt(2))
    labelled = replace(volume, instance=replace(volume.instance, label="desk lamp"))
    with_size = place_alone(asset, labelled, noise)
    usual = usual_longest_side_m("desk lamp")
    longest = float(np.ptp(asset.mesh_obj.vertices, axis=0).max())
    assert usual is not None
    low, high = sorted((usual / longest, below.T_world_from_obj.scale))
    assert low < with_size.T_world_from_obj.scale < high
    assert with_size.sigma_log < below.sigma_log


def test_depth_makes_hints_needless(blind: RenderedScene) -> None:
    seen = render({1: standing_box((0.5, 0.9, 0.5), 0.2, 0.0)}, camera_at())
    asset = true_asset(seen, 1)
    noise = noise_of(seen.volumes)
    alone = place_alone(asset, seen.volume(1), noise)
    believed = place_alone(replace(asset, expected_scale_m=5.0), seen.volume(1), noise)
    assert believed.T_world_from_obj.scale == alone.T_world_from_obj.scale
