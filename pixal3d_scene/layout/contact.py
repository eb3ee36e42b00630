"""Contacts that the photo itself shows: where the picture goes on, at the same height, from an object's foot.

A crop volume enters; mask values of the objects that its foot touches leave, with the height of each contact in
world. Meshes are not asked: the part of a carrier that the carried object hides is often missing in them.
"""

from __future__ import annotations

import numpy as np

from ..crop import CropVolume
from .noise import DepthNoise

# Steps from the rim, px: masks and depth are mixed on the rim itself. Masks may leave a seam between two objects.
_INSIDE_PX, _OUTSIDE_PX, _SEAM_PX = 2, 2, 8
# The rim counts as foot within this height above the lowest visible point.
_FOOT_BAND_M = 0.08
# A contact is the same height up to depth noise and the object's own roundness. In plan the two may lie apart:
# at eye height the carrier's front edge hides the foot that stands behind it.
_SAME_HEIGHT_M = 0.06
_SAME_PLACE_M = 0.60
_FEWEST_SHARE = 0.2


def seen_contacts(volume: CropVolume, noise: DepthNoise) -> dict[int, float]:
    """Height (m) of each contact by the mask value of what is touched; 0 stands for the room itself."""
    rows, columns = _lower_rim(volume)
    depth = volume.depth
    own_rows, below_rows = rows - _INSIDE_PX, _first_neighbour(volume, rows, columns)
    usable = depth.valid[own_rows, columns] & depth.valid[below_rows, columns]
    if not usable.any():
        return {}
    own_rows, below_rows, columns = own_rows[usable], below_rows[usable], columns[usable]
    own = depth.camera.world_from_cam(_points_cam(volume, own_rows, columns))
    below = depth.camera.world_from_cam(_points_cam(volume, below_rows, columns))
    # Noise along a ray moves a point's height by the same share of its height below the camera.
    noise_m = noise.independent * np.abs(depth.camera.centre_world[1] - own[:, 1])
    lowest_m = float(np.percentile(own[:, 1], 2)) + 2 * float(np.median(noise_m))
    foot = own[:, 1] < lowest_m + _FOOT_BAND_M + 2 * noise_m
    labels = volume.label_map[below_rows, columns]
    contacts = {}
    for value in np.unique(labels[foot]):
        here = np.flatnonzero(foot & (labels == value))
        rise_m = below[here, 1] - own[here, 1]
        near = np.abs(rise_m) < _SAME_HEIGHT_M + 3 * noise_m[here]
        near &= np.linalg.norm(below[here] - own[here], axis=1) < _SAME_PLACE_M
        if near.sum() >= max(3, _FEWEST_SHARE * foot.sum()) and abs(np.median(rise_m[near])) < _SAME_HEIGHT_M:
            contacts[int(value)] = float(np.median(below[here[near], 1]))
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


def _first_neighbour(volume: CropVolume, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Rows of the first other object below the rim, or just below it where there is none within a seam."""
    own = volume.instance.mask_value
    found = rows + _OUTSIDE_PX
    for step in range(_SEAM_PX, _OUTSIDE_PX - 1, -1):
        below = np.minimum(rows + step, volume.mask.shape[0] - 1)
        labels = volume.label_map[below, columns]
        found = np.where((labels != 0) & (labels != own), below, found)
    return found


def _points_cam(volume: CropVolume, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    px = np.stack([columns + 0.5, rows + 0.5], axis=-1)
    return volume.depth.camera.unproject(px, np.where(volume.depth.valid, volume.depth.z_m, 1.0)[rows, columns])
