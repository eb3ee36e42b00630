"""What goes wrong with photos, as functions from a picture to a worse one."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from pixal3d_scene.colour import linear_from_srgb, srgb_from_linear


def blurred(image: Image.Image, sigma_px: float) -> Image.Image:
    return Image.fromarray(gaussian_filter(np.asarray(image), (sigma_px, sigma_px, 0)))


def exposed(image: Image.Image, gain: float) -> Image.Image:
    """The light times `gain`, clipped as a sensor does."""
    light = linear_from_srgb(np.asarray(image) / 255) * gain
    return Image.fromarray((srgb_from_linear(np.clip(light, 0, 1)) * 255).round().astype(np.uint8))


def resized(image: Image.Image, factor: float, filter_: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), filter_)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def watermarked(image: Image.Image, *, rgba: tuple[int, int, int, int] = (255, 255, 255, 140)) -> Image.Image:
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    font = ImageFont.load_default(size=image.width // 18)
    for row in (0.2, 0.45, 0.7):
        at = (image.width * 0.08, image.height * row)
        ImageDraw.Draw(layer).text(at, "STOCK PHOTO sample image", fill=rgba, font=font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
