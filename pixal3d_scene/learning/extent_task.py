"""Training the network that guesses how far cut objects go on: see `generator.lift_extent`, which runs it in numpy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..generator.lift_cut import FEATURES, SIDES, mirrored_features
from .extent_samples import ExtentSamples

_BATCH = 256
_NOISE = 0.05  # of the normalised features
_LEAST_STD = 0.05


class ExtentNetwork(nn.Module):
    """A perceptron. Its answer is log(1 + growth) beyond each side of the visible box."""

    mean: Tensor
    std: Tensor

    def __init__(self, *, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.layers = nn.Sequential(
            nn.Linear(FEATURES, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, SIDES),
        )  # fmt: skip

    def forward(self, features: Float[Tensor, "B F"]) -> Float[Tensor, "B 6"]:
        x = (features - self.mean) / self.std
        if self.training:
            x = x + _NOISE * torch.randn_like(x)
        return self.layers(x)


class ExtentTask:
    """See `training.Task`. A mean absolute error leads to medians: what cannot be known is not averaged into a box."""

    def __init__(self, model: ExtentNetwork, train: ExtentSamples, validation: ExtentSamples, *, seed: int) -> None:
        self.model: nn.Module = model
        both = np.concatenate([train.features, mirrored_features(train.features)])
        features, beyond, share = (torch.from_numpy(a).float() for a in (both, train.beyond, train.open_share))
        self._features = features
        self._beyond = torch.cat([beyond, beyond[:, [1, 0, 2, 3, 4, 5]]])
        self._weight = (0.3 + share).repeat(2)[:, None]  # the more is cut, the more depends on the answer
        model.mean.copy_(self._features.mean(dim=0))
        model.std.copy_(self._features.std(dim=0) + _LEAST_STD)
        self._validation, self._seed = validation, seed

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        rows = torch.randint(len(self._features), (_BATCH,), generator=generator)
        device = next(model.parameters()).device
        features, beyond, weight = (a[rows].to(device) for a in (self._features, self._beyond, self._weight))
        return {"loss": ((model(features).float() - beyond.log1p()).abs() * weight).mean()}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Mean IoU of boxes: as the network has them, and as only the visible part is."""
        model.eval()
        device = next(model.parameters()).device
        samples = self._validation
        size, beyond = (torch.from_numpy(a).float() for a in (samples.size_m, samples.beyond))
        answer = model(torch.from_numpy(samples.features).float().to(device)).float().cpu().expm1().clamp_min(0)
        return {
            "iou_boxes": float(grown_iou(size, answer, beyond).mean()),
            "iou_visible": float(grown_iou(size, torch.zeros_like(beyond), beyond).mean()),
        }


def grown_iou(
    size_m: Float[Tensor, "N 3"], one: Float[Tensor, "N 6"], other: Float[Tensor, "N 6"]
) -> Float[Tensor, "N"]:
    """Intersection over union of two boxes that both hold a visible one of this size."""
    longest = size_m.amax(dim=1, keepdim=True)
    shared = (size_m + longest * (torch.minimum(one, other)[:, 0::2] + torch.minimum(one, other)[:, 1::2])).prod(dim=1)
    volumes = [(size_m + longest * (grown[:, 0::2] + grown[:, 1::2])).prod(dim=1) for grown in (one, other)]
    return shared / (volumes[0] + volumes[1] - shared)
