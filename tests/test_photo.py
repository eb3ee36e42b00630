"""Photos as users have them: what is accepted looks as a person would see it, the rest is refused in a sentence."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, features

from pixal3d_scene.errors import InputError
from pixal3d_scene.photo import Photo, read_photo

RED, GREEN, BLUE, GREY = (200, 20, 30), (20, 180, 40), (30, 40, 220), (90, 90, 90)


def picture() -> np.ndarray:
    """48 x 64 px whose corners differ: red top left, green top right, blue bottom left."""
    rgb = np.full((48, 64, 3), GREY, dtype=np.uint8)
    rgb[:16, :16], rgb[:16, -16:], rgb[-16:, :16] = RED, GREEN, BLUE
    return rgb


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def read_bytes(folder: Path, data: bytes, name: str = "room.jpg") -> Photo:
    (folder / name).write_bytes(data)
    return read_photo(folder / name)


# --- accepted ---

# What the EXIF standard says of a stored picture: the sides of the visual picture where its row 0 and column 0 lie.
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stored_as(visual: np.ndarray, row_side: str, column_side: str) -> np.ndarray:
    """The visual picture as a camera stores it: rows counted from `row_side`, columns from `column_side`."""
    rows_then_columns = visual if row_side in ("top", "bottom") else visual.swapaxes(0, 1)
    if row_side in ("bottom", "right"):
        rows_then_columns = rows_then_columns[::-1]
    if column_side in ("bottom", "right"):
        rows_then_columns = rows_then_columns[:, ::-1]
    return np.ascontiguousarray(rows_then_columns)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_all_eight_orientations_are_shown_upright(orientation: int, kind: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(stored_as(picture(), *ORIENTATIONS[orientation]))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    photo = read_bytes(tmp_path, encoded(stored, kind, exif=exif, **options))
    np.testing.assert_array_equal(photo.rgb, picture())
    assert photo.size_px == (64, 48)
    if kind != "TIFF":  # Pillow turns TIFF files itself and says nothing
        assert any("orientation" in note for note in photo.notes) == (orientation != 1)


def test_a_pixel_is_where_the_file_has_it(tmp_path: Path) -> None:
    rgb = picture()
    rgb[5, 40] = (255, 0, 255)  # row 5, column 40: y, x
    photo = read_bytes(tmp_path, encoded(Image.fromarray(rgb), "PNG"))
    assert photo.rgb[5, 40].tolist() == [255, 0, 255]
    assert photo.image.getpixel((40, 5)) == (255, 0, 255)
    assert not photo.rgb.flags.writeable
    assert photo.notes == ()


def accepted() -> dict[str, tuple[bytes, int]]:
    """Files by kind, with the largest difference that their format makes."""
    rgb = Image.fromarray(picture())
    alpha = rgb.convert("RGBA")
    transparent = rgb.quantize(8)
    frames = [rgb, Image.new("RGB", rgb.size, "white"), Image.new("RGB", rgb.size, "black")]
    return {
        "jpeg": (encoded(rgb, "JPEG", quality=98, subsampling=0), 12),
        "cmyk": (encoded(rgb.convert("CMYK"), "JPEG", quality=98), 12),
        "alpha": (encoded(alpha, "PNG"), 0),
        "palette": (encoded(transparent, "PNG"), 1),
        "palette with transparency": (encoded(transparent, "PNG", transparency=7), 1),
        "animated gif": (encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 1),
        "bmp": (encoded(rgb, "BMP"), 0),
        "tiff": (encoded(rgb, "TIFF", compression="tiff_lzw"), 0),
    }


@pytest.mark.parametrize("kind", accepted())
def test_common_files_keep_their_colours(kind: str, tmp_path: Path) -> None:
    data, tolerance = accepted()[kind]
    photo = read_bytes(tmp_path, data)
    for at in ((4, 4), (4, 60), (44, 4), (24, 32)):
        np.testing.assert_allclose(photo.rgb[at].astype(int), picture()[at], atol=tolerance)
    plain = kind in ("jpeg", "bmp", "tiff", "alpha", "palette with transparency")
    assert bool(photo.notes) != plain, photo.notes


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_pictures_keep_their_values(bits: int, tmp_path: Path) -> None:
    grey = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8) * 2
    stored = grey if bits == 8 else grey.astype(np.uint16) * 257
    photo = read_bytes(tmp_path, encoded(Image.fromarray(stored), "PNG"))
    np.testing.assert_array_equal(photo.rgb, np.repeat(grey[..., None], 3, axis=-1))
    assert len(photo.notes) == 1


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    rgba = np.dstack([picture(), np.full((48, 64), 255, np.uint8)])
    rgba[:16, :16, 3] = 0
    rgba[-16:, :16, 3] = 128
    photo = read_bytes(tmp_path, encoded(Image.fromarray(rgba), "PNG"))
    assert photo.rgb[4, 4].tolist() == [255, 255, 255]
    np.testing.assert_allclose(photo.rgb[44, 4], (np.array(BLUE) + 255) / 2, atol=2)
    assert any("white" in note for note in photo.notes)


def test_the_first_frame_of_an_animation_is_used_and_noted(tmp_path: Path) -> None:
    data, _ = accepted()["animated gif"]
    assert any("3 frames" in note for note in read_bytes(tmp_path, data).notes)


# --- HEIC and AVIF, as phones save them ---


def as_heic(image: Image.Image, **options: object) -> bytes:
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=-1, **options)  # -1: lossless
    return buffer.getvalue()


def large_picture() -> np.ndarray:
    """`picture` four times as large: HEVC pads small ones."""
    return np.kron(picture(), np.ones((4, 4, 1), dtype=np.uint8))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_heic_is_turned_once(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 26
    stored = Image.fromarray(stored_as(large_picture(), *ORIENTATIONS[orientation]))
    photo = read_bytes(tmp_path, as_heic(stored, exif=exif.tobytes()), "phone.HEIC")
    assert photo.size_px == (256, 192)
    np.testing.assert_allclose(photo.rgb.astype(int), large_picture().astype(int), atol=4)  # YCbCr rounding
    assert photo.focal_px == pytest.approx(26 / np.hypot(36, 24) * 320, rel=1e-5)
    assert any("orientation" in note for note in photo.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_avif_is_turned_once(orientation: int, tmp_path: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow cannot read AVIF")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 26
    stored = Image.fromarray(stored_as(large_picture(), *ORIENTATIONS[orientation]))
    photo = read_bytes(
        tmp_path, encoded(stored, "AVIF", exif=exif.tobytes(), quality=100, subsampling="4:4:4"), "a.avif"
    )
    np.testing.assert_allclose(photo.rgb.astype(int), large_picture().astype(int), atol=6)
    assert photo.focal_px == pytest.approx(26 / np.hypot(36, 24) * 320, rel=1e-5)


def test_the_main_picture_of_a_heic_is_used(tmp_path: Path) -> None:
    import pillow_heif

    burst = pillow_heif.HeifFile()
    for image in (Image.new("RGB", (256, 192), "white"), Image.fromarray(large_picture())):
        burst.add_from_pillow(image)
    buffer = io.BytesIO()
    burst.save(buffer, quality=-1, primary_index=1)
    photo = read_bytes(tmp_path, buffer.getvalue(), "burst.heic")
    np.testing.assert_allclose(photo.rgb.astype(int), large_picture().astype(int), atol=4)
    assert any("2 pictures" in note for note in photo.notes)


def test_reading_heic_changes_nothing_in_pillow(tmp_path: Path) -> None:
    data = as_heic(Image.fromarray(large_picture()))
    openers = set(Image.OPEN)
    read_bytes(tmp_path, data, "a.heic")
    assert set(Image.OPEN) == openers


def test_only_a_heic_loads_its_decoder() -> None:
    program = "import sys, pixal3d_scene.photo; print('pi_heif' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def with_focal_length(millimetres: object) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = millimetres
    return encoded(Image.new("RGB", (400, 300)), "JPEG", exif=exif)


def test_the_exif_focal_length_refers_to_the_diagonal(tmp_path: Path) -> None:
    photo = read_bytes(tmp_path, with_focal_length(26))
    assert photo.focal_px == pytest.approx(26 / np.hypot(36, 24) * 500, rel=1e-5)


@pytest.mark.parametrize("nonsense", [0, 1, 5000])
def test_a_senseless_focal_length_is_ignored(nonsense: int, tmp_path: Path) -> None:
    assert read_bytes(tmp_path, with_focal_length(nonsense)).focal_px is None


def test_a_photo_without_exif_has_no_focal_length(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, encoded(Image.fromarray(picture()), "PNG")).focal_px is None


def test_the_checksum_is_the_files(tmp_path: Path) -> None:
    import hashlib

    data = encoded(Image.fromarray(picture()), "PNG")
    photo = read_bytes(tmp_path, data, "a room.png")
    assert photo.sha256 == hashlib.sha256(data).hexdigest()
    assert photo.file_name == "a room.png"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_damaged_exif_costs_no_photo(kind: str, tmp_path: Path) -> None:
    damaged = b"Exif\0\0" + b"MM\x01\x01" + bytes(range(40))
    data = encoded(Image.fromarray(picture()), kind, exif=damaged)
    photo = read_bytes(tmp_path, data)
    assert photo.size_px == (64, 48)
    assert photo.focal_px is None


# --- refused ---


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def refused() -> dict[str, tuple[bytes, str]]:
    """Files that cannot be used, with a word that the sentence must hold."""
    rgb = Image.fromarray(picture())
    jpeg, png, heic = encoded(rgb, "JPEG"), encoded(rgb, "PNG"), as_heic(Image.fromarray(large_picture()))
    return {
        "text": (b"This is not a photo.\n" * 50, "not a picture"),
        "empty": (b"", "is an empty file"),
        "half a jpeg": (jpeg[: len(jpeg) // 2], "damaged"),
        "half a png": (png[: len(png) // 2], "damaged"),
        "31 px": (encoded(Image.new("RGB", (200, 31)), "PNG"), "32 px"),
        "1 px": (encoded(Image.new("L", (1, 1)), "PNG"), "32 px"),
        "100 megapixels": (png_header(10_000, 10_000), "megapixels"),
        "40 gigapixels": (png_header(200_000, 200_000), "megapixels"),
        "a header without pixels": (png_header(64, 48), "damaged"),
        "half a heic": (heic[: len(heic) // 2], "damaged"),
        "a panorama": (encoded(Image.new("RGB", (300, 100)), "PNG"), "panorama"),
    }


@pytest.mark.parametrize("kind", refused())
def test_unusable_files_are_refused_by_name_with_a_remedy(kind: str, tmp_path: Path) -> None:
    data, word = refused()[kind]
    with pytest.raises(InputError, match=word) as error:
        read_bytes(tmp_path, data, "room.jpg")
    message = str(error.value)
    assert str(tmp_path / "room.jpg") in message
    assert message.endswith(".")
    assert ";" in message  # what and why; what to do
    assert "\n" not in message


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg does not exist"):
        read_photo(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="is a folder"):
        read_photo(tmp_path)


def test_the_limit_on_megapixels_can_be_moved(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (1000, 900)), "PNG"))
    assert read_photo(tmp_path / "a.png", max_megapixels=0.9).size_px == (1000, 900)
    with pytest.raises(InputError, match="--max-megapixels"):
        read_photo(tmp_path / "a.png", max_megapixels=0.89)


def test_the_limit_of_the_decoder_is_not_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (1000, 900)), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)  # far below what --max-megapixels allows
    assert read_photo(tmp_path / "a.png", max_megapixels=1.0).size_px == (1000, 900)
    assert Image.MAX_IMAGE_PIXELS == 100_000


fuzz = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
SEEDS = {
    kind: encoded(Image.fromarray(picture()), kind, **options)
    for kind, options in {"JPEG": {}, "PNG": {}, "GIF": {}, "TIFF": {}, "WEBP": {}, "BMP": {}, "PPM": {}}.items()
} | {"EXIF": with_focal_length(26)}


@fuzz
@given(data=st.binary(max_size=300), start=st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a"]))
def test_random_bytes_are_refused_and_nothing_else(data: bytes, start: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_bytes(tmp_path, start + data)


@pytest.mark.parametrize("kind", SEEDS)
@fuzz
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12), cut=st.floats(0.3, 3)
)
def test_damaged_files_are_read_or_refused(kind: str, changes: list, cut: float, tmp_path: Path) -> None:
    data = bytearray(SEEDS[kind])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    try:
        photo = read_bytes(tmp_path, bytes(data[: int(len(data) * cut)]))
    except InputError as error:
        assert "room.jpg" in str(error)  # noqa: PT017 - reading a damaged file may succeed
    else:
        assert min(photo.size_px) >= 32


def test_16_bit_colours_are_noted(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in (picture().astype(">u2") * 257))
    header = struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    photo = read_bytes(tmp_path, png, "deep.png")
    np.testing.assert_array_equal(photo.rgb, picture())
    assert any("16-bit colours" in note for note in photo.notes)


def test_floating_point_pictures_are_not_black(tmp_path: Path) -> None:
    grey = np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64)
    photo = read_bytes(tmp_path, encoded(Image.fromarray(grey), "TIFF"), "grey.tif")
    assert photo.rgb.max() == 255
    assert any("floating point" in note for note in photo.notes)


def _swapped_profile() -> bytes:
    """sRGB with red and blue exchanged: the entries of its tag table point to each other's numbers."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    start = profile.index(b"desc", 128 + 4)
    offset, size = struct.unpack(">II", profile[start + 4 : start + 12])
    text = profile[offset : offset + size]
    return profile.replace(text, text.replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be")))


def test_colours_are_read_through_the_photos_profile(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(picture()), "PNG", icc_profile=_swapped_profile())
    photo = read_bytes(tmp_path, data, "wide.png")
    np.testing.assert_allclose(photo.rgb.astype(int), picture()[..., ::-1].astype(int), atol=3)
    assert any("BGRs" in note for note in photo.notes)


@pytest.mark.parametrize(("profile", "notes"), [("sRGB", 0), ("damaged", 1)])
def test_srgb_and_damaged_profiles_leave_the_colours(tmp_path: Path, profile: str, notes: int) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(Image.fromarray(picture()), "PNG", icc_profile=srgb if profile == "sRGB" else srgb[:200])
    photo = read_bytes(tmp_path, data, "a.png")
    np.testing.assert_array_equal(photo.rgb, picture())
    assert len(photo.notes) == notes
