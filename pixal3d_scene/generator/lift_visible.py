"""Which pixels of a mask show the object at a depth that can be believed. Frames: `photo` pixels, `world` metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt16

from ..crop import CropVolume
from ..depth import Depth
from .lift_view import JUMP


def believed_pixels(volume: CropVolume) -> Bool[np.ndarray, "H W"]:
    """The mask without invalid depth, flying pixels and what is far out of the object's range."""
    window = _window(volume.mask, margin_px=1)
    mask = volume.mask[window] & volume.depth.valid[window]
    z_m = np.where(mask, volume.depth.z_m[window], 1).astype(np.float64)
    believed = np.zeros(volume.mask.shape, dtype=bool)
    if not mask.any():
        return believed
    # A flying pixel hangs between two surfaces: hardly any neighbour has its depth.
    log_z = np.log(z_m)
    supported = np.zeros(mask.shape, dtype=int)
    padded, padded_mask = np.pad(log_z, 1), np.pad(mask, 1)
    h, w = mask.shape
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            if (dy, dx) != (1, 1):
                near = np.abs(padded[dy : dy + h, dx : dx + w] - log_z) < JUMP
                supported += near & padded_mask[dy : dy + h, dx : dx + w]
    mask &= supported >= 2
    if not mask.any():
        return believed
    # Far outliers: masks that spill over to the wall, holes in the depth. Half the object's own range is left.
    low, high = np.quantile(z_m[mask], [0.02, 0.98])
    slack_m = 0.5 * (high - low) + JUMP * low
    believed[window] = mask & (z_m > low - slack_m) & (z_m < high + slack_m)
    return believed


def with_surroundings(volumes: Sequence[CropVolume]) -> list[CropVolume]:
    """The volumes, each with a depth for everything around its object; that of its own pixels stays.

    A pixel without depth takes that of the nearest pixel with the same label. Left as it is, it would be a view past
    everything there, and carve what stands behind an occluder's rim.
    """
    filled: dict[int, Depth] = {}  # by the identity of the depth, which the volumes of a photo share
    surrounded = []
    for volume in volumes:
        depth = volume.depth
        if id(depth) not in filled:
            filled[id(depth)] = _filled(depth, volume.label_map)
        whole = filled[id(depth)]
        surrounded.append(replace(volume, depth=replace(whole, valid=whole.valid & (depth.valid | ~volume.mask))))
    return surrounded


def _filled(depth: Depth, label_map: UInt16[np.ndarray, "H W"]) -> Depth:
    from scipy.ndimage import distance_transform_edt

    z_m, valid = np.array(depth.z_m), np.array(depth.valid)
    for label in np.unique(label_map[~depth.valid]):
        region = label_map == label
        known, unknown = depth.valid & region, region & ~depth.valid
        if known.any():
            rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
            z_m[unknown] = depth.z_m[rows[unknown], columns[unknown]]
            valid[unknown] = True
    return replace(depth, z_m=z_m, valid=valid)


def points_at(
    volume: CropVolume, rows: Int[np.ndarray, "n"], columns: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n 3"]:
    """The visible points of chosen pixels in world, without unprojecting the whole photo."""
    camera = volume.depth.camera
    centres_px = np.stack([columns, rows], axis=-1) + 0.5
    return camera.world_from_cam(camera.unproject(centres_px, volume.depth.z_m[rows, columns].astype(np.float64)))


def surroundings_world(volume: CropVolume) -> Float[np.ndarray, "m 3"]:
    """Points that the photo shows around the mask, within a fifth of its extent."""
    rows, columns = np.flatnonzero(volume.mask.any(axis=1)), np.flatnonzero(volume.mask.any(axis=0))
    margin_px = max(2, round(0.2 * max(len(rows), len(columns))))
    window = _window(volume.mask, margin_px)
    around = volume.depth.valid[window] & (volume.label_map[window] == 0)
    rows, columns = np.nonzero(around)
    step = max(1, len(rows) // 5000)  # a few thousand points are enough for a quantile
    return points_at(volume, rows[::step] + window[0].start, columns[::step] + window[1].start)


def _window(mask: Bool[np.ndarray, "H W"], margin_px: int) -> tuple[slice, slice]:
    """Rows and columns around a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin_px, 0), int(rows[-1]) + 1 + margin_px),
        slice(max(int(columns[0]) - margin_px, 0), int(columns[-1]) + 1 + margin_px),
    )
