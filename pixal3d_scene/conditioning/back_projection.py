"""Back-projection: one image feature per token, taken where the token's place in the cube projects to.

The heart of Pixal3D. Tokens stand on the nodes of an R^3 grid of the frame `obj`; only the given ones are looked
up. Nothing is masked: a token behind the visible surface gets the surface's feature, one beyond the picture's
edge the edge's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .naf import NafMap
from .taps import bilinear_taps
from .view import View, node_positions


def sampling_positions(view: View, coords: Int[Tensor, "T 3"], *, grid: int, size_px: int) -> Float[Tensor, "T 2"]:
    """Where tokens are looked up: (x right, y down), -1 to 1 across the picture.

    The half pixel is added to a coordinate that already counts from the picture's corner: the networks were
    trained with this shift, so it stays.
    """
    uv_px, _ = view.project(node_positions(coords, grid), size_px)  # (T, 2)
    return (uv_px + 0.5) / size_px * 2 - 1  # (T, 2)


def back_project(
    patches: Float[Tensor, "C h w"],
    upsampled: NafMap | None,
    view: View,
    coords: Int[Tensor, "T 3"],
    *,
    grid: int,
    size_px: int,
) -> Float[Tensor, "T Cp"]:
    """Features of one view: of the patch map, followed by those of the upsampled map if there is one."""
    where = sampling_positions(view, coords, grid=grid, size_px=size_px)  # (T, 2)
    low = bilinear_taps(where, (patches.shape[1], patches.shape[2])).weighted_sum(patches.flatten(1).T)  # (T, C)
    if upsampled is None:
        return low
    return torch.cat([low, upsampled.sample(bilinear_taps(where, upsampled.target_hw))], dim=1)  # (T, 2 C)


def back_project_views(
    patches: Float[Tensor, "V C h w"],
    upsampled: Iterable[NafMap] | None,
    views: Sequence[View],
    coords: Int[Tensor, "T 3"],
    *,
    grid: int,
    size_px: int,
) -> Float[Tensor, "T Cp"]:
    """Plain mean over the views; one view gives what `back_project` gives."""
    maps = upsampled if upsampled is not None else [None] * len(views)
    seen = (
        back_project(of_view, sharp, view, coords, grid=grid, size_px=size_px)  # (T, Cp)
        for of_view, sharp, view in zip(patches, maps, views, strict=True)
    )
    return reduce(torch.add, seen) / len(views)  # (T, Cp)
