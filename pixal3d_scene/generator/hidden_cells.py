"""What the network of hidden sides reads and where it answers: a box of cells around an object.

The visible box, moved out to where a first guess has the whole object and a little more, is divided into `CELLS` cells
along each of its sides, however long these are: shapes of furniture are much alike when their proportions are taken
away. In each cell stands what the photo says there, in the words of `lift_evidence`. Frame: `box`, facing the camera
(`lift_cut.facing_box`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32, Int8

from .lift_box import Box
from .lift_cut import CutBox
from .lift_evidence import gather_evidence
from .lift_extent import all_growth
from .lift_view import ObjectView

CELLS = 32
CHANNELS = 5
_MARGIN = 0.1  # of the box, on all sides but the bottom: the first guess may be too small
_LEAST_MARGIN = 0.02  # of the longest side, for thin things
_CUT_CELLS = 3.0
_UNITS = 127  # of a value of 1, in a byte


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGrid:
    """The middles of the cells of `box`; what `gather_evidence` asks a grid for."""

    box: Box

    @property
    def shape(self) -> tuple[int, int, int]:
        return CELLS, CELLS, CELLS

    @property
    def spacing_m(self) -> float:
        """Of the longest side: the others' cells are smaller."""
        return float(self.box.size_m.max()) / CELLS

    @property
    def cut_m(self) -> float:
        return _CUT_CELLS * self.spacing_m

    def axis_m(self, axis: int) -> Float[np.ndarray, "n"]:
        return self.box.low[axis] + float(self.box.size_m[axis]) * (np.arange(CELLS) + 0.5) / CELLS


def cells_around(cut: CutBox) -> CellGrid:
    """The cells in which the whole object is looked for."""
    box = cut.box
    beyond_m = all_growth(cut) * float(box.size_m.max())
    low, high = box.low - beyond_m[[0, 2, 4]], box.high + beyond_m[[1, 3, 5]]
    margin_m = np.maximum(_MARGIN * (high - low), _LEAST_MARGIN * float((high - low).max()))
    low, high = low - margin_m, high + margin_m
    low[1] = box.low[1]
    return CellGrid(box=replace(box, low=low, high=high))


def evidence_in_cells(view: ObjectView, cells: CellGrid) -> Int8[np.ndarray, "5 n n n"]:
    """Free of or inside the outline; hidden; behind the visible surface, far and near; width of the part in front.

    Lengths are shares of the box's longest side, but the first and the near one of `_CUT_CELLS` cells.
    """
    evidence = gather_evidence(view, cells)
    longest_m = float(cells.box.size_m.max())
    shown = ~evidence.unknown & (evidence.hull > -cells.cut_m)
    values = (
        evidence.hull / cells.cut_m,
        evidence.unknown.astype(np.float32),
        np.where(shown, evidence.depth_m / longest_m, 0),
        np.where(shown, evidence.depth_m / cells.cut_m, 0),
        np.where(shown, evidence.width_m / longest_m, 0),
    )
    return np.stack([(np.clip(v, -1, 1) * _UNITS).round().astype(np.int8) for v in values])


def as_values(evidence: Int8[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """-1 to 1."""
    return evidence.astype(np.float32) / _UNITS
