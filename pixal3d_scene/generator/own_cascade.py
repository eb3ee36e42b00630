"""The small cascade: what the crop camera sees of one object in, a textured grid in `obj` out.

    picture       -> features at two scales, by an encoder that was trained along
    structure     noise on the latent's grid -> latent -> occupied cells of the token grid
    shape         a latent per token
    texture       a latent per token, seeing the shape
    decode        dual grid and materials on the same fine voxels, four along a token's edge

The stages are those of `cascade`, with a single stage of shape. On the CPU: the networks have a few million weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ..autoencoder.dual_grid import DualGrid
from ..autoencoder.pbr_voxels import PbrVoxels
from ..autoencoder.structure import StructureDecoder
from ..autoencoder.voxel_decoder import ShapeDecoder, TextureDecoder
from ..conditioning.condition import Condition
from ..conditioning.two_scale import OWN_CHANNELS, two_scale_projection
from ..conditioning.view_encoder import ViewEncoder, ViewFeatures
from ..conditioning.view_picture import view_picture
from ..errors import InputError, StageFailed
from . import cascade
from .checkpoint import load_network
from .flow import DenseFlow, SparseFlow
from .flow.attention import ProjectedImageAttention
from .flow.transformer import FlowTransformer
from .own_pipeline import VIEW_ENCODER, OwnPipeline
from .own_view import NetworkView
from .pipeline_file import Normalisation
from .rope import grid_coords
from .sampler import FlowSampler, NoiseSource

_VOXELS_PER_TOKEN = 4

_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNetworks:
    """All networks of a folder, ready to be evaluated, and how they are sampled."""

    encoder: ViewEncoder
    structure_flow: DenseFlow
    structure_decoder: StructureDecoder
    shape_flow: SparseFlow
    shape_decoder: ShapeDecoder
    texture_flow: SparseFlow
    texture_decoder: TextureDecoder
    samplers: Mapping[str, FlowSampler]
    shape_normalisation: Normalisation
    texture_normalisation: Normalisation
    picture_px: int
    resolution: int

    @property
    def token_grid(self) -> int:
        return self.resolution // _VOXELS_PER_TOKEN


def load_networks(pipeline: OwnPipeline, *, steps: int | None = None, guidance: float | None = None) -> OwnNetworks:
    """steps, guidance: of every stage, instead of the pipeline's own.

    Raises InputError where a checkpoint does not fit its description, or the networks do not fit each other."""

    changed = {"steps": steps, "guidance_strength": guidance}
    overrides = {name: value for name, value in changed.items() if value is not None}

    def load(role: str, expected: type[_Network]) -> _Network:
        checkpoint = pipeline.checkpoints[role]
        network = load_network(checkpoint, torso=torch.float32)  # half precision is how they are stored
        if not isinstance(network, expected):
            raise InputError(f"{checkpoint.config} describes a {type(network).__name__}, which is no {role}.")
        return network

    networks = OwnNetworks(
        encoder=load(VIEW_ENCODER, ViewEncoder),
        structure_flow=load("sparse_structure_flow_model", DenseFlow),
        structure_decoder=load("sparse_structure_decoder", StructureDecoder),
        shape_flow=load("shape_slat_flow_model_512", SparseFlow),
        shape_decoder=load("shape_slat_decoder", ShapeDecoder),
        texture_flow=load("tex_slat_flow_model_1024", SparseFlow),
        texture_decoder=load("tex_slat_decoder", TextureDecoder),
        samplers={stage: FlowSampler.from_config(entry, **overrides) for stage, entry in pipeline.samplers.items()},
        shape_normalisation=pipeline.shape_normalisation,
        texture_normalisation=pipeline.texture_normalisation,
        picture_px=pipeline.picture_px,
        resolution=pipeline.resolution,
    )
    _check_that_they_fit(networks, pipeline)
    return networks


@torch.inference_mode()
def generate_grid(networks: OwnNetworks, view: NetworkView, seed: int) -> tuple[DualGrid, PbrVoxels]:
    """One object. Raises StageFailed where the networks see nothing; the noise depends on the seed alone."""
    noise = NoiseSource(seed)
    features = _features(networks, view)
    flow = networks.structure_flow
    latent = cascade.sample_structure(
        flow,
        networks.samplers["structure"],
        _condition(networks, features, view, grid_coords(flow.resolution), grid=flow.resolution),
        noise.draw(1, flow.out_layer.out_features, *[flow.resolution] * 3),
        keep=True,
    )
    cells = cascade.occupied_cells(networks.structure_decoder, latent, grid=networks.token_grid)
    if not len(cells):
        raise StageFailed("generate", "the structure network leaves no cell occupied")
    condition = _condition(networks, features, view, cells, grid=networks.token_grid)
    [shape] = cascade.sample_latents(
        networks.shape_flow,
        networks.samplers["shape"],
        condition,
        [cells],
        [noise.draw(len(cells), networks.shape_flow.out_layer.out_features)],
        keep=True,
    )
    [texture] = cascade.sample_latents(
        networks.texture_flow,
        networks.samplers["texture"],
        condition,
        [cells],
        [noise.draw(len(cells), networks.texture_flow.out_layer.out_features)],
        [shape],
        keep=True,
    )
    return cascade.decode(
        networks.shape_decoder,
        networks.texture_decoder,
        cells,
        shape,
        texture,
        shape_normalisation=networks.shape_normalisation,
        texture_normalisation=networks.texture_normalisation,
        resolution=networks.resolution,
    )


def _features(networks: OwnNetworks, view: NetworkView) -> ViewFeatures:
    pictures = view_picture(
        torch.tensor(view.rgb).permute(2, 0, 1)[None],
        torch.tensor(view.region)[None],
        torch.tensor(view.z_m)[None],
        torch.tensor([view.camera_distance_obj], dtype=torch.float32),
    )
    return networks.encoder(pictures)


def _condition(
    networks: OwnNetworks, features: ViewFeatures, view: NetworkView, cells: Int[Tensor, "N 3"], *, grid: int
) -> Condition:
    """What the object's tokens see: the whole picture, and where each of them projects to."""
    proj = two_scale_projection(
        features,
        cascade.with_items([cells]),
        torch.tensor([view.fov_rad]),
        torch.tensor([view.camera_distance_obj]),
        grid=grid,
    )
    return Condition(global_tokens=features.global_tokens, proj=proj)


def _check_that_they_fit(networks: OwnNetworks, pipeline: OwnPipeline) -> None:
    """Each file may be sound and still be of another training run."""
    projected = networks.encoder.channels + networks.encoder.fine_channels + OWN_CHANNELS
    shape, texture = networks.shape_flow.out_layer.out_features, networks.texture_flow.out_layer.out_features
    structure = networks.structure_flow.out_layer.out_features
    pairs = {
        "the view encoder and the structure flow": (projected, _projected_channels(networks.structure_flow)),
        "the view encoder and the shape flow": (projected, _projected_channels(networks.shape_flow)),
        "the view encoder and the texture flow": (projected, _projected_channels(networks.texture_flow)),
        "the structure flow and its decoder": (structure, networks.structure_decoder.input_layer.in_channels),
        "the shape flow and its decoder": (shape, networks.shape_decoder.from_latent.in_features),
        "the shape flow and its normalisation": (shape, len(networks.shape_normalisation.mean)),
        "the texture flow and its decoder": (texture, networks.texture_decoder.from_latent.in_features),
        "the texture flow and its normalisation": (texture, len(networks.texture_normalisation.mean)),
        "the texture flow and the shape flow": (networks.texture_flow.input_layer.in_features, texture + shape),
    }
    for names, (one, other) in pairs.items():
        if one != other:
            raise InputError(
                f"In {pipeline.path.parent} {names} do not fit each other ({one} and {other} channels); give a folder "
                "that one training run wrote."
            )


def _projected_channels(flow: FlowTransformer) -> int:
    attention = flow.torso[0].cross_attn
    return attention.proj_linear.in_features if isinstance(attention, ProjectedImageAttention) else 0
