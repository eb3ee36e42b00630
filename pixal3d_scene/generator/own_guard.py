"""Is a generated object what the photo shows? A solid in `obj` and the object's pixels in; a fit, or a refusal, out.

The photo says where the object's outline runs and, up to one scale, how far each of its pixels is. A network of a few
million weights gets some objects wrong, and these are better lifted than shown. Frames: `obj`; crop px of the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from ..asset import Mesh
from ..conditioning.view_picture import BACKGROUND, HIDDEN, OBJECT
from ..crop import CropVolume
from ..errors import StageFailed
from ..frames import cropcam_from_obj
from ..mesh.raycast import view
from .own_solid import SolidField, without_crumbs
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
# The outline of the mask is believed to a pixel.
_SLACK_PX = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """scale_m: length of the cube's edge by the visible depth. iou: of the outlines. depth_error_obj: cube edges."""

    scale_m: float
    iou: float
    depth_error_obj: float


def refuse_hopeless(volume: CropVolume, pixels: ObjectPixels) -> None:
    """Raise StageFailed for what the networks cannot know: cut objects, and those without depth."""
    if _share_at_border(volume.mask) > _MOST_AT_BORDER:
        raise StageFailed("generate", "the photo's border cuts it", object_name=volume.name)
    known = int((pixels.z_m > 0).sum())
    if known < _FEWEST_PX:
        raise StageFailed("generate", f"only {known} of its pixels have a usable depth", object_name=volume.name)


def fit_to_photo(mesh_obj: Mesh, pixels: ObjectPixels, *, camera_distance_obj: float) -> Fit:
    """Compare a mesh with the photo through the crop camera; raises StageFailed where they do not agree."""
    T_cropcam_from_obj = cropcam_from_obj(scale_m=1.0, camera_distance_obj=camera_distance_obj)  # in cube edges
    hits = view([mesh_obj.transformed(T_cropcam_from_obj)], pixels.camera)
    drawn, own, hidden = hits.hit & (hits.t > 0), pixels.region == OBJECT, pixels.region == HIDDEN
    iou = float((drawn & own).sum() / max(((drawn | own) & ~hidden).sum(), 1))
    both = drawn & (pixels.z_m > 0)
    if iou < LEAST_IOU or both.sum() < _FEWEST_PX:
        raise StageFailed("generate", f"its outline agrees with the mask by {iou:.0%} only, {LEAST_IOU:.0%} is needed")
    scale_m = float(np.median(pixels.z_m[both] / hits.t[both]))
    error = float(np.median(np.abs(pixels.z_m[both] / scale_m - hits.t[both])))
    if error > LARGEST_DEPTH_ERROR:
        raise StageFailed("generate", f"its visible side is {error * scale_m:.2f} m from where the depth has it")
    return Fit(scale_m=scale_m, iou=iou, depth_error_obj=error)


def carved(solid: SolidField, pixels: ObjectPixels, *, camera_distance_obj: float) -> tuple[SolidField, float]:
    """The solid without what lies on pixels that see past the object, and the share that this was of it."""
    T_cropcam_from_obj = cropcam_from_obj(scale_m=1.0, camera_distance_obj=camera_distance_obj)
    points_cropcam = T_cropcam_from_obj.apply(solid.points_obj())  # (nx, ny, nz, 3)
    z = np.maximum(points_cropcam[..., 2], 1e-3)
    edge_px = _sampled(_edge_px(pixels.region != BACKGROUND), (points_cropcam / z[..., None]) @ pixels.camera.K.T)
    hull = ((edge_px + _SLACK_PX) * z / pixels.camera.K[0, 0]).astype(np.float32)
    field = np.minimum(solid.field, hull)
    filled = solid.field > 0
    share = float((filled & (field <= 0)).sum() / max(filled.sum(), 1))
    return without_crumbs(replace(solid, field=field)), share


def _share_at_border(mask: Bool[np.ndarray, "H W"]) -> float:
    at_border = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    return float(at_border / (2 * (mask.any(axis=0).sum() + mask.any(axis=1).sum())))


def _edge_px(inside: Bool[np.ndarray, "S S"]) -> Float[np.ndarray, "S S"]:
    """Distance of every pixel's centre to the outline, positive inside; the picture's frame is no outline."""
    from scipy.ndimage import distance_transform_edt

    if inside.all():
        return np.full(inside.shape, np.inf)
    inner, outer = (np.asarray(distance_transform_edt(side)) for side in (inside, ~inside))
    return np.where(inside, inner - 0.5, 0.5 - outer)


def _sampled(values: Float[np.ndarray, "S S"], at_px: Float[np.ndarray, "nx ny nz _"]) -> Float[np.ndarray, "nx ny nz"]:
    """Between pixel centres linearly; beyond the picture nothing is known, and nothing carved."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(
        values, [at_px[..., 1] - 0.5, at_px[..., 0] - 0.5], order=1, mode="constant", cval=np.float64(1e3)
    )
