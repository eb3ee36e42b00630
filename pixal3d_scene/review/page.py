"""The HTML of the report: the facts of report.json and the pictures in, one self-contained page out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..export.facts import floats
from .report_pictures import ReportPictures

_NO_VALUE = "–"
_HEADINGS = {
    "photo": "The photo",
    "segment": "Finding the objects",
    "depth": "Depth and camera",
    "room": "Floor, walls and ceiling",
    "run": "The scene as a whole",
}


def page_html(facts: Mapping[str, Any], pictures: ReportPictures) -> str:
    """Everything from the user (file names, labels, notes) is escaped; the page loads nothing from elsewhere."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pixal3d_scene.review"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": _number,
        "measured": _measured,
        "size": _size,
        "percent": _percent,
        "centimetres": _centimetres,
        "heading": lambda stage: _HEADINGS.get(stage, stage),
        "megabytes": _megabytes,
        "stands": _stands,
    }
    longest_s = max((stage["seconds"] for stage in facts["stages"]), default=0.0)
    return environment.get_template("report.html.j2").render(
        facts=facts,
        pictures=pictures,
        total_s=sum(stage["seconds"] for stage in facts["stages"]),
        with_warnings=sum(bool(item["warnings"]) for item in facts["objects"]),
        longest_s=max(longest_s, 1e-9),
        settings=json.dumps(facts["settings"], indent=2, ensure_ascii=False),
    )


def _number(value: float | None, digits: int = 2, unit: str = "") -> str:
    if value is None:
        return _NO_VALUE
    return f"{round(value, digits) + 0.0:.{digits}f}{unit}"  # + 0.0: no minus before a zero


def _measured(value: float) -> str:
    """Three digits that count, and no fewer than there are before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _size(size_m: list[float]) -> str:
    """Width, height and depth, as one reads them on a price tag."""
    return " × ".join(f"{extent:.2f}" for extent in size_m) + " m" if any(size_m) else _NO_VALUE


def _percent(share: float | None) -> str:
    return _NO_VALUE if share is None else f"{100 * share:.0f} %"


def _centimetres(value_m: float | None) -> str:
    return _NO_VALUE if value_m is None else _number(100 * value_m, 1, " cm")


def _stands(item: Mapping[str, Any]) -> str:
    """What carries an object."""
    if item["status"] == "failed":
        return _NO_VALUE
    return f"floats (nearest: {item['parent']})" if floats(item) else f"{item['relation']} {item['parent']}"


def _megabytes(count_bytes: int | None) -> str:
    return _NO_VALUE if count_bytes is None else f"{count_bytes / 1e6:.0f} MB"
