"""Training curves: figures by step in, curves.csv and curves.png out."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

_FIELDS = ("step", "seconds", "set", "name", "value")
_PANEL_PX = (320, 200)
_COLUMNS = 4
_INK = {"train": (60, 110, 180), "validation": (200, 90, 40)}


class Curves:
    """One row per figure in FOLDER/curves.csv. up_to_step: rows of later steps, of a lost session, are dropped."""

    def __init__(self, folder: Path, *, up_to_step: int) -> None:
        self.path, self.picture = folder / "curves.csv", folder / "curves.png"
        kept = [row for row in self._rows() if int(row["step"]) <= up_to_step]
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, _FIELDS)
            writer.writeheader()
            writer.writerows(kept)

    def add(self, step: int, seconds: float, kind: str, figures: Mapping[str, float]) -> None:
        """kind: "train" or "validation"."""
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            for name, value in figures.items():
                writer.writerow([step, f"{seconds:.1f}", kind, name, f"{value:.6g}"])

    def draw(self) -> None:
        """A panel per figure, value over step."""
        series: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for row in self._rows():
            series.setdefault((row["set"], row["name"]), []).append((int(row["step"]), float(row["value"])))
        names = sorted({name for _, name in series})
        width, height = _PANEL_PX
        rows = -(-len(names) // _COLUMNS) or 1
        sheet = Image.new("RGB", (width * _COLUMNS, height * rows), "white")
        for k, name in enumerate(names):
            corner = (k % _COLUMNS * width, k // _COLUMNS * height)
            panel = {kind: np.array(series[kind, name]) for kind in _INK if (kind, name) in series}
            sheet.paste(_panel(name, panel), corner)
        sheet.save(self.picture)

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="") as file:
            return list(csv.DictReader(file))


def _panel(name: str, series: Mapping[str, Float[np.ndarray, "n 2"]]) -> Image.Image:
    width, height = _PANEL_PX
    panel = Image.new("RGB", _PANEL_PX, "white")
    draw = ImageDraw.Draw(panel)
    everything = np.concatenate(list(series.values()))
    everything = everything[np.isfinite(everything).all(axis=1)]
    if not len(everything):
        return panel
    (x0, y0), (x1, y1) = everything.min(axis=0), everything.max(axis=0)
    draw.text((8, 4), f"{name}: {y0:.3g} to {y1:.3g}, last {everything[-1, 1]:.3g}", fill=(40, 40, 40))
    draw.rectangle((8, 20, width - 8, height - 8), outline=(200, 200, 200))
    for kind, points in series.items():
        x = 8 + (points[:, 0] - x0) / max(x1 - x0, 1e-9) * (width - 16)
        y = height - 8 - (points[:, 1] - y0) / max(y1 - y0, 1e-9) * (height - 28)
        line = [(float(a), float(b)) for a, b in zip(x, y, strict=True) if np.isfinite(b)]
        if len(line) > 1:
            draw.line(line, fill=_INK[kind], width=1)
        elif line:
            draw.point(line, fill=_INK[kind])
    return panel
