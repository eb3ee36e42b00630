"""A mask or depth picture of the user's: a path and the oriented photo's size in, a decoded picture out."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..errors import InputError
from ..photo import open_image, read_file

_KINDS = {
    "mask": "a PNG with a value for each object",
    "depth": "a 16 bit PNG in millimetres, or NPY or NPZ in metres",
}


def read_bytes(path: Path, *, what: str) -> bytes:
    """The content of a file of the user's; `what` names its role in the InputError."""
    return read_file(path, name=f"The {what} {path}")


def open_picture_of_photo(path: Path, size_px: tuple[int, int], *, what: str) -> Image.Image:
    """Decode a picture that has one pixel per photo pixel; raises InputError if it cannot be one.

    size_px: (width, height) of the photo after its EXIF orientation was applied.
    """
    data = read_bytes(path, what=what)
    header_size_px = _size_in_header(data)
    if header_size_px is not None:  # refused before a huge picture is decoded
        check_size(path, header_size_px, size_px, what=what)
    try:
        image = open_image(data, path, max_megapixels=size_px[0] * size_px[1] / 1e6)
    except InputError as error:
        if isinstance(error.__cause__, UnidentifiedImageError):  # photos may be of more kinds than these
            raise InputError(f"The {what} {path} is not a picture that can be read; give {_KINDS[what]}.") from error
        raise
    check_size(path, image.size, size_px, what=what)
    return image


def check_size(path: Path, got_px: tuple[int, int], photo_px: tuple[int, int], *, what: str) -> None:
    """Raise InputError unless the sizes (width, height) are the same."""
    if got_px == photo_px:
        return
    turned = got_px == photo_px[::-1]
    why = (
        "it is turned by 90 degrees: the photo's EXIF orientation is applied before anything else"
        if turned
        else "both need the same pixels"
    )
    raise InputError(
        f"The {what} {path} is {got_px[0]} x {got_px[1]} px, but the oriented photo is "
        f"{photo_px[0]} x {photo_px[1]} px; {why}, so give a {what} of the oriented photo's size."
    )


def _size_in_header(data: bytes) -> tuple[int, int] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data)).size
    except Exception:  # whatever is wrong with the bytes, open_image finds it again and says it well
        return None
