"""The velocity network of Pixal3D: noisy tokens, time and picture in, velocity per token out.

Constructor arguments are those of the checkpoints' config files, parameter names those of their state dicts.
The torso (all linear layers inside the blocks) may run in half precision; the embedding of time, the shared
modulation, the first and the last layer stay in float32, as do norms and the blocks' own vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from ...conditioning.condition import Condition
from ...errors import InputError
from ..rope import ROPE_FREQ, rope_phasors
from .attention import CrossAttention, ImageTerms, ProjectedImageAttention, SelfAttention
from .blocks import FeedForward, ModulatedBlock, TimestepEmbedder
from .tokens import TokenLayout

_TORSO_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a flow needs of its objects in every sampling step and that no step changes.

    picture: the image terms of every block where they are kept, else the condition they are made of in each step.
    """

    layout: TokenLayout
    phasors: Complex[Tensor, "T pairs"]
    picture: tuple[ImageTerms, ...] | Condition

    def terms_of(self, blocks: Sequence[ModulatedBlock]) -> Iterator[ImageTerms]:
        if isinstance(self.picture, Condition):
            return (block.cross_attn.image_terms(self.picture) for block in blocks)
        return iter(self.picture)


class FlowTransformer(nn.Module):
    """Blocks in a row between two linear layers; `DenseFlow` and `SparseFlow` bring the tokens."""

    def __init__(
        self,
        *,
        resolution: int,
        in_channels: int,
        out_channels: int,
        model_channels: int,
        cond_channels: int,
        num_blocks: int,
        num_heads: int | None = None,
        num_head_channels: int = 64,
        mlp_ratio: float = 4.0,
        pe_mode: str = "rope",
        rope_freq: tuple[float, float] | list[float] = ROPE_FREQ,
        share_mod: bool = False,
        qk_rms_norm: bool = False,
        qk_rms_norm_cross: bool = False,
        image_attn_mode: str = "cross",
        proj_in_channels: int | None = None,
        dtype: str = "float32",
        **_without_effect: object,  # config files carry keys that matter in training only
    ) -> None:
        super().__init__()
        _check_choice("pe_mode", pe_mode, ("rope",))
        _check_choice("image_attn_mode", image_attn_mode, ("cross", "proj"))
        _check_choice("dtype", dtype, tuple(_TORSO_DTYPES))
        self.resolution = resolution
        heads = num_heads or model_channels // num_head_channels
        self.head_dim = model_channels // heads
        self.rope_freq = (float(rope_freq[0]), float(rope_freq[1]))
        self.t_embedder = TimestepEmbedder(model_channels)
        self.adaLN_modulation: nn.Module = nn.Identity()  # each block then has its own
        if share_mod:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(model_channels, 6 * model_channels))
        self.input_layer = nn.Linear(in_channels, model_channels)
        self.blocks = nn.ModuleList(
            ModulatedBlock(
                SelfAttention(model_channels, heads, qk_rms_norm=qk_rms_norm),
                _image_attention(
                    CrossAttention(model_channels, cond_channels, heads, qk_rms_norm=qk_rms_norm_cross),
                    image_attn_mode,
                    proj_in_channels or cond_channels,
                ),
                FeedForward(model_channels, int(model_channels * mlp_ratio)),
                channels=model_channels,
                share_mod=share_mod,
            )
            for _ in range(num_blocks)
        )
        self.out_layer = nn.Linear(model_channels, out_channels)
        self._start_as_identity()
        self.convert_torso(_TORSO_DTYPES[dtype])
        self.register_load_state_dict_pre_hook(_drop_rope_phases)  # type: ignore[no-untyped-call]

    @property
    def torso(self) -> list[ModulatedBlock]:
        return cast("list[ModulatedBlock]", list(self.blocks))

    def _start_as_identity(self) -> None:
        """Zero modulation and output, so that training starts from blocks that change nothing (DiT, "adaLN-Zero")."""
        modulations = [m for name, m in self.named_modules() if name.endswith("adaLN_modulation.1")]
        for layer in (*modulations, self.out_layer):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def convert_torso(self, dtype: torch.dtype) -> None:
        """Run the linear layers inside the blocks in `dtype`; everything else stays as it is."""
        self.torso_dtype = dtype
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)

    def prepare_tokens(
        self, coords: Int[Tensor, "T 3"], layout: TokenLayout, condition: Condition, *, keep: bool
    ) -> Prepared:
        """Everything about these tokens and this picture that does not depend on time.

        keep: hold every block's keys, values and projected features, T x C numbers per block; they come out the
        same to the byte as when each step computes them again.
        """
        condition = condition.to(self.torso_dtype)
        phasors = rope_phasors(coords, self.head_dim, self.rope_freq)  # (T, D/2)
        terms = tuple(block.cross_attn.image_terms(condition) for block in self.torso) if keep else condition
        return Prepared(layout=layout, phasors=phasors, picture=terms)

    def token_velocity(
        self, x: Float[Tensor, "T Cin"], t: Float[Tensor, "B"], prepared: Prepared
    ) -> Float[Tensor, "T Cout"]:
        """Velocity of every token. t: 1000 times the sampler's time, one per item."""
        time = self.adaLN_modulation(self.t_embedder(t)).to(self.torso_dtype)  # (B, 6C), or (B, C) if not shared
        h = self.input_layer(x).to(self.torso_dtype)  # (T, C)
        for block, terms in zip(self.torso, prepared.terms_of(self.torso), strict=True):
            h = block(h, time, prepared.layout, prepared.phasors, terms)  # (T, C)
        h = layer_norm(h.to(x.dtype), h.shape[-1:], eps=1e-5)  # (T, C)
        return self.out_layer(h)  # (T, Cout)


def _check_choice(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"A flow model with {key} {value!r} is not supported; known: {', '.join(known)}.")


def _image_attention(
    cross: CrossAttention, mode: str, proj_in_channels: int
) -> CrossAttention | ProjectedImageAttention:
    return ProjectedImageAttention(cross, proj_in_channels) if mode == "proj" else cross


def image_attn_mode_of(state_dict: Mapping[str, Any]) -> str:
    """The mode that a checkpoint was made for, where its config does not say."""
    return "proj" if "blocks.0.cross_attn.proj_linear.weight" in state_dict else "cross"


def _drop_rope_phases(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    """Some checkpoints store the phasors, which follow from the resolution: the one key that strict loading ignores."""
    state_dict.pop(prefix + "rope_phases", None)
