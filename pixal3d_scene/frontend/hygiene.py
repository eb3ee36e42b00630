"""From overlapping mask proposals to the objects of a photo: `MaskProposal`s in, `Instances` at the photo's size out.

tidy -> room structure -> duplicates -> cut merged masks -> parts -> fragments -> conflicts -> label map

Every step is a function of its own with its rule in its docstring; each mask that goes is a `Rejection` with the
reason. The result does not depend on the order of the proposals. Objects are numbered from the largest to the smallest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from ..depth import Depth
from ..errors import StageFailed
from ..instances import Instance, Instances, Rejection
from .mask_cut import HOW_CUT, cut_with_votes
from .mask_evidence import DepthEvidence, gather_evidence
from .mask_fragments import join_fragments
from .mask_overlap import Dropped, drop_duplicates, resolve_nested
from .mask_painting import paint, settle_conflicts
from .mask_region import Region, overlap_px, regions_of
from .mask_structure import find_structure, room_planes
from .mask_tidy import drop_specks, fill_pinholes, speck_px
from .object_votes import ObjectVotes
from .proposals import MaskProposal

_LARGEST_SHARE = 0.75  # of the photo: an object that fills more of it cannot be told from the room
_LEAST_CUT_PX = 350  # of a picture of 800 x 600: under noise, smaller parts are not told from none
_SHARED = 0.25  # of another mask: what shares so much with a mask is a copy or a part of it
_TINY_TIMES = 3.0  # the smallest size that is kept


def clean_masks(
    proposals: Sequence[MaskProposal],
    *,
    size_px: tuple[int, int],
    depth: Depth | None,
    source: str,
    max_objects: int,
    min_area_share: float,
    votes: ObjectVotes | None = None,
    notes: tuple[str, ...] = (),
) -> Instances:
    """The objects that the proposals show, and the room's own surfaces as `shell_map`.

    size_px: (width, height) of the photo, whose depth `depth` is; without it only outlines and labels decide.
    max_objects: the largest stay. min_area_share: of the photo; smaller ones go. votes: of a network that saw the
    photo; with depth they decide together where a mask is cut and which fragments are joined.
    Raises StageFailed where no object is left.
    """
    if not proposals:
        raise StageFailed("segment", "No mask was proposed for this photo; give your own with --masks.")
    shape = proposals[0].mask.shape
    evidence = None if depth is None else gather_evidence(depth, (shape[1], shape[0]))
    least_px = least_cut_px(shape)
    dropped: Dropped = []
    proposed = regions_of(tuple(proposals))
    regions = [tidy(r, shape, evidence, taken_by_others(r, proposed)) for r in proposed]
    planes = None if depth is None or evidence is None else room_planes(depth, evidence)
    structure = find_structure(regions, planes, shape=(shape[0], shape[1]), least_px=least_px)
    regions, twins = drop_duplicates(structure.objects)
    regions = cut_merged(regions, evidence, votes, shape, least_px)
    regions, more_twins = drop_duplicates(regions)
    regions, parts = resolve_nested(regions, evidence)
    regions = join_fragments(regions, evidence, least_px, votes)
    settled = settle_conflicts(regions, evidence)
    regions = [tidy(r, shape, None, taken_by_others(r, settled)) for r in settled]
    regions, others = choose(regions, shape[0] * shape[1], max_objects=max_objects, min_area_share=min_area_share)
    dropped += [*twins, *more_twins, *parts, *others]
    if not regions:
        raise StageFailed("segment", "None of the masks proposed for this photo shows an object; give --masks.")
    return _instances(
        regions, structure.shell_map, dropped, size_px, source, min_area_share,
        (*notes, *structure.notes, *(() if depth is None else (HOW_CUT[votes is not None],))),
    )  # fmt: skip


def least_cut_px(shape: tuple[int, ...]) -> int:
    """The smallest part that is cut off a mask, for a picture of that shape."""
    return max(int(_LEAST_CUT_PX * shape[0] * shape[1] / 480_000), 12)


def tidy(
    region: Region, shape: tuple[int, ...], evidence: DepthEvidence | None, taken: Bool[np.ndarray, "h w"]
) -> Region:
    """Without specks and pinholes. taken: what other objects' masks have of the region's box."""
    largest_px = speck_px((shape[0], shape[1]))
    pixels = drop_specks(region.pixels, largest_px)
    z_m, valid = (None, None) if evidence is None else (evidence.z_m[region.box], evidence.valid[region.box])
    return region.with_pixels(fill_pinholes(pixels, largest_px, z_m, valid, taken), region.box)


def taken_by_others(region: Region, regions: list[Region]) -> Bool[np.ndarray, "h w"]:
    """What other masks have of a region's box, those that lie in the region itself (copies, parts) left out."""
    taken = np.zeros_like(region.pixels)
    for other in regions:
        apart = any(x.start >= y.stop or y.start >= x.stop for x, y in zip(other.box, region.box, strict=True))
        if other is not region and not apart and overlap_px(other, region) < _SHARED * other.area_px:
            taken |= other.at(region.box)
    return taken


def cut_merged(
    regions: list[Region],
    evidence: DepthEvidence | None,
    votes: ObjectVotes | None,
    shape: tuple[int, ...],
    least_px: int,
) -> list[Region]:
    """Every mask that shows several objects as its parts, the carrier with the label, the others without."""
    if evidence is None:
        return regions
    result: list[Region] = []
    for number, region in enumerate(regions, start=1):
        surface = evidence.surface(region.pixels, region.box)
        parts = cut_with_votes(surface, region.box, shape, votes, least_px=least_px)
        if len(parts) == 1:
            result.append(region)
            continue
        main = max(parts, key=lambda p: (p.reason == "", int(p.mask.sum())))
        for part in parts:
            piece = region.with_pixels(part.mask, region.box, "split")
            label = region.label if part is main else ""
            result.append(replace(piece, label=label, cut_from=number))
    # Masks that were proposed as they are go before parts that are only concluded.
    return sorted(result, key=lambda r: bool(r.cut_from))


def choose(
    regions: list[Region], picture_px: int, *, max_objects: int, min_area_share: float
) -> tuple[list[Region], Dropped]:
    """The largest objects, largest first; ties from top to bottom, then from left to right."""
    kept: list[Region] = []
    dropped: Dropped = []
    for region in sorted(regions, key=lambda r: (-r.area_px, r.top, r.left)):
        share = region.area_px / picture_px
        if share < min_area_share:
            dropped.append((region, f"smaller than {100 * min_area_share:g} % of the photo"))
        elif share > _LARGEST_SHARE:
            dropped.append((region, f"larger than {100 * _LARGEST_SHARE:g} % of the photo"))
        elif len(kept) >= max_objects:
            dropped.append((region, f"more than {max_objects} objects; the largest stay"))
        else:
            kept.append(region)
    return kept, dropped


def _instances(
    regions: list[Region],
    shell_map: np.ndarray,
    dropped: Dropped,
    size_px: tuple[int, int],
    source: str,
    min_area_share: float,
    notes: tuple[str, ...],
) -> Instances:
    """Everything at the photo's size."""
    shape = shell_map.shape
    label_map = paint(regions, (shape[0], shape[1]), size_px)
    scale = size_px[0] / shape[1]
    items = []
    for value, region in enumerate(regions, start=1):
        if not (label_map == value).any():
            continue
        flags = list(region.flags)
        rows, columns = region.box
        if rows.start == 0 or columns.start == 0 or rows.stop == shape[0] or columns.stop == shape[1]:
            flags.append("touches_border")
        if region.area_px < _TINY_TIMES * min_area_share * shape[0] * shape[1]:
            flags.append("tiny")
        items.append(
            Instance(
                mask_value=value,
                label=region.label or "object",
                score=region.score,
                flags=tuple(dict.fromkeys(flags)),
            )
        )
    rows = ((np.arange(size_px[1]) + 0.5) * shape[0] / size_px[1]).astype(np.int64)
    columns = ((np.arange(size_px[0]) + 0.5) * shape[1] / size_px[0]).astype(np.int64)
    shell = np.where(label_map == 0, shell_map[np.ix_(rows, columns)], 0).astype(np.uint8)
    rejected = tuple(
        Rejection(
            reason=f"{region.label}: {reason}" if region.label else reason,
            area_px=max(round(region.area_px * scale**2), 1),
            centre_px=(region.centre_px[0] * scale, region.centre_px[1] * scale),
        )
        for region, reason in dropped
    )
    return Instances(
        label_map=label_map, items=tuple(items), source=source, rejected=rejected, notes=notes, shell_map=shell
    )
