"""Meshes with their material, and the object that a generator makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from .arrays import freeze
from .frames import Similarity

Status = Literal["generated", "lifted", "box", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """glTF metallic-roughness material. base_colour: sRGB texture, RGB or RGBA, or None for a plain colour."""

    base_colour: UInt8[np.ndarray, "h w c"] | None = None
    base_colour_factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    metallic: float = 0.0
    roughness: float = 0.8
    double_sided: bool = False

    def __post_init__(self) -> None:
        freeze(self, "base_colour")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """Triangles with counter-clockwise front faces. The frame is named by the field that holds the mesh.

    uv: glTF convention, origin at the top-left corner of the texture, v down. None without a texture.
    colours: RGBA per vertex, sRGB-coded, None without.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    uv: Float[np.ndarray, "V 2"] | None = None
    colours: UInt8[np.ndarray, "V 4"] | None = None

    def __post_init__(self) -> None:
        freeze(self, "vertices", "faces", "uv", "colours")

    def transformed(self, T: Similarity) -> Mesh:
        """The same triangles in another frame."""
        return replace(self, vertices=T.apply(self.vertices))

    @property
    def bounds(self) -> Float[np.ndarray, "2 3"]:
        """Lowest and highest corner of the axis-aligned box."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAsset:
    """One generated object in the generator's cube.

    mesh_obj: in `obj` (cube edges). camera_distance_obj: from the crop camera to the cube's centre, in cube
    edges; with it the scale is the only unknown of the placement (`frames.cropcam_from_obj`).
    expected_scale_m: cube edge in metres as the generator believes, None if it knows no metres.
    notes: what went differently than planned (a fall-back and its reason, ...).
    """

    mask_value: int
    mesh_obj: Mesh
    material: Material
    camera_distance_obj: float
    expected_scale_m: float | None
    generator: str
    status: Status
    notes: tuple[str, ...] = ()
