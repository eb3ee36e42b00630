"""A photo as a user has it: any common file, EXIF orientation applied, focal length read."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from .arrays import freeze
from .errors import InputError

SMALLEST_SIDE_PX = 32
_DIAGONAL_35MM_MM = 43.2666  # of the 36 x 24 mm frame that "35 mm equivalent" refers to


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One oriented photo.

    rgb: sRGB-coded, as a person would see it. focal_px: from EXIF, None without.
    notes: every change made while reading, for the report.
    """

    rgb: UInt8[np.ndarray, "H W 3"]
    file_name: str
    sha256: str
    focal_px: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, "rgb")

    @property
    def size_px(self) -> tuple[int, int]:
        return self.rgb.shape[1], self.rgb.shape[0]

    @property
    def image(self) -> Image.Image:
        return Image.fromarray(np.asarray(self.rgb))


def read_photo(path: Path, *, max_megapixels: float = 50.0) -> Photo:
    """Read a photo file; raises InputError with the reason and the remedy if it cannot be used."""
    if not path.exists():
        raise InputError(f"{path} does not exist; check the name.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a photo file.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions.") from error
    image = open_image(data, path, max_megapixels=max_megapixels)
    notes: list[str] = []
    with _damage_refused(path):
        n_frames = getattr(image, "n_frames", 1)
        if n_frames > 1:
            notes.append(f"{path.name} has {n_frames} frames; the first one is used.")
            image.seek(0)
        oriented, focal_mm = _apply_exif(image, notes)
    rgb = _as_rgb(oriented, notes)
    if min(rgb.size) < SMALLEST_SIDE_PX:
        raise InputError(
            f"{path} is {rgb.width} x {rgb.height} px, smaller than {SMALLEST_SIDE_PX} px; use a larger photo."
        )
    # The 35 mm equivalent refers to the picture's diagonal.
    focal_px = None if focal_mm is None else focal_mm / _DIAGONAL_35MM_MM * float(np.hypot(*rgb.size))
    return Photo(
        rgb=np.array(rgb, dtype=np.uint8),
        file_name=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        focal_px=focal_px,
        notes=tuple(notes),
    )


def open_image(data: bytes, path: Path, *, max_megapixels: float) -> Image.Image:
    """Decode image bytes completely, with a limit on the size checked before anything is decoded."""
    with _damage_refused(path):
        image = Image.open(io.BytesIO(data))
        megapixels = image.width * image.height / 1e6
        if megapixels > max_megapixels:
            raise InputError(
                f"{path} has {megapixels:.0f} megapixels, more than the limit of {max_megapixels:g}; "
                "shrink it or raise the limit with --max-megapixels."
            )
        image.load()
    return image


@contextmanager
def _damage_refused(path: Path) -> Iterator[None]:
    """Whatever a decoder raises on the bytes of `path` becomes an InputError; its warnings are dropped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} claims an enormous size ({error}); shrink it or raise the limit with --max-megapixels."
        ) from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path} is not a picture that can be read; give a JPEG, PNG, WebP, TIFF, GIF or BMP file."
        ) from error
    except Exception as error:  # Pillow's decoders raise nearly every built-in type on damaged data
        raise InputError(f"{path} is damaged or cut off ({error}); export or copy it again.") from error


def _apply_exif(image: Image.Image, notes: list[str]) -> tuple[Image.Image, float | None]:
    """The picture turned as its EXIF says, and the 35 mm equivalent focal length; damaged EXIF costs no photo."""
    try:
        exif = image.getexif()
        oriented = ImageOps.exif_transpose(image)
        focal_mm = _focal_length_mm(exif)
    except Exception:  # as above: the parser raises nearly every built-in type
        notes.append("The photo's EXIF data is damaged; it is shown as stored, without a focal length.")
        return image, None
    if exif.get(ExifTags.Base.Orientation, 1) not in (0, 1):
        notes.append("The photo was turned as its EXIF orientation says.")
    return oriented, focal_mm


def _as_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Any Pillow mode as 8-bit RGB, remembering what was done."""
    if image.mode == "RGB":
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max() > 255 else 255.0
        notes.append("The photo's 16-bit grey values were brought to 8 bit.")
        return Image.fromarray(np.clip(values / top * 255, 0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if np.asarray(rgba)[..., 3].min() < 255:
            notes.append("The photo has transparency; it was put on white.")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    notes.append(f"The photo's colour mode {image.mode} was converted to RGB.")
    return image.convert("RGB")


def _focal_length_mm(exif: Image.Exif) -> float | None:
    """The 35 mm equivalent, None where it is missing or senseless."""
    value = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    try:
        focal_mm = float(value) if value is not None else 0.0
    except (TypeError, ValueError):
        return None
    return focal_mm if 1 < focal_mm < 2000 else None
