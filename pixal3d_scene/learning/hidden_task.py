"""Training the network of hidden sides (`generator.hidden_network`) on what `hidden_samples` gathered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from ..generator.hidden_cells import as_values
from ..generator.hidden_network import HiddenNetwork
from ..generator.lift_cut import mirrored_features
from .hidden_samples import HiddenSamples

_FREE_WEIGHT = 0.1  # of cells that the photo sees to be empty: that is no secret
_NOISE = 0.05  # of the normalised features
_LEAST_STD = 0.05
_LOOK_AGAIN_EVERY = 100  # steps


class HiddenFiles:
    """Samples in files whose names begin with `split`; files that come while a run goes on are taken up."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._split = folder, split
        self._parts: dict[Path, HiddenSamples] = {}
        self._starts = np.zeros(1, dtype=np.int64)
        self.look()

    def look(self) -> None:
        """Read what is new; raises InputError where there is nothing."""
        paths = sorted(p for p in self._folder.glob(f"{self._split}_*.npz") if not p.name.endswith(".part.npz"))
        if not paths:
            raise InputError(
                f"{self._folder} holds no samples of hidden sides ({self._split}_*.npz); make some with "
                "`python -m pipelines.sample_hidden` (docs/training-data.md)."
            )
        for path in paths:
            if path not in self._parts:
                self._parts[path] = HiddenSamples.read(path)
        self._starts = np.cumsum([0, *(len(part.solid) for part in self._parts.values())])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, numbers: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Evidence (B, C, n, n, n), features (B, F) and solid (B, n, n, n), 0 to 1, float32."""
        parts = list(self._parts.values())
        where = np.searchsorted(self._starts, numbers, side="right") - 1
        rows = [(parts[p], n - int(self._starts[p])) for p, n in zip(where, numbers, strict=True)]
        evidence = as_values(np.stack([part.evidence[k] for part, k in rows]))
        solid = np.stack([part.solid[k] for part, k in rows]).astype(np.float32) / 255
        features = np.stack([part.features[k] for part, k in rows]).astype(np.float32)
        return torch.from_numpy(evidence), torch.from_numpy(features), torch.from_numpy(solid)

    def features(self) -> Float[np.ndarray, "N F"]:
        """Of all there are now."""
        return np.concatenate([part.features for part in self._parts.values()])


class HiddenTask:
    """See `training.Task`."""

    def __init__(
        self, model: HiddenNetwork, train: HiddenFiles, validation: HiddenFiles, *, batch: int, seed: int
    ) -> None:
        self.model: nn.Module = model
        self._train, self._validation, self._batch, self._seed = train, validation, batch, seed
        features = torch.from_numpy(train.features()).float()
        model.mean.copy_(features.mean(dim=0))
        model.std.copy_(features.std(dim=0) + _LEAST_STD)
        self._spread = _NOISE * model.std.clone()

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        if step % _LOOK_AGAIN_EVERY == 0:
            self._train.look()
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        numbers = torch.randint(len(self._train), (self._batch,), generator=generator).tolist()
        evidence, features, solid = self._train.rows(numbers)
        flipped = torch.rand(self._batch, generator=generator) < 0.5
        evidence = torch.where(flipped[:, None, None, None, None], evidence.flip(2), evidence)
        solid = torch.where(flipped[:, None, None, None], solid.flip(1), solid)
        features = torch.where(flipped[:, None], torch.from_numpy(mirrored_features(features.numpy())), features)
        features = features + self._spread.cpu() * torch.randn(features.shape, generator=generator)
        device = next(model.parameters()).device
        evidence, features, solid = evidence.to(device), features.to(device), solid.to(device)
        logits = model(evidence, features).float()
        weight = torch.where(evidence[:, 0] <= -1, _FREE_WEIGHT, 1.0)
        cells = (F.binary_cross_entropy_with_logits(logits, solid, reduction="none") * weight).sum() / weight.sum()
        dice = 1 - _dice(logits.sigmoid(), solid)
        return {"loss": cells + dice, "cells": cells, "dice": dice}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Means over the objects: IoU of filled cells, and of those that the photo does not see to be empty or near."""
        model.eval()
        device, total = next(model.parameters()).device, len(self._validation)
        iou, hidden = [], []
        for start in range(0, total, self._batch):
            evidence, features, solid = self._validation.rows(list(range(start, min(start + self._batch, total))))
            guess = model(evidence.to(device), features.to(device)).float().cpu() > 0
            truth = solid > 0.5
            unseen = (evidence[:, 1] > 0) | (evidence[:, 3] >= 1)
            iou += _ious(guess, truth)
            hidden += _ious(guess & unseen, truth & unseen)
        return {"iou": float(np.mean(iou)), "iou_hidden": float(np.mean(hidden))}


def _dice(a: Float[Tensor, "B n n n"], b: Float[Tensor, "B n n n"]) -> Float[Tensor, ""]:
    both, sizes = (x.flatten(1).sum(dim=1) for x in (a * b, a + b))
    return ((2 * both + 1) / (sizes + 1)).mean()


def _ious(a: Tensor, b: Tensor) -> list[float]:
    both, either = (x.flatten(1).sum(dim=1).float() for x in (a & b, a | b))
    return ((both + 1) / (either + 1)).tolist()
