"""Shares of hand-made label maps, and clutter that grows with the number of things."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.review.framing import clutter_share, contact_share, cut_share, object_sides_px


def label_map() -> np.ndarray:
    labels = np.zeros((200, 300), dtype=np.uint16)
    labels[50:100, 50:100] = 3  # stands alone
    labels[150:200, 200:260] = 9  # cut off at the bottom
    return labels


def test_the_area_of_objects_at_the_border_counts() -> None:
    assert cut_share(label_map()) == pytest.approx(3000 / 5500)
    assert cut_share(label_map()[:150]) == 0


def test_outlines_along_other_objects_count() -> None:
    assert contact_share(label_map()) == 0
    labels = label_map()
    labels[50:100, 101:151] = 4  # a pixel beside 3: one of four sides of both
    labels[150:] = 0
    assert contact_share(labels) == pytest.approx(0.25, abs=0.04)
    np.testing.assert_allclose(contact_share(labels[:, ::-1]), contact_share(labels))


def test_sides_are_those_of_squares() -> None:
    np.testing.assert_allclose(object_sides_px(label_map()), [50, np.sqrt(3000)])


def test_clutter_grows_with_the_number_of_things_and_not_with_contrast() -> None:
    found = []
    for count in (2, 6, 12):
        picture = np.full((384, 512, 3), 200, dtype=np.uint8)
        for i in range(count):
            for j in range(count):
                y, x = int((i + 0.25) * 384 / count), int((j + 0.25) * 512 / count)
                picture[y : y + 192 // count, x : x + 256 // count] = 60
        found.append(clutter_share(picture))
        faint = (picture.astype(int) // 4 + 20).astype(np.uint8)
        assert clutter_share(faint) == pytest.approx(found[-1], rel=0.1)
    assert found[0] < found[1] < found[2]
