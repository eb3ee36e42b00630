"""Regions that may still overlap in, one label map at the photo's size out.

A pixel that several masks claim goes to the one whose depth beside it fits best, without depth to the smaller one. The
masks are resampled as soft coverage with the half-pixel kept, so that outlines are smooth and do not move.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, UInt16

from .mask_evidence import DepthEvidence
from .mask_region import Box, Region, overlap_px, united_box

_BESIDE_PX = 12  # a claim is judged by what lies so near
_SOFT_PX = 0.6  # standard deviation: a line of one pixel survives


def settle_conflicts(regions: list[Region], evidence: DepthEvidence | None) -> list[Region]:
    """Disjoint regions; one that loses every pixel is left out."""
    current = list(regions)
    for i in range(len(current)):
        for j in range(i + 1, len(current)):
            if overlap_px(current[i], current[j]):
                current[i], current[j] = _settled(current[i], current[j], evidence)
    return [r for r in current if r.pixels.any()]


def _settled(a: Region, b: Region, evidence: DepthEvidence | None) -> tuple[Region, Region]:
    whole = united_box(a.box, b.box, margin=0)
    shared = a.at(whole) & b.at(whole)
    rows, columns = np.nonzero(shared.any(axis=1))[0], np.nonzero(shared.any(axis=0))[0]
    around = (
        slice(max(whole[0].start + int(rows[0]) - _BESIDE_PX, whole[0].start),
              min(whole[0].start + int(rows[-1]) + 1 + _BESIDE_PX, whole[0].stop)),
        slice(max(whole[1].start + int(columns[0]) - _BESIDE_PX, whole[1].start),
              min(whole[1].start + int(columns[-1]) + 1 + _BESIDE_PX, whole[1].stop)),
    )  # fmt: skip
    in_a, in_b = a.at(around), b.at(around)
    to_a = None if evidence is None else _goes_to_first(in_a, in_b, around, evidence)
    if to_a is None:
        to_a = np.full(in_a.shape, a.area_px <= b.area_px)
    both = in_a & in_b
    return _without(a, both & ~to_a, around), _without(b, both & to_a, around)


def _goes_to_first(
    in_a: Bool[np.ndarray, "h w"], in_b: Bool[np.ndarray, "h w"], box: Box, evidence: DepthEvidence
) -> Bool[np.ndarray, "h w"] | None:
    """By the depth of the nearest pixel that only one of them claims; None where that tells nothing."""
    from scipy.ndimage import distance_transform_edt

    surface = evidence.surface(in_a | in_b, box)
    only_a, only_b = in_a & ~in_b & surface.seen, in_b & ~in_a & surface.seen
    if not only_a.any() or not only_b.any():
        return None
    log_z = np.log(np.where(surface.seen, surface.z_m, 1.0))
    away = []
    for only in (only_a, only_b):
        _, nearest = distance_transform_edt(~only, return_indices=True)
        away.append(np.abs(log_z[nearest[0], nearest[1]] - log_z))
    return np.asarray(np.where(surface.seen, away[0] < away[1], bool(only_a.sum() < only_b.sum())))


def _without(region: Region, lost: Bool[np.ndarray, "h w"], box: Box) -> Region:
    """Without some pixels; a region that has none left keeps one empty pixel."""
    picture_part = np.zeros_like(region.pixels)
    rows, columns = np.nonzero(lost)
    picture_part[rows + box[0].start - region.top, columns + box[1].start - region.left] = True
    pixels = region.pixels & ~picture_part
    return (
        region.with_pixels(pixels, region.box) if pixels.any() else replace(region, pixels=np.zeros((1, 1), dtype=bool))
    )


def paint(regions: list[Region], shape: tuple[int, int], size_px: tuple[int, int]) -> UInt16[np.ndarray, "H W"]:
    """Values 1 to len(regions), in their order, at `size_px` (width, height)."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    label_map = np.zeros((size_px[1], size_px[0]), dtype=np.uint16)
    strongest = np.full(label_map.shape, 0.5, dtype=np.float32)
    same_size = size_px == (shape[1], shape[0])
    for value, region in enumerate(regions, start=1):
        box = united_box(region.box, region.box, margin=4, shape=shape)
        if same_size:  # nothing to resample: the outline stays as it is
            out, coverage = box, region.at(box).astype(np.float32)
        else:
            soft = gaussian_filter(region.at(box).astype(np.float32), _SOFT_PX, mode="nearest")
            scale = size_px[1] / shape[0], size_px[0] / shape[1]
            out = tuple(
                slice(int(np.floor(b.start * s)), int(np.ceil(b.stop * s))) for b, s in zip(box, scale, strict=True)
            )  # type: ignore[assignment]
            # Pillow's box: the exact part of the source that the output pixels cover.
            source = (
                out[1].start / scale[1] - box[1].start, out[0].start / scale[0] - box[0].start,
                out[1].stop / scale[1] - box[1].start, out[0].stop / scale[0] - box[0].start,
            )  # fmt: skip
            padded = np.pad(soft, 1, mode="edge")
            coverage = np.asarray(
                Image.fromarray(padded).resize(
                    (out[1].stop - out[1].start, out[0].stop - out[0].start),
                    Image.Resampling.BILINEAR,
                    box=tuple(np.clip(np.array(source) + 1, 0, (*padded.shape[::-1], *padded.shape[::-1])).tolist()),
                )
            )
        wins = coverage > strongest[out]
        label_map[out][wins] = value
        strongest[out][wins] = coverage[wins]
    return label_map
