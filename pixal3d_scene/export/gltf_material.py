"""Materials as core glTF 2.0: a `Material` enters, JSON and encoded texture bytes leave.

glTF keeps colours in two codings: textures are sRGB-coded, factors and vertex colours are linear.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from ..asset import Material
from ..colour import linear_from_srgb


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedTexture:
    """A picture file that glTF allows."""

    data: bytes
    mime_type: Literal["image/jpeg", "image/png"]


def encode_texture(picture: UInt8[np.ndarray, "h w c"], *, jpeg_quality: int) -> EncodedTexture:
    """JPEG, or PNG where a pixel is transparent: encoding PNG would take nearly all of the export's time."""
    buffer = io.BytesIO()
    if has_transparency(picture):
        Image.fromarray(np.asarray(picture)).save(buffer, format="PNG")
        return EncodedTexture(data=buffer.getvalue(), mime_type="image/png")
    opaque = np.ascontiguousarray(picture[..., :3])
    Image.fromarray(opaque).save(buffer, format="JPEG", quality=jpeg_quality)
    return EncodedTexture(data=buffer.getvalue(), mime_type="image/jpeg")


def has_transparency(picture: UInt8[np.ndarray, "h w c"]) -> bool:
    return picture.shape[2] == 4 and bool(picture[..., 3].min() < 255)


def material_json(name: str, material: Material, *, texture_index: int | None) -> dict[str, Any]:
    """The material's glTF entry; `texture_index` None where there is no texture or no uv to use it with."""
    surface: dict[str, Any] = {
        "baseColorFactor": [float(c) for c in material.base_colour_factor],
        "metallicFactor": float(material.metallic),
        "roughnessFactor": float(material.roughness),
    }
    if texture_index is not None:
        surface["baseColorTexture"] = {"index": texture_index}
    entry: dict[str, Any] = {"name": name, "pbrMetallicRoughness": surface}
    if material.double_sided:
        entry["doubleSided"] = True
    alpha_mode = _alpha_mode(material, textured=texture_index is not None)
    if alpha_mode != "OPAQUE":
        entry["alphaMode"] = alpha_mode
    return entry


def _alpha_mode(material: Material, *, textured: bool) -> str:
    """Cut-out where alpha is all or nothing, since engines draw that without sorting; else blended."""
    picture = material.base_colour
    if material.base_colour_factor[3] < 1:
        return "BLEND"
    if not textured or picture is None or not has_transparency(picture):
        return "OPAQUE"
    return "MASK" if bool(np.isin(picture[..., 3], (0, 255)).all()) else "BLEND"


def linear_vertex_colours(colours: UInt8[np.ndarray, "V 4"]) -> UInt16[np.ndarray, "V 4"]:
    """sRGB-coded RGBA as the linear, normalised COLOR_0 of glTF; 16 bit, since 8 would band in dark tones."""
    rgba = np.asarray(colours, dtype=np.float64) / 255
    rgba[:, :3] = linear_from_srgb(rgba[:, :3])
    return np.round(rgba * 65535).astype(np.uint16)
