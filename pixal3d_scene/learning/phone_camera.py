"""From linear light to the picture that a phone would give: exposure, white balance, tone curve, blur, noise, JPEG.

Every picture has a random state of its own, so that it does not hang on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float32, UInt8

_LUMINANCE = (0.2126, 0.7152, 0.0722)


def developed(
    light: Float32[Tensor, "B H W 3"], seeds: Sequence[int], metered: Float32[Tensor, "h w 3"] | None = None
) -> UInt8[Tensor, "B 3 H W"]:
    """sRGB pictures of linear light.

    metered: what exposure and white balance go by, where the pictures are parts of a larger one; else each by itself.
    """
    pictures = []
    for picture, seed in zip(light, seeds, strict=True):
        rng = np.random.default_rng([seed, 11])
        generator = torch.Generator(device=light.device).manual_seed(seed)
        by = (picture if metered is None else metered).permute(2, 0, 1)
        pictures.append(_developed(picture.permute(2, 0, 1), by, rng, generator))
    return torch.stack(pictures)


def _developed(
    light: Float32[Tensor, "3 H W"],
    metered: Float32[Tensor, "3 h w"],
    rng: np.random.Generator,
    generator: torch.Generator,
) -> UInt8[Tensor, "3 H W"]:
    light = _vignetted(light * _exposure(metered, rng), float(rng.uniform(0, 0.3)) if rng.random() < 0.6 else 0.0)
    if rng.random() < 0.55:
        light = _blurred(light, float(rng.uniform(0.3, 0.9)))
    if rng.random() < 0.7:
        light = _noisy(light, float(rng.uniform(0.002, 0.035)), rng, generator)
    coded = _toned(light, rng)
    if rng.random() < 0.25:  # sharpened, as phones do
        coded = (coded + float(rng.uniform(0.2, 0.8)) * (coded - _blurred(coded, 0.8))).clamp(0, 1)
    if rng.random() < 0.6:
        coded = jpeg_like(coded, float(rng.uniform(25, 95)))
    return (coded * 255).round().clamp(0, 255).to(torch.uint8)


def _exposure(light: Float32[Tensor, "3 H W"], rng: np.random.Generator) -> Float32[Tensor, "3 1 1"]:
    """The gains that make the brighter part of the picture 0.22 to 0.7; white balance a little off."""
    weights = torch.tensor(_LUMINANCE, device=light.device)
    luminance = torch.einsum("c,chw->hw", weights, light)
    key = torch.quantile(luminance.flatten()[::7], float(rng.uniform(0.55, 0.85))).clamp_min(1e-4)
    warm, green = rng.normal(0, 0.07), rng.normal(0, 0.02)
    grey = light.mean(dim=(1, 2)) / light.mean().clamp_min(1e-6)
    corrected = grey ** -float(rng.uniform(0.3, 1.0))  # cameras take most of a lamp's colour back
    gains = torch.tensor([1 + warm, 1 + green, 1 - warm], device=light.device, dtype=torch.float32) * corrected
    return gains[:, None, None] * float(rng.uniform(0.22, 0.7)) / key


def _toned(light: Float32[Tensor, "3 H W"], rng: np.random.Generator) -> Float32[Tensor, "3 H W"]:
    """A shoulder for the highlights, contrast, saturation, and the sRGB curve."""
    shoulder = float(rng.uniform(0.5, 1.0))
    rolled = 1 - torch.exp(-1.25 * light.clamp_min(0))
    light = shoulder * rolled + (1 - shoulder) * light.clamp(0, 1)
    grey = torch.einsum("c,chw->hw", torch.tensor(_LUMINANCE, device=light.device), light)
    light = (grey + float(rng.uniform(0.65, 1.25)) * (light - grey)).clamp(0, 1)
    coded = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp_min(1e-6) ** (1 / 2.4) - 0.055)
    contrast = float(rng.normal(0.12, 0.15))
    s_curve = coded * coded * (3 - 2 * coded)
    return (coded + contrast * (s_curve - coded)).clamp(0, 1)


def _vignetted(light: Float32[Tensor, "3 H W"], strength: float) -> Float32[Tensor, "3 H W"]:
    if strength == 0.0:
        return light
    _, height, width = light.shape
    y = torch.linspace(-1, 1, height, device=light.device)[:, None]
    x = torch.linspace(-1, 1, width, device=light.device)[None]
    return light * (1 - strength * (x * x + y * y) / 2)


def _blurred(picture: Float32[Tensor, "3 H W"], sigma_px: float) -> Float32[Tensor, "3 H W"]:
    offsets = torch.arange(-2, 3, device=picture.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(picture[None], (2, 2, 2, 2), mode="replicate")[0][:, None]  # (3, 1, H + 4, W + 4)
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))[:, 0]


def _noisy(
    light: Float32[Tensor, "3 H W"], sigma: float, rng: np.random.Generator, generator: torch.Generator
) -> Float32[Tensor, "3 H W"]:
    """Shot noise, often smeared by the camera's own denoising."""
    noise = torch.randn(light.shape, generator=generator, device=light.device)
    if rng.random() < 0.5:
        noise = 1.8 * _blurred(noise, float(rng.uniform(0.5, 1.0)))
    return light + sigma * (light.clamp_min(0) + 0.02).sqrt() * noise


def jpeg_like(coded: Float32[Tensor, "3 H W"], quality: float) -> Float32[Tensor, "3 H W"]:
    """Blocks of 8 x 8 whose cosine coefficients are rounded, as JPEG does (T.81, Annexes A and K)."""
    _, height, width = coded.shape
    full = F.pad(coded[None], (0, -width % 8, 0, -height % 8), mode="replicate")[0]
    to_ycc = torch.tensor(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], device=coded.device
    )
    ycc = torch.einsum("ij,jhw->ihw", to_ycc, full) * 255
    blocks = ycc.reshape(3, full.shape[1] // 8, 8, full.shape[2] // 8, 8).permute(0, 1, 3, 2, 4)
    n = torch.arange(8, device=coded.device, dtype=torch.float32)
    basis = torch.cos((2 * n[None] + 1) * n[:, None] * torch.pi / 16) * 0.5
    basis[0] *= 0.5**0.5
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    coarse = (8 + 6 * (n[:, None] + n[None])) * scale  # about the slope of the standard's tables
    steps = torch.stack([coarse, 1.4 * coarse, 1.4 * coarse])[:, None, None].clamp_min(1.0)
    coefficients = torch.einsum("ui,cyxij,vj->cyxuv", basis, blocks, basis)
    rounded = (coefficients / steps).round() * steps
    back = torch.einsum("ui,cyxuv,vj->cyxij", basis, rounded, basis)
    ycc = back.permute(0, 1, 3, 2, 4).reshape(full.shape) / 255
    rgb = torch.einsum("ij,jhw->ihw", torch.linalg.inv(to_ycc), ycc)
    return rgb[:, :height, :width].clamp(0, 1)
