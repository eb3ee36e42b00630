"""What pixels say about the cells of a token, against the projection written out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from pixal3d_scene.conditioning.seen_cells import CELL_CHANNELS, CELLS_PER_TOKEN, seen_in_cells
from pixal3d_scene.conditioning.view import front_view
from pixal3d_scene.conditioning.view_picture import HIDDEN, MEDIAN_OBJ, OBJECT, view_picture
from pixal3d_scene.generator.rope import grid_coords

SIDE_PX, FOV_RAD, DISTANCE_OBJ, GRID = 64, 0.7, 1.9, 8
FOCAL_PX = SIDE_PX / 2 / math.tan(FOV_RAD / 2)


def a_picture(z_obj: torch.Tensor, region: torch.Tensor) -> torch.Tensor:
    """Of a surface at z_obj (S, S); its depth in metres, cubes of 0.8 m."""
    rgb = torch.zeros((1, 3, SIDE_PX, SIDE_PX), dtype=torch.uint8)
    return view_picture(rgb, region[None], 0.8 * (DISTANCE_OBJ - z_obj)[None], torch.tensor([DISTANCE_OBJ]))[0]


def seen(picture: torch.Tensor) -> torch.Tensor:
    """(n, n, n, 4) of all cells of the cube."""
    coords = grid_coords(GRID)
    got = seen_in_cells(picture, front_view(FOV_RAD, distance=DISTANCE_OBJ), coords, grid=GRID)
    assert got.shape == (GRID**3, CELL_CHANNELS)
    k = CELLS_PER_TOKEN
    cells = got.reshape(GRID, GRID, GRID, k, k, k, 4).permute(0, 3, 1, 4, 2, 5, 6)
    return cells.reshape(GRID * k, GRID * k, GRID * k, 4)


def centres() -> torch.Tensor:
    n = GRID * CELLS_PER_TOKEN
    at = (torch.arange(n) + 0.5) / n - 0.5
    return torch.stack(torch.meshgrid(at, at, at, indexing="ij"), dim=-1)


def pixels_of(points_obj: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(row, column): x is right, y is up, and the camera looks along -z."""
    x, y, z = points_obj.unbind(-1)
    column = SIDE_PX / 2 + FOCAL_PX * x / (DISTANCE_OBJ - z)
    row = SIDE_PX / 2 - FOCAL_PX * y / (DISTANCE_OBJ - z)
    return row.floor().long().clamp(0, SIDE_PX - 1), column.floor().long().clamp(0, SIDE_PX - 1)


@pytest.mark.parametrize("change", ["none", "mirror", "upside down", "transpose", "shift"])
def test_a_slope_is_where_it_is(change: str) -> None:
    """Depth that differs from pixel to pixel, up to the unit of the depth and where the median lies."""
    generator = torch.Generator().manual_seed(0)
    z_obj = 0.3 * torch.rand((SIDE_PX, SIDE_PX), generator=generator)
    z_obj += MEDIAN_OBJ - (DISTANCE_OBJ - (DISTANCE_OBJ - z_obj).median())  # as `object_view` puts the cube
    region = torch.full((SIDE_PX, SIDE_PX), OBJECT, dtype=torch.uint8)
    region[:, :9], region[-5:] = HIDDEN, 0
    z_obj = torch.where(region == OBJECT, z_obj, z_obj.median())
    row, column = pixels_of(centres())
    own = region[row, column] == OBJECT
    picture = a_picture(z_obj, region)
    median = (DISTANCE_OBJ - z_obj[region == OBJECT]).median()
    scale = (DISTANCE_OBJ - MEDIAN_OBJ) / median  # the median pixel of those that remain puts the cube
    expected = torch.stack(
        [
            ((DISTANCE_OBJ - centres()[..., 2] - scale * (DISTANCE_OBJ - z_obj[row, column])) / 0.25).clamp(-1, 1)
            * own,
            own.float(),
            own.float(),
            (region[row, column] == HIDDEN).float(),
        ],
        dim=-1,
    )
    changed = {
        "none": picture,
        "mirror": picture.flip(-1),
        "upside down": picture.flip(-2),
        "transpose": picture.mT,
        "shift": picture.roll(1, dims=-1),
    }[change]
    error = (seen(changed) - expected).abs().amax(dim=-1)
    if change == "none":
        assert float(error.max()) < 1e-4
    else:
        assert float((error > 0.05).float().mean()) > 0.1


def test_without_depth_only_the_outline_is_said() -> None:
    region = torch.full((SIDE_PX, SIDE_PX), OBJECT, dtype=torch.uint8)
    picture = a_picture(torch.full((SIDE_PX, SIDE_PX), torch.nan), region)
    got = seen(picture)
    assert not got[..., :2].any()
    assert (got[..., 2] == 1).all()
