"""What may hide an object: exactly the pixels of what stands in front, in the box into which it may extend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hidden_cases import BEFORE, BEHIND, hidden_in, two_boxes
from rendered_scene import RenderedScene, camera_at, render, standing_box

from pixal3d_scene.crop import warp_mask
from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.occluders import GROWTH, Occlusion, find_occlusion

SCENE = two_boxes()


def occlusion(scene: RenderedScene, mask_value: int, depth: Depth | None = None) -> Occlusion:
    return find_occlusion(mask_value, scene.instances.label_map, depth or scene.depth)


def grown_box(mask: np.ndarray) -> np.ndarray:
    """Pixels of the box into which an object may extend."""
    box = np.ones(mask.shape, dtype=bool)
    for axis in (0, 1):
        there = np.flatnonzero(mask.any(axis=1 - axis))
        low, high = there[0], there[-1] + 1
        grow = round(GROWTH * (high - low))
        index = np.arange(mask.shape[axis])
        box &= np.expand_dims((index >= low - grow) & (index < high + grow), 1 - axis)
    return box


def test_the_hole_is_exactly_the_front_box() -> None:
    front = SCENE.instances.mask(BEFORE)
    found = occlusion(SCENE, BEHIND)
    assert found.values == (BEFORE,)
    assert np.array_equal(found.region, front)
    assert front.sum() > 500


def test_nothing_is_in_front_of_the_front_box() -> None:
    found = occlusion(SCENE, BEFORE)
    assert (found.values, int(found.region.sum())) == ((), 0)
    assert hidden_in(SCENE, BEFORE) is None


def test_without_depth_what_reaches_further_down_is_in_front() -> None:
    unknown = replace(SCENE.depth, valid=np.zeros_like(SCENE.depth.valid), z_m=np.full_like(SCENE.depth.z_m, np.nan))
    assert np.array_equal(occlusion(SCENE, BEHIND, unknown).region, SCENE.instances.mask(BEFORE))
    assert not occlusion(SCENE, BEFORE, unknown).values


def test_values_of_unknown_depth_are_not_looked_at() -> None:
    rng = np.random.default_rng(0)
    valid = rng.random(SCENE.depth.valid.shape) < 0.5
    holes = replace(SCENE.depth, valid=valid, z_m=np.where(valid, SCENE.depth.z_m, np.float32(np.nan)))
    assert np.array_equal(occlusion(SCENE, BEHIND, holes).region, SCENE.instances.mask(BEFORE))


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_noise_turns_no_neighbour_into_an_occluder(share: float) -> None:
    """Two boxes side by side at one distance: their common border is as noisy as any."""
    scene = render(
        {1: standing_box((0.6, 0.7, 0.5), -0.3, -0.5), 2: standing_box((0.6, 0.9, 0.5), 0.3, -0.5)}, camera_at()
    )
    noise = 1 + share * np.random.default_rng(1).standard_normal(scene.depth.z_m.shape)
    noisy = replace(scene.depth, z_m=(scene.depth.z_m * noise).astype(np.float32))
    assert occlusion(scene, 1, noisy).values == occlusion(scene, 2, noisy).values == ()


def test_a_large_occluder_counts_in_the_box_into_which_the_object_may_extend() -> None:
    scene = render(
        {1: standing_box((0.4, 0.4, 0.4), -0.2, -1.5), 2: standing_box((2.2, 0.8, 0.3), 1.0, 0.3)}, camera_at()
    )
    behind, front = scene.instances.mask(1), scene.instances.mask(2)
    region = occlusion(scene, 1).region
    assert region.any()
    assert np.array_equal(region, front & grown_box(behind))
    assert not np.array_equal(region, front)


def test_what_is_farther_than_the_object_hides_nothing_of_it() -> None:
    """One mask value for two boxes, one before and one far behind the object: only the near one counts."""
    boxes = {1: standing_box((0.6, 0.6, 0.4), 0.0, -0.8), 2: standing_box((0.2, 0.3, 0.2), 0.1, -0.4)}
    boxes[3] = standing_box((0.3, 1.6, 0.2), 0.1, -2.6)
    scene = render(boxes, camera_at())
    label_map = np.where(scene.instances.label_map == 3, 2, scene.instances.label_map).astype(np.uint16)
    found = find_occlusion(1, label_map, scene.depth)
    assert np.array_equal(found.region, scene.instances.mask(2))


def test_the_crop_holds_the_hole_and_the_hole_covers_it() -> None:
    part = hidden_in(SCENE, BEHIND)
    assert part is not None
    assert part.hidden_by == ("object_02",)
    A = part.volume.A_crop_from_photo
    front = SCENE.instances.mask(BEFORE)
    covered = warp_mask(front, A, 128)
    assert part.hole[covered == 255].all()
    assert not part.hole[covered == 0].any()
    assert not part.hole[part.volume.rgba[..., 3] == 255].any()
    # Every corner of every pixel of the front box lies inside the crop.
    rows, columns = np.nonzero(front)
    corners = np.array(
        [[x + dx, y + dy, 1.0] for x, y in zip(columns, rows, strict=True) for dx in (0, 1) for dy in (0, 1)]
    )
    crop_px = corners @ A.T
    crop_px = crop_px[:, :2] / crop_px[:, 2:]
    assert crop_px.min() >= 0
    assert crop_px.max() <= 128
