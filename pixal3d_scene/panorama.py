"""Panoramas are refused: stitched or 360 degree pictures have no single pinhole camera, which everything here needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from .errors import InputError

WIDEST_ASPECT = 2.4  # cinema formats end at 2.39; sweeping a phone gives 3 and more
_SPHERE_ASPECT = 2.0
_MARKER = b"GPano:ProjectionType"  # Photo Sphere XMP metadata, written by phones, 360 degree cameras and stitchers
_SAMPLED_PX = (256, 128)


def refuse_panorama(image: Image.Image, data: bytes, path: Path) -> None:
    """Raise InputError where an oriented picture (with its file's bytes) is a panorama."""
    reason = _reason(image, data)
    if reason is not None:
        raise InputError(
            f"{path} is a panorama ({reason}), and a room is reconstructed from a photo of one plain camera; give such "
            "a photo, or set photo.allow_panorama in a --config file to take it as one."
        )


def _reason(image: Image.Image, data: bytes) -> str | None:
    if _MARKER in data:
        return "its Photo Sphere metadata says so"
    aspect = max(image.size) / min(image.size)
    if aspect > WIDEST_ASPECT:
        return f"{image.width} x {image.height} px are {aspect:.1f} to 1, more than {WIDEST_ASPECT:g} to 1"
    if abs(image.width / image.height - _SPHERE_ASPECT) < 0.01 * _SPHERE_ASPECT and _closes_like_a_sphere(image):
        return "2 to 1, and its left and right edges continue each other"
    return None


def _closes_like_a_sphere(image: Image.Image) -> bool:
    """Equirectangular: the last column continues in the first one, and the upper and lower rows are single points.

    All three are asked for, since the two sides of a photo of a plain wall may match by chance.
    """
    small = np.asarray(image.resize(_SAMPLED_PX, Image.Resampling.BOX), dtype=np.float64)
    beside = _median_step(small[:, :-1], small[:, 1:])
    seam = _median_step(small[:, -1:], small[:, :1])
    poles = max(float(row.std(axis=0).mean()) for row in (small[0], small[-1]))
    return seam <= 2 * beside + 2 and poles < 0.25 * float(small.std(axis=(0, 1)).mean())


def _median_step(a: Float[np.ndarray, "h w 3"], b: Float[np.ndarray, "h w 3"]) -> float:
    return float(np.median(np.abs(a - b).mean(axis=(1, 2))))
