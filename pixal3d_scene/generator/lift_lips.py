"""Where one part of an object ends before another: how far each pixel is from the edge of a part in front of it.

The silhouette is not the only edge of an object: a leg ends before the seat behind it. Frame: `photo` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from .lift_view import JUMP, OBJECT, ObjectView


@dataclass(frozen=True, slots=True, kw_only=True)
class Lips:
    """Per pixel of a view. away_px: from its centre to the nearest part of the object that is in front of what it
    shows, infinite where none is near. inverse_z: 1 / m of that part's edge."""

    away_px: Float32[np.ndarray, "h w"]
    inverse_z: Float32[np.ndarray, "h w"]


def lips_of(view: ObjectView) -> Lips:
    """Of the object's own parts; another thing's edge is none."""
    from scipy.ndimage import distance_transform_edt

    lip = _before_step(view)
    if not lip.any():
        nowhere = np.full(view.kind.shape, np.inf, dtype=np.float32)
        return Lips(away_px=nowhere, inverse_z=np.zeros_like(nowhere))
    away_px, (rows, columns) = distance_transform_edt(~lip, return_indices=True)
    inverse_z = view.inverse_z[rows, columns]
    behind = inverse_z > view.inverse_z * (1 + JUMP)
    away_px = np.where(behind, away_px - 0.5, np.inf)
    return Lips(away_px=away_px.astype(np.float32), inverse_z=inverse_z)


def _before_step(view: ObjectView) -> Bool[np.ndarray, "h w"]:
    """Pixels of the object that have a neighbour of the object well behind them."""
    own, inverse_z = view.kind == OBJECT, view.inverse_z
    lip = np.zeros(own.shape, dtype=bool)
    for axis in (0, 1):
        one, other = (np.moveaxis(lip, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        a, b = (np.moveaxis(inverse_z, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        both = np.moveaxis(own, axis, 0)[:-1] & np.moveaxis(own, axis, 0)[1:]
        one |= both & (a > b * (1 + JUMP))
        other |= both & (b > a * (1 + JUMP))
    return lip
