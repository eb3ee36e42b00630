"""Which object of a run is which true object where both have the same masks: by the mask's value.

In: a `TrueRoom` and a `ReviewedRun`. Out: meshes in `cam` by mask value. Published protocols on given masks pair by
the mask's index; a run that found its own masks has other indices and is refused rather than paired at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..asset import Mesh
from ..errors import InputError
from .room_files import ReviewedRun, TrueRoom

_SAME_MASK_IOU = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObjects:
    """meshes_cam: of the run, by mask value, without those of true objects that are too small to count.

    paired: values that the truth counts and the run has a mesh for, in the order of the truth.
    """

    meshes_cam: dict[int, Mesh]
    paired: tuple[int, ...]


def found_by_mask(truth: TrueRoom, run: ReviewedRun, *, protocol: str) -> FoundObjects:
    """Raises InputError if the run's masks are not the truth's, or if it has no object with a mesh at all."""
    for value in truth.points_cam:
        true_mask, found_mask = truth.label_map == value, run.label_map == value
        union_px = int((true_mask | found_mask).sum())
        if found_mask.any() and (true_mask & found_mask).sum() <= _SAME_MASK_IOU * union_px:
            raise InputError(
                f"{protocol} pairs objects by the index of their mask, and region {value} of the run is not "
                f"object {value} of {truth.name}; make the run with the true masks (--masks)."
            )
    too_small = {int(v) for v in np.unique(truth.label_map)} - truth.points_cam.keys()
    meshes_cam = {
        item.mask_value: Mesh(
            vertices=np.array(item.mesh_cam.vertices), faces=np.array(item.mesh_cam.faces, dtype=np.int64)
        )
        for item in run.objects
        if len(item.mesh_cam.faces) and item.mask_value not in too_small
    }
    if not meshes_cam:
        raise InputError(f"The run of {truth.name} has no object with a mesh; {protocol} has nothing to measure.")
    return FoundObjects(meshes_cam=meshes_cam, paired=tuple(v for v in truth.points_cam if v in meshes_cam))
