"""Where one part of an object ends before another: how far each pixel is from the step between them.

The silhouette is not the only edge of an object: a leg ends before the seat behind it. Frame: `photo` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from .lift_view import JUMP, OBJECT, ObjectView


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Per pixel of a view. away_px: from its centre to the nearest part of the object on the other side of a step,
    infinite where none is near. inverse_z: 1 / m of that part's edge."""

    away_px: Float32[np.ndarray, "h w"]
    inverse_z: Float32[np.ndarray, "h w"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """lips: parts in front of what a pixel shows. grounds: parts behind it, which go on under it."""

    lips: Beside
    grounds: Beside


def steps_of(view: ObjectView) -> Steps:
    """Of the object's own parts; another thing's edge is none."""
    lip, ground = _at_steps(view)
    return Steps(lips=_nearest(view, lip, in_front=True), grounds=_nearest(view, ground, in_front=False))


def _nearest(view: ObjectView, edge: Bool[np.ndarray, "h w"], *, in_front: bool) -> Beside:
    from scipy.ndimage import distance_transform_edt

    if not edge.any():
        nowhere = np.full(edge.shape, np.inf, dtype=np.float32)
        return Beside(away_px=nowhere, inverse_z=np.zeros_like(nowhere))
    away_px, (rows, columns) = distance_transform_edt(~edge, return_indices=True)
    inverse_z = view.inverse_z[rows, columns]
    nearer, farther = (inverse_z, view.inverse_z) if in_front else (view.inverse_z, inverse_z)
    away_px = np.where(nearer > farther * (1 + JUMP), away_px - 0.5, np.inf)
    return Beside(away_px=away_px.astype(np.float32), inverse_z=inverse_z)


def _at_steps(view: ObjectView) -> tuple[Bool[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Pixels of the object that have a neighbour of the object well behind them, and well in front of them."""
    own, inverse_z = view.kind == OBJECT, view.inverse_z
    lip, ground = np.zeros(own.shape, dtype=bool), np.zeros(own.shape, dtype=bool)
    for axis in (0, 1):
        (lip_a, ground_a, own_a, a), (lip_b, ground_b, own_b, b) = (
            tuple(np.moveaxis(x, axis, 0)[part] for x in (lip, ground, own, inverse_z))
            for part in (slice(None, -1), slice(1, None))
        )
        down, up = own_a & own_b & (a > b * (1 + JUMP)), own_a & own_b & (b > a * (1 + JUMP))
        lip_a |= down
        ground_b |= down
        lip_b |= up
        ground_a |= up
    return lip, ground
