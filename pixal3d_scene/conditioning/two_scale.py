"""Back-projection at two scales, for a batch of objects that each have a camera of their own, with gradients.

Features of the small encoder go in, one vector per token comes out: what the coarse map and the fine map show where
the token's place in the cube projects to (see `back_projection`: tokens on nodes, nothing masked), and that place. The
place tells how deep along its ray a token stands, which a picture cannot.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .back_projection import sampling_positions
from .taps import bilinear_taps
from .view import front_view, node_positions
from .view_encoder import ViewFeatures

PLACE_CHANNELS = 3


def two_scale_projection(
    features: ViewFeatures,
    coords: Int[Tensor, "T 4"],
    fov_rad: Float[Tensor, "B"],
    camera_distance_obj: Float[Tensor, "B"],
    *,
    grid: int,
    size_px: int,
) -> Float[Tensor, "T Cp"]:
    """Per token: coarse features, fine features, and twice its place in `obj` (x, y, z from -1 to 1).

    coords: rows (item, x, y, z) of a grid^3, sorted by item. fov_rad, camera_distance_obj: of every item's crop
    camera. size_px: side of the pictures that `features` are of.
    """
    where = _where(coords, fov_rad, camera_distance_obj, grid=grid, size_px=size_px)  # (T, 2)
    place = 2 * node_positions(coords[:, 1:], grid)  # (T, 3)
    item = coords[:, 0].long()  # (T,)
    sampled = [_sampled(m, where, item) for m in (features.coarse, features.fine)]  # (T, Cc), (T, Cf)
    return torch.cat([*sampled, place.to(sampled[0])], dim=1)


def _where(
    coords: Int[Tensor, "T 4"],
    fov_rad: Float[Tensor, "B"],
    camera_distance_obj: Float[Tensor, "B"],
    *,
    grid: int,
    size_px: int,
) -> Float[Tensor, "T 2"]:
    """Item by item, by the one projection there is: a step of training has few items and many tokens."""
    lengths = torch.bincount(coords[:, 0].long(), minlength=len(fov_rad)).tolist()
    cameras = zip(fov_rad.tolist(), camera_distance_obj.tolist(), strict=True)
    return torch.cat(
        [
            sampling_positions(front_view(fov, distance=distance), cells[:, 1:], grid=grid, size_px=size_px)
            for cells, (fov, distance) in zip(torch.split(coords, lengths), cameras, strict=True)
        ]
    )


def _sampled(
    maps: Float[Tensor, "B C h w"], where: Float[Tensor, "T 2"], item: Int[Tensor, "T"]
) -> Float[Tensor, "T C"]:
    """Each place in the map of its own item."""
    height, width = maps.shape[2:]
    taps = bilinear_taps(where, (height, width))
    taps = replace(taps, pixels=taps.pixels + (item * height * width)[:, None])
    return taps.weighted_sum(maps.movedim(1, -1).flatten(0, 2))
