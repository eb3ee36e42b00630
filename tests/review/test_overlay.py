from __future__ import annotations

import numpy as np
import pytest
from hand_made_scene import hand_made_photo

from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.review.overlay import instance_colours, mask_overlay


def _instances(count: int, size_px: tuple[int, int]) -> Instances:
    """`count` squares of equal size in a grid, with values 2, 4, 6, ..."""
    width, height = size_px
    labels = np.zeros((height, width), dtype=np.uint16)
    columns = int(np.ceil(np.sqrt(count)))
    step = min(width, height) // columns
    for i in range(count):
        row, column = divmod(i, columns)
        labels[row * step + 2 : (row + 1) * step - 2, column * step + 2 : (column + 1) * step - 2] = 2 * (i + 1)
    items = tuple(Instance(mask_value=2 * (i + 1), label="thing") for i in range(count))
    return Instances(label_map=labels, items=items, source="given")


def test_masks_are_tinted_and_everything_else_is_the_photo():
    photo, instances = hand_made_photo(), _instances(4, (320, 240))
    picture = mask_overlay(photo, instances, longest_side_px=320)
    assert picture.shape == photo.rgb.shape
    outside = instances.label_map == 0
    names = np.zeros_like(outside)  # names may reach beyond a small mask
    names[50:70] = names[170:190] = True
    assert np.array_equal(picture[outside & ~names], photo.rgb[outside & ~names])
    assert (picture[~outside] != photo.rgb[~outside]).any(axis=1).mean() > 0.99


def test_outline_has_the_object_s_own_colour():
    instances = _instances(4, (320, 240))
    picture = mask_overlay(hand_made_photo(), instances, longest_side_px=320)
    colours = instance_colours(instances)
    assert tuple(picture[2, 2]) == colours[2]
    assert tuple(picture[2, 122]) == colours[4]
    assert tuple(picture[122, 2]) == colours[6]


def test_names_are_written_once_each_and_do_not_cover_each_other():
    with_names = mask_overlay(hand_made_photo(), _instances(4, (320, 240)), longest_side_px=320)
    assert (with_names == (20, 24, 28)).all(axis=2).sum() > 4 * 150  # four dark pills
    crowded = mask_overlay(hand_made_photo(), _instances(256, (320, 240)), longest_side_px=320)
    assert crowded.shape == (240, 320, 3)


def test_a_large_photo_is_reduced():
    photo = hand_made_photo((640, 480))
    assert mask_overlay(photo, _instances(4, (640, 480)), longest_side_px=320).shape == (240, 320, 3)


@pytest.mark.parametrize("count", [1, 7, 300])
def test_colours_of_neighbours_differ(count):
    colours = np.array(list(instance_colours(_instances(count, (640, 480))).values()), dtype=int)
    assert len(colours) == count
    assert (np.abs(np.diff(colours, axis=0)).sum(axis=1) > 100).all()
