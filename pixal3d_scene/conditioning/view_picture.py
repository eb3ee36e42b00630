"""The picture of one object as the small networks see it: colours, mask, what hides it, and depth, in seven channels.

Pictures of the exact crop camera go in, in training as on a photo: rows downwards, pixel centres at +0.5. The cube
stands where the visible depth puts it: the median of the object's pixels lies `MEDIAN_OBJ` in front of its middle. So
what is seen has its place in the cube by all three axes, while neither the unit of a depth map nor its scale matters.
"""

from __future__ import annotations

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

# What a pixel shows (`region`).
BACKGROUND, OBJECT, HIDDEN = 0, 1, 2
VIEW_CHANNELS = ("red", "green", "blue", "is_object", "is_hidden", "depth", "depth_known")
# z in `obj` of the median visible depth, cube edges: a little before the middle, since the far side is not seen. Of the
# objects that a cube of 1.25 crops can hold somewhere along the axis it holds 93 of 100 here, and no more elsewhere.
MEDIAN_OBJ = 0.15
_FURTHEST_OBJ = 1.0  # cube edges before and behind the median; more is a wrong depth


def view_picture(
    rgb: UInt8[Tensor, "B 3 S S"],
    region: UInt8[Tensor, "B S S"],
    z_m: Float32[Tensor, "B S S"],
    camera_distance_obj: Float32[Tensor, "B"],
) -> Float32[Tensor, "B 7 S S"]:
    """The channels of `VIEW_CHANNELS`.

    rgb: sRGB, read on the object only. region: `BACKGROUND`, `OBJECT`, or `HIDDEN` by something nearer or beyond the
    photo. z_m: along the camera's axis; 0 or not finite where it is not known, which may be everywhere.
    camera_distance_obj: of the crop camera from the cube's centre, in cube edges.
    """
    is_object = region == OBJECT  # (B, S, S)
    known = is_object & torch.isfinite(z_m) & (z_m > 0)  # (B, S, S)
    known_z = torch.where(known, z_m, torch.nan).flatten(1)  # (B, S S)
    median = known_z.nanmedian(dim=1).values.nan_to_num(1.0)[:, None, None]  # (B, 1, 1)
    edges = (camera_distance_obj - MEDIAN_OBJ)[:, None, None]  # (B, 1, 1), from the camera to the median
    depth = (torch.where(known, z_m, median) / median - 1) * edges  # (B, S, S)
    return torch.cat(
        [
            rgb.float() / 255 * is_object[:, None],
            torch.stack(
                [
                    is_object.float(),
                    (region == HIDDEN).float(),
                    depth.clamp(-_FURTHEST_OBJ, _FURTHEST_OBJ),
                    known.float(),
                ],
                dim=1,
            ),
        ],
        dim=1,
    )  # (B, 7, S, S)
