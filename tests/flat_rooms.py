"""Batches of the simplest rooms there are: a floor, a wall and upright cards, with exact truth and no renderer."""

from __future__ import annotations

import torch

from pixal3d_scene.frontend.front_end_network import NEIGHBOURS, neighbour_px
from pixal3d_scene.learning.room_batch import ObjectTruth, RoomBatch
from pixal3d_scene.shell_parts import SHELL_PARTS

COLOURS = torch.tensor([[210, 60, 50], [60, 90, 210], [60, 170, 80], [220, 190, 60]])
FLOOR, WALL = SHELL_PARTS.index("floor"), SHELL_PARTS.index("wall")
WALL_M = 6.0


def flat_rooms(count: int, *, seed: int, size_px: tuple[int, int] = (64, 64)) -> RoomBatch:
    """Level cameras at 1.2 to 1.7 m; two or three cards stand on the floor, coloured by their label."""
    generator = torch.Generator().manual_seed(seed)
    width, height = size_px

    def draw(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    focal = draw(0.8, 1.2, count) * max(size_px)
    camera_height_m = draw(1.2, 1.7, count)
    K = torch.eye(3).repeat(count, 1, 1)
    K[:, 0, 0] = K[:, 1, 1] = focal
    K[:, 0, 2], K[:, 1, 2] = width / 2, height / 2
    y = (torch.arange(height) + 0.5 - height / 2)[None, :, None] / focal[:, None, None]
    x = (torch.arange(width) + 0.5 - width / 2)[None, None, :] / focal[:, None, None]
    floor_m = torch.where(y > 1e-6, camera_height_m[:, None, None] / y.clamp(min=1e-6), torch.inf)
    z_m = torch.minimum(floor_m, torch.tensor(WALL_M)).expand(count, height, width).clone()
    shell = torch.where(floor_m < WALL_M, FLOOR, WALL).expand(count, height, width).to(torch.uint8).clone()
    rgb = torch.where(
        (shell == FLOOR)[:, None], torch.tensor([150, 120, 90])[:, None, None], torch.tensor([200] * 3)[:, None, None]
    )
    ids, label = (
        torch.zeros(count, height, width, dtype=torch.int64),
        torch.zeros(count, height, width, dtype=torch.int64),
    )
    for number in (1, 2, 3):
        kind = torch.randint(len(COLOURS), (count,), generator=generator)
        at_m, side_m, high_m = draw(2.0, 5.0, count), draw(-1.5, 1.5, count), draw(0.4, 1.2, count)
        for b in range(count):
            across = (x[b] * at_m[b] - side_m[b]).abs() < 0.35
            up_m = camera_height_m[b] - y[b] * at_m[b]
            card = across & (up_m > 0) & (up_m < high_m[b]) & (at_m[b] < z_m[b] + 0.02)
            z_m[b][card], ids[b][card], shell[b][card], label[b][card] = at_m[b], number, 0, kind[b] + 1
            rgb[b][:, card] = COLOURS[kind[b]][:, None]
    flat = torch.zeros(count, 3, height, width)
    flat[:, 2] = -1.0
    return RoomBatch(
        rgb=rgb.to(torch.uint8), z_m=z_m, valid=torch.ones_like(ids, dtype=torch.bool), normals_cam=flat,
        instance_ids=ids, shell_part=shell, label=label, K=K, up_cam=torch.tensor([[0.0, -1.0, 0.0]]).repeat(count, 1),
        camera_height_m=camera_height_m, objects=no_objects(count), seeds=torch.arange(count) + seed * count,
    )  # fmt: skip


def told_same(instance: torch.Tensor) -> torch.Tensor:
    """What a network without error says of neighbours, (B, n, h, w), for instances (B, h, w)."""
    batch, height, width = instance.shape
    same = torch.full((batch, 2 * len(NEIGHBOURS), height, width), -20.0)
    for k, share in enumerate(NEIGHBOURS):
        apart = neighbour_px(share, (height, width))
        right = (instance[:, :, :-apart] == instance[:, :, apart:]) & (instance[:, :, apart:] > 0)
        below = (instance[:, :-apart] == instance[:, apart:]) & (instance[:, apart:] > 0)
        same[:, 2 * k, :, :-apart][right] = 20.0
        same[:, 2 * k + 1, :-apart][below] = 20.0
    return same


def no_objects(count: int) -> ObjectTruth:
    """The truth of the objects themselves, of which there is none."""

    def none(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.zeros(count, 0, *shape, dtype=dtype)

    return ObjectTruth(
        present=none(dtype=torch.bool), label=none(dtype=torch.int64), support=none(dtype=torch.int64),
        carrier=none(dtype=torch.int64), model=none(dtype=torch.int64), centre_cam=none(3), size_m=none(3),
        R_cam_from_node=none(3, 3), centre_px=none(2), box_px=none(4, dtype=torch.int64),
        visible_px=none(dtype=torch.int64), visible_fraction=none(), cut=none(dtype=torch.bool),
    )  # fmt: skip
