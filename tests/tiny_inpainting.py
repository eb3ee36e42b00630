"""Complete inpainting pipelines in a folder: tiny networks, random weights, and one painter that is known.

With random weights everything runs but nobody knows what is painted. With `colour`, the last layer of the picture
decoder ignores what comes before it and gives that colour everywhere, so that the result is known exactly.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

_WIDTH, _TOKENS = 16, 64


def write_tiny_inpainting(
    folder: Path, *, colour: tuple[float, float, float] | None = None, sample_size: int = 16, seed: int = 0
) -> Path:
    """A Stable Diffusion inpainting pipeline as published ones are saved. colour: 0 to 255, or NaN."""
    from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=sample_size,
        in_channels=9,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    pipeline = StableDiffusionInpaintPipeline(
        vae=_vae(colour),
        text_encoder=_text_encoder(),
        tokenizer=_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _saved(pipeline, folder)


def write_tiny_sdxl(folder: Path, *, colour: tuple[float, float, float] | None = None) -> Path:
    """A text-to-image pipeline of the XL kind, which the inpainting class of its kind takes over."""
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * _WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + _WIDTH,
    )
    pipeline = StableDiffusionXLPipeline(
        vae=_vae(colour, force_upcast=False),
        text_encoder=_text_encoder(),
        text_encoder_2=_text_encoder(CLIPTextModelWithProjection, projection_dim=_WIDTH),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        add_watermarker=False,
    )
    return _saved(pipeline, folder)


def write_tiny_flux_fill(folder: Path, *, colour: tuple[float, float, float] | None = None) -> Path:
    """A FLUX Fill pipeline: a transformer, two kinds of text encoder, flow matching."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxFillPipeline, FluxTransformer2DModel
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    torch.manual_seed(0)
    # Latents are packed 2 x 2; a mask has one channel per pixel of such a patch (the picture is 2 x as large).
    packed, mask = 4 * 4, 4 * 4
    transformer = FluxTransformer2DModel(
        in_channels=2 * packed + mask,
        out_channels=packed,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=_WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -2.0), ("▁", -2.0)]
    words += [(chr(code), -3.0) for code in range(ord("a"), ord("z") + 1)]
    t5 = T5Config(vocab_size=256, d_model=32, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    pipeline = FluxFillPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_vae(colour, shift_factor=0.1, scaling_factor=0.3),
        text_encoder=_text_encoder(),
        tokenizer=_tokenizer(),
        text_encoder_2=T5EncoderModel(t5),
        tokenizer_2=T5Tokenizer(vocab=words, model_max_length=_TOKENS),
        transformer=transformer,
    )
    return _saved(pipeline, folder)


def _vae(colour: tuple[float, float, float] | None, **options: Any) -> Any:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        **options,
    )
    if colour is not None:
        last = vae.decoder.conv_out
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(torch.tensor(colour) / 127.5 - 1)
    return vae


def _tokenizer() -> CLIPTokenizer:
    """Spells every word by its letters: no vocabulary to download."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=_TOKENS)


def _text_encoder(kind: Any = CLIPTextModel, **options: Any) -> Any:
    return kind(
        CLIPTextConfig(
            vocab_size=54,
            hidden_size=_WIDTH,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=_TOKENS,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=1,
            **options,
        )
    )


def _saved(pipeline: Any, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
