"""Training the structure autoencoder: where an object is, cell by cell, through a small dense latent and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..autoencoder.structure import StructureDecoder, StructureEncoder
from .object_batch import ObjectBatch
from .object_inputs import occupancy

_OCCUPIED_WEIGHT = 2.0  # surfaces fill a few per cent of the cells
_KL_WEIGHT = 1e-3
_TOKEN_CELLS = 2  # cells of the decoded occupancy along an edge of a token


class StructureAutoencoder(nn.Module):
    """An occupancy volume to the logits of the same, and the distribution in between."""

    def __init__(self, encoder: StructureEncoder, decoder: StructureDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        # Channels innermost: what the norms over channels and bfloat16 convolutions on a CPU want.
        self.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def forward(
        self, occupied: Float[Tensor, "B 1 n n n"], generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "B 1 n n n"], Tensor, Tensor]:
        """Logits, mean and log-variance. generator: of the latent's noise; None decodes the mean."""
        mean, logvar = self.encoder(occupied)
        latent = mean
        if generator is not None:
            latent = mean + torch.randn(mean.shape, generator=generator).to(mean) * (0.5 * logvar).exp()
        return self.decoder(latent), mean, logvar


class StructureTask:
    """See `training.Task`. draw: the training batch of a step. validation: batches that are never trained on."""

    def __init__(
        self,
        model: StructureAutoencoder,
        draw: Callable[[int], ObjectBatch],
        validation: Sequence[ObjectBatch],
        *,
        seed: int,
    ) -> None:
        self.model: nn.Module = model
        self._draw, self._validation, self._seed = draw, validation, seed

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        truth = occupancy(self._draw(step)).to(next(model.parameters()).device)
        logits, mean, logvar = (x.float() for x in model(truth, generator))
        weight = torch.tensor(_OCCUPIED_WEIGHT, device=truth.device)
        cells = F.binary_cross_entropy_with_logits(logits, truth, pos_weight=weight)
        dice = 1 - _dice(torch.sigmoid(logits), truth)
        kl = divergence(mean, logvar)
        return {"loss": 10 * cells + dice + _KL_WEIGHT * kl, "cells": cells, "dice": dice, "kl": kl}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        device = next(model.parameters()).device
        rows = []
        for batch in self._validation:
            truth = occupancy(batch).to(device)
            logits, mean, _ = model(truth, None)
            rows.append(
                {
                    "iou_cells": occupancy_iou(logits > 0, truth > 0),
                    "iou_tokens": occupancy_iou(*(pooled(x) for x in (logits > 0, truth > 0))),
                    "latent_std": float(mean.float().std()),
                }
            )
        return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}


def divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the standard normal, mean over all entries."""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()


def pooled(occupied: Tensor) -> Tensor:
    """Cells (B, 1, n, n, n) to the tokens that hold one of them."""
    return F.max_pool3d(occupied.float(), _TOKEN_CELLS) > 0


def occupancy_iou(a: Tensor, b: Tensor) -> float:
    """Mean over the items of intersection over union of two volumes of booleans."""
    both, either = (x.flatten(1).sum(dim=1) for x in (a & b, a | b))
    return float((both / either.clamp(min=1)).mean())


def _dice(probability: Tensor, truth: Tensor) -> Tensor:
    both, sizes = (x.flatten(1).sum(dim=1) for x in (probability * truth, probability + truth))
    return ((2 * both + 1) / (sizes + 1)).mean()
