"""Training the front-end network: batches of rendered rooms in, loss terms and validation figures out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from .augment import augment, shrunk
from .front_end_figures import front_end_figures
from .front_end_loss import front_end_loss
from .front_end_targets import front_end_targets
from .room_batch import RoomBatch


class FrontEndTask:
    """See `training.Task`. draw: the training batch of a step. validation: batches that are never trained on.

    half_size_steps: so many first steps see pictures of half the size, four of which cost what one costs later.
    sides_px: the longer sides that pictures are shrunk to, one drawn for each step; none leaves them as they are.
    """

    def __init__(
        self,
        model: nn.Module,
        draw: Callable[[int], RoomBatch],
        validation: Sequence[RoomBatch],
        *,
        seed: int,
        half_size_steps: int = 0,
        sides_px: Sequence[int] = (),
    ) -> None:
        self.model, self._draw, self._validation, self._seed = model, draw, validation, seed
        self._half_size_steps, self._sides_px = half_size_steps, tuple(sides_px)

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        device = next(model.parameters()).device
        with torch.autocast(device.type, enabled=False):  # rooms are rendered in float32
            rooms = self._draw(step)
            if self._sides_px:
                rooms = shrunk(rooms, self._sides_px[int(torch.randint(len(self._sides_px), (), generator=generator))])
            if step < self._half_size_steps:
                rooms = shrunk(rooms, max(rooms.size_px) // 2)
            batch = augment(rooms, generator).to(device)
            truth = front_end_targets(batch, generator)
        output = model(_picture(batch))
        with torch.autocast(device.type, enabled=False):
            return front_end_loss(output, truth)

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        device = next(model.parameters()).device
        rows = []
        for batch in self._validation:
            there = batch.to(device)
            rows.append(front_end_figures(model(_picture(there)), front_end_targets(there)))
        return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def _picture(batch: RoomBatch) -> Tensor:
    return batch.rgb.float().div(255).contiguous(memory_format=torch.channels_last)
