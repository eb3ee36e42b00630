"""One mask on its way from a proposal to an object: its pixels in its bounding box, with label, score and remarks.

All regions of one photo share the working size of the proposals; rows and columns count from the top left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from ..arrays import freeze
from .proposals import MaskProposal

Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """pixels: of the box that starts at (top, left); at least one row and column. made_by: see `Proposal.source`.

    cut_from: regions with the same number (0: none) were cut apart and are not put together again.
    """

    pixels: Bool[np.ndarray, "h w"]
    top: int
    left: int
    label: str
    score: float
    flags: tuple[str, ...] = ()
    cut_from: int = 0

    def __post_init__(self) -> None:
        freeze(self, "pixels")

    @property
    def box(self) -> Box:
        height, width = self.pixels.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def area_px(self) -> int:
        return int(self.pixels.sum())

    @property
    def centre_px(self) -> tuple[float, float]:
        """(x, y) of the mean pixel centre, at the working size."""
        rows, columns = np.nonzero(self.pixels)
        return float(columns.mean() + self.left + 0.5), float(rows.mean() + self.top + 0.5)

    def in_picture(self, shape: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
        """The mask of the whole picture."""
        mask = np.zeros(shape, dtype=bool)
        mask[self.box] = self.pixels
        return mask

    def at(self, box: Box) -> Bool[np.ndarray, "h w"]:
        """The mask in another box of the picture."""
        inside = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), dtype=bool)
        rows = slice(max(self.box[0].start, box[0].start), min(self.box[0].stop, box[0].stop))
        columns = slice(max(self.box[1].start, box[1].start), min(self.box[1].stop, box[1].stop))
        if rows.start < rows.stop and columns.start < columns.stop:
            inside[
                rows.start - box[0].start : rows.stop - box[0].start,
                columns.start - box[1].start : columns.stop - box[1].start,
            ] = self.pixels[
                rows.start - self.top : rows.stop - self.top, columns.start - self.left : columns.stop - self.left
            ]
        return inside

    def with_pixels(self, pixels: Bool[np.ndarray, "h w"], box: Box, *flags: str) -> Region:
        """The same object with another mask, cut to its box; at least one pixel is set."""
        rows, columns = np.nonzero(pixels.any(axis=1))[0], np.nonzero(pixels.any(axis=0))[0]
        return replace(
            self,
            pixels=pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy(),
            top=box[0].start + int(rows[0]),
            left=box[1].start + int(columns[0]),
            flags=tuple(dict.fromkeys((*self.flags, *flags))),
        )


def regions_of(proposals: tuple[MaskProposal, ...]) -> list[Region]:
    """Proposals that have a pixel, in an order that does not depend on theirs: best score, then largest first."""
    regions = []
    for proposal in proposals:
        if proposal.mask.any():
            whole = Region(
                pixels=proposal.mask, top=0, left=0, label=proposal.label.strip().lower(), score=proposal.score
            )
            regions.append(whole.with_pixels(proposal.mask, whole.box))
    return sorted(regions, key=_rank)


def _rank(region: Region) -> tuple[float, int, str, int, int, bytes]:
    return (-region.score, -region.area_px, region.label, region.top, region.left, np.packbits(region.pixels).tobytes())


def united_box(a: Box, b: Box, *, margin: int, shape: tuple[int, int] | None = None) -> Box:
    """The smallest box around two, some pixels wider, inside the picture of that shape."""
    rows, columns = ((min(x.start, y.start) - margin, max(x.stop, y.stop) + margin) for x, y in zip(a, b, strict=True))
    height, width = shape or (rows[1], columns[1])
    return slice(max(rows[0], 0), min(rows[1], height)), slice(max(columns[0], 0), min(columns[1], width))


def overlap_px(a: Region, b: Region) -> int:
    """Pixels that two regions share."""
    rows = slice(max(a.box[0].start, b.box[0].start), min(a.box[0].stop, b.box[0].stop))
    columns = slice(max(a.box[1].start, b.box[1].start), min(a.box[1].stop, b.box[1].stop))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return 0
    return int((a.at((rows, columns)) & b.at((rows, columns))).sum())
