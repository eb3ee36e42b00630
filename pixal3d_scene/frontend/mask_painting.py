"""Regions that may still overlap in, one label map at the photo's size out.

A pixel that several masks claim goes to the one whose depth beside it fits best, without depth to the smaller one. The
masks are resampled as soft coverage with the half-pixel kept, so that outlines are smooth and do not move.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt16

from .mask_evidence import DepthEvidence
from .mask_region import Region, overlap_px, united_box

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
    shape = (1 << 30, 1 << 30) if evidence is None else evidence.z_m.shape
    box = united_box(a.box, b.box, margin=0, shape=(shape[0], shape[1]))
    in_a, in_b = a.at(box), b.at(box)
    shared = in_a & in_b
    to_a = _goes_to_first(in_a, in_b, shared, box, evidence)
    if to_a is None:
        to_a = np.full(shared.shape, a.area_px <= b.area_px)
    return (
        _reduced(a, in_a & ~(shared & ~to_a), box),
        _reduced(b, in_b & ~(shared & to_a), box),
    )


def _goes_to_first(
    in_a: Bool[np.ndarray, "h w"], in_b: Bool[np.ndarray, "h w"], shared: Bool[np.ndarray, "h w"],
    box: tuple[slice, slice], evidence: DepthEvidence | None,
) -> Bool[np.ndarray, "h w"] | None:  # fmt: skip
    """By the depth of the nearest pixel that only one of them claims; None where that tells nothing."""
    from scipy.ndimage import distance_transform_edt

    if evidence is None:
        return None
    only_a, only_b = (m & ~shared & evidence.valid[box] for m in (in_a, in_b))
    if not only_a.any() or not only_b.any():
        return None
    surface = evidence.surface(_in_picture(in_a | in_b, box, evidence.z_m.shape), box)
    log_z = np.log(surface.z_m)
    away = []
    for only in (only_a, only_b):
        _, nearest = distance_transform_edt(~only, return_indices=True)
        away.append(np.abs(log_z[nearest[0], nearest[1]] - log_z))
    return np.asarray(np.where(surface.seen, away[0] < away[1], bool(only_a.sum() < only_b.sum())))


def _in_picture(
    mask: Bool[np.ndarray, "h w"], box: tuple[slice, slice], shape: tuple[int, ...]
) -> Bool[np.ndarray, "H W"]:
    picture = np.zeros(shape, dtype=bool)
    picture[box] = mask
    return picture


def _reduced(region: Region, pixels: Bool[np.ndarray, "h w"], box: tuple[slice, slice]) -> Region:
    from dataclasses import replace

    return region.with_pixels(pixels, box) if pixels.any() else replace(region, pixels=np.zeros((1, 1), dtype=bool))


def paint(regions: list[Region], shape: tuple[int, int], size_px: tuple[int, int]) -> UInt16[np.ndarray, "H W"]:
    """Values 1 to len(regions), in their order, at `size_px` (width, height)."""
    from PIL import Image
    from scipy.ndimage import gaussian_filter

    label_map = np.zeros((size_px[1], size_px[0]), dtype=np.uint16)
    strongest = np.full(label_map.shape, 0.5, dtype=np.float32)
    same_size = size_px == (shape[1], shape[0])
    for value, region in enumerate(regions, start=1):
        box = united_box(region.box, region.box, margin=4, shape=shape)
        soft = gaussian_filter(region.at(box).astype(np.float32), _SOFT_PX, mode="nearest")
        if same_size:
            out, coverage = box, soft
        else:
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
