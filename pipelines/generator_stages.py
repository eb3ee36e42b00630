"""The stages of the Pixal3D generator as benchmark workloads: official or small networks with random weights.

The objects are hollow spheres: on the 64^3 token grid one has as many tokens as a typical piece of furniture. The
decoders are made to grow every token into a sheet of 16 x 16 voxels, as a surface does. torch is imported here, by
everyone; the project's own modules are imported by the functions that build networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

GLOBAL_TOKENS = 5
_SHEET_CHILDREN = (0, 1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Widths and depths of the networks. coarse_grid, fine_grid: tokens per edge. picture_px: of the two pictures."""

    flow: dict[str, Any]
    structure_decoder: dict[str, Any]
    voxel_decoder: dict[str, Any]
    dinov3: dict[str, Any]
    naf: dict[str, Any]
    latent: int
    structure_latent: int
    coarse_grid: int
    fine_grid: int
    picture_px: tuple[int, int]
    steps: int
    batch: int


_HEADS = {"share_mod": True, "qk_rms_norm": True, "qk_rms_norm_cross": True, "image_attn_mode": "proj"}

SIZES: dict[str, Size] = {
    "official": Size(
        flow={"model_channels": 1536, "cond_channels": 1024, "num_blocks": 30, "num_heads": 12, "mlp_ratio": 5.3334},
        structure_decoder={"channels": [512, 128, 32], "num_res_blocks": 2},
        voxel_decoder={"model_channels": [1024, 512, 256, 128, 64], "num_blocks": [4, 16, 8, 4, 0]},
        dinov3={
            "hidden_size": 1024,
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "intermediate_size": 4096,
        },
        naf={},
        latent=32,
        structure_latent=8,
        coarse_grid=32,
        fine_grid=64,
        picture_px=(512, 1024),
        steps=12,
        batch=4,
    ),
    "small": Size(
        flow={"model_channels": 192, "cond_channels": 64, "num_blocks": 4, "num_heads": 3, "mlp_ratio": 4.0},
        structure_decoder={"channels": [32, 16, 8], "num_res_blocks": 1},
        voxel_decoder={"model_channels": [64, 32, 16, 8, 8], "num_blocks": [2, 2, 1, 0, 0]},
        dinov3={"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 4, "intermediate_size": 256},
        naf={"dim": 32, "heads": 4, "kernel_size": 9},
        latent=16,
        structure_latent=8,
        coarse_grid=16,
        fine_grid=24,
        picture_px=(256, 256),
        steps=2,
        batch=1,
    ),
    "tiny": Size(
        flow={"model_channels": 24, "cond_channels": 32, "num_blocks": 1, "num_heads": 2, "mlp_ratio": 2.0},
        structure_decoder={"channels": [8, 8, 8], "num_res_blocks": 1},
        voxel_decoder={"model_channels": [16, 8, 8, 8, 8], "num_blocks": [1, 0, 0, 0, 0]},
        dinov3={"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 48},
        naf={"dim": 16, "heads": 4, "kernel_size": 3},
        latent=8,
        structure_latent=4,
        coarse_grid=8,
        fine_grid=8,
        picture_px=(64, 64),
        steps=1,
        batch=1,
    ),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """build: the networks, on the device. work: the whole stage for this many objects."""

    name: str
    build: Callable[[], Sequence[nn.Module]]
    work: Callable[[Sequence[nn.Module], int], None]


@dataclass(slots=True)
class Work:
    """What a run did at least. flops: of matrix products. bytes: the weights of a layer are read in every call."""

    flops: float = 0.0
    bytes: float = 0.0
    handles: list[Any] = field(default_factory=list)


@contextmanager
def counted(networks: Sequence[nn.Module]) -> Iterator[Work]:
    """Count while the networks run."""
    work = Work()
    for network in networks:
        for module in network.modules():
            flops = _flops_of(module)
            if flops is not None:
                work.handles.append(module.register_forward_hook(_counter(work, module, flops), with_kwargs=True))
    try:
        yield work
    finally:
        for handle in work.handles:
            handle.remove()


def stages(size: Size, device: torch.device, dtype: torch.dtype) -> list[Stage]:
    """All stages in their order. dtype: of the flows' torso; decoders use half precision on CUDA."""
    networks, work = _Networks(size, device, dtype), _Workloads(size, device)
    return [
        Stage("image features", lambda: [networks.image_encoder()], work.see),
        Stage("back-projection", lambda: [networks.naf()], work.project),
        Stage("structure flow", lambda: [networks.structure_flow()], work.sample_structure),
        Stage("structure decoder", lambda: [networks.structure_decoder()], work.occupy),
        Stage("coarse shape flow", lambda: [networks.sparse_flow(1)], partial(work.sample, "shape", work.coarse)),
        Stage("coarse to fine voxels", lambda: [networks.shape_decoder()], work.refine),
        Stage("fine shape flow", lambda: [networks.sparse_flow(1)], partial(work.sample, "shape", work.fine)),
        Stage("texture flow", lambda: [networks.sparse_flow(2)], partial(work.sample, "texture", work.fine)),
        Stage("decoding", lambda: [networks.shape_decoder(), networks.texture_decoder()], work.decode),
    ]


class _Workloads:
    """What each stage does for some objects, on random inputs of the right shapes."""

    def __init__(self, size: Size, device: torch.device) -> None:
        from pixal3d_scene.generator.pipeline_file import Normalisation
        from pixal3d_scene.generator.sampler import RELEASED_SAMPLERS

        self._size, self._device = size, device
        self.coarse, self.fine = sphere_cells(size.coarse_grid, device), sphere_cells(size.fine_grid, device)
        self._identity = Normalisation(mean=(0.0,) * size.latent, std=(1.0,) * size.latent)
        self._samplers = {name: replace(s, steps=size.steps) for name, s in RELEASED_SAMPLERS.items()}

    def see(self, models: Sequence[Any], objects: int) -> None:
        [encoder] = models
        for _ in range(objects):
            for side in self._size.picture_px:
                encoder(torch.rand(1, 3, side, side, device=self._device))

    def project(self, models: Sequence[Any], objects: int) -> None:
        """The tokens of the texture stage, the dearest one: NAF at the picture's own size."""
        from pixal3d_scene.conditioning.conditioner import Conditioner, SeenPictures
        from pixal3d_scene.conditioning.image_features import ImageFeatures
        from pixal3d_scene.conditioning.view import front_view

        [naf] = models
        side, channels = self._size.picture_px[1], self._size.dinov3["hidden_size"]
        for _ in range(objects):
            features = ImageFeatures(
                global_tokens=self._random(1, GLOBAL_TOKENS, channels),
                patches=self._random(1, channels, side // 16, side // 16),
            )
            seen = SeenPictures(pictures=torch.rand(1, 3, side, side, device=self._device), features=features)
            conditioner = Conditioner(None, naf)
            conditioner.condition(seen, [front_view(0.6)], self.fine, grid=self._size.fine_grid, naf_side_px=side)

    def sample_structure(self, models: Sequence[Any], objects: int) -> None:
        from pixal3d_scene.generator import cascade

        for items in self._batches(objects):
            noise = self._random(items, self._size.structure_latent, 16, 16, 16)
            condition = self._condition(items, items * 16**3, self._size.flow["cond_channels"])
            cascade.sample_structure(models[0], self._samplers["structure"], condition, noise, keep=True)

    def occupy(self, models: Sequence[Any], objects: int) -> None:
        from pixal3d_scene.generator import cascade

        for _ in range(objects):
            cascade.occupied_cells(models[0], self._random(1, self._size.structure_latent, 16, 16, 16))

    def sample(self, sampler: str, cells: Tensor, models: Sequence[Any], objects: int) -> None:
        from pixal3d_scene.generator import cascade

        for items in self._batches(objects):
            condition = self._condition(items, items * len(cells), 2 * self._size.flow["cond_channels"])
            noise = [self._random(len(cells), self._size.latent) for _ in range(items)]
            shapes = noise if sampler == "texture" else None
            chosen = self._samplers[sampler]
            cascade.sample_latents(models[0], chosen, condition, [cells] * items, noise, shapes, keep=True)

    def refine(self, models: Sequence[Any], objects: int) -> None:
        from pixal3d_scene.generator import cascade

        for _ in range(objects):
            latent = self._random(len(self.coarse), self._size.latent)
            cascade.surface_voxels(models[0], self.coarse, latent, self._identity)

    def decode(self, models: Sequence[Any], objects: int) -> None:
        from pixal3d_scene.generator import cascade

        shape_decoder, texture_decoder = models
        for _ in range(objects):
            shape, texture = (self._random(len(self.fine), self._size.latent) for _ in range(2))
            cascade.decode(
                shape_decoder,
                texture_decoder,
                self.fine,
                shape,
                texture,
                shape_normalisation=self._identity,
                texture_normalisation=self._identity,
                resolution=16 * self._size.fine_grid,
            )

    def _random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, device=self._device)

    def _condition(self, items: int, tokens: int, channels: int) -> Any:
        from pixal3d_scene.conditioning.condition import Condition

        return Condition(
            global_tokens=self._random(items, GLOBAL_TOKENS, self._size.flow["cond_channels"]),
            proj=self._random(tokens, channels),
        )

    def _batches(self, objects: int) -> list[int]:
        batch = self._size.batch
        return [min(batch, objects - start) for start in range(0, objects, batch)]


def sphere_cells(grid: int, device: torch.device) -> Tensor:
    """Cells (N, 3) of a grid^3 that a sphere of nine tenths of its width runs through."""
    axis = torch.arange(grid, device=device)
    cells = torch.cartesian_prod(axis, axis, axis).int()  # (grid^3, 3)
    from_centre = (cells + 0.5 - grid / 2).norm(dim=1)  # (grid^3,)
    return cells[(from_centre - 0.45 * grid).abs() < 0.75]


class _Networks:
    """Random networks of a size, made on the device."""

    def __init__(self, size: Size, device: torch.device, dtype: torch.dtype) -> None:
        self._size, self._device, self._dtype = size, device, dtype

    def image_encoder(self) -> nn.Module:
        from transformers import DINOv3ViTConfig, DINOv3ViTModel

        from pixal3d_scene.conditioning.image_features import ImageEncoder

        config = DINOv3ViTConfig(num_register_tokens=GLOBAL_TOKENS - 1, patch_size=16, **self._size.dinov3)
        return self._made(lambda: ImageEncoder(DINOv3ViTModel(config)))

    def naf(self) -> nn.Module:
        from pixal3d_scene.conditioning.naf import Naf

        return self._made(lambda: Naf(**self._size.naf))

    def structure_flow(self) -> nn.Module:
        from pixal3d_scene.generator.flow import DenseFlow

        channels = self._size.structure_latent
        return self._flow(DenseFlow, resolution=16, in_channels=channels, out_channels=channels)

    def sparse_flow(self, times_latent: int) -> nn.Module:
        from pixal3d_scene.generator.flow import SparseFlow

        size = self._size
        return self._flow(
            SparseFlow,
            resolution=size.fine_grid,
            in_channels=times_latent * size.latent,
            out_channels=size.latent,
            proj_in_channels=2 * size.flow["cond_channels"],
        )

    def structure_decoder(self) -> nn.Module:
        from pixal3d_scene.autoencoder.structure import StructureDecoder

        return self._made(
            lambda: StructureDecoder(
                out_channels=1,
                latent_channels=self._size.structure_latent,
                use_fp16=self._device.type == "cuda",
                **self._size.structure_decoder,
            )
        )

    def shape_decoder(self) -> nn.Module:
        from pixal3d_scene.autoencoder.voxel_decoder import ShapeDecoder

        decoder = self._made(lambda: ShapeDecoder(**self._voxel_decoder()))
        for name, parameter in decoder.named_parameters():
            if name.endswith("to_subdiv.weight"):
                parameter.zero_()
            if name.endswith("to_subdiv.bias"):
                parameter.copy_(torch.tensor([1.0 if c in _SHEET_CHILDREN else -1.0 for c in range(8)]))
        return decoder

    def texture_decoder(self) -> nn.Module:
        from pixal3d_scene.autoencoder.voxel_decoder import TextureDecoder

        return self._made(lambda: TextureDecoder(out_channels=6, **self._voxel_decoder()))

    def _voxel_decoder(self) -> dict[str, Any]:
        return {
            "latent_channels": self._size.latent,
            "use_fp16": self._device.type == "cuda",
            **self._size.voxel_decoder,
        }

    def _flow(self, kind: Callable[..., nn.Module], **args: Any) -> nn.Module:
        name = str(self._dtype).removeprefix("torch.")
        return self._made(lambda: kind(dtype=name, **_HEADS, **self._size.flow, **args))

    def _made(self, make: Callable[[], nn.Module]) -> nn.Module:
        with torch.device(self._device):
            network = make()
        for parameter in network.parameters():
            parameter.requires_grad_(False)
            if not parameter.any():  # layers that training starts at zero
                parameter.normal_(0, 0.02)
        return network.eval()


def _flops_of(module: nn.Module) -> Callable[[tuple[Any, ...], dict[str, Any], Any], float] | None:
    """What one call of a layer multiplies and adds, from its inputs and output; None for layers that hardly do."""
    from pixal3d_scene.sparse.convolution import SubmanifoldConv3d
    from pixal3d_scene.sparse.neighbours import neighbour_pairs

    kind = type(module).__name__
    if isinstance(module, nn.Linear):
        return lambda args, _, out: 2.0 * out.numel() * module.in_features
    if isinstance(module, nn.Conv2d | nn.Conv3d):
        return lambda args, _, out: 2.0 * out.numel() * module.weight[0].numel()
    if isinstance(module, SubmanifoldConv3d):
        per_pair = 2.0 * module.weight.shape[0] * module.weight.shape[4]

        def sparse(args: tuple[Any, ...], _: dict[str, Any], out: Any) -> float:
            voxels = args[0].voxels
            return per_pair * (len(voxels) + 2 * sum(len(rows) for rows in voxels.table(neighbour_pairs).rows))

        return sparse
    if kind == "SelfAttention":
        return lambda args, _, out: 4.0 * args[0].shape[1] * sum(n * n for n in args[1].lengths)
    if kind == "DINOv3ViTAttention":
        return lambda args, kwargs, out: 4.0 * out[0].numel() * out[0].shape[-2]
    return None


def _counter(
    work: Work, module: nn.Module, flops: Callable[[tuple[Any, ...], dict[str, Any], Any], float]
) -> Callable[..., None]:
    weights = sum(p.numel() * p.element_size() for p in module.parameters(recurse=False))

    def count(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        work.flops += flops(args, kwargs, out)
        work.bytes += weights

    return count
