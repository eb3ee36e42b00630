"""All objects of a scene through the cascade, stage by stage: every network is read once per scene, not per object.

    see            image encoder       pictures of all objects at every size
    structure      structure flow, structure decoder
    coarse shape   512 flow, first half of the shape decoder
    fine shape     1024 flow           at the resolution of the run
    texture        texture flow
    decoding       shape and texture decoder

One object that fails is left out of the later stages and returned as a failure. One that does not fit the memory even
alone is made again at a lower resolution, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from ..autoencoder.structure import StructureDecoder
from ..autoencoder.voxel_decoder import ShapeDecoder, TextureDecoder
from ..conditioning.condition import Condition, join_conditions
from ..conditioning.conditioner import Conditioner, StageView
from ..conditioning.image_features import ImageEncoder
from ..conditioning.naf import Naf
from ..errors import SceneError, StageFailed
from . import cascade
from .batching import BatchLimit, is_out_of_memory, run_batches
from .flow import DenseFlow, SparseFlow
from .network_shelf import NetworkShelf
from .pipeline_file import Normalisation
from .rope import grid_coords
from .sampler import FlowSampler
from .scene_objects import GeneratedObject, ObjectInput, ObjectState, alive, seen_on

IMAGE_ENCODER = "image_encoder"
COARSE_PLAN = (
    IMAGE_ENCODER,
    "sparse_structure_flow_model",
    "sparse_structure_decoder",
    "shape_slat_flow_model_512",
    "shape_slat_decoder",
)
FINE_PLAN = ("shape_slat_flow_model_1024", "tex_slat_flow_model_1024", "shape_slat_decoder", "tex_slat_decoder")

# Below the first, networks leave what they were trained for; below the second, nothing useful is left.
LOWEST_TRAINED_RESOLUTION, LOWEST_RESOLUTION = 1024, 512
# More tokens than this, with little memory: image terms (2.7 MB per 1000 tokens and block) are made again in each step.
_TOKENS_WITH_KEPT_TERMS = 12_288


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeSettings:
    """How the cascade runs. samplers: of "structure", "shape" and "texture". views: how each stage sees the picture.

    batch: objects at once. low_vram: no network on the device but those that work.
    """

    samplers: Mapping[str, FlowSampler]
    views: Mapping[str, StageView]
    shape_normalisation: Normalisation
    texture_normalisation: Normalisation
    resolution: int
    max_num_tokens: int
    batch: int
    low_vram: bool
    device: torch.device


class SceneSchedule:
    """One run of the cascade over the objects of a scene. load: reads a network by its role onto the CPU."""

    def __init__(self, settings: CascadeSettings, load: Callable[[str], nn.Module], naf: Naf) -> None:
        self._settings = settings
        self._conditioner = Conditioner(None, naf.to(settings.device))
        on_gpu = settings.device.type == "cuda"
        plan = (*COARSE_PLAN, *FINE_PLAN)
        self._shelf = NetworkShelf(load, plan, settings.device, park=settings.low_vram, read_ahead=on_gpu)
        self._limit = BatchLimit(objects=settings.batch, tokens=settings.max_num_tokens)

    @torch.no_grad()
    def run(self, objects: Sequence[ObjectInput]) -> list[GeneratedObject | StageFailed]:
        """One result per object, in order."""
        scene = [ObjectState(input=item) for item in objects]
        try:
            for work in (self._see, self._structure, self._coarse_shape, self._fine):
                if alive(scene):  # no network is read for nobody
                    work(scene)
        finally:
            self._shelf.close()
        return [item.result() for item in scene]

    def _see(self, scene: list[ObjectState]) -> None:
        with self._shelf.use(IMAGE_ENCODER, ImageEncoder) as encoder:
            self._stage("image features", scene, partial(self._see_one, Conditioner(encoder, None)))

    def _structure(self, scene: list[ObjectState]) -> None:
        with self._shelf.use("sparse_structure_flow_model", DenseFlow) as flow:
            tokens = flow.resolution**3
            self._stage("structure", scene, partial(self._sample_structure, flow), tokens_of=lambda _: tokens)
        with self._shelf.use("sparse_structure_decoder", StructureDecoder) as decoder:
            self._stage("structure", scene, partial(self._occupy_one, decoder))

    def _coarse_shape(self, scene: list[ObjectState]) -> None:
        with self._shelf.use("shape_slat_flow_model_512", SparseFlow) as flow:
            work = partial(self._sample_coarse, flow)
            self._stage("coarse shape", scene, work, tokens_of=lambda item: len(item.cells))
        with self._shelf.use("shape_slat_decoder", ShapeDecoder) as decoder:
            self._stage("coarse shape", scene, partial(self._refine_one, decoder))

    def _fine(self, scene: list[ObjectState]) -> None:
        """Fine shape, texture and decoding; again, at a lower resolution, for those that memory is too small for."""
        pending = alive(scene)
        for item in pending:
            item.resolution = self._settings.resolution
        while True:
            for item in pending:
                self._choose_tokens(item)
            pending = self._fine_pass(pending)
            for item in pending:
                _lower(item, f"the memory of the {self._settings.device.type} ran out")
            pending = alive(pending)
            if not pending:
                return
            self._shelf.extend(FINE_PLAN)

    def _fine_pass(self, scene: list[ObjectState]) -> list[ObjectState]:
        """Returns the objects that the memory is too small for even alone."""
        starved: list[ObjectState] = []
        with self._shelf.use("shape_slat_flow_model_1024", SparseFlow) as flow:
            work = partial(self._sample_fine, flow)
            starved += self._stage("fine shape", scene, work, tokens_of=_token_count, may_starve=True)
        left = [item for item in scene if item not in starved]
        with self._shelf.use("tex_slat_flow_model_1024", SparseFlow) as flow:
            work = partial(self._sample_texture, flow)
            starved += self._stage("texture", left, work, tokens_of=_token_count, may_starve=True)
        left = [item for item in left if item not in starved]
        with (
            self._shelf.use("shape_slat_decoder", ShapeDecoder) as shape_decoder,
            self._shelf.use("tex_slat_decoder", TextureDecoder) as texture_decoder,
        ):
            work = partial(self._decode_one, shape_decoder, texture_decoder)
            starved += self._stage("decoding", left, work, may_starve=True)
        return starved

    def _stage(
        self,
        name: str,
        scene: Sequence[ObjectState],
        work: Callable[[Sequence[ObjectState]], None],
        *,
        tokens_of: Callable[[ObjectState], int] | None = None,
        may_starve: bool = False,
    ) -> list[ObjectState]:
        """`work` on the objects that are still alive, which remember their failures; one by one without `tokens_of`.

        may_starve: running out of memory alone is no failure yet; such objects are returned.
        """
        objects = alive(scene)
        limit = self._limit if tokens_of else BatchLimit(objects=1, tokens=0)
        starved = []
        for item, outcome in zip(objects, run_batches(objects, work, limit, tokens_of or _no_tokens), strict=True):
            if outcome.halved_to:
                item.notes.append(f"Memory ran out in the {name} stage; {outcome.halved_to[-1]} objects at a time fit.")
            if outcome.error is None:
                continue
            if is_out_of_memory(outcome.error) and may_starve:
                starved.append(item)
            elif is_out_of_memory(outcome.error):
                item.fail(f"the memory of the {self._settings.device.type} ran out in the {name} stage, for it alone")
            else:
                item.fail(f"{name}: {_reason(outcome.error)}", outcome.error)
        return starved

    def _see_one(self, conditioner: Conditioner, batch: Sequence[ObjectState]) -> None:
        [item] = batch
        sizes = sorted({view.size_px for view in self._settings.views.values()})
        item.seen = {size: seen_on(conditioner.see(item.input.squares, size), "cpu") for size in sizes}

    def _sample_structure(self, flow: DenseFlow, batch: Sequence[ObjectState]) -> None:
        every = grid_coords(flow.resolution)  # (R^3, 3)
        shape = (1, flow.input_layer.in_features, *(flow.resolution,) * 3)
        latents = cascade.sample_structure(
            flow,
            self._settings.samplers["structure"],
            self._condition(batch, "structure", [every] * len(batch), [flow.resolution] * len(batch)),
            self._there(torch.cat([item.draw_noise(shape) for item in batch])),
            keep=self._keeps(len(batch) * len(every)),
        )
        for item, latent in zip(batch, torch.split(_finite(latents), 1), strict=True):
            item.structure = latent

    def _occupy_one(self, decoder: StructureDecoder, batch: Sequence[ObjectState]) -> None:
        [item] = batch
        cells = cascade.occupied_cells(decoder, self._there(item.structure)).cpu()
        item.cells = _some(cells, "the structure network leaves no cell occupied")

    def _sample_coarse(self, flow: SparseFlow, batch: Sequence[ObjectState]) -> None:
        channels = flow.input_layer.in_features
        latents = self._sample(
            flow,
            "shape",
            self._condition(batch, "shape_512", [o.cells for o in batch], [cascade.COARSE_GRID] * len(batch)),
            [o.cells for o in batch],
            [o.draw_noise(o.structure.shape, (len(o.cells), channels)) for o in batch],
        )
        for item, latent in zip(batch, latents, strict=True):
            item.coarse = latent

    def _refine_one(self, decoder: ShapeDecoder, batch: Sequence[ObjectState]) -> None:
        [item] = batch
        voxels = cascade.surface_voxels(
            decoder, self._there(item.cells), self._there(item.coarse), self._settings.shape_normalisation
        )
        item.voxels = _some(voxels.cpu(), "the shape network leaves no voxel of the coarse shape")

    def _choose_tokens(self, item: ObjectState) -> None:
        wanted, cap = item.resolution, self._settings.max_num_tokens
        item.tokens, item.resolution = cascade.token_grid(item.voxels, resolution=wanted, max_tokens=cap)
        if item.resolution < wanted:
            item.notes.append(
                f"Generated at a resolution of {item.resolution}: at {wanted} it takes {cap} tokens or more."
            )

    def _sample_fine(self, flow: SparseFlow, batch: Sequence[ObjectState]) -> None:
        channels = flow.input_layer.in_features
        latents = self._sample(
            flow,
            "shape",
            self._condition(batch, "shape_1024", [o.tokens for o in batch], _token_grids(batch)),
            [o.tokens for o in batch],
            [o.draw_noise(o.structure.shape, o.coarse.shape, (len(o.tokens), channels)) for o in batch],
        )
        for item, latent in zip(batch, latents, strict=True):
            item.shape = latent

    def _sample_texture(self, flow: SparseFlow, batch: Sequence[ObjectState]) -> None:
        channels = flow.input_layer.in_features - batch[0].shape.shape[1]
        latents = self._sample(
            flow,
            "texture",
            self._condition(batch, "texture_1024", [o.tokens for o in batch], _token_grids(batch)),
            [o.tokens for o in batch],
            [o.draw_noise(o.structure.shape, o.coarse.shape, o.shape.shape, (len(o.tokens), channels)) for o in batch],
            [o.shape for o in batch],
        )
        for item, latent in zip(batch, latents, strict=True):
            item.texture = latent

    def _decode_one(
        self, shape_decoder: ShapeDecoder, texture_decoder: TextureDecoder, batch: Sequence[ObjectState]
    ) -> None:
        [item] = batch
        item.decoded = cascade.decode(
            shape_decoder,
            texture_decoder,
            self._there(item.tokens),
            self._there(item.shape),
            self._there(item.texture),
            shape_normalisation=self._settings.shape_normalisation,
            texture_normalisation=self._settings.texture_normalisation,
            resolution=item.resolution,
        )

    def _sample(
        self,
        flow: SparseFlow,
        sampler: str,
        condition: Condition,
        cells: Sequence[Tensor],
        noise: Sequence[Tensor],
        concat: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """A sparse stage of a batch, back in the machine's memory."""
        latents = cascade.sample_latents(
            flow,
            self._settings.samplers[sampler],
            condition,
            [self._there(c) for c in cells],
            [self._there(n) for n in noise],
            None if concat is None else [self._there(c) for c in concat],
            keep=self._keeps(sum(len(c) for c in cells)),
        )
        return [_finite(latent) for latent in latents]

    def _condition(
        self, batch: Sequence[ObjectState], stage: str, cells: Sequence[Tensor], grids: Sequence[int]
    ) -> Condition:
        """What the tokens of a batch see, each object of its own pictures."""
        look = self._settings.views[stage]
        conditions = [
            self._conditioner.condition(
                seen_on(item.seen[look.size_px], self._settings.device),
                item.input.views,
                of_item,
                grid=grid,
                naf_side_px=look.naf_side_px,
            )
            for item, of_item, grid in zip(batch, cells, grids, strict=True)
        ]
        return join_conditions(conditions)

    def _there(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._settings.device)

    def _keeps(self, tokens: int) -> bool:
        return not self._settings.low_vram or tokens <= _TOKENS_WITH_KEPT_TERMS


def _token_count(item: ObjectState) -> int:
    return len(item.tokens)


def _no_tokens(_: ObjectState) -> int:
    return 0


def _token_grids(batch: Sequence[ObjectState]) -> list[int]:
    return [item.resolution // cascade.VOXELS_PER_TOKEN for item in batch]


def _lower(item: ObjectState, reason: str) -> None:
    """Another try with fewer voxels, which says so; a failure where there is no lower resolution."""
    reached = item.resolution
    if reached <= LOWEST_RESOLUTION:
        item.fail(f"{reason} at a resolution of {reached}, for it alone")
        return
    item.resolution = LOWEST_TRAINED_RESOLUTION if reached > LOWEST_TRAINED_RESOLUTION else LOWEST_RESOLUTION
    untrained = "" if item.resolution >= LOWEST_TRAINED_RESOLUTION else ", which the networks were not trained for"
    item.notes.append(f"Generated at a resolution of {item.resolution}{untrained}: at {reached} {reason}.")


def _reason(error: Exception) -> str:
    """In words where the error was raised on purpose, with its type where it was not."""
    if isinstance(error, StageFailed):
        return error.reason
    return str(error) if isinstance(error, SceneError) else f"{type(error).__name__}: {error}"


def _some(cells: Tensor, otherwise: str) -> Tensor:
    if not len(cells):
        raise StageFailed("generate", otherwise)
    return cells


def _finite(latent: Tensor) -> Tensor:
    """Back in the machine's memory; raises StageFailed where half precision overflowed."""
    if not bool(torch.isfinite(latent).all()):
        raise StageFailed("generate", "a network returned numbers that are not finite")
    return latent.cpu()
