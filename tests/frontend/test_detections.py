"""Which boxes and masks are the same thing."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pixal3d_scene.frontend.detections import distinct, inside_photo, suppress
from pixal3d_scene.frontend.mask_grid import GridSettings, distinct_masks, grid_points, sure
from pixal3d_scene.frontend.mask_grid import boxes_of as mask_boxes


def boxes_of(*corners: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(corners, dtype=np.float64).reshape(-1, 4)


def test_one_thing_under_two_words_is_said_once() -> None:
    boxes = boxes_of((0, 0, 100, 50), (2, 0, 100, 50), (20, 10, 40, 30))
    assert distinct(["sofa", "couch", "pillow"], [0.5, 0.7, 0.4], boxes, iou=0.7) == [1, 2]


def test_a_wall_is_no_rival_of_a_bed() -> None:
    boxes = boxes_of((0, 0, 100, 100), (0, 0, 100, 98), (0, 0, 99, 100))
    assert distinct(["wall", "bed", "wall"], [0.9, 0.3, 0.8], boxes, iou=0.7) == [0, 1]


def test_nothing_stays_nothing() -> None:
    assert distinct([], [], np.zeros((0, 4)), iou=0.7) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4, st.integers(0, 9)), max_size=12), st.floats(0.1, 0.9))
def test_suppression_against_its_definition(rows: list[tuple[int, ...]], limit: float) -> None:
    """Kept boxes overlap at most `limit` with surer kept ones; every dropped one overlaps a surer kept one more."""
    boxes = boxes_of(*[(x, y, x + w + 1, y + h + 1) for x, y, w, h, _ in rows])
    scores = np.array([r[4] + i * 1e-3 for i, r in enumerate(rows)])  # all different

    def iou(a: np.ndarray, b: np.ndarray) -> float:
        grid = np.zeros((2, 50, 50), dtype=bool)
        for plane, (x0, y0, x1, y1) in zip(grid, (a.astype(int), b.astype(int)), strict=True):
            plane[y0:y1, x0:x1] = True
        return (grid[0] & grid[1]).sum() / (grid[0] | grid[1]).sum()

    kept = suppress(boxes, scores, iou=limit).tolist()
    assert sorted(kept, key=lambda i: -scores[i]) == kept
    for i in range(len(boxes)):
        rivals = [iou(boxes[i], boxes[k]) for k in kept if scores[k] > scores[i]]
        assert (i in kept) == (max(rivals, default=0.0) <= limit)


def test_boxes_are_cut_at_the_photo() -> None:
    assert inside_photo(np.array([-5.0, -5.0, 20.0, 30.0]), (10, 40)) == (0.0, 0.0, 10.0, 30.0)
    assert inside_photo(np.array([9.5, 0.0, 20.0, 30.0]), (10, 40)) is None
    assert inside_photo(np.array([50.0, 0.0, 60.0, 30.0]), (10, 40)) is None


# Masks of a grid of points


def test_grid_points_are_the_middles_of_equal_cells() -> None:
    points = grid_points((100, 40), 2)
    assert points.tolist() == [[25, 10], [75, 10], [25, 30], [75, 30]]


def test_unsure_unstable_and_empty_masks_go() -> None:
    chosen = GridSettings(quality=0.5, stability=0.8)
    logits = torch.full((4, 10, 10), -5.0)
    logits[:3, 2:8, 2:8] = 5.0
    logits[1, 2:5, 2:8] = 0.5  # half of it is only just there
    quality = torch.tensor([0.9, 0.9, 0.4, 0.9])  # the third is unsure, the fourth empty
    assert sure(logits, quality, chosen).tolist() == [True, False, False, False]


def test_the_surest_of_masks_with_one_box_stays() -> None:
    masks = np.zeros((4, 20, 20), dtype=bool)
    masks[0, 2:10, 2:10] = True
    masks[1, 2:10, 2:11] = True
    masks[2, 12:18, 12:18] = True
    assert distinct_masks(masks, np.array([0.7, 0.9, 0.3, 1.0], dtype=np.float32)).tolist() == [1, 2]
    assert mask_boxes(list(masks)).tolist() == [[2, 2, 10, 10], [2, 2, 11, 10], [12, 12, 18, 18], [0, 0, 0, 0]]
