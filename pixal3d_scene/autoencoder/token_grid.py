"""From fine voxels back to tokens: the cascade's high-resolution token grid.

Rows (batch, x, y, z) of voxels at 512 per cube edge go in, active cells of the R^3 token grid come out. Tokens stand on
grid nodes (index i at -0.5 + i / (R - 1) in `obj`), as the back-projection assumes, hence R - 1 and rounding.
"""

from __future__ import annotations

import torch

LOWEST_RESOLUTION = 1024
_STEP = 128
_VOXELS_PER_TOKEN = 16


def quantise_to_tokens(fine_coords: torch.Tensor, *, token_resolution: int, fine_resolution: int = 512) -> torch.Tensor:
    """Sorted unique token cells (M, 4) int32 of fine voxels (T, 4); halves round to even."""
    nodes = (fine_coords[:, 1:] + 0.5) / fine_resolution * (token_resolution - 1)  # (T, 3)
    cells = torch.round(nodes).long()  # (T, 3)
    key = fine_coords[:, 0].long()  # (T,)
    for axis in range(3):
        key = key * token_resolution + cells[:, axis]
    key = torch.unique(key)  # (M,) sorted
    columns: list[torch.Tensor] = []
    for _ in range(3):
        columns.insert(0, key % token_resolution)
        key = key // token_resolution
    return torch.stack([key, *columns], dim=1).to(torch.int32)


def choose_token_grid(
    fine_coords: torch.Tensor, *, resolution: int, max_tokens: int = 49152
) -> tuple[torch.Tensor, int]:
    """Token cells (M, 4) and the resolution that was possible: lowered by 128 down to 1024 until M < `max_tokens`.

    resolution: wanted mesh voxels per cube edge, 16 per token. At 1024 the cap is not enforced any more.
    """
    while True:
        tokens = quantise_to_tokens(fine_coords, token_resolution=resolution // _VOXELS_PER_TOKEN)  # (M, 4)
        if len(tokens) < max_tokens or resolution <= LOWEST_RESOLUTION:
            return tokens, resolution
        resolution -= _STEP
