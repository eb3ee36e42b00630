"""A photo as a user has it: any common file, EXIF orientation applied, focal length read."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from .arrays import freeze
from .distortion import Distortion
from .errors import InputError
from .panorama import refuse_panorama

SMALLEST_SIDE_PX = 32
_DIAGONAL_35MM_MM = 43.2666  # of the 36 x 24 mm frame that "35 mm equivalent" refers to
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One oriented photo.

    rgb: sRGB-coded, as a person would see it. focal_px: from EXIF, None without.
    notes: every change made while reading, for the report.
    reduced_from_px: (width, height) in the file, where `rgb` is smaller; results are written at that size.
    distortion: of the lens, taken out of `rgb`; the file still has it.
    """

    rgb: UInt8[np.ndarray, "H W 3"]
    file_name: str
    sha256: str
    focal_px: float | None = None
    notes: tuple[str, ...] = ()
    reduced_from_px: tuple[int, int] | None = None
    distortion: Distortion | None = None

    def __post_init__(self) -> None:
        freeze(self, "rgb")

    @property
    def size_px(self) -> tuple[int, int]:
        return self.rgb.shape[1], self.rgb.shape[0]

    @property
    def full_size_px(self) -> tuple[int, int]:
        """(width, height) of the oriented photo in the file."""
        return self.reduced_from_px or self.size_px

    @property
    def image(self) -> Image.Image:
        return Image.fromarray(np.asarray(self.rgb))


def read_photo(path: Path, *, max_megapixels: float = 50.0, allow_panorama: bool = False) -> Photo:
    """Read a photo file; raises InputError with the reason and the remedy if it cannot be used.

    allow_panorama: take a panorama as if one pinhole camera had seen it; else it is refused.
    """
    data = read_file(path, name=str(path))
    image = open_image(data, path, max_megapixels=max_megapixels)
    notes: list[str] = []
    with _damage_refused(path):
        _take_one_picture(image, path, notes)
        bits = _bits_per_colour(image, data)
        if bits > 8:
            notes.append(f"The photo's {bits}-bit colours were brought to 8 bit.")
        oriented, focal_mm = _apply_exif(image, notes)
    rgb = _as_rgb(_in_srgb(oriented, notes), notes)
    if min(rgb.size) < SMALLEST_SIDE_PX:
        raise InputError(
            f"{path} is {rgb.width} x {rgb.height} px, smaller than {SMALLEST_SIDE_PX} px; use a larger photo."
        )
    if not allow_panorama:
        refuse_panorama(rgb, data, path)
    # The 35 mm equivalent refers to the picture's diagonal.
    focal_px = None if focal_mm is None else focal_mm / _DIAGONAL_35MM_MM * float(np.hypot(*rgb.size))
    return Photo(
        rgb=np.array(rgb, dtype=np.uint8),
        # A name that is no valid UTF-8 could not be written into JSON or HTML.
        file_name=os.fsencode(path.name).decode("utf-8", "replace"),
        sha256=hashlib.sha256(data).hexdigest(),
        focal_px=focal_px,
        notes=tuple(notes),
    )


def reduce_photo(photo: Photo, *, megapixels: float) -> Photo:
    """The photo at no more than so many megapixels, which bounds the memory and time of all that follows."""
    width, height = photo.size_px
    shrink = np.sqrt(width * height / (megapixels * 1e6))
    if shrink <= 1:
        return photo
    size_px = (max(int(width / shrink), 1), max(int(height / shrink), 1))
    note = (
        f"The photo's {width * height / 1e6:.1f} megapixels were worked on at {size_px[0]} x {size_px[1]} px "
        "(setting photo.working_megapixels); masks and depth are written at its full size."
    )
    return replace(
        photo,
        rgb=np.array(photo.image.resize(size_px, Image.Resampling.LANCZOS, reducing_gap=3.0)),
        focal_px=None if photo.focal_px is None else photo.focal_px * size_px[0] / width,
        notes=(*photo.notes, note),
        reduced_from_px=photo.full_size_px,
    )


def read_file(path: Path, *, name: str) -> bytes:
    """The content of a file of the user's, called `name` in the InputError.

    A pipe or a device is refused: it may never end, and it could not be read a second time.
    """
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise InputError(f"{name} is a folder; give a file.")
        if not stat.S_ISREG(kind):
            raise InputError(f"{name} is a pipe or a device; give a file.")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist; check the name.") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}); check its name and permissions.") from error
    if not data:
        raise InputError(f"{name} is an empty file; export or copy it again.")
    return data


def open_image(data: bytes, path: Path, *, max_megapixels: float) -> Image.Image:
    """Decode image bytes completely, with a limit on the size checked before anything is decoded."""
    with _damage_refused(path), _own_size_limit():
        image = (
            _open_heif(data) if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS else Image.open(io.BytesIO(data))
        )
        megapixels = image.width * image.height / 1e6
        if megapixels > max_megapixels:
            raise InputError(
                f"{path} has {round(megapixels, 3):g} megapixels, more than the limit of {max_megapixels:g}; "
                "shrink it or raise the limit with --max-megapixels."
            )
        image.load()
    return image


def _open_heif(data: bytes) -> Image.Image:
    """HEIC and HEIF, without registering anything in Pillow for the rest of the program.

    libheif turns and mirrors the picture as the file's own boxes say, and pi-heif sets the EXIF orientation, which
    says the same again, to 1: nothing is turned twice.
    """
    from pi_heif import HeifImageFile

    return HeifImageFile(io.BytesIO(data))


def _take_one_picture(image: Image.Image, path: Path, notes: list[str]) -> None:
    n_frames = getattr(image, "n_frames", 1)
    if n_frames <= 1:
        return
    if image.format == "HEIF":  # opened at its primary picture, which need not be the first one
        notes.append(f"{path.name} holds {n_frames} pictures; the main one is used.")
        return
    notes.append(f"{path.name} has {n_frames} frames; the first one is used.")
    image.seek(0)


@contextmanager
def _own_size_limit() -> Iterator[None]:
    """Pillow's own limit is off: it would refuse what `max_megapixels` allows."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _damage_refused(path: Path) -> Iterator[None]:
    """Whatever a decoder raises on the bytes of `path` becomes an InputError; its warnings are dropped."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path} is not a picture that can be read; give a JPEG, HEIC, AVIF, PNG, WebP, TIFF, GIF or BMP file."
        ) from error
    except Exception as error:  # Pillow's decoders raise nearly every built-in type on damaged data
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is damaged or cut off ({reason}); export or copy it again.") from error


def _apply_exif(image: Image.Image, notes: list[str]) -> tuple[Image.Image, float | None]:
    """The picture turned as its EXIF says, and the 35 mm equivalent focal length; damaged EXIF costs no photo."""
    try:
        exif = image.getexif()
        oriented = ImageOps.exif_transpose(image)
        focal_mm = _focal_length_mm(exif)
    except Exception:  # as above: the parser raises nearly every built-in type
        notes.append("The photo's EXIF data is damaged; it is shown as stored, without a focal length.")
        return image, None
    turned_by_decoder = image.info.get("original_orientation") not in (None, 0, 1)  # HEIC, see _open_heif
    if turned_by_decoder or exif.get(ExifTags.Base.Orientation, 1) not in (0, 1):
        notes.append("The photo was turned as its EXIF orientation says.")
    return oriented, focal_mm


def _in_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Phones save colours of wider spaces, such as Display P3, with the profile that says so."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip()
        if name.startswith("sRGB"):
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        notes.append("The photo's colour profile is damaged; its colours are taken as sRGB.")
        return image
    notes.append(f"The photo's colours were converted to sRGB from its profile ({name}).")
    return converted or image


def _as_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Any Pillow mode as 8-bit RGB, remembering what was done."""
    if image.mode == "RGB":
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        # What white is, the file does not say; floating point pictures usually go from 0 to 1.
        top = next((t for t in (1.0, 255.0) if values.max() <= t and (t > 1 or image.mode == "F")), 65535.0)
        kind = "floating point" if image.mode == "F" else "16-bit grey"
        notes.append(f"The photo's {kind} values were brought to 8 bit, {top:g} as white.")
        return Image.fromarray(np.clip(values / top * 255, 0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        if np.asarray(rgba)[..., 3].min() < 255:
            notes.append("The photo has transparency; it was put on white.")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    notes.append(f"The photo's colour mode {image.mode} was converted to RGB.")
    return image.convert("RGB")


def _bits_per_colour(image: Image.Image, data: bytes) -> int:
    """As the file stores them; Pillow keeps the upper 8 bits of colour pictures and mostly does not say so."""
    if image.format == "HEIF":
        return int(image.info.get("bit_depth", 8))
    with _own_size_limit(), Image.open(io.BytesIO(data)) as header:
        is_deep = header.mode in ("RGB", "RGBA") and any(";16" in str(tile[3]) for tile in header.tile)
    return 16 if is_deep else 8


def _focal_length_mm(exif: Image.Exif) -> float | None:
    """The 35 mm equivalent, None where it is missing or senseless."""
    value = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    try:
        focal_mm = float(value) if value is not None else 0.0
    except (TypeError, ValueError):
        return None
    return focal_mm if 1 < focal_mm < 2000 else None
