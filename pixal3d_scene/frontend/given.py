"""The user's own masks and depth behind the same protocols as the models: a file in, `Instances` or `Depth` out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..code_revision import code_revision
from ..depth import Depth
from ..frames import world_from_level_camera
from ..instances import Instances
from ..photo import Photo
from .clean_given import clean_given
from .floor import find_floor
from .given_depth import read_depth
from .given_masks import read_masks
from .given_picture import read_bytes
from .protocols import KnownView
from .view import View, see_view, stand_view

_HEIGHT_TOLERANCE = 0.1


class GivenMasks:
    """A label map of the user's as a Segmenter; its revision is the file's content.

    clean: specks and merged masks are cleaned (`clean_given`), with depth where it comes first.
    """

    name = "given"

    def __init__(self, path: Path, *, clean: bool = False) -> None:
        self._path, self._clean = path, clean
        self.uses_depth = clean
        self.revision = hashlib.sha256(read_bytes(path, what="mask")).hexdigest()
        if clean:
            self.revision += f"+{code_revision('frontend/*.py')}"

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """The file's objects; raises InputError if it does not fit the photo."""
        del known
        masks = read_masks(self._path, photo.size_px)
        return clean_given(masks, depth) if self._clean else masks


class GivenDepth:
    """A depth file of the user's as a DepthEstimator; its revision is the file's content.

    camera_height_m, fallback_fov_deg: where neither the user nor the depth nor the photo tells them.
    """

    name = "given"
    needs_instances = False

    def __init__(self, path: Path, *, camera_height_m: float, fallback_fov_deg: float) -> None:
        self._path, self._camera_height_m, self._fallback_fov_deg = path, camera_height_m, fallback_fov_deg
        self.revision = hashlib.sha256(read_bytes(path, what="depth")).hexdigest()

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """The file's depth with the best camera there is; raises InputError if it does not fit the photo.

        The pose is the user's own; else the floor found in the depth gives it (and the camera's height with
        it); else it is assumed. The notes say which.
        """
        view = see_view(photo, known, fallback_fov_deg=self._fallback_fov_deg)
        depth = read_depth(self._path, view.camera)
        if not view.pose_given:
            view = self._stand(view, depth, instances, known)
        return replace(depth, camera=view.camera, notes=view.notes + depth.notes)

    def _stand(self, view: View, depth: Depth, instances: Instances | None, known: KnownView) -> View:
        room = depth.valid if instances is None else depth.valid & (instances.label_map == 0)
        seen = room if room.sum() > 0.05 * room.size else depth.valid
        guess = world_from_level_camera(pitch_rad=view.turn.pitch_rad, roll_rad=view.turn.roll_rad)
        floor = find_floor(depth.points_cam()[seen], view.camera.at(guess).up_cam)
        if floor is None:
            posed = stand_view(view, known, camera_height_m=self._camera_height_m)
            return replace(
                posed, notes=(*posed.notes, "No floor was found in the depth; the camera's pose is a guess.")
            )
        notes = [
            *view.notes,
            f"The camera's pose is taken from the floor in the depth ({100 * floor.share:.0f} % of the points seen "
            f"lie on it): {floor.height_m:.2f} m above it.",
        ]
        stated_m = known.camera_height_m
        if stated_m is not None and not np.isclose(stated_m, floor.height_m, rtol=_HEIGHT_TOLERANCE):
            notes.append(
                f"The stated camera height ({stated_m:g} m) does not agree with the depth ({floor.height_m:.2f} m); "
                "the depth counts."
            )
        return replace(view, camera=view.camera.at(floor.T_world_from_cam), notes=tuple(notes))
