"""The published weights that the package knows: where they are, how large, under which licence. Data only.

`revision` is the commit that was checked; None where none was: fetching then asks for one instead of taking
whatever the repository holds that day. Sizes follow from the parameter counts and are rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ..errors import InputError

Commercial = Literal["yes", "no", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedWeights:
    """One set of weights on the Hugging Face hub, or (hub_id None) somewhere that needs a step by hand.

    files: paths inside the repository. follows: a pipeline file among them whose stems name further files.
    gated: the owner's terms must be accepted on the hub first. commercial: whether the licence allows such use;
    "ask" where the terms must be read for the case at hand. remark: what a user should know before fetching.
    """

    name: str
    purpose: str
    hub_id: str | None
    revision: str | None
    files: tuple[str, ...]
    size_bytes: int
    licence: str
    gated: bool
    commercial: Commercial
    follows: str | None = None
    remark: str = ""


_DECODERS = ("ss_dec_conv3d_16l8_fp16", "shape_dec_next_dc_f16c32_fp16", "tex_dec_next_dc_f16c32_fp16")
_FLOWS = (
    "ss_flow_img_dit_1_3B_64_bf16",
    "slat_flow_img2shape_dit_1_3B_512_bf16",
    "slat_flow_img2shape_dit_1_3B_1024_bf16",
    "slat_flow_imgshape2tex_dit_1_3B_1024_bf16",
)
_DINOV3_FILES = ("config.json", "model.safetensors")
_DINOV3_BYTES = 1_210_000_000
_PIXAL3D_BYTES = 24_050_000_000
_PIXAL3D_REMARK = "Code and weights are stated to be MIT; read the model card's own terms on regions and use first."
# Of a Stable Diffusion XL pipeline in half precision, as diffusers reads it.
_SDXL_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    *(f"text_encoder{n}/{file}" for n in ("", "_2") for file in ("config.json", "model.fp16.safetensors")),
    *(
        f"tokenizer{n}/{file}"
        for n in ("", "_2")
        for file in ("merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json")
    ),
    *(
        f"{net}/{file}"
        for net in ("unet", "vae")
        for file in ("config.json", "diffusion_pytorch_model.fp16.safetensors")
    ),
)
_FLUX_FILL_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    *(f"text_encoder_2/model-0000{n}-of-00002.safetensors" for n in (1, 2)),
    "text_encoder_2/model.safetensors.index.json",
    *(f"tokenizer/{file}" for file in ("merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json")),
    *(f"tokenizer_2/{file}" for file in ("special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")),
    "transformer/config.json",
    *(f"transformer/diffusion_pytorch_model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)),
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)


def _checkpoint_files(pipeline: str, stems: tuple[str, ...]) -> tuple[str, ...]:
    return (pipeline, *(f"ckpts/{stem}{suffix}" for stem in stems for suffix in (".json", ".safetensors")))


_DEPTH_ANYTHING_FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


def _depth_anything(size: str, size_bytes: int, licence: str, commercial: Commercial) -> PublishedWeights:
    """The three sizes have different licences: as their owners state in the repository Depth-Anything-V2."""
    return PublishedWeights(
        name=f"depth-anything-{size.lower()}",
        purpose="metric depth of rooms" + (", preset's choice" if size == "Small" else ""),
        hub_id=f"depth-anything/Depth-Anything-V2-Metric-Indoor-{size}-hf",
        revision=None,
        files=_DEPTH_ANYTHING_FILES,
        size_bytes=size_bytes,
        licence=licence,
        gated=False,
        commercial=commercial,
        remark="Depth for the estimator depth_anything; it does not tell the focal length.",
    )


_ALL = (
    PublishedWeights(
        name="pixal3d",
        purpose="generator, one picture per object",
        hub_id="TencentARC/Pixal3D",
        revision=None,
        files=_checkpoint_files("pipeline.json", (*_DECODERS, *_FLOWS)),
        follows="pipeline.json",
        size_bytes=_PIXAL3D_BYTES,
        licence="MIT",
        gated=False,
        commercial="ask",
        remark=_PIXAL3D_REMARK,
    ),
    PublishedWeights(
        name="pixal3d-mv",
        purpose="generator, several posed pictures per object",
        hub_id="TencentARC/Pixal3D",
        revision=None,
        files=_checkpoint_files("pipeline_mv.json", (*_DECODERS, *(f"{stem}_mv" for stem in _FLOWS))),
        follows="pipeline_mv.json",
        size_bytes=_PIXAL3D_BYTES,
        licence="MIT",
        gated=False,
        commercial="ask",
        remark=_PIXAL3D_REMARK,
    ),
    PublishedWeights(
        name="dinov3",
        purpose="image features of the generator (ungated mirror)",
        hub_id="camenduru/dinov3-vitl16-pretrain-lvd1689m",
        revision=None,
        files=_DINOV3_FILES,
        size_bytes=_DINOV3_BYTES,
        licence="DINOv3 License (Meta)",
        gated=False,
        commercial="yes",
        remark="A mirror by a third party; Meta's licence applies all the same. dinov3-meta is the original.",
    ),
    PublishedWeights(
        name="dinov3-meta",
        purpose="image features of the generator (the original)",
        hub_id="facebook/dinov3-vitl16-pretrain-lvd1689m",
        revision=None,
        files=_DINOV3_FILES,
        size_bytes=_DINOV3_BYTES,
        licence="DINOv3 License (Meta)",
        gated=True,
        commercial="yes",
        remark="Name it as generate.pixal3d.image_encoder in a config file to use it.",
    ),
    PublishedWeights(
        name="naf",
        purpose="feature upsampler of the generator",
        hub_id=None,
        revision=None,
        files=("naf.safetensors",),
        size_bytes=2_650_000,
        licence="Apache-2.0",
        gated=False,
        commercial="yes",
        remark="Published as a .pth release of github.com/valeoai/NAF; docs/weights.md converts it once.",
    ),
    PublishedWeights(
        name="sdxl-inpainting",
        purpose="hidden parts (run --complete)",
        hub_id="diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        revision=None,
        files=_SDXL_FILES,
        size_bytes=6_940_000_000,
        licence="CreativeML Open RAIL++-M",
        gated=False,
        commercial="yes",
        remark="The licence forbids the uses in its Attachment A, and that condition must be passed on.",
    ),
    PublishedWeights(
        name="flux-fill",
        purpose="hidden parts (run --complete), larger network",
        hub_id="black-forest-labs/FLUX.1-Fill-dev",
        revision=None,
        files=_FLUX_FILL_FILES,
        size_bytes=33_730_000_000,
        licence="FLUX.1 [dev] Non-Commercial License",
        gated=True,
        commercial="no",
        remark="Never a default; name it as complete.weights in a config file to use it.",
    ),
    _depth_anything("Small", 99_200_000, "Apache-2.0", "yes"),
    _depth_anything("Base", 390_000_000, "CC-BY-NC-4.0", "no"),
    _depth_anything("Large", 1_341_000_000, "CC-BY-NC-4.0", "no"),
    PublishedWeights(
        name="depth-pro",
        purpose="metric depth with focal length",
        hub_id="apple/DepthPro-hf",
        revision=None,
        files=("config.json", "model.safetensors"),
        size_bytes=1_904_000_000,
        licence="Apple ML Research Model (apple-amlr)",
        gated=False,
        commercial="no",
        remark='For research only, so no preset uses it: depth.estimator = "depth_pro" in a config file does.',
    ),
)

REGISTRY: Mapping[str, PublishedWeights] = MappingProxyType({weights.name: weights for weights in _ALL})


def published(name: str) -> PublishedWeights:
    """The entry of a name; raises InputError with the names that exist."""
    if name not in REGISTRY:
        raise InputError(f"There are no weights {name!r}; choose one of: {', '.join(REGISTRY)}.")
    return REGISTRY[name]


def published_as(hub_id: str) -> PublishedWeights | None:
    """The first entry that lives in a hub repository."""
    return next((weights for weights in REGISTRY.values() if weights.hub_id == hub_id), None)
