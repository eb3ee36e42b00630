"""Training the view encoder and the three flows in one run, on the latents of autoencoders that are done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..generator.cascade import sample_structure
from ..generator.sampler import FlowSampler
from .object_batch import ObjectBatch
from .object_flows import SIGMA_MIN, ObjectFlows, SeenObjects, draw_noise
from .object_inputs import occupancy, view_pictures
from .object_latents import FrozenAutoencoders
from .structure_task import occupancy_iou, pooled

STEPS, RESCALE_T = 12, 3.0  # of the sampler, here and in the pipeline that is written
_VALIDATION_SEED = 1
_SAMPLED_OBJECTS = 16


class FlowTask:
    """See `training.Task`. draw: the training batch of a step. validation: batches that are never trained on.

    exact_camera: project through each object's own crop camera; else through the mean field of view of the validation
    objects, at the distance that belongs to it. guidance_strength: of the sampled structures.
    """

    def __init__(
        self,
        model: ObjectFlows,
        autoencoders: FrozenAutoencoders,
        draw: Callable[[int], ObjectBatch],
        validation: Sequence[ObjectBatch],
        *,
        seed: int,
        exact_camera: bool = True,
        guidance_strength: float = 1.0,
    ) -> None:
        self.model: nn.Module = model
        self._autoencoders, self._draw, self._validation, self._seed = autoencoders, draw, validation, seed
        self._one_camera = None if exact_camera else _mean_camera(validation)
        self._sampler = FlowSampler(
            steps=STEPS, rescale_t=RESCALE_T, guidance_strength=guidance_strength, sigma_min=SIGMA_MIN
        )

    def loss(self, model: nn.Module, step: int) -> Mapping[str, Tensor]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        batch, autoencoders = self._there(model, self._draw(step))
        latents = autoencoders.latents(batch)
        terms = model(self._seen(batch), latents, draw_noise(latents, generator))
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        assert isinstance(model, ObjectFlows)
        rows, sampled = [], 0
        for number, untouched in enumerate(self._validation):
            batch, autoencoders = self._there(model, untouched)
            latents, seen = autoencoders.latents(batch), self._seen(batch)
            generator = torch.Generator().manual_seed(_VALIDATION_SEED + number)
            row = {k: float(v) for k, v in model(seen, latents, draw_noise(latents, generator, drop=False)).items()}
            if sampled < _SAMPLED_OBJECTS:
                sampled += len(batch)
                row |= self._sampled(model, batch, seen, generator)
            rows.append(row)
        return {key: _mean([row[key] for row in rows if key in row]) for key in rows[0]}

    def _sampled(
        self, model: ObjectFlows, batch: ObjectBatch, seen: SeenObjects, generator: torch.Generator
    ) -> dict[str, float]:
        """How well structures that are drawn from noise cover the true ones."""
        flow, truth = model.structure, occupancy(batch) > 0
        channels, side = flow.input_layer.in_features, flow.resolution
        noise = torch.randn(len(batch), channels, side, side, side, generator=generator).to(truth.device)
        condition = model.condition(model.view(seen.pictures), model.structure_cells(len(batch)), seen)
        latent = sample_structure(flow, self._sampler, condition, noise, keep=True)
        drawn = self._autoencoders.structure_decoder(latent) > 0
        return {
            "sampled_iou_tokens": occupancy_iou(pooled(drawn), pooled(truth)),
            "sampled_iou_cells": occupancy_iou(drawn, truth),
        }

    def _seen(self, batch: ObjectBatch) -> SeenObjects:
        fov_rad, distance = batch.fov_rad, batch.camera_distance_obj
        if self._one_camera is not None:
            fov_rad, distance = (torch.full_like(fov_rad, value) for value in self._one_camera)
        return SeenObjects(pictures=view_pictures(batch, distance), fov_rad=fov_rad, camera_distance_obj=distance)

    def _there(self, model: nn.Module, batch: ObjectBatch) -> tuple[ObjectBatch, FrozenAutoencoders]:
        device = next(model.parameters()).device
        return batch.to(device), self._autoencoders.to(device)


def _mean_camera(batches: Sequence[ObjectBatch]) -> tuple[float, float]:
    """Mean field of view in rad, and the distance at which the cube is as wide in the picture as for all objects."""
    fov_rad = torch.cat([batch.fov_rad for batch in batches])
    distance = torch.cat([batch.camera_distance_obj for batch in batches])
    over_crop = 0.5 / torch.tan(fov_rad / 2) / distance  # the same for all
    mean_rad = float(fov_rad.mean())
    return mean_rad, 0.5 / math.tan(mean_rad / 2) / float(over_crop.mean())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
