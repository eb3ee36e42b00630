"""From small pieces of a photo to whole objects: pieces, those of objects marked, in; an object number each out.

Greedy merging of the most similar neighbours until nothing similar is left, with the cues of Uijlings et al.,
"Selective Search for Object Recognition", IJCV 2013 (section 3.2: colour, size, fill), and how long and how strong
the common border is.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from .structure import Pieces

_COLOUR, _BORDER, _FILL, _SMALL, _STEP = 0.82, 0.86, 0.85, 0.59, 1 / 40
_STOP = 0.57
_SMALL_SHARE = 0.004  # of the photo: much smaller groups are parts, not objects


@dataclass(slots=True)
class _Group:
    """A growing object: its colours, size, outline and box (top, left, bottom, right)."""

    histogram: Float[np.ndarray, "c"]
    area_px: float
    outline_px: float
    box: Float[np.ndarray, "4"]
    version: int = 0
    # neighbour -> (length of the common border, sum of the colour steps along it)
    neighbours: dict[int, tuple[float, float]] = field(default_factory=dict)


def group_pieces(
    pieces: Pieces, lab: Float[np.ndarray, "h w 3"], is_object: Bool[np.ndarray, "n"]
) -> Int[np.ndarray, "n"]:
    """0 for the pieces of the room, else 1, 2, ... : pieces with the same number are one object."""
    groups = _start(pieces, lab, is_object)
    parent = np.arange(pieces.count)
    photo_px = pieces.map.size
    heap = [
        (-_likeness(a, groups[j], a.neighbours[j], photo_px), i, j, 0, 0)
        for i, a in groups.items()
        for j in a.neighbours
        if i < j
    ]
    heapq.heapify(heap)
    while heap:
        cost, i, j, version_i, version_j = heapq.heappop(heap)
        if -cost < _STOP:
            break
        if i not in groups or j not in groups:
            continue
        if groups[i].version != version_i or groups[j].version != version_j:
            continue
        _merge(groups, i, j)
        parent[j] = i
        for k in groups[i].neighbours:
            a, b = min(i, k), max(i, k)
            cost = -_likeness(groups[a], groups[b], groups[i].neighbours[k], photo_px)
            heapq.heappush(heap, (cost, a, b, groups[a].version, groups[b].version))
    return _numbered(parent, is_object)


def _start(pieces: Pieces, lab: Float[np.ndarray, "h w 3"], is_object: Bool[np.ndarray, "n"]) -> dict[int, _Group]:
    """One group per object piece."""
    flat = pieces.map.ravel()
    bins = np.clip((lab + np.array([0, 60, 60])) / [100 / 6, 15, 15], 0, [5, 7, 7]).astype(np.int64).reshape(-1, 3)
    code = bins @ [64, 8, 1]
    histograms = np.bincount(flat * 384 + code, minlength=pieces.count * 384).reshape(-1, 384).astype(np.float64)
    rows, columns = np.indices(pieces.map.shape)
    boxes = np.tile([np.inf, np.inf, 0.0, 0.0], (pieces.count, 1))
    for k, (extreme, values) in enumerate(
        ((np.minimum, rows), (np.minimum, columns), (np.maximum, rows + 1), (np.maximum, columns + 1))
    ):
        extreme.at(boxes[:, k], flat, values.ravel())
    ends, lengths = pieces.pairs.T.ravel(), np.tile(pieces.border_px, 2)
    outline_px = np.bincount(ends, lengths, minlength=pieces.count)
    groups = {
        int(i): _Group(histograms[i], float(pieces.area_px[i]), float(outline_px[i]), boxes[i])
        for i in np.flatnonzero(is_object)
    }
    for (i, j), length, step in zip(pieces.pairs.tolist(), pieces.border_px, pieces.step_lab, strict=True):
        if is_object[i] and is_object[j]:
            groups[i].neighbours[j] = groups[j].neighbours[i] = (float(length), float(length * step))
    return groups


def _likeness(a: _Group, b: _Group, common: tuple[float, float], photo_px: int) -> float:
    """How much two neighbours with this common border look like parts of one object."""
    length, steps = common
    colour = float(np.minimum(a.histogram / a.area_px, b.histogram / b.area_px).sum())
    border = length / max(min(a.outline_px, b.outline_px), 1.0)
    low, high = np.minimum(a.box[:2], b.box[:2]), np.maximum(a.box[2:], b.box[2:])
    fill = (a.area_px + b.area_px) / float(np.prod(high - low))
    small = float(np.exp(-min(a.area_px, b.area_px) / photo_px / _SMALL_SHARE))
    return _COLOUR * colour + _BORDER * border + _FILL * fill + _SMALL * small - _STEP * steps / length


def _merge(groups: dict[int, _Group], i: int, j: int) -> None:
    """Put group j into group i."""
    a, b = groups[i], groups.pop(j)
    a.histogram = a.histogram + b.histogram
    a.area_px += b.area_px
    a.outline_px = max(a.outline_px + b.outline_px - 2 * a.neighbours[j][0], 1.0)
    a.box = np.concatenate([np.minimum(a.box[:2], b.box[:2]), np.maximum(a.box[2:], b.box[2:])])
    a.version += 1
    del a.neighbours[j]
    for k, (length, steps) in b.neighbours.items():
        if k == i:
            continue
        del groups[k].neighbours[j]
        known = a.neighbours.get(k, (0.0, 0.0))
        a.neighbours[k] = groups[k].neighbours[i] = (known[0] + length, known[1] + steps)


def _numbered(parent: Int[np.ndarray, "n"], is_object: Bool[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    root = parent.copy()
    while (root != parent[root]).any():
        root = parent[root]
    numbers = np.zeros(len(parent), dtype=np.int64)
    numbers[is_object] = np.unique(root[is_object], return_inverse=True)[1] + 1
    return numbers
