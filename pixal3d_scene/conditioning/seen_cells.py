"""What the pixels themselves say about the inside of a token: is a cell before, on or behind the visible surface?

Features of an encoder are looked up once per token (`two_scale`); a token is wider than a pixel, and where in it the
surface runs is what a network must draw. So the picture is back-projected at the size of the cells that a token is
decoded to as well, without an encoder. The depth is compared with each cell's own place, which the cube's definition
allows (`view_picture.MEDIAN_OBJ`). Frame: `obj`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .view import View
from .view_picture import MEDIAN_OBJ, VIEW_CHANNELS

CELLS_PER_TOKEN = 4  # along an edge
_PER_CELL = 4  # behind the surface, depth known, object, hidden
CELL_CHANNELS = _PER_CELL * CELLS_PER_TOKEN**3
_REACH_OBJ = 0.25  # distances are cut off here
_IS_OBJECT, _IS_HIDDEN, _DEPTH, _KNOWN = (
    VIEW_CHANNELS.index(name) for name in ("is_object", "is_hidden", "depth", "depth_known")
)


def seen_in_cells(
    picture: Float[Tensor, "7 s s"], view: View, coords: Int[Tensor, "T 3"], *, grid: int
) -> Float[Tensor, "T Ck"]:
    """Per token of a grid^3 its cells, x outermost, each with `_PER_CELL` values, from the pixel that it projects to.

    The first value is how far behind the visible surface the cell's centre lies along the axis, -1 to 1 for
    `_REACH_OBJ` cube edges, and 0 where the depth is not known. Beyond the picture its border goes on.
    """
    side = picture.shape[-1]
    centres = _cell_centres(coords, grid)  # (T, k^3, 3)
    at_px, z_obj = view.project(centres.flatten(0, 1), side)  # (T k^3, 2), (T k^3,)
    column, row = at_px.floor().long().clamp(0, side - 1).unbind(1)
    seen = picture[:, row, column]  # (7, T k^3)
    distance = view_distance(view) - MEDIAN_OBJ  # of the median, which the picture's depths are relative to
    behind = ((z_obj - distance - seen[_DEPTH]) / _REACH_OBJ).clamp(-1, 1) * seen[_KNOWN]
    values = torch.stack([behind, seen[_KNOWN], seen[_IS_OBJECT], seen[_IS_HIDDEN]], dim=1)  # (T k^3, 4)
    return values.reshape(len(coords), CELL_CHANNELS)


def view_distance(view: View) -> float:
    """From the camera to the cube's middle along its axis, in cube edges."""
    return float(view.T_cam_from_obj.as_matrix()[2, 3])


def _cell_centres(coords: Int[Tensor, "T 3"], grid: int) -> Float[Tensor, "T k3 3"]:
    k = CELLS_PER_TOKEN
    inside = (torch.arange(k, device=coords.device) + 0.5) / k  # (k,)
    x, y, z = torch.meshgrid(inside, inside, inside, indexing="ij")
    offsets = torch.stack([x, y, z], dim=-1).reshape(-1, 3)  # (k^3, 3)
    return (coords[:, None].float() + offsets) / grid - 0.5
