"""The photo with its objects marked: photo and label map in, an sRGB picture with colours and names out."""

from __future__ import annotations

import colorsys

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import Image, ImageDraw, ImageFont

from ..instances import Instances
from ..photo import Photo

_TINT = 0.42
_SMALLEST_NAMED_PX = 120
_GOLDEN_RATIO = 0.618034
_TEXT_PADDING_PX = 3


def instance_colours(instances: Instances) -> dict[int, tuple[int, int, int]]:
    """One sRGB colour per mask value; neighbours in the list are far apart on the colour circle."""
    colours = {}
    for position, item in enumerate(instances.items):
        hue = (0.02 + position * _GOLDEN_RATIO) % 1
        value = 0.95 if (position // 8) % 2 == 0 else 0.75
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, value)
        colours[item.mask_value] = (round(255 * red), round(255 * green), round(255 * blue))
    return colours


def mask_overlay(photo: Photo, instances: Instances, *, longest_side_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """Tinted and outlined masks with their names; a name that would cover another one is left out."""
    scale = min(1.0, longest_side_px / max(photo.size_px))
    size_px = (max(round(photo.size_px[0] * scale), 1), max(round(photo.size_px[1] * scale), 1))
    picture = np.array(photo.image.resize(size_px, Image.Resampling.BOX), dtype=np.float64)
    labels = np.asarray(Image.fromarray(np.asarray(instances.label_map)).resize(size_px, Image.Resampling.NEAREST))
    colours = instance_colours(instances)
    palette = np.zeros((int(instances.label_map.max()) + 1, 3))
    for mask_value, colour in colours.items():
        palette[mask_value] = colour
    marked = labels > 0
    picture[marked] = (1 - _TINT) * picture[marked] + _TINT * palette[labels[marked]]
    outline = _outline(labels)
    picture[outline] = palette[labels[outline]]
    image = Image.fromarray(picture.round().astype(np.uint8))
    _write_names(image, labels, instances, colours)
    return np.asarray(image)


def _outline(labels: UInt16[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Mask pixels that touch another mask or none, two pixels wide."""
    inside = np.ones(labels.shape, dtype=bool)
    for step in (1, 2):
        inside[step:] &= labels[step:] == labels[:-step]
        inside[:-step] &= labels[:-step] == labels[step:]
        inside[:, step:] &= labels[:, step:] == labels[:, :-step]
        inside[:, :-step] &= labels[:, :-step] == labels[:, step:]
    return (labels > 0) & ~inside


def _write_names(
    image: Image.Image,
    labels: UInt16[np.ndarray, "h w"],
    instances: Instances,
    colours: dict[int, tuple[int, int, int]],
) -> None:
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, max(image.size) // 56))
    area_px = np.bincount(labels.ravel(), minlength=int(instances.label_map.max()) + 1)
    placed: list[tuple[float, float, float, float]] = []
    for item in sorted(instances.items, key=lambda item: -area_px[item.mask_value]):
        if area_px[item.mask_value] < _SMALLEST_NAMED_PX:
            break
        x_px, y_px = _middle_px(labels == item.mask_value)
        box = draw.textbbox((x_px, y_px), item.name, font=font, anchor="mm")
        dx = max(_TEXT_PADDING_PX - box[0], 0) - max(box[2] + _TEXT_PADDING_PX - image.width, 0)
        pill = (
            box[0] + dx - _TEXT_PADDING_PX,
            box[1] - _TEXT_PADDING_PX,
            box[2] + dx + _TEXT_PADDING_PX,
            box[3] + _TEXT_PADDING_PX,
        )
        if any(pill[0] < p[2] and p[0] < pill[2] and pill[1] < p[3] and p[1] < pill[3] for p in placed):
            continue
        placed.append(pill)
        draw.rounded_rectangle(pill, radius=4, fill=(20, 24, 28), outline=colours[item.mask_value])
        draw.text((x_px + dx, y_px), item.name, font=font, anchor="mm", fill=(255, 255, 255))


def _middle_px(mask: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """The mask pixel nearest to the mask's centroid: a name never lies beside its object."""
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return float(columns[nearest]) + 0.5, float(rows[nearest]) + 0.5
