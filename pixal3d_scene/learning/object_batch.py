"""A batch of single objects with their truth: what the object networks are trained on.

Pictures are those of the exact crop camera (frame `crop`, pixel centres at +0.5), shapes are in the generator's cube
(`obj`). The crop camera looks at the cube's middle along -z of `obj` from `camera_distance_obj` cube edges away, as
`conditioning.view.front_view(fov_rad, distance=camera_distance_obj)`. Torch and numpy alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float32, Int64, UInt8

BACKGROUND, OBJECT, HIDDEN = 0, 1, 2  # values of `ObjectBatch.region`
EDGE_PX = 2  # how far pictures may reach beyond their object


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectGrid:
    """One object's surface as a flexible dual grid with colours, see `autoencoder.dual_grid`.

    coords: voxels of the cube of `resolution` voxels an edge, sorted by (x, y, z). offset_vox: in 0 to 1.
    edge_flags: of the edges x, y, z that the voxel owns. attributes: sRGB-coded base colour without light, metallic,
    roughness, alpha, in 0 to 1.
    """

    coords: UInt8[Tensor, "N 3"]
    offset_vox: Float32[Tensor, "N 3"]
    edge_flags: Bool[Tensor, "N 3"]
    attributes: Float32[Tensor, "N 6"]
    resolution: int

    def to(self, device: torch.device | str) -> ObjectGrid:
        """The same on another device."""
        names = ("coords", "offset_vox", "edge_flags", "attributes")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectBatch:
    """B objects.

    picture: sRGB crop, the object's visible pixels only, black elsewhere. region: BACKGROUND where one sees past the
    object, OBJECT, or HIDDEN where something nearer may cover it (see `object_region`) or the photo has ended.
    z_m: along the crop camera's axis, 0 where unknown and where region is not OBJECT. fov_rad: across the crop.
    camera_distance_obj: from the crop camera to the cube's middle. scale_m: length of the cube's edge.
    model: index into the pack. label: index into `vocabulary.LABELS`. seeds, number: its room, its instance id there.

    Batches that are drawn with their edges (`object_files.ObjectFiles.draw`) hold picture and z_m up to EDGE_PX pixels
    beyond the object as well, for masks that are a pixel too large; `without_edges` takes these away.
    """

    picture: UInt8[Tensor, "B 3 S S"]
    region: UInt8[Tensor, "B S S"]
    z_m: Float32[Tensor, "B S S"]
    fov_rad: Float32[Tensor, "B"]
    camera_distance_obj: Float32[Tensor, "B"]
    scale_m: Float32[Tensor, "B"]
    grids: tuple[ObjectGrid, ...]
    model: Int64[Tensor, "B"]
    label: Int64[Tensor, "B"]
    seeds: Int64[Tensor, "B"]
    number: Int64[Tensor, "B"]

    def __len__(self) -> int:
        return len(self.grids)

    def to(self, device: torch.device | str) -> ObjectBatch:
        """The same on another device."""
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "grids"}
        return ObjectBatch(**moved, grids=tuple(grid.to(device) for grid in self.grids))

    def without_edges(self) -> ObjectBatch:
        """Picture and depth on the object's pixels alone."""
        kept = self.region == OBJECT
        return replace(self, picture=self.picture * kept[:, None], z_m=self.z_m * kept)


def object_region(
    labels: Int64[Tensor, "H W"], z_m: Float32[Tensor, "H W"], number: int, in_photo: Bool[Tensor, "H W"]
) -> UInt8[Tensor, "H W"]:
    """The region of object `number` in its crop, from a label map and depth alone.

    labels: instance ids (0: the room itself). in_photo: pixels that the photo shows. HIDDEN is what lies outside the
    photo, and pixels of other objects that are nearer than the farthest visible point of this one.
    """
    own = (labels == number) & in_photo
    farthest_m = torch.where(own, z_m, torch.zeros_like(z_m)).amax()
    hides = (labels > 0) & ~own & (z_m < farthest_m)
    region = torch.where(hides | ~in_photo, HIDDEN, BACKGROUND)
    return torch.where(own, OBJECT, region).to(torch.uint8)
