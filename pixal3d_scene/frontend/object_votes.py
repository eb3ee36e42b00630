"""What a network says of each pixel's object, before anyone decides which objects there are: maps of a photo.

A mask that shows two objects has pixels that point to two middles; the mask hygiene weighs that together with depth
(`mask_voters`, `mask_seam`). Arrays only, so that the hygiene needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int64

from ..arrays import freeze
from ..photo import Photo

Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteMaps:
    """Maps of one picture at the network's own size; they cover the picture edge to edge.

    offset: (x, y) from a pixel to the middle of its object's visible part, in longer sides of the picture. word:
    probabilities of the network's words, at a size of their own. middle: (x, y) where the network sees middles of
    objects, as shares of the picture's width and height. at_middle: how sure it is that a pixel is one, 0 to 1.
    """

    offset: Float32[np.ndarray, "2 h w"]
    word: Float32[np.ndarray, "L h2 w2"]
    middle: Float64[np.ndarray, "k 2"]
    at_middle: Float32[np.ndarray, "h w"]

    def __post_init__(self) -> None:
        freeze(self, "offset", "word", "middle", "at_middle")

    def of_box(self, box: Box, shape: tuple[int, int]) -> BoxVotes:
        """The votes of a box (rows, columns) of the picture at (height, width) `shape`."""
        offset = bilinear(self.offset, box, shape) * max(shape)
        rows, columns = np.mgrid[box]
        height, width = shape
        start = np.array([box[1].start, box[0].start])
        return BoxVotes(
            pointed_px=np.stack([columns - start[0] + offset[0], rows - start[1] + offset[1]], axis=-1) + 0.5,
            middles_px=self.middle * np.array([width, height]) - start,
            at_middle=bilinear(self.at_middle[None], box, shape)[0],
            word=self.word.reshape(len(self.word), -1),
            word_cell=_cells(box, shape, self.word.shape[1:]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxVotes:
    """Votes of the h x w pixels of a box; (x, y) in pixels from the box's upper left corner, pixel centres at +0.5.

    pointed_px: the middle that each pixel points to. middles_px: of all that was seen. at_middle: how sure the network
    is that a pixel is one, 0 to 1. word: by cells of the network's map; word_cell has the cell of each pixel.
    """

    pointed_px: Float64[np.ndarray, "h w 2"]
    middles_px: Float64[np.ndarray, "k 2"]
    at_middle: Float64[np.ndarray, "h w"]
    word: Float32[np.ndarray, "L m"]
    word_cell: Int64[np.ndarray, "h w"]


@runtime_checkable
class ObjectVotes(Protocol):
    """Votes of one photo, asked for mask by mask."""

    def of_box(self, box: Box, shape: tuple[int, int]) -> BoxVotes:
        """The votes of the bounding box (rows, columns) of a mask of the whole photo at (height, width) `shape`."""


@runtime_checkable
class ObjectVoter(Protocol):
    """Who gives votes. `revision` changes whenever the same photo may get others."""

    revision: str

    def votes(self, photo: Photo) -> ObjectVotes:
        """The votes of a photo."""


def bilinear(maps: Float32[np.ndarray, "c h w"], box: Box, shape: tuple[int, int]) -> Float64[np.ndarray, "c r s"]:
    """Maps that cover a picture of (height, width) `shape`, between their pixels, at the pixel centres of a box."""
    (r0, r1, down), (c0, c1, right) = (
        _between(side, large, small) for side, large, small in zip(box, shape, maps.shape[1:], strict=True)
    )
    upper, lower = maps[:, r0], maps[:, r1]
    left, right_of = (a[:, :, c0] * (1 - right) + a[:, :, c1] * right for a in (upper, lower))
    return np.asarray(left * (1 - down[:, None]) + right_of * down[:, None])


def _between(
    side: slice, large: int, small: int
) -> tuple[Int64[np.ndarray, "n"], Int64[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    """The two pixels of a map beside each pixel of a box along one axis, and how far it is from the first of them."""
    at = np.clip((np.arange(side.start, side.stop) + 0.5) * small / large - 0.5, 0, small - 1)
    first = np.minimum(at.astype(np.int64), max(small - 2, 0))
    return first, np.minimum(first + 1, small - 1), at - first


def _cells(box: Box, shape: tuple[int, int], size: tuple[int, ...]) -> Int64[np.ndarray, "h w"]:
    """The number of the map's pixel, counted row by row, that each pixel of a box lies in."""
    rows, columns = (
        ((np.arange(side.start, side.stop) + 0.5) * small / large).astype(np.int64)
        for side, large, small in zip(box, shape, size, strict=True)
    )
    return np.asarray(rows[:, None] * size[1] + columns[None])
