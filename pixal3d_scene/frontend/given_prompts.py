"""The user's own boxes and points: JSON files in, prompts in pixels of the oriented photo out.

    [{"label": "sofa", "box_px": [x0, y0, x1, y1]},
     {"label": "lamp", "points_px": [[x, y], ...], "negative_px": [[x, y], ...]}]

`label` may be left out; `negative_px` too. Pixel centres are at +0.5, as everywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .given_picture import read_bytes
from .prompts import Prompt

MOST_PROMPTS = 500
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
