from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden_cases import golden_cases
from torch import Tensor
from torch.nn.functional import grid_sample

from pixal3d_scene.conditioning.back_projection import back_project, back_project_views, sampling_positions
from pixal3d_scene.conditioning.naf import Naf
from pixal3d_scene.conditioning.taps import bilinear_taps
from pixal3d_scene.conditioning.view import front_view, node_positions, posed_views
from pixal3d_scene.generator.rope import grid_coords


@pytest.mark.golden
def test_golden_single_view(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "back_projection"):
        grid, size_px = case.config["grid_resolution"], case.config["image_size"]
        coords = grid_coords(grid)
        got: dict[str, list[Tensor]] = {name: [] for name in ("pixel_uv", "depth", "proj_lr", "proj_hr")}
        for b, (fov, d, k) in enumerate(zip(*(case.config[n] for n in ("fov", "distance", "mesh_scale")), strict=True)):
            view = front_view(fov, distance=d, mesh_scale=k)
            uv_px, depth = view.project(node_positions(coords, grid), size_px)
            got["pixel_uv"].append(uv_px)
            got["depth"].append(depth)
            low = case.inputs["lr_features_bhwc"][b].permute(2, 0, 1)
            for name, features in (("proj_lr", low), ("proj_hr", case.inputs["hr_features_bchw"][b])):
                got[name].append(back_project(features, None, view, coords, grid=grid, size_px=size_px))
        for name, values in got.items():
            case.check(name, torch.stack(values))
        case.check("proj_concat", torch.cat([torch.stack(got["proj_lr"]), torch.stack(got["proj_hr"])], dim=-1))


@pytest.mark.golden
def test_golden_multi_view(golden_dir: Path) -> None:
    for case in golden_cases(golden_dir, "back_projection"):
        grid, size_px = case.config["grid_resolution"], case.config["image_size"]
        coords = grid_coords(grid)
        views = posed_views(
            case.inputs["mv_camera_to_world"].double().numpy(),
            case.inputs["mv_fov"].double().numpy(),
            mesh_scale=case.config["mv_mesh_scale"],
        )
        for i, view in enumerate(views):
            case.check(f"mv_pixel_uv_view{i}", view.project(node_positions(coords, grid), size_px)[0])
        patches = case.inputs["mv_features_bhwc"].permute(0, 3, 1, 2)
        got = back_project_views(patches, None, views, coords, grid=grid, size_px=size_px)
        case.check("mv_proj_average", got)


@pytest.mark.parametrize("shape_hw", [(5, 7), (1, 3), (8, 8)])
def test_taps_are_what_grid_sample_does(shape_hw: tuple[int, int]) -> None:
    torch.manual_seed(0)
    image = torch.randn(3, *shape_hw)
    where = torch.rand(200, 2) * 3 - 1.5  # some of them outside
    expected = grid_sample(image[None], where[None, None], mode="bilinear", padding_mode="border", align_corners=False)[
        0, :, 0
    ].T
    got = bilinear_taps(where, shape_hw).weighted_sum(image.flatten(1).T)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_active_tokens_are_rows_of_the_dense_volume() -> None:
    torch.manual_seed(0)
    grid, view = 6, front_view(0.5)
    naf = Naf(dim=32, heads=4, kernel_size=3)
    patches, picture = torch.randn(8, 4, 4), torch.rand(3, 32, 32)
    with torch.no_grad():
        sharp = naf(picture, patches, (16, 16))
        volume = back_project(patches, sharp, view, grid_coords(grid), grid=grid, size_px=32)
        active = torch.randint(0, grid, (40, 3))
        got = back_project(patches, sharp, view, active, grid=grid, size_px=32)
    assert got.shape == (40, 16)
    rows = (active[:, 0] * grid + active[:, 1]) * grid + active[:, 2]
    torch.testing.assert_close(got, volume[rows])


def test_lookup_is_half_a_photo_pixel_right_of_and_below_the_projection() -> None:
    where = sampling_positions(front_view(0.5), torch.tensor([[1, 1, 1], [0, 2, 1]]), grid=3, size_px=40)
    torch.testing.assert_close(where, torch.tensor([[0.0, 0.0], [-1.0, -1.0]]) + 1 / 40)


def test_bright_dot_lights_the_tokens_that_project_onto_it() -> None:
    """A dot right of and above the middle: a mirrored picture or swapped axes light other tokens."""
    grid, size_px, side = 9, 90, 45
    view = front_view(0.7)
    x, y, z = 7, 6, 4  # right of the middle, above it, in the cube's middle plane
    where = sampling_positions(view, torch.tensor([[x, y, z]]), grid=grid, size_px=size_px)[0]
    assert where[0] > 0.2
    assert where[1] < -0.2
    column, row = ((where + 1) / 2 * side).long().tolist()
    picture = torch.zeros(1, side, side)
    picture[0, row, column] = 1
    lit = back_project(picture, None, view, grid_coords(grid), grid=grid, size_px=size_px).reshape(grid, grid, grid)
    assert lit[x, y, z] > 0.2
    in_middle_plane = lit[:, :, z].clone()
    in_middle_plane[x, y] = 0
    assert in_middle_plane.sum() == 0
    # By hand: in the middle plane node i is seen at i / (R - 1) of the picture, and half a photo pixel further.
    assert column == int((x / (grid - 1) + 0.5 / size_px) * side)
    assert row == int((1 - y / (grid - 1) + 0.5 / size_px) * side)


def test_tokens_behind_each_other_on_the_axis_see_the_same() -> None:
    patches = torch.randn(4, 8, 8)
    coords = torch.tensor([[3, 3, z] for z in range(7)])
    got = back_project(patches, None, front_view(0.6), coords, grid=7, size_px=64)
    torch.testing.assert_close(got, got[:1].expand_as(got))


def test_one_view_is_single_view_and_two_are_their_mean() -> None:
    torch.manual_seed(0)
    coords = grid_coords(5)
    patches = torch.randn(2, 6, 4, 4)
    views = (front_view(0.5), front_view(0.9))
    single = [back_project(p, None, v, coords, grid=5, size_px=64) for p, v in zip(patches, views, strict=True)]
    assert torch.equal(back_project_views(patches[:1], None, views[:1], coords, grid=5, size_px=64), single[0])
    both = back_project_views(patches, None, views, coords, grid=5, size_px=64)
    torch.testing.assert_close(both, (single[0] + single[1]) / 2)


def test_axes_of_the_world_do_not_matter() -> None:
    """Poses written in a turned world give the same views."""
    T = np.stack([np.eye(4), np.eye(4)])
    T[0, :3, 3] = [0, 0, 2]
    T[1, :3, 3] = [0.3, 0, 2]
    turn = np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    fov = np.array([0.7, 0.7])
    points = torch.rand(5, 3) - 0.5
    for a, b in zip(posed_views(T, fov), posed_views(turn @ T, fov), strict=True):
        torch.testing.assert_close(a.project(points, 64), b.project(points, 64))
