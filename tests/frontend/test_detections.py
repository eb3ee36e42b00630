"""Which boxes are the same thing."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pixal3d_scene.frontend.detections import distinct, inside_photo, suppress


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
