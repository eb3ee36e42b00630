"""Which parts of a photo are room rather than objects: picture and its pieces in, a mask of the room out.

Floor, walls and ceiling are large and their colour changes slowly: on every face of the room box a smooth colour
is fitted robustly, and what differs from it is strange. Pieces are then split into room and objects by a minimum
cut, so that a piece follows its neighbours where the edge between them is weak (Boykov and Jolly, "Interactive
Graph Cuts", ICCV 2001, with pieces for pixels).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_SMOOTH_STEPS = 12
_SMALLEST_SCALE = 2.5  # Lab units: less than that is noise, whatever the fit says
_OTHER_FACE = 1.3  # how much stranger the colour of another face is than that of the own one
_LIGHTNESS_WEIGHT = 0.7  # shadows and light change lightness more than hue


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """A fine segmentation. map: 0 to count - 1 for every pixel. area_px, lab: of every piece.

    pairs: neighbouring pieces (i < j), with the length of their common border and the colour step across it.
    """

    map: Int[np.ndarray, "h w"]
    area_px: Float[np.ndarray, "n"]
    lab: Float[np.ndarray, "n 3"]
    pairs: Int[np.ndarray, "m 2"]
    border_px: Float[np.ndarray, "m"]
    step_lab: Float[np.ndarray, "m"]

    @property
    def count(self) -> int:
        return len(self.area_px)

    def mean_of(self, values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "n"]:
        """Mean of a picture over every piece."""
        return np.bincount(self.map.ravel(), values.ravel(), minlength=self.count) / self.area_px


def describe_pieces(piece_map: Int[np.ndarray, "h w"], lab: Float[np.ndarray, "h w 3"]) -> Pieces:
    """Areas, colours and borders of a segmentation."""
    count = int(piece_map.max()) + 1
    area_px = np.bincount(piece_map.ravel(), minlength=count).astype(np.float64)
    colour = np.stack(
        [np.bincount(piece_map.ravel(), lab[..., k].ravel(), minlength=count) / area_px for k in range(3)], axis=-1
    )
    codes, steps = [], []
    for a, b, la, lb in (
        (piece_map[:, :-3], piece_map[:, 3:], lab[:, :-3], lab[:, 3:]),
        (piece_map[:-3], piece_map[3:], lab[:-3], lab[3:]),
    ):
        differ = a != b
        low, high = np.minimum(a, b)[differ], np.maximum(a, b)[differ]
        codes.append(low * count + high)
        steps.append(np.linalg.norm(la[differ] - lb[differ], axis=-1))
    code, inverse = np.unique(np.concatenate(codes), return_inverse=True)
    seen = np.bincount(inverse).astype(np.float64)
    step_lab = np.bincount(inverse, np.concatenate(steps)) / seen
    pairs = np.stack([code // count, code % count], axis=-1)
    return Pieces(map=piece_map, area_px=area_px, lab=colour, pairs=pairs, border_px=seen / 3, step_lab=step_lab)


def strangeness(lab: Float[np.ndarray, "h w 3"], face: Int[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """How far each pixel's colour is from the smooth colour of its face, in units of that face's usual spread.

    Since the borders of the faces are guesses, what looks like another face is not very strange either.
    """
    height, width = face.shape
    y, x = np.mgrid[0:height, 0:width]
    place = np.stack([x / width - 0.5, y / height - 0.5], axis=-1)
    weighted = lab * [_LIGHTNESS_WEIGHT, 1.0, 1.0]
    strange = np.full(face.shape, np.inf)
    for number in range(int(face.max()) + 1):
        on = face == number
        if on.sum() < 0.002 * face.size:
            continue
        fit, scale = _smooth_colour(place[on], weighted[on])
        # A face's colours are not continued beyond its own range, where the polynomial may run away.
        nearest = np.clip(place, place[on].min(axis=0), place[on].max(axis=0))
        residual = np.linalg.norm(weighted - _polynomial(nearest) @ fit, axis=-1) / scale
        strange = np.minimum(strange, np.where(on, residual, _OTHER_FACE * residual))
    return strange


def _polynomial(place: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 6"]:
    x, y = place[..., 0], place[..., 1]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _smooth_colour(
    place: Float[np.ndarray, "n 2"], values: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "6 3"], float]:
    """Coefficients of a robust smooth fit, and its usual residual; starts at the most common colour, not the mean."""
    terms = _polynomial(place)
    residual = np.linalg.norm(values - _mode(values), axis=1)
    scale = max(float(np.quantile(residual, 0.3)), 4 * _SMALLEST_SCALE)
    for _ in range(_SMOOTH_STEPS):
        weight = 1 / (1 + (residual / scale) ** 2)  # squared in the fit: Geman and McClure's estimator
        fit = np.linalg.lstsq(terms * weight[:, None], values * weight[:, None], rcond=None)[0]
        residual = np.linalg.norm(values - terms @ fit, axis=1)
        scale = max(0.7 * scale, float(np.quantile(residual, 0.4)), _SMALLEST_SCALE)
    return fit, scale


def _mode(values: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """The most common colour, from a coarse histogram."""
    cell = np.floor(values / 6).astype(np.int64)
    _, inverse, counts = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    return values[inverse.ravel() == int(counts.argmax())].mean(axis=0)


def cut_room_from_objects(
    pieces: Pieces, object_bias: Float[np.ndarray, "n"], *, weak_step_lab: float, smoothness: float
) -> Bool[np.ndarray, "n"]:
    """True for the pieces that are objects: the minimum cut of bias (positive = object) and weak borders."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n, source, sink = pieces.count, pieces.count, pieces.count + 1
    unary = object_bias * pieces.area_px
    link = smoothness * pieces.border_px * np.exp(-pieces.step_lab / weak_step_lab) * np.sqrt(np.median(pieces.area_px))
    i, j = pieces.pairs.T
    everyone = np.arange(n)
    rows = np.concatenate([np.full(n, source), everyone, i, j])
    columns = np.concatenate([everyone, np.full(n, sink), j, i])
    capacity = np.concatenate([np.maximum(unary, 0), np.maximum(-unary, 0), link, link])
    whole = np.minimum(capacity * 16, 2**30).astype(np.int32)  # the flow works on whole numbers
    graph = csr_array((whole, (rows, columns)), shape=(n + 2, n + 2))
    rest = graph - maximum_flow(graph, source, sink).flow
    rest.data[rest.data < 0] = 0
    rest.eliminate_zeros()
    reached = breadth_first_order(rest, source, return_predecessors=False)
    objects = np.zeros(n + 2, dtype=bool)
    objects[reached] = True
    return objects[:n]
