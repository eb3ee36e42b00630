"""The user's own boxes and points, checked before anything is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixal3d_scene.camera import Camera
from pixal3d_scene.distortion import Distortion
from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.given_prompts import MOST_PROMPTS, moved_prompts, read_prompts
from pixal3d_scene.frontend.prompts import Prompt
from pixal3d_scene.frontend.rectify import Rectification
from pixal3d_scene.photo import Photo

SIZE_PX = (200, 100)


def written(folder: Path, value: Any, name: str = "prompts.json") -> Path:
    file = folder / name
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def test_boxes_and_points_in_order(tmp_path: Path) -> None:
    boxes = written(tmp_path, [{"label": "sofa", "box_px": [0, 10, 200, 100]}, {"box_px": [1.5, 2, 3, 4]}], "b.json")
    points = written(
        tmp_path, [{"label": " lamp ", "points_px": [[5, 6], [7.5, 8]], "negative_px": [[200, 100]]}], "p.json"
    )
    assert read_prompts([points, boxes], SIZE_PX) == (
        Prompt(label="lamp", points_px=((5.0, 6.0), (7.5, 8.0)), negative_px=((200.0, 100.0),)),
        Prompt(label="sofa", box_px=(0.0, 10.0, 200.0, 100.0)),
        Prompt(label="object", box_px=(1.5, 2.0, 3.0, 4.0)),
    )
    assert read_prompts([], SIZE_PX) == ()


def test_clicks_say_which_is_which() -> None:
    points, labels = Prompt(points_px=((1.0, 2.0),), negative_px=((3.0, 4.0), (5.0, 6.0))).clicks()
    assert points.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert labels.tolist() == [1, 0, 0]
    assert Prompt(box_px=(0.0, 0.0, 1.0, 1.0)).clicks()[0].shape == (0, 2)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[", r"not valid JSON.*must be \["),
        ("[" * 100_000, "not valid JSON"),
        ([], "no list of objects"),
        ({"box_px": [0, 0, 1, 1]}, "no list of objects"),
        ([3], r"Object 1 of .* is 3"),
        ([{"box_px": [0, 0, 1, 1]}, {"box": [0, 0, 1, 1]}], r"Object 2 .* unknown key 'box'"),
        ([{"label": "sofa"}], "either box_px, or points_px"),
        ([{"box_px": [0, 0, 1, 1], "points_px": [[1, 1]]}], "not both"),
        ([{"box_px": [0, 0, 1, 1], "negative_px": [[1, 1]]}], "not both"),
        ([{"points_px": []}], "either box_px, or points_px"),
        ([{"label": 3, "box_px": [0, 0, 1, 1]}], "label must be a word"),
        ([{"label": " ", "box_px": [0, 0, 1, 1]}], "label must be a word"),
        ([{"box_px": [0, 0, 1]}], "4 numbers are needed"),
        ([{"box_px": [0, 0, 1, "2"]}], "4 numbers are needed"),
        ([{"box_px": [0, 0, 1, True]}], "4 numbers are needed"),
        ('[{"box_px": [0, 0, 1, NaN]}]', "4 numbers are needed"),
        ([{"box_px": [5, 0, 5, 1]}], "empty"),
        ([{"box_px": [5, 9, 8, 1]}], "empty"),
        ([{"box_px": [0, 0, 201, 50]}], r"outside the photo of 200 x 100 px"),
        ([{"box_px": [-1, 0, 20, 50]}], "outside the photo"),
        ([{"points_px": [[10, 101]]}], "outside the photo"),
        ([{"points_px": [10, 20]}], "2 numbers are needed"),
        ([{"points_px": {"x": 1}}], r"must be a list of \[x, y\]"),
        ([{"points_px": [[1, 1]], "negative_px": [[1, 500]]}], "negative_px is .* outside"),
        ([{"box_px": [0, 0, 1, 1]}] * (MOST_PROMPTS + 1), "501 prompts"),
    ],
)
def test_what_is_unusable_is_named(value: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_prompts([written(tmp_path, value)], SIZE_PX)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json"):
        read_prompts([tmp_path / "gone.json"], SIZE_PX)


# On the photo that is worked on


def photo_of(size_px: tuple[int, int], full_px: tuple[int, int]) -> Photo:
    rgb = np.zeros((size_px[1], size_px[0], 3), np.uint8)
    return Photo(rgb=rgb, file_name="p", sha256="0", reduced_from_px=full_px if full_px != size_px else None)


def test_prompts_move_with_a_photo_that_is_made_smaller() -> None:
    prompts = (Prompt(label="a", box_px=(0.0, 20.0, 200.0, 60.0)), Prompt(points_px=((10.0, 30.0),)))
    box, click = moved_prompts(prompts, photo_of((100, 50), (200, 100)), None)
    assert (box.label, box.box_px) == ("a", (0.0, 10.0, 100.0, 30.0))
    assert click.points_px == ((5.0, 15.0),)
    assert moved_prompts(prompts, photo_of((200, 100), (200, 100)), None) == prompts


@pytest.fixture
def barrel() -> Rectification:
    lens = Camera.from_focal(focal_px=150.0, size_px=SIZE_PX)
    return Rectification.of(lens, Distortion(k1=-0.15, k2=0.02))


def test_prompts_move_with_a_lens_distortion_that_is_taken_out(barrel: Rectification) -> None:
    """A click lands on the same thing: the lens drew what the pinhole sees there exactly where the user clicked."""
    photo = photo_of(SIZE_PX, SIZE_PX)
    points = ((60.0, 30.0), (150.0, 80.0), (100.0, 50.0))
    (click,) = moved_prompts([Prompt(points_px=points)], photo, barrel)
    assert np.abs(barrel.lens_px(np.array(click.points_px)) - points).max() < 1e-6
    assert np.abs(np.array(click.points_px) - points).max() > 0.3
    (box,) = moved_prompts([Prompt(box_px=(60.0, 30.0, 150.0, 80.0))], photo, barrel)
    assert box.box_px is not None
    x0, y0, x1, y1 = box.box_px
    edges = np.array([(60.0, y) for y in (30.0, 55.0, 80.0)])  # the left edge, straight on the photo
    left = moved_prompts([Prompt(points_px=tuple(map(tuple, edges.tolist())))], photo, barrel)[0].points_px
    assert x0 == pytest.approx(min(x for x, _ in left), abs=0.2)  # the box holds the bent edge
    assert x1 > x0
    assert y1 > y0


def test_a_prompt_where_the_straight_picture_does_not_reach(barrel: Rectification) -> None:
    photo = photo_of(SIZE_PX, SIZE_PX)
    with pytest.raises(InputError, match="Object 2 lies in the part of the photo that is cut off"):
        moved_prompts([Prompt(points_px=((100.0, 50.0),)), Prompt(points_px=((0.5, 0.5),))], photo, barrel)
    with pytest.raises(InputError, match="Object 1 lies in the part"):
        moved_prompts([Prompt(box_px=(0.0, 0.0, 2.0, 2.0))], photo, barrel)
    (cut,) = moved_prompts([Prompt(box_px=(0.0, 0.0, 100.0, 50.0))], photo, barrel)
    assert cut.box_px is not None
    assert cut.box_px[:2] == (0.0, 0.0)
