"""Back-projection at two scales, for a batch of objects that each have a camera of their own, with gradients.

Features of the small encoder go in, one vector per token comes out: what the coarse map and the fine map show where
the token's place in the cube projects to (see `back_projection`: tokens on nodes, nothing masked), what the pixels say
about its cells (`seen_cells`), and its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .back_projection import sampling_positions
from .seen_cells import CELL_CHANNELS, seen_in_cells
from .taps import bilinear_taps
from .view import View, front_view, node_positions
from .view_encoder import ViewFeatures

PLACE_CHANNELS = 3
OWN_CHANNELS = CELL_CHANNELS + PLACE_CHANNELS  # that do not come from the encoder


def two_scale_projection(
    features: ViewFeatures,
    coords: Int[Tensor, "T 4"],
    fov_rad: Float[Tensor, "B"],
    camera_distance_obj: Float[Tensor, "B"],
    *,
    grid: int,
) -> Float[Tensor, "T Cp"]:
    """Per token: coarse features, fine features, its cells, and twice its place in `obj` (x, y, z from -1 to 1).

    coords: rows (item, x, y, z) of a grid^3, sorted by item. fov_rad, camera_distance_obj: of every item's crop
    camera.
    """
    lengths = torch.bincount(coords[:, 0].long(), minlength=len(fov_rad)).tolist()
    cells = torch.split(coords[:, 1:], lengths)
    cameras = zip(fov_rad.tolist(), camera_distance_obj.tolist(), strict=True)
    views = [front_view(fov, distance=distance) for fov, distance in cameras]
    size_px = features.pictures.shape[-1]
    # Item by item, by the one projection there is: a step of training has few items and many tokens.
    where = torch.cat([sampling_positions(v, c, grid=grid, size_px=size_px) for v, c in zip(views, cells, strict=True)])
    item = coords[:, 0].long()  # (T,)
    sampled = [_sampled(m, where, item) for m in (features.coarse, features.fine)]  # (T, Cc), (T, Cf)
    seen = _cells(features.pictures, views, cells, grid)  # (T, Ck)
    place = 2 * node_positions(coords[:, 1:], grid)  # (T, 3)
    return torch.cat([*sampled, seen.to(sampled[0]), place.to(sampled[0])], dim=1)


def _cells(
    pictures: Float[Tensor, "B 7 s s"], views: Sequence[View], cells: Sequence[Int[Tensor, "_ 3"]], grid: int
) -> Float[Tensor, "T Ck"]:
    return torch.cat([seen_in_cells(p, v, c, grid=grid) for p, v, c in zip(pictures, views, cells, strict=True)])


def _sampled(
    maps: Float[Tensor, "B C h w"], where: Float[Tensor, "T 2"], item: Int[Tensor, "T"]
) -> Float[Tensor, "T C"]:
    """Each place in the map of its own item."""
    height, width = maps.shape[2:]
    taps = bilinear_taps(where, (height, width))
    taps = replace(taps, pixels=taps.pixels + (item * height * width)[:, None])
    return taps.weighted_sum(maps.movedim(1, -1).flatten(0, 2))
