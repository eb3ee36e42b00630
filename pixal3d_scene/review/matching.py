"""Which region of a label map is which true object, and how well the two maps agree.

In: two label maps of one photo at the same size (0 = no object). Out: pairs of values and the panoptic quality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

MATCH_IOU = 0.5  # a pair overlaps by more than this; then at most one partner is possible


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A true object and the region that shows it."""

    true_value: int
    found_value: int
    iou: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """All pairs of two label maps. panoptic_quality: 0 to 1 (Kirillov et al. 2019)."""

    matches: tuple[Match, ...]
    panoptic_quality: float


def match_instances(
    true_map: Int[np.ndarray, "H W"], found_map: Int[np.ndarray, "H W"], wanted: Sequence[int]
) -> Matching:
    """Pair the `wanted` values of the true map with values of the found map, best total overlap first.

    A region that lies mostly on a true object that is not wanted (too small to count) is not held against the
    result: it is neither right nor wrong.
    """
    true_values, found_values, shared_px = _contingency(true_map, found_map)
    true_px, found_px = shared_px.sum(axis=1), shared_px.sum(axis=0)
    row_of = {int(value): row for row, value in enumerate(true_values)}
    columns = np.flatnonzero(found_values)
    iou = np.zeros((len(wanted), len(columns)))
    for k, value in enumerate(wanted):
        row = row_of.get(value)
        if row is not None:
            shared = shared_px[row, columns]
            iou[k] = shared / np.maximum(true_px[row] + found_px[columns] - shared, 1)
    pairs = np.stack(linear_sum_assignment(-iou), axis=-1).tolist()
    matches = tuple(
        Match(true_value=wanted[k], found_value=int(found_values[columns[c]]), iou=float(iou[k, c]))
        for k, c in pairs
        if iou[k, c] > MATCH_IOU
    )
    matched = {match.found_value for match in matches}
    ignored = [row for row, value in enumerate(true_values) if value and value not in wanted]
    wrong = sum(
        int(found_values[c]) not in matched and not (shared_px[ignored, c] > 0.5 * found_px[c]).any() for c in columns
    )
    missed = len(wanted) - len(matches)
    quality = sum(match.iou for match in matches) / max(len(matches) + 0.5 * wrong + 0.5 * missed, 1e-9)
    return Matching(matches=matches, panoptic_quality=float(quality))


def _contingency(
    rows: Int[np.ndarray, "H W"], columns: Int[np.ndarray, "H W"]
) -> tuple[Int[np.ndarray, "R"], Int[np.ndarray, "C"], Float[np.ndarray, "R C"]]:
    """Values of both maps and the number of pixels that each pair of values shares."""
    row_values, row_index = np.unique(rows, return_inverse=True)
    column_values, column_index = np.unique(columns, return_inverse=True)
    pair_index = row_index.ravel() * len(column_values) + column_index.ravel()
    counts = np.bincount(pair_index, minlength=len(row_values) * len(column_values))
    return (
        row_values.astype(np.int64),
        column_values.astype(np.int64),
        counts.reshape(len(row_values), len(column_values)).astype(np.float64),
    )
