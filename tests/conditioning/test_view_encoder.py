from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pixal3d_scene.conditioning.back_projection import back_project
from pixal3d_scene.conditioning.seen_cells import seen_in_cells
from pixal3d_scene.conditioning.two_scale import PLACE_CHANNELS, two_scale_projection
from pixal3d_scene.conditioning.view import front_view, node_positions
from pixal3d_scene.conditioning.view_encoder import ViewEncoder, ViewFeatures
from pixal3d_scene.conditioning.view_picture import HIDDEN, MEDIAN_OBJ, OBJECT, VIEW_CHANNELS, view_picture
from pixal3d_scene.generator.rope import grid_coords

SIDE_PX = 64


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, len(VIEW_CHANNELS), SIDE_PX, SIDE_PX, generator=generator)


def encoder(seed: int = 0) -> ViewEncoder:
    torch.manual_seed(seed)
    return ViewEncoder(widths=(8, 16, 16, 32), blocks=(1, 1, 1), attention_layers=1, channels=16, fine_channels=8)


def cells_of_two(grid: int) -> torch.Tensor:
    """More cells of the first object than of the second."""
    whole = grid_coords(grid)
    chosen = (whole[torch.randperm(len(whole), generator=torch.Generator().manual_seed(i))] for i in (1, 2))
    counts = enumerate(zip(chosen, (90, 40), strict=True))
    return torch.cat([torch.nn.functional.pad(c[:n], (1, 0), value=i) for i, (c, n) in counts])


FOV_RAD, DISTANCE_OBJ = torch.tensor([0.4, 1.1]), torch.tensor([2.1, 0.9])


def test_channels_say_what_a_pixel_shows() -> None:
    rgb = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    region = torch.tensor([[0, 0, 2, 2], [0, 1, 1, 2], [0, 1, 1, 2], [0, 1, 1, 1]], dtype=torch.uint8)[None]
    z_m = torch.where(region == OBJECT, torch.tensor(4.0), torch.tensor(9.0))  # a depth map goes on beyond the mask
    z_m[0, 3, 1], z_m[0, 3, 2], z_m[0, 3, 3] = 5.0, 0.0, 40.0  # behind, not known, a flying pixel
    got = view_picture(rgb, region, z_m, torch.tensor([2.0]))[0]
    assert got.shape == (7, 4, 4)
    torch.testing.assert_close(got[0], (region[0] == OBJECT).float())  # black elsewhere, whatever was there
    torch.testing.assert_close(got[3:5], torch.stack([region[0] == OBJECT, region[0] == HIDDEN]).float())
    expected = torch.zeros(4, 4)
    expected[3, 1], expected[3, 3] = (5 / 4 - 1) * (2 - MEDIAN_OBJ), 1.0  # a quarter farther; clamped
    torch.testing.assert_close(got[5], expected)
    torch.testing.assert_close(got[6], ((region[0] == OBJECT) & (z_m[0] > 0)).float())


def test_the_unit_of_depth_does_not_matter_and_none_is_no_nan() -> None:
    torch.manual_seed(0)
    region = torch.randint(0, 3, (2, 8, 8), dtype=torch.uint8)
    rgb, z_m = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8), torch.rand(2, 8, 8) + 3
    distance = torch.tensor([1.2, 2.0])
    torch.testing.assert_close(
        view_picture(rgb, region, z_m, distance), view_picture(rgb, region, 7 * z_m, distance), atol=1e-5, rtol=0
    )
    without = view_picture(rgb, region, torch.full_like(z_m, torch.nan), distance)
    assert torch.isfinite(without).all()
    assert not without[:, 5:].any()


def test_maps_have_their_strides_and_the_fine_one_keeps_the_picture() -> None:
    seen = encoder()(pictures(2))
    assert seen.global_tokens.shape == (2, 5, 16)
    assert seen.coarse.shape == (2, 16, 8, 8)
    assert seen.fine.shape == (2, 8 + 7, 32, 32)
    torch.testing.assert_close(seen.fine[:, -7:], torch.nn.functional.avg_pool2d(pictures(2), 2))
    torch.testing.assert_close(seen.coarse_tokens()[1, 11], seen.coarse[1, :, 1, 3])


def test_a_picture_is_encoded_alone_as_among_others() -> None:
    network = encoder().train()
    together, alone = network(pictures(3)), network(pictures(3)[1:2])
    for name in ("global_tokens", "coarse", "fine"):
        torch.testing.assert_close(getattr(together, name)[1:2], getattr(alone, name), atol=1e-5, rtol=1e-5)


def test_the_default_size_is_about_a_million() -> None:
    assert 0.5e6 < sum(p.numel() for p in ViewEncoder().parameters()) < 1.3e6


def test_every_object_is_seen_through_its_own_camera() -> None:
    grid, cells = 16, cells_of_two(16)
    seen = encoder()(pictures(2))
    got = two_scale_projection(seen, cells, FOV_RAD, DISTANCE_OBJ, grid=grid)
    for item in (0, 1):
        rows = cells[:, 0] == item
        view = front_view(float(FOV_RAD[item]), distance=float(DISTANCE_OBJ[item]))
        one_by_one = [
            back_project(maps[item], None, view, cells[rows, 1:], grid=grid, size_px=SIDE_PX)
            for maps in (seen.coarse, seen.fine)
        ]
        one_by_one.append(seen_in_cells(pictures(2)[item], view, cells[rows, 1:], grid=grid))
        torch.testing.assert_close(got[rows, :-PLACE_CHANNELS], torch.cat(one_by_one, dim=1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got[:, -PLACE_CHANNELS:], 2 * node_positions(cells[:, 1:], grid))


@pytest.mark.parametrize("change", ["shift", "mirror", "transpose", "other item"])
def test_a_shift_and_swapped_axes_are_seen(change: str) -> None:
    grid, cells = 16, cells_of_two(16)
    seen = encoder()(pictures(2))
    got = two_scale_projection(seen, cells, FOV_RAD, DISTANCE_OBJ, grid=grid)
    fine = {
        "shift": torch.cat([seen.fine[..., 1:], seen.fine[..., -1:]], dim=-1) / 2 + seen.fine / 2,  # half a fine pixel
        "mirror": seen.fine.flip(-1),
        "transpose": seen.fine.mT,
        "other item": seen.fine.flip(0),
    }[change]
    other = replace(seen, fine=fine)
    changed = two_scale_projection(other, cells, FOV_RAD, DISTANCE_OBJ, grid=grid)
    assert (changed - got).abs().max() > 0.05


def test_a_dot_lights_the_token_before_it() -> None:
    """Right of and above the middle: a mirrored picture, swapped axes or a lost half pixel light another one."""
    grid, item, (x, y, z) = 16, 1, (12, 11, 9)
    view = front_view(float(FOV_RAD[item]), distance=float(DISTANCE_OBJ[item]))
    uv_px, _ = view.project(node_positions(torch.tensor([[x, y, z]]), grid), SIDE_PX)
    # The lookup is half a photo pixel further (as the published networks'), and a fine pixel is two photo pixels.
    column, row = ((uv_px[0] + 0.5) / 2 - 0.5).tolist()
    fine = torch.zeros(2, 1, 32, 32)
    low_column, low_row = int(column), int(row)
    fine[item, 0, low_row, low_column] = 1
    features = ViewFeatures(
        global_tokens=torch.zeros(2, 1, 4), coarse=torch.zeros(2, 4, 8, 8), fine=fine, pictures=pictures(2)
    )
    cells = torch.nn.functional.pad(grid_coords(grid), (1, 0), value=item)
    lit = two_scale_projection(features, cells, FOV_RAD, DISTANCE_OBJ, grid=grid)[:, 4]
    expected = (1 - (column - low_column)) * (1 - (row - low_row))
    assert float(lit.reshape(grid, grid, grid)[x, y, z]) == pytest.approx(expected, abs=1e-4)
    assert column > 16 > row


def test_gradients_reach_the_encoder() -> None:
    network, cells = encoder(), cells_of_two(16)
    seen = network(pictures(2))
    proj = two_scale_projection(seen, cells, FOV_RAD, DISTANCE_OBJ, grid=16)
    (proj.square().sum() + seen.global_tokens.square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if name != "attention.0.self_attn.in_proj_bias":
            assert parameter.grad.abs().max() > 0, name
