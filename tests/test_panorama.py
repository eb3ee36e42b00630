"""Stitched and 360 degree pictures are refused, wide photos of one camera are not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixal3d_scene.errors import InputError
from pixal3d_scene.panorama import refuse_panorama
from pixal3d_scene.photo import read_photo

NOISE = np.random.default_rng(0)


def sphere(width: int = 512) -> Image.Image:
    """An equirectangular picture of smooth directions: continuous over its seam, constant at its poles."""
    longitude, latitude = np.meshgrid(
        (np.arange(width) + 0.5) / width * 2 * np.pi, (np.arange(width // 2) + 0.5) / width * 2 * np.pi
    )
    x, y, z = np.sin(latitude) * np.cos(longitude), np.cos(latitude), np.sin(latitude) * np.sin(longitude)
    channels = [128 + 60 * np.sin(3 * x + k) * np.cos(2 * z - k) + 30 * y for k in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def refused(image: Image.Image, data: bytes = b"") -> bool:
    try:
        refuse_panorama(image, data, Path("room.jpg"))
    except InputError as error:
        assert "panorama" in str(error)  # noqa: PT017 - whether it is refused is what is asked
        return True
    return False


def test_a_sphere_is_recognised_by_its_seam_and_poles() -> None:
    assert refused(sphere())
    rolled = np.roll(np.asarray(sphere()), 100, axis=1)  # where the seam lies does not matter
    assert refused(Image.fromarray(rolled))
    part = sphere(600).crop((50, 20, 550, 270))  # 2 to 1 as well, but a cut-out
    assert not refused(part)


@pytest.mark.parametrize(("size_px", "expected"), [
    ((240, 100), False), ((239, 100), False), ((241, 100), True), ((100, 241), True), ((1600, 400), True),
    ((400, 300), False), ((300, 400), False), ((2000, 1000), False), ((1000, 2000), False),
])  # fmt: skip
def test_long_pictures_are_refused_either_way_up(size_px: tuple[int, int], expected: bool) -> None:
    picture = NOISE.integers(0, 255, (size_px[1], size_px[0], 3), dtype=np.uint8)
    assert refused(Image.fromarray(picture)) == expected


def test_a_symmetric_plain_wall_of_2_to_1_is_a_photo() -> None:
    y = np.linspace(200, 90, 256)[:, None, None]
    x = np.cos(np.linspace(-1, 1, 512))[None, :, None]
    assert not refused(Image.fromarray((y * x * np.ones(3)).astype(np.uint8)))


def test_photo_sphere_metadata_is_believed_and_can_be_overruled(tmp_path: Path) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" '
        b'GPano:ProjectionType="equirectangular"/></rdf:RDF></x:xmpmeta>'
    )
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300)).save(buffer, format="JPEG", xmp=xmp)
    (tmp_path / "sphere.jpg").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"Photo Sphere.*allow_panorama"):
        read_photo(tmp_path / "sphere.jpg")
    assert read_photo(tmp_path / "sphere.jpg", allow_panorama=True).size_px == (400, 300)
