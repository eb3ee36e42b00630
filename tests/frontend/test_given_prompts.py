"""The user's own boxes and points, checked before anything is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.given_prompts import MOST_PROMPTS, read_prompts
from pixal3d_scene.frontend.prompts import Prompt

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
