"""Contacts that the photo itself shows: where the picture goes on, at the same height, from an object's foot.

A crop volume enters; mask values of the objects that its foot touches leave, with the height of each contact in
world. Meshes are not asked: the part of a carrier that the carried object hides is often missing in them.
"""

from __future__ import annotations

import numpy as np

from ..crop import CropVolume

# Steps from the rim, px: masks and depth are mixed on the rim itself.
_INSIDE_PX, _OUTSIDE_PX = 2, 2
# The rim counts as foot within this height above the lowest visible point.
_FOOT_BAND_M = 0.08
# A contact is the same height up to depth noise and the object's own roundness. In plan the two may lie apart:
# at eye height the carrier's front edge hides the foot that stands behind it.
_SAME_HEIGHT_M = 0.06
_SAME_PLACE_M = 0.60
_FEWEST_SHARE = 0.2


def seen_contacts(volume: CropVolume) -> dict[int, float]:
    """Height (m) of each contact by the mask value of what is touched; 0 stands for the room itself."""
    rows, columns = _lower_rim(volume)
    if not len(rows):
        return {}
    camera, depth = volume.depth.camera, volume.depth
    own_rows, below_rows = rows - _INSIDE_PX, rows + _OUTSIDE_PX
    own = camera.world_from_cam(_points_cam(volume, own_rows, columns))
    below = camera.world_from_cam(_points_cam(volume, below_rows, columns))
    usable = depth.valid[own_rows, columns] & depth.valid[below_rows, columns]
    if not usable.any():
        return {}
    foot_m = float(np.percentile(own[usable, 1], 2))
    foot = usable & (own[:, 1] < foot_m + _FOOT_BAND_M)
    same_height = np.abs(below[:, 1] - foot_m) < _SAME_HEIGHT_M
    touching = foot & same_height & (np.linalg.norm(below - own, axis=1) < _SAME_PLACE_M)
    labels = volume.label_map[below_rows, columns]
    contacts = {}
    for value in np.unique(labels[touching]):
        here = touching & (labels == value)
        if here.sum() >= max(3, _FEWEST_SHARE * foot.sum()):
            contacts[int(value)] = float(np.median(below[here, 1]))
    return contacts


def _lower_rim(volume: CropVolume) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of mask pixels below which the mask ends, far enough from the picture's border."""
    mask = volume.mask
    ends = mask[:-1] & ~mask[1:]
    rows, columns = np.nonzero(ends)
    inside = (rows >= _INSIDE_PX) & (rows + _OUTSIDE_PX < mask.shape[0])
    rows, columns = rows[inside], columns[inside]
    solid = mask[rows - _INSIDE_PX, columns] & ~mask[rows + _OUTSIDE_PX, columns]
    return rows[solid], columns[solid]


def _points_cam(volume: CropVolume, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    px = np.stack([columns + 0.5, rows + 0.5], axis=-1)
    return volume.depth.camera.unproject(px, np.where(volume.depth.valid, volume.depth.z_m, 1.0)[rows, columns])
