"""Writing and watermarks in a photo: a picture in, the share of it that lines of letters cover out.

Letters are strokes: thin parts brighter or darker than what is around them, of like height, side by side in a row
(as in Epshtein, Ofek and Wexler 2010, Detecting text in natural scenes with stroke width transform, section 4, but with
morphological top-hats in place of the transform).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, UInt8

_STROKE_SHARE = 0.012  # of the longer side: the widest stroke
_CONTRASTS = (0.07, 0.09, 0.12, 0.16)  # of the picture's range; a watermark is faint
_HEIGHT_SHARE = (0.008, 0.12)  # of the longer side
_FEWEST_LETTERS = 6
_SHAPE = (0.35, 1.15)  # width over height of the middle letter of a line


def lettering_share(rgb: UInt8[np.ndarray, "h w 3"]) -> float:
    """Share of the picture in boxes around six or more letters in a row."""
    from scipy.ndimage import black_tophat, white_tophat

    grey = rgb.astype(np.float32).mean(axis=-1)
    low, high = np.percentile(grey, [1, 99])
    grey = grey / max(float(high - low), 1.0)
    size = max(3, round(_STROKE_SHARE * max(grey.shape)) | 1)
    bright, dark = white_tophat(grey, size=size), black_tophat(grey, size=size)
    shares = []
    for contrast in _CONTRASTS:  # their mean does not jump when a faint pattern fades away
        covered = np.zeros(grey.shape, dtype=bool)
        for strokes in (bright, dark):
            for top, bottom, left, right in _lines(_letter_boxes(strokes > contrast)):
                covered[top:bottom, left:right] = True
        shares.append(float(covered.mean()))
    return float(np.mean(shares))


def _letter_boxes(strokes: Bool[np.ndarray, "h w"]) -> Int[np.ndarray, "n 4"]:
    """(top, bottom, left, right) of connected strokes that are as large and as full as letters."""
    from scipy.ndimage import find_objects, label

    labels, _ = label(strokes, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel())[1:]
    boxes = np.array(
        [(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in find_objects(labels)],
        dtype=np.int64,
    ).reshape(-1, 4)
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    low, high = (share * max(strokes.shape) for share in _HEIGHT_SHARE)
    fill = areas / np.maximum(height * width, 1)
    fits = (height >= max(low, 5)) & (height <= high) & (width <= 1.6 * height) & (width >= 0.12 * height)
    return boxes[fits & (fill > 0.15) & (fill < 0.9)]


def _lines(boxes: Int[np.ndarray, "n 4"]) -> list[Int[np.ndarray, "4"]]:
    """Boxes around rows of letters: neighbours of like height, less than 0.6 of a height apart, on one base line."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if len(boxes) < _FEWEST_LETTERS:
        return []
    boxes = boxes[:4000]
    top, bottom, left, right = boxes.T.astype(np.float64)
    height = bottom - top
    taller = np.maximum(height[:, None], height)
    like = taller < 1.6 * np.minimum(height[:, None], height)
    base = np.abs(bottom[:, None] - bottom) < 0.15 * taller
    gap = np.maximum(left[:, None], left) - np.minimum(right[:, None], right)
    beside = (gap < 0.6 * taller) & (gap > -0.2 * taller)
    pairs = np.nonzero(np.triu(like & base & beside, 1))
    graph = coo_matrix((np.ones(len(pairs[0])), pairs), shape=(len(boxes), len(boxes)))
    _, group = connected_components(graph, directed=False)
    lines = []
    for number in np.flatnonzero(np.bincount(group) >= _FEWEST_LETTERS):
        own = boxes[group == number]
        shape = float(np.median((own[:, 3] - own[:, 2]) / (own[:, 1] - own[:, 0])))
        if _SHAPE[0] < shape < _SHAPE[1]:  # the backs of books are slimmer, the patterns of rugs wider
            lines.append(np.array([own[:, 0].min(), own[:, 1].max(), own[:, 2].min(), own[:, 3].max()]))
    return lines
