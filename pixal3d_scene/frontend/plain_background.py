"""An object on a plain background: a colour to paint against, and the mask of what was painted.

An inpainting network gives colours and no mask. So the hidden part is painted with everything but the object replaced
by one plain colour, and cut out by that colour. Frame: `crop` px. Colours are compared in CIELAB.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

# Bins of 16 values per channel; rarer ones are noise and the object's mixed rim.
_BIN = 16
_RAREST = 0.005
# Side of the window in which the majority decides: specks go, thin parts stay.
_SPECK_PX = 3
# White is what product pictures stand on: it is left only for an object nearer to it than this in CIELAB.
_CLEAR = 25.0


class Plain(NamedTuple):
    """A background colour and its word for a prompt."""

    word: str
    level: int


_WHITE = Plain("white", 255)
_OTHERS = (Plain("grey", 128), Plain("black", 0))


def choose_plain(object_rgb: UInt8[np.ndarray, "n 3"]) -> Plain:
    """White where the object is clearly not, else the one of white, grey and black that differs most from it."""
    palette = _palette(object_rgb)
    if _distance_to(_WHITE, palette) >= _CLEAR:
        return _WHITE
    return max((_WHITE, *_OTHERS), key=lambda plain: _distance_to(plain, palette))


def on_plain(rgba: UInt8[np.ndarray, "S S 4"], plain: Plain) -> UInt8[np.ndarray, "S S 3"]:
    """Everything but the object replaced by the plain colour."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return (rgba[..., :3] * alpha + plain.level * (1 - alpha)).round().astype(np.uint8)


def cut_from_plain(
    painted_rgb: UInt8[np.ndarray, "S S 3"],
    visible: Bool[np.ndarray, "S S"],
    hole: Bool[np.ndarray, "S S"],
    object_rgb: UInt8[np.ndarray, "n 3"],
    plain: Plain,
) -> Bool[np.ndarray, "S S"]:
    """The whole object: its visible pixels, and those of the hole that are connected with them and whose painted
    colour is nearer to a colour of the visible part than to the plain one."""
    from scipy.ndimage import label, median_filter
    from scipy.spatial import KDTree

    colours = _lab(painted_rgb[hole])
    to_object, _ = KDTree(_palette(object_rgb)).query(colours)
    nearer = visible.copy()
    nearer[hole] = to_object < np.linalg.norm(colours - _lab_of(plain), axis=1)
    smooth = median_filter(nearer, size=_SPECK_PX, mode="nearest")
    whole = visible | (smooth & hole)
    pieces, _ = label(whole, structure=np.ones((3, 3)))
    kept = np.unique(pieces[visible])
    return np.isin(pieces, kept[kept > 0])


def _palette(rgb: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, "c 3"]:
    """CIELAB means of the bins of colour space that hold the object's colours; always at least one."""
    _, index, counts = np.unique(rgb // _BIN, axis=0, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), 3))
    np.add.at(sums, index.reshape(-1), _lab(rgb))
    common = (counts >= _RAREST * len(rgb)) | (counts == counts.max())
    return (sums / counts[:, None])[common]


def _distance_to(plain: Plain, palette: Float[np.ndarray, "c 3"]) -> float:
    return float(np.linalg.norm(palette - _lab_of(plain), axis=1).min())


def _lab_of(plain: Plain) -> Float[np.ndarray, "3"]:
    return _lab(np.full((1, 3), plain.level, dtype=np.uint8))[0]


def _lab(rgb: UInt8[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    from skimage.color import rgb2lab

    return np.asarray(rgb2lab(rgb[None]))[0].reshape(-1, 3)
