"""How much of a photo heavy compression has turned into blocks: a grey picture in, a ratio out, 1 for none."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

_BLOCK_PX = 8  # JPEG's


def blockiness(grey: UInt8[np.ndarray, "H W"]) -> float:
    """Mean step of brightness at the borders of 8 px blocks over that elsewhere, at least 1, the larger of both axes.

    Whichever of the eight offsets is strongest counts, since photos are cropped; one that was resized after its
    compression has no blocks left to find.
    """
    return max(1.0, *(_ratio(_profile(axis)) for axis in (grey, grey.T)))


def _profile(grey: UInt8[np.ndarray, "_ _"]) -> Float[np.ndarray, "_"]:
    """Mean step between neighbouring columns, of at most 1024 rows, in steps of grey."""
    rows = grey[:: max(1, grey.shape[0] // 1024)].astype(np.int16)
    return np.abs(np.diff(rows, axis=1)).clip(0, 24).mean(axis=0)  # clipped: true edges are no blocks


def _ratio(steps: Float[np.ndarray, "n"]) -> float:
    whole = steps[: len(steps) // _BLOCK_PX * _BLOCK_PX].reshape(-1, _BLOCK_PX).mean(axis=0)
    if not len(whole) or whole.sum() <= 0:
        return 1.0
    strongest = int(whole.argmax())
    elsewhere = float(np.delete(whole, strongest).mean())
    return float(whole[strongest] / max(elsewhere, 0.05))
