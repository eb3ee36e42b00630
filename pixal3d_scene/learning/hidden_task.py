"""Training the network of hidden sides (`generator.hidden_network`) on what `hidden_samples` gathered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..generator.hidden_cells import SYMMETRIC, as_values, mirrored_landmarks, mirrored_sides
from ..generator.hidden_network import HiddenNetwork
from ..generator.lift_cut import mirrored_features
from .hidden_samples import MADE_BY, HiddenSamples
from .sample_files import SampleFiles

_FREE_WEIGHT = 0.1  # of cells that the photo sees to be empty: that is no secret
_NOISE = 0.05  # of the normalised features
_LEAST_STD = 0.05
_LOOK_AGAIN_EVERY = 100  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenRows:
    """B objects, as `hidden_samples` has them."""

    evidence: Float[Tensor, "B C n n n"]
    features: Float[Tensor, "B F"]
    landmarks: Float[Tensor, "B L"]
    solid: Float[Tensor, "B n n n"]
    sides: Float[Tensor, "B 6"]

    def mirrored(self, which: Bool[Tensor, "B"]) -> HiddenRows:
        """Those objects with left and right exchanged."""

        def other(values: Tensor, mirror: Callable[[np.ndarray], np.ndarray]) -> Tensor:
            return torch.where(which[:, None], torch.from_numpy(mirror(values.numpy())), values)

        solid = torch.where(which[:, None, None, None], self.solid.flip(1), self.solid)
        return HiddenRows(
            evidence=torch.where(which[:, None, None, None, None], self.evidence.flip(2), self.evidence),
            features=other(self.features, mirrored_features),
            landmarks=other(self.landmarks, mirrored_landmarks),
            solid=solid,
            sides=other(self.sides, mirrored_sides),
        )


def hidden_files(folder: Path, split: str) -> SampleFiles:
    """Raises InputError where there are none."""
    return SampleFiles(folder, split, read=HiddenSamples.read, counted="solid", made_by=MADE_BY)


def hidden_rows(files: SampleFiles, numbers: list[int]) -> HiddenRows:
    """Values of `hidden_samples`, float32; evidence -1 to 1, solid 0 to 1."""
    return HiddenRows(
        evidence=torch.from_numpy(as_values(files.rows("evidence", numbers))),
        features=torch.from_numpy(files.rows("features", numbers)).float(),
        landmarks=torch.from_numpy(files.rows("landmarks", numbers)).float(),
        solid=torch.from_numpy(files.rows("solid", numbers)).float() / 255,
        sides=torch.from_numpy(files.rows("sides", numbers)).float(),
    )


class HiddenTask:
    """See `training.Task`."""

    def __init__(
        self, model: HiddenNetwork, train: SampleFiles, validation: SampleFiles, *, batch: int, seed: int
    ) -> None:
        self.model: nn.Module = model
        self._train, self._validation, self._batch, self._seed = train, validation, batch, seed
        features = torch.from_numpy(train.all("features")).float()
        model.mean.copy_(features.mean(dim=0))
        model.std.copy_(features.std(dim=0) + _LEAST_STD)
        self._spread = _NOISE * model.std.clone()

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        if step % _LOOK_AGAIN_EVERY == 0:
            self._train.look()
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        numbers = torch.randint(len(self._train), (self._batch,), generator=generator).tolist()
        rows = hidden_rows(self._train, numbers)
        rows = rows.mirrored(torch.rand(self._batch, generator=generator) < 0.5)
        features = rows.features + self._spread.cpu() * torch.randn(rows.features.shape, generator=generator)
        device = next(model.parameters()).device
        evidence, solid = rows.evidence.to(device), rows.solid.to(device)
        logits, sides = model(evidence, features.to(device), rows.landmarks.to(device))
        weight = torch.where(evidence[:, 0] <= -1, _FREE_WEIGHT, 1.0)
        logits = logits.float()
        cells = (F.binary_cross_entropy_with_logits(logits, solid, reduction="none") * weight).sum() / weight.sum()
        dice = 1 - _dice(logits.sigmoid(), solid)
        box = _box_loss(sides, _within(rows.sides).to(device))
        return {"loss": cells + dice + box, "cells": cells, "dice": dice, "box": box}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Means over the objects: IoU of filled cells, and of those that the photo does not see to be empty or near;
        IoU of boxes, guessed and by symmetry."""
        model.eval()
        device, total = next(model.parameters()).device, len(self._validation)
        found: dict[str, list[float]] = {"iou": [], "iou_hidden": [], "iou_box": [], "iou_symmetric": []}
        for start in range(0, total, self._batch):
            rows = hidden_rows(self._validation, list(range(start, min(start + self._batch, total))))
            logits, sides = model(rows.evidence.to(device), rows.features.to(device), rows.landmarks.to(device))
            guess, truth = logits.float().cpu() > 0, rows.solid > 0.5
            unseen = (rows.evidence[:, 1] > 0) | (rows.evidence[:, 3] >= 1)
            found["iou"] += _ious(guess, truth)
            found["iou_hidden"] += _ious(guess & unseen, truth & unseen)
            found["iou_box"] += _box_iou(_within(sides.cpu()), rows.sides).tolist()
            found["iou_symmetric"] += _box_iou(rows.landmarks[:, SYMMETRIC], rows.sides).tolist()
        return {name: float(np.mean(values)) for name, values in found.items()}


def _within(sides: Float[Tensor, "B 6"]) -> Float[Tensor, "B 6"]:
    """Of the part of a box that the cells hold; its bottom is what it stands on."""
    sides = sides.clamp(0, 1)
    return torch.cat([sides[:, :1], torch.zeros_like(sides[:, 1:2]), sides[:, 2:]], dim=1)


def _box_loss(sides: Float[Tensor, "B 6"], true: Float[Tensor, "B 6"]) -> Float[Tensor, ""]:
    """Distances of the sides, which always have a slope, and what the IoU of the boxes lacks."""
    apart = torch.cat([sides[:, :1], true[:, 1:2], sides[:, 2:]], dim=1) - true
    return 2 * apart.abs().sum(dim=1).mean() + (1 - _box_iou(_within(sides), true)).mean()


def _box_iou(a: Float[Tensor, "B 6"], b: Float[Tensor, "B 6"]) -> Float[Tensor, "B"]:
    def volume(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp_min(0).prod(dim=1)

    both = volume(torch.maximum(a[:, :3], b[:, :3]), torch.minimum(a[:, 3:], b[:, 3:]))
    return both / (volume(a[:, :3], a[:, 3:]) + volume(b[:, :3], b[:, 3:]) - both).clamp_min(1e-6)


def _dice(a: Float[Tensor, "B n n n"], b: Float[Tensor, "B n n n"]) -> Float[Tensor, ""]:
    both, sizes = (x.flatten(1).sum(dim=1) for x in (a * b, a + b))
    return ((2 * both + 1) / (sizes + 1)).mean()


def _ious(a: Tensor, b: Tensor) -> list[float]:
    both, either = (x.flatten(1).sum(dim=1).float() for x in (a & b, a | b))
    return ((both + 1) / (either + 1)).tolist()
