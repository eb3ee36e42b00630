"""Training the front-end network: batches of rendered rooms in, loss terms and validation figures out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from .augment import at_half_size, augment
from .front_end_figures import front_end_figures
from .front_end_loss import front_end_loss
from .front_end_targets import front_end_targets
from .room_batch import RoomBatch


class FrontEndTask:
    """See `training.Task`. draw: the training batch of a step. validation: batches that are never trained on.

    half_size_steps: so many first steps see pictures of half the size, four of which cost what one costs later.
    """

    def __init__(
        self,
        model: nn.Module,
        draw: Callable[[int], RoomBatch],
        validation: Sequence[RoomBatch],
        *,
        seed: int,
        half_size_steps: int = 0,
    ) -> None:
        self.model, self._draw, self._validation, self._seed = model, draw, validation, seed
        self._half_size_steps = half_size_steps

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        device = next(model.parameters()).device
        with torch.autocast(device.type, enabled=False):  # rooms are rendered in float32
            rooms = self._draw(step)
            batch = augment(at_half_size(rooms) if step < self._half_size_steps else rooms, generator).to(device)
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
