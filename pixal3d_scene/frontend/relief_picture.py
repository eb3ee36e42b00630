"""What the network of reliefs reads of one object: its window of the photo, brought to one size.

Beside the colours stand the mask, what is in front of it, the relief that its outline alone tells (`standing`), how the
front-end network's depth differs from that, the wall behind, and where each pixel looks. Lengths are logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image

from .standing import Footing, LevelView

if TYPE_CHECKING:
    import torch

SIDE_PX = 64
CHANNELS = 13 + len(Footing)
RGB_SIDE_PX = 256  # the photo's longer side when colours are taken: no sharper than what the network was trained on
# Channels: how the front-end network's depth differs from the block in shape, and in distance; how far to the side.
SHAPE, AWAY, MIRRORED = 6, 7, 10
MOST = 0.7  # of log(depth / block): farther off, something else is wrong
_MARGIN = 0.1  # of the mask's box
_SHARE = 0.02  # of a pixel that the mask must cover there
_INSIDE = 0.5  # of a pixel that the network was taught at
_SMOOTHED = 1.4  # pixels: four neighbours come out of one place of the network, and differ a little
_FINE, _COARSE = 4.0, 1.0  # of logarithms: of an object's own relief, and of distances between things
_LIMIT = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the photo, px: left, top, right and bottom edge of its pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size_px(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRelief:
    """A mask's pixels, in the order of `mask`: depth along cam z, m, of an object's outline and of the network.

    usable: where the network's depth is to be had.
    """

    relief_m: Float[np.ndarray, "n"]
    network_m: Float[np.ndarray, "n"]
    usable: Bool[np.ndarray, "n"]
    footing: Footing


def window_around(mask: Bool[np.ndarray, "H W"]) -> Window:
    """The mask's box with a margin, within the photo."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    spread_y, spread_x = (max(1, round(_MARGIN * (int(v[-1] - v[0]) + 1))) for v in (rows, columns))
    return Window(
        left=max(int(columns[0]) - spread_x, 0),
        top=max(int(rows[0]) - spread_y, 0),
        right=min(int(columns[-1]) + 1 + spread_x, mask.shape[1]),
        bottom=min(int(rows[-1]) + 1 + spread_y, mask.shape[0]),
    )


def relief_picture(
    rgb: UInt8[np.ndarray, "h w 3"],
    mask: Bool[np.ndarray, "H W"],
    others: Bool[np.ndarray, "H W"],
    seen: SeenRelief,
    level: LevelView,
    window: Window,
) -> Float32[np.ndarray, "C s s"]:
    """rgb: the whole photo, RGB_SIDE_PX along its longer side, or less. others: pixels of other objects."""
    height, width = mask.shape
    across, down = window.size_px
    inner = mask[window.pixels]
    relief = np.log(seen.relief_m)
    away = np.where(seen.usable, np.log(np.maximum(seen.network_m, 1e-3)) - relief, 0.0)
    middle = float(np.median(away[seen.usable])) if seen.usable.any() else 0.0
    beyond = np.log(np.maximum(level.walls_m[mask], 1e-3)) - relief

    def spread(values: Float[np.ndarray, "n"]) -> Float32[np.ndarray, "s s"]:
        return resized_within(values, mask, window)

    colours = [
        np.asarray(_shrunk(rgb[..., k].astype(np.float32), window, (width, height))) / 255 - 0.5 for k in range(3)
    ]
    covered = _resized(inner.astype(np.float32))
    planes = [
        *colours,
        covered,
        _resized(others[window.pixels].astype(np.float32)),
        _FINE * spread(relief - np.median(relief)),
        _FINE * spread(np.where(seen.usable, away - middle, 0.0)),
        np.where(covered > _SHARE, _COARSE * middle, 0),
        _COARSE * spread(beyond),
        _resized(np.clip(level.drop[window.pixels], -1, 1).astype(np.float32)),
        _resized(np.clip(level.side[window.pixels], -2, 2).astype(np.float32)),
        np.full((SIDE_PX, SIDE_PX), np.log(across / width) / 2),
        np.full((SIDE_PX, SIDE_PX), np.log(down / height) / 2),
        *(np.full((SIDE_PX, SIDE_PX), float(seen.footing is kind)) for kind in Footing),
    ]
    return np.clip(np.stack(planes), -_LIMIT, _LIMIT).astype(np.float32)


def resized_within(
    values: Float[np.ndarray, "n"], mask: Bool[np.ndarray, "H W"], window: Window
) -> Float32[np.ndarray, "s s"]:
    """Values of a mask's pixels at the network's size, each a mean over the mask alone; 0 outside."""
    inner = mask[window.pixels]
    spread = np.zeros(inner.shape, dtype=np.float32)
    spread[inner] = values
    share = _resized(inner.astype(np.float32))
    return np.where(share > _SHARE, _resized(spread) / np.maximum(share, _SHARE), 0).astype(np.float32)


def at_pixels(
    values: Float32[np.ndarray, "s s"], mask: Bool[np.ndarray, "H W"], window: Window
) -> Float32[np.ndarray, "m"]:
    """A map of the network's size at the mask's pixels. What it says outside the mask means nothing: the nearest value
    inside takes its place."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    inside = _resized(mask[window.pixels].astype(np.float32)) > _INSIDE
    if inside.any():
        values = values[tuple(distance_transform_edt(~inside, return_distances=False, return_indices=True))]
    smooth = gaussian_filter(values.astype(np.float32), _SMOOTHED)
    back = Image.fromarray(smooth).resize(window.size_px, Image.Resampling.BICUBIC)
    return np.asarray(back)[mask[window.pixels]]


def front_end_told(picture: torch.Tensor) -> torch.Tensor:
    """What the front-end network says of log(depth / block), (..., n, n), out of pictures (..., C, n, n)."""
    return picture[..., SHAPE, :, :] / _FINE + picture[..., AWAY, :, :] / _COARSE


def mirrored_picture(picture: torch.Tensor) -> torch.Tensor:
    """Left and right exchanged, (..., C, n, n)."""
    other = picture.flip(-1)
    other[..., MIRRORED, :, :] *= -1
    return other


def _resized(values: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "s s"]:
    return np.asarray(Image.fromarray(values).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR))


def _shrunk(values: Float32[np.ndarray, "h w"], window: Window, size_px: tuple[int, int]) -> Float32[np.ndarray, "s s"]:
    """A window of the photo out of a smaller one."""
    x, y = values.shape[1] / size_px[0], values.shape[0] / size_px[1]
    box = (window.left * x, window.top * y, window.right * x, window.bottom * y)
    return np.asarray(Image.fromarray(values).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, box=box))
