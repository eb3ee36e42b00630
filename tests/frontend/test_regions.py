"""Objects from colour and texture: found in a painted room, refused where there is none, always the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from painted_room import camera_in_room, furniture, painted_room

from pixal3d_scene.errors import StageFailed
from pixal3d_scene.frontend.protocols import KnownView, Segmenter
from pixal3d_scene.frontend.regions import RegionsSegmenter
from pixal3d_scene.photo import read_photo

SEGMENTER = RegionsSegmenter(max_objects=12, min_area_share=0.003)
SCENE = painted_room(camera_in_room(yaw_deg=8, size_px=(480, 360)), furniture())


def best_iou(mask: np.ndarray, label_map: np.ndarray) -> float:
    found = (label_map == v for v in np.unique(label_map[label_map > 0]))
    return max(float((mask & f).sum() / (mask | f).sum()) for f in found)


@pytest.mark.slow
def test_furniture_is_found() -> None:
    instances = SEGMENTER.segment(SCENE.photo, KnownView(), None)
    assert isinstance(SEGMENTER, Segmenter)
    assert instances.label_map.shape == SCENE.photo.rgb.shape[:2]
    for value in (1, 2, 4):
        assert best_iou(SCENE.instances.mask(value), instances.label_map) > 0.75, value
    assert (instances.label_map[SCENE.instances.label_map == 0] > 0).mean() < 0.05
    assert [i.label for i in instances.items] == ["object"] * len(instances)
    assert any("stop-gap" in n for n in instances.notes)


@pytest.mark.slow
def test_the_same_photo_gives_the_same_objects() -> None:
    first, second = SEGMENTER.segment(SCENE.photo, KnownView(), None), SEGMENTER.segment(SCENE.photo, KnownView(), None)
    np.testing.assert_array_equal(first.label_map, second.label_map)
    assert first.items == second.items
    assert first.rejected == second.rejected


@pytest.mark.slow
def test_only_the_largest_are_kept_and_the_others_told() -> None:
    everything = SEGMENTER.segment(SCENE.photo, KnownView(), None)
    one = RegionsSegmenter(max_objects=1, min_area_share=0.003).segment(SCENE.photo, KnownView(), None)
    assert len(one) == 1
    assert (one.label_map == 1).sum() >= max((everything.label_map == i.mask_value).sum() for i in everything.items)
    assert any("more than 1 object" in r.reason for r in one.rejected)
    height, width = one.label_map.shape
    for rejection in one.rejected:
        assert 0 < rejection.centre_px[0] < width
        assert 0 < rejection.centre_px[1] < height
        assert rejection.area_px > 0


@pytest.mark.slow
def test_objects_are_sorted_by_size() -> None:
    instances = SEGMENTER.segment(SCENE.photo, KnownView(), None)
    areas = [int(instances.mask(i.mask_value).sum()) for i in instances.items]
    assert areas == sorted(areas, reverse=True)
    assert min(areas) > 0.002 * instances.label_map.size


@pytest.mark.parametrize("size", [(32, 32), (40, 300), (480, 360)])
def test_a_plain_photo_has_no_object(size: tuple[int, int]) -> None:
    plain = replace(SCENE.photo, rgb=np.full((size[1], size[0], 3), 128, np.uint8))
    with pytest.raises(StageFailed, match="--masks"):
        SEGMENTER.segment(plain, KnownView(), None)


@pytest.mark.slow
def test_every_shared_photo_has_objects(photos_dir: Path) -> None:
    photos = sorted(photos_dir.glob("*.jpg"))
    assert photos
    for path in photos:
        photo = read_photo(path)
        instances = SEGMENTER.segment(photo, KnownView(), None)
        assert 1 <= len(instances) <= 12, path.name
        assert instances.label_map.shape == photo.rgb.shape[:2]
        assert (instances.label_map > 0).mean() < 0.8, path.name
