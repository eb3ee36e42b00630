"""What the depth says along the outline of a part of a mask: where the surface goes on, where it ends.

In: a `Surface` and a part of its mask. Out: shares of the outline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from .mask_evidence import Surface
from .mask_things import Thing

_CONTINUES_SHARE = 0.012  # of the depth, some pixels apart
_EDGE_M = 0.03  # an edge may stand up so far above its top
_SUMMIT = 0.2  # of a thing's height, from above: nothing of the carrier is over it
_FEW_PX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """What lies along the outline of a part, as shares of `touching`, the pixels where it meets the rest of the mask.

    inside: share of the outline that these are. attached: the same surface going on. hidden: a nearer surface. The
    rest is farther away, or the top that it stands on. foot: share of that top in what is below the part. summit:
    attached or hidden in the outline of the part's highest end. occluded: of the outline outside the mask too, where
    something else hides the part.
    """

    touching: int
    inside: float
    attached: float
    hidden: float
    foot: float
    summit: float
    occluded: float


def trace_border(surface: Surface, part: Bool[np.ndarray, "h w"], thing: Thing | None) -> Border:
    """Compares the depth on both sides of a part's outline, some pixels away from it."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    inner = part & surface.seen
    calm = binary_erosion(inner)
    inner = calm if calm.any() else inner
    if not inner.any():
        return Border(touching=0, inside=0.0, attached=1.0, hidden=0.0, foot=0.0, summit=1.0, occluded=0.0)
    rows, columns = np.nonzero(part)
    box = np.s_[max(rows.min() - 6, 0) : rows.max() + 7, max(columns.min() - 6, 0) : columns.max() + 7]
    away, nearest = distance_transform_edt(~inner[box], return_indices=True)
    z_m, y_m = surface.z_m[box], surface.y_m[box]
    ring = (away >= 2.5) & (away < 5) & ~part[box] & surface.measured[box]
    change = z_m / z_m[nearest[0], nearest[1]] - 1
    tolerance = _CONTINUES_SHARE + 2 * surface.noise_share
    inside, outside = ring & surface.mask[box], ring & ~surface.mask[box]
    lower = np.zeros_like(inside) if thing is None else y_m <= thing.top_m + thing.tolerance_m + _EDGE_M
    carries = inside & lower & (change <= tolerance)
    other = inside & ~lower
    attached, hidden = other & (np.abs(change) <= tolerance), other & (change < -tolerance)
    below = inside & (np.arange(len(ring))[:, None] - nearest[0] > 0.8 * away)
    low_m, high_m = np.percentile(surface.y_m[inner], [2, 98])
    high = inside & (y_m[nearest[0], nearest[1]] > high_m - _SUMMIT * (high_m - low_m))
    return Border(
        touching=int(inside.sum()),
        inside=_share(inside, ring),
        attached=_share(attached, inside),
        hidden=_share(hidden, inside),
        # A foot at the top's edge has little of it below: any of it counts then.
        foot=_share(carries & below, below) if below.sum() >= _FEW_PX else float(carries.sum() >= _FEW_PX),
        summit=_share((attached | hidden) & high, high) if high.sum() >= _FEW_PX else 0.0,
        occluded=_share(outside & (change < -tolerance), ring),
    )


def _share(part: Bool[np.ndarray, "h w"], whole: Bool[np.ndarray, "h w"]) -> float:
    return float(part.sum() / max(int(whole.sum()), 1))
