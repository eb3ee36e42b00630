from __future__ import annotations

import io

import numpy as np
import pytest
from hand_made_scene import marked_texture
from PIL import Image

from pixal3d_scene.asset import Material
from pixal3d_scene.colour import linear_from_srgb, srgb_from_linear
from pixal3d_scene.export.gltf_material import encode_texture, linear_vertex_colours, material_json


def test_opaque_texture_is_jpeg_with_its_corners_in_place():
    encoded = encode_texture(marked_texture(), jpeg_quality=95)
    picture = np.asarray(Image.open(io.BytesIO(encoded.data)))
    assert encoded.mime_type == "image/jpeg"
    assert picture.shape == (32, 32, 3)
    for row, column in ((4, 4), (4, 27), (27, 4), (27, 27)):
        assert np.abs(picture[row, column].astype(int) - marked_texture()[row, column]).max() < 8


def test_full_alpha_is_dropped_and_real_alpha_kept_exactly():
    opaque = np.dstack([marked_texture(), np.full((32, 32), 255, dtype=np.uint8)])
    assert encode_texture(opaque, jpeg_quality=90).mime_type == "image/jpeg"
    transparent = marked_texture(alpha=True)
    encoded = encode_texture(transparent, jpeg_quality=90)
    assert encoded.mime_type == "image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encoded.data))), transparent)


def test_jpeg_quality_counts():
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    sizes = [len(encode_texture(noise, jpeg_quality=quality).data) for quality in (30, 60, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.6 * sizes[2]


@pytest.mark.parametrize(
    ("material", "mode"),
    [
        (Material(), None),
        (Material(base_colour=marked_texture(alpha=True)), "MASK"),
        (Material(base_colour=np.full((4, 4, 4), 128, dtype=np.uint8)), "BLEND"),
        (Material(base_colour_factor=(1.0, 1.0, 1.0, 0.5)), "BLEND"),
    ],
)
def test_alpha_mode(material, mode):
    assert material_json("m", material, texture_index=0).get("alphaMode") == mode


def test_material_without_texture_says_so_and_keeps_its_factors():
    material = Material(base_colour_factor=(0.123456, 0.5, 0.25, 1.0), metallic=0.3, roughness=0.6, double_sided=True)
    entry = material_json("m", material, texture_index=None)
    assert entry["pbrMetallicRoughness"] == {
        "baseColorFactor": [0.123456, 0.5, 0.25, 1.0],
        "metallicFactor": 0.3,
        "roughnessFactor": 0.6,
    }
    assert entry["doubleSided"] is True


def test_vertex_colours_are_decoded_but_their_alpha_is_not():
    colours = np.array([[0, 188, 255, 128]], dtype=np.uint8)
    linear = linear_vertex_colours(colours) / 65535
    assert linear[0] == pytest.approx([0, 0.5029, 1, 128 / 255], abs=1e-4)


def test_srgb_round_trip():
    values = np.linspace(0, 1, 300).reshape(-1, 3)
    assert srgb_from_linear(linear_from_srgb(values)) == pytest.approx(values, abs=1e-6)
