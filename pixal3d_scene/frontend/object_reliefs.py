"""How the visible surface of each object is shaped, by the network of reliefs: its window of the photo in, depth out.

The front-end network sees the whole photo at once and tells shapes coarsely; this one looks at one object at a time.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from ..photo import Photo
from ..weights.own import RELIEFS, own_weights
from .relief_picture import MOST, RGB_SIDE_PX, SeenRelief, at_pixels, mirrored_picture, relief_picture, window_around
from .standing import LevelView
from .working_picture import resized_rgb, working_size_px

if TYPE_CHECKING:
    from .relief_network import ReliefNetwork


class ObjectReliefs:
    """The network in a file, read when it is first needed. weights: what `train` wrote; None for the package's own."""

    def __init__(self, weights: Path | None = None) -> None:
        self._path = own_weights(RELIEFS) if weights is None else weights
        self.revision = hashlib.sha256(self._path.read_bytes()).hexdigest()[:16]

    @cached_property
    def network(self) -> ReliefNetwork:
        from .relief_network import read_reliefs

        return read_reliefs(self._path)

    def farther(
        self,
        rgb: UInt8[np.ndarray, "h w 3"],
        mask: Bool[np.ndarray, "H W"],
        others: Bool[np.ndarray, "H W"],
        seen: SeenRelief,
        level: LevelView,
    ) -> Float32[np.ndarray, "n"]:
        """log(depth / relief) of a mask's pixels. rgb: of `small_picture`. others: pixels of other objects."""
        import torch

        window = window_around(mask)
        picture = torch.from_numpy(relief_picture(rgb, mask, others, seen, level, window))
        with torch.inference_mode():
            one, other = self.network(torch.stack([picture, mirrored_picture(picture)]))
        mean = ((one + other.flip(-1)) / 2).clamp(-MOST, MOST)
        return at_pixels(mean.numpy(), mask, window)


def small_picture(photo: Photo) -> UInt8[np.ndarray, "h w 3"]:
    """The photo's colours as the network of reliefs was trained to see them."""
    return resized_rgb(photo, working_size_px(photo.size_px, RGB_SIDE_PX))
