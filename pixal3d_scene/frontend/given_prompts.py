"""The user's own boxes and points: JSON files in, prompts in pixels of the oriented photo out.

    [{"label": "sofa", "box_px": [x0, y0, x1, y1]},
     {"label": "lamp", "points_px": [[x, y], ...], "negative_px": [[x, y], ...]}]

`label` may be left out; `negative_px` too. Pixel centres are at +0.5, as everywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..photo import Photo
from .given_picture import read_bytes
from .prompts import Prompt
from .rectify import Rectification

MOST_PROMPTS = 500
_STEPS = 50
_CUT_OFF = "Object {} lies in the part of the photo that is cut off with the lens distortion; leave it out."
_KEYS = {"label", "box_px", "points_px", "negative_px"}
_SCHEMA = '[{"label": "sofa", "box_px": [x0, y0, x1, y1]} or {"label": "lamp", "points_px": [[x, y], ...]}, ...]'


def read_prompts(paths: Sequence[Path], size_px: tuple[int, int]) -> tuple[Prompt, ...]:
    """Prompts of all files, in order; size_px: of the oriented photo.

    Raises InputError for a file that is not such a list, and for a box or point outside the photo.
    """
    prompts: list[Prompt] = []
    for path in paths:
        prompts += _read(path, size_px)
    if len(prompts) > MOST_PROMPTS:
        raise InputError(f"{len(prompts)} prompts were given and {MOST_PROMPTS} are the most; use --masks instead.")
    return tuple(prompts)


def moved_prompts(prompts: Sequence[Prompt], photo: Photo, rectification: Rectification | None) -> tuple[Prompt, ...]:
    """Prompts of the photo's file in pixels of the photo that is worked on: smaller, and without lens distortion.

    Raises InputError for one that lies where the picture without distortion does not reach.
    """
    return tuple(_moved(prompt, number, photo, rectification) for number, prompt in enumerate(prompts, start=1))


def _moved(prompt: Prompt, number: int, photo: Photo, rectification: Rectification | None) -> Prompt:
    full_px = np.array(photo.full_size_px, dtype=np.float64)
    shrink = np.array(photo.size_px) / full_px

    def moved(points_px: Sequence[tuple[float, float]]) -> np.ndarray:
        points = np.array(points_px, dtype=np.float64).reshape(-1, 2)
        return points if rectification is None else _straightened(points, rectification)

    def placed(points_px: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
        points = moved(points_px)
        if ((points < 0) | (points > full_px)).any():
            raise InputError(_CUT_OFF.format(number))
        return tuple((float(x), float(y)) for x, y in points * shrink)

    if prompt.box_px is None:
        return replace(prompt, points_px=placed(prompt.points_px), negative_px=placed(prompt.negative_px))
    x0, y0, x1, y1 = prompt.box_px
    edge = np.linspace(0, 1, 9)
    outline = [*((x0 + t * (x1 - x0), y) for t in edge for y in (y0, y1))]
    outline += [*((x, y0 + t * (y1 - y0)) for t in edge for x in (x0, x1))]
    points = moved(outline).clip(0, full_px) * shrink
    low, high = points.min(axis=0), points.max(axis=0)
    if (high - low < 1).any():
        raise InputError(_CUT_OFF.format(number))
    return replace(prompt, box_px=(float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def _straightened(lens_px: np.ndarray, rectification: Rectification) -> np.ndarray:
    """Where the pinhole sees what the lens drew at `lens_px`: `Rectification.lens_px` inverted by fixed point."""
    zoom = rectification.pinhole.K[0, 0] / rectification.lens.K[0, 0]
    pinhole_px = lens_px.copy()
    for _ in range(_STEPS):
        pinhole_px = pinhole_px + zoom * (lens_px - rectification.lens_px(pinhole_px))
    return pinhole_px


def _read(path: Path, size_px: tuple[int, int]) -> list[Prompt]:
    try:
        entries = json.loads(read_bytes(path, what="prompt"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"The prompt file {path} is not valid JSON ({error}); it must be {_SCHEMA}.") from error
    if not isinstance(entries, list) or not entries:
        raise InputError(f"The prompt file {path} holds no list of objects; it must be {_SCHEMA}.")
    return [_prompt(entry, f"Object {number} of {path}", size_px) for number, entry in enumerate(entries, start=1)]


def _prompt(entry: Any, where: str, size_px: tuple[int, int]) -> Prompt:
    if not isinstance(entry, dict):
        raise InputError(f"{where} is {json.dumps(entry)[:60]}, not an object; the file must be {_SCHEMA}.")
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise InputError(f"{where} has the unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}.")
    label = entry.get("label", "object")
    if not isinstance(label, str) or not label.strip():
        raise InputError(f"{where}: label must be a word, not {json.dumps(label)[:60]}.")
    has_box, has_points = entry.get("box_px") is not None, bool(entry.get("points_px"))
    if has_box == has_points or (has_box and entry.get("negative_px")):
        raise InputError(f"{where} needs either box_px, or points_px (with negative_px if you like), not both.")
    if has_box:
        return Prompt(label=label.strip(), box_px=_box(entry["box_px"], f"{where}: box_px", size_px))
    return Prompt(
        label=label.strip(),
        points_px=_points(entry["points_px"], f"{where}: points_px", size_px),
        negative_px=_points(entry.get("negative_px") or [], f"{where}: negative_px", size_px),
    )


def _box(value: Any, where: str, size_px: tuple[int, int]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = _numbers(value, 4, where)
    if x0 >= x1 or y0 >= y1:
        raise InputError(f"{where} is {value}, which is empty; it must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1.")
    for x, y in ((x0, y0), (x1, y1)):
        _check_inside(x, y, where, value, size_px)
    return x0, y0, x1, y1


def _points(value: Any, where: str, size_px: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list):
        raise InputError(f"{where} is {json.dumps(value)[:60]}; it must be a list of [x, y].")
    points = []
    for point in value:
        x, y = _numbers(point, 2, where)
        _check_inside(x, y, where, point, size_px)
        points.append((x, y))
    return tuple(points)


def _numbers(value: Any, count: int, where: str) -> list[float]:
    numbers = value if isinstance(value, list) else []
    fine = [isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers]
    if len(numbers) != count or not all(fine):
        raise InputError(f"{where} is {json.dumps(value)[:60]}; {count} numbers are needed.")
    return [float(n) for n in numbers]


def _check_inside(x: float, y: float, where: str, value: Any, size_px: tuple[int, int]) -> None:
    if not (0 <= x <= size_px[0] and 0 <= y <= size_px[1]):
        raise InputError(
            f"{where} is {value}, outside the photo of {size_px[0]} x {size_px[1]} px; give pixels of the photo as it "
            "is shown upright."
        )
