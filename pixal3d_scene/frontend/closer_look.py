"""The front-end network's votes for one mask at a time: it sees the photo around the mask as if that were a photo.

On the whole photo a cup has three pixels of the network's maps; seen by itself it is as large as a table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..photo import Photo
from .object_votes import Box, BoxVotes, VoteMaps

if TYPE_CHECKING:
    from .own_network import OwnNetwork

_AROUND = 0.4  # of the box's longer side, on each side of it
_LEAST_AROUND = 0.06  # of the photo's longer side


class CloserLook:
    """See `ObjectVotes`. Every box is looked at once; on the CPU, a batch of two (mirrored as well)."""

    def __init__(self, network: OwnNetwork, photo: Photo) -> None:
        self._network, self._photo = network, photo
        self._seen: dict[tuple[int, ...], BoxVotes] = {}

    def of_box(self, box: Box, shape: tuple[int, int]) -> BoxVotes:
        """See `ObjectVotes`."""
        key = (box[0].start, box[0].stop, box[1].start, box[1].stop, *shape)
        if key not in self._seen:
            self._seen[key] = self._look(box, shape)
        return self._seen[key]

    def _look(self, box: Box, shape: tuple[int, int]) -> BoxVotes:
        rows, columns = window_around(box, shape)
        height, width = self._photo.rgb.shape[:2]
        part = self._photo.rgb[
            rows.start * height // shape[0] : -(-rows.stop * height // shape[0]),
            columns.start * width // shape[1] : -(-columns.stop * width // shape[1]),
        ]
        maps = vote_maps(self._network, replace(self._photo, rgb=np.ascontiguousarray(part)))
        within = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, (rows, columns), strict=True))
        return maps.of_box((within[0], within[1]), (rows.stop - rows.start, columns.stop - columns.start))


def window_around(box: Box, shape: tuple[int, int]) -> Box:
    """Rows and columns of what is looked at for a box of a picture of (height, width) `shape`."""
    around = int(max(_AROUND * max(s.stop - s.start for s in box), _LEAST_AROUND * max(shape)))
    rows, columns = (
        slice(max(s.start - around, 0), min(s.stop + around, side)) for s, side in zip(box, shape, strict=True)
    )
    return rows, columns


def vote_maps(network: OwnNetwork, picture: Photo) -> VoteMaps:
    """What the network says of one picture."""
    from .front_end_decode import find_middles

    output = network.seen(picture)
    return VoteMaps(
        offset=output.offset[0].float().cpu().numpy(),
        word=output.label[0].softmax(dim=0).float().cpu().numpy(),
        middle=find_middles(output).double().cpu().numpy(),
        at_middle=output.centre[0].sigmoid().float().cpu().numpy(),
    )
