"""What the network of hidden sides reads and where it answers: a box of cells around an object.

The visible box, moved out to where a first guess has the whole object and a little more, is divided into `CELLS` cells
along each of its sides, however long these are: shapes of furniture are much alike when their proportions are taken
away. In each cell stands what the photo says there, in the words of `lift_evidence`. Landmarks say the same of the box
as a whole: where symmetry would have its sides, what is visible of it, and where walls stand. Frame: `box`, facing the
camera (`lift_cut.facing_box`).
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
SYMMETRIC, VISIBLE, WALLS = slice(0, 6), slice(6, 12), slice(12, 15)
LANDMARKS = 15
_NOWHERE = 2.0  # boxes away: farther sides and walls do not matter
_SPREAD = 0.05  # share of the surroundings' points that may lie behind a wall, by noise
_ABOVE_FLOOR = 0.15  # of the box: lower points are the floor's


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


def landmarks(
    cells: CellGrid, symmetric: Box, visible: Box, surroundings_world: Float[np.ndarray, "m 3"]
) -> Float[np.ndarray, "15"]:
    """Places along the sides of the cells' box, 0 at its low and 1 at its high corner.

    Low x, y, z and high x, y, z of two boxes, then the walls behind (z), at the left and at the right (x). symmetric:
    the box as symmetry would complete it.
    """
    box = cells.box
    sides = [_unit(box, b.corners_world()) for b in (symmetric, visible)]
    points = _unit(box, surroundings_world)
    low, high = sides[1].min(axis=0), sides[1].max(axis=0)
    points = points[points[:, 1] > low[1] + _ABOVE_FLOOR * (high[1] - low[1])]

    def beside(axis: int) -> Float[np.ndarray, "k"]:
        """Along the axis, of what stands in the visible box's way there."""
        other = 2 - axis
        slack = 0.1 * (high[other] - low[other])
        return points[(points[:, other] > low[other] - slack) & (points[:, other] < high[other] + slack), axis]

    behind, at_sides = beside(2), beside(0)
    left, right = at_sides[at_sides < low[0]], at_sides[at_sides > high[0]]
    walls = [
        float(np.quantile(behind, _SPREAD)) if len(behind) else -_NOWHERE,
        float(np.quantile(left, _SPREAD)) if len(left) else -_NOWHERE,
        float(np.quantile(right, 1 - _SPREAD)) if len(right) else 1 + _NOWHERE,
    ]
    boxes = [side for corners in sides for side in (corners.min(axis=0), corners.max(axis=0))]
    return np.clip(np.concatenate([*boxes, walls]), -_NOWHERE, 1 + _NOWHERE)


def mirrored_landmarks(places: Float[np.ndarray, "*n 15"]) -> Float[np.ndarray, "*n 15"]:
    """Left and right exchanged."""
    behind, left, right = (places[..., WALLS.start + k, None] for k in range(3))
    boxes = [mirrored_sides(places[..., part]) for part in (SYMMETRIC, VISIBLE)]
    return np.concatenate([*boxes, behind, 1 - right, 1 - left], axis=-1)


def mirrored_sides(sides: Float[np.ndarray, "*n 6"]) -> Float[np.ndarray, "*n 6"]:
    """Left and right exchanged."""
    other = sides.copy()
    other[..., 0], other[..., 3] = 1 - sides[..., 3], 1 - sides[..., 0]
    return other


def sides_in_cells(cells: CellGrid, points_box: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "6"]:
    """Low x, y, z and high x, y, z of what spans the points of the box's frame, as landmarks are told."""
    unit = (points_box - cells.box.low) / cells.box.size_m
    return np.clip(np.concatenate([unit.min(axis=0), unit.max(axis=0)]), -_NOWHERE, 1 + _NOWHERE)


def _unit(box: Box, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return np.asarray((box.box_from_world(points_world) - box.low) / box.size_m)


def as_values(evidence: Int8[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """-1 to 1."""
    return evidence.astype(np.float32) / _UNITS
