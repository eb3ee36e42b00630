"""Masks and depth at the size of the photo's file, whatever size was worked on."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt16

from pixal3d_scene.arrays import nearest
from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.given import GivenDepth, GivenMasks
from pixal3d_scene.models import Models
from pixal3d_scene.reconstruction import Reconstruction


def label_map_at_full_size(result: Reconstruction, models: Models) -> UInt16[np.ndarray, "H W"]:
    """Label map of the scene's objects; the user's own masks keep every pixel of their file."""
    photo, instances = result.photo, result.instances
    if photo.reduced_from_px is None:
        return np.asarray(instances.label_map)
    if not isinstance(models.segmenter, GivenMasks):
        return nearest(instances.label_map, photo.full_size_px)
    label_map = np.array(models.segmenter.at_full_size(photo).label_map)
    label_map[~np.isin(label_map, [item.mask_value for item in instances.items])] = 0
    return label_map


def depth_at_full_size(result: Reconstruction, models: Models) -> Depth:
    """Depth with the camera of that size; the user's own depth keeps every pixel of its file."""
    photo = result.photo
    if photo.reduced_from_px is not None and isinstance(models.depth, GivenDepth):
        return models.depth.at_full_size(result.depth, photo.full_size_px)
    return result.depth.resized(photo.full_size_px)
