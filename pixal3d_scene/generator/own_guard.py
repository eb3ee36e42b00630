"""Is a generated object what the photo shows? A mesh in `obj` and the object's pixels in; a refusal, or none, out.

The photo says where the object's outline runs and how far each of its pixels is. A network of a few
million weights gets some objects wrong, and these are better lifted than shown. Frames: `obj`; crop px of the pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from ..asset import Mesh
from ..conditioning.view_picture import HIDDEN, OBJECT
from ..crop import CropVolume
from ..errors import StageFailed
from ..frames import cropcam_from_obj
from ..mesh.raycast import view
from .own_view import ObjectPixels

# Fewer pixels with depth say nothing about a scale, and fewer pixels at all nothing about a shape.
_FEWEST_PX = 24
# Of the outline that lies on the photo's border; the networks have seen no more (`learning.object_choice`).
_MOST_AT_BORDER = 0.12
# Intersection over union of the generated outline and the mask, where nothing hides the object.
LEAST_IOU = 0.7
# Median distance between the generated surface and the measured one along the rays, in cube edges: two voxels of 64.
# Crumbs of an early training cover masks by 0.85 already; their depths are off by 0.06 and more.
LARGEST_DEPTH_ERROR = 0.03


def refuse_hopeless(volume: CropVolume, pixels: ObjectPixels) -> None:
    """Raise StageFailed for what the networks cannot know: cut objects, and those without depth."""
    if _share_at_border(volume.mask) > _MOST_AT_BORDER:
        raise StageFailed("generate", "the photo's border cuts it", object_name=volume.name)
    known = int((pixels.z_m > 0).sum())
    if known < _FEWEST_PX:
        raise StageFailed("generate", f"only {known} of its pixels have a usable depth", object_name=volume.name)


def refuse_unlike(mesh_obj: Mesh, pixels: ObjectPixels, *, camera_distance_obj: float, scale_m: float) -> None:
    """Compare a mesh with the photo through the crop camera; raises StageFailed where they do not agree.

    scale_m: length of the cube's edge.
    """
    T_cropcam_from_obj = cropcam_from_obj(scale_m=scale_m, camera_distance_obj=camera_distance_obj)
    hits = view([mesh_obj.transformed(T_cropcam_from_obj)], pixels.camera)
    drawn, own, hidden = hits.hit & (hits.t > 0), pixels.region == OBJECT, pixels.region == HIDDEN
    iou = float((drawn & own).sum() / max(((drawn | own) & ~hidden).sum(), 1))
    both = drawn & (pixels.z_m > 0)
    if iou < LEAST_IOU or both.sum() < _FEWEST_PX:
        raise StageFailed("generate", f"its outline agrees with the mask by {iou:.0%} only, {LEAST_IOU:.0%} is needed")
    error_m = float(np.median(np.abs(pixels.z_m[both] - hits.t[both])))
    if error_m > LARGEST_DEPTH_ERROR * scale_m:
        raise StageFailed("generate", f"its visible side is {error_m:.2f} m from where the depth has it")


def _share_at_border(mask: Bool[np.ndarray, "H W"]) -> float:
    at_border = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    return float(at_border / (2 * (mask.any(axis=0).sum() + mask.any(axis=1).sum())))
