"""The user's own masks and depth behind the same protocols as the models: a file in, `Instances` or `Depth` out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..camera import Camera
from ..depth import Depth
from ..frames import world_from_level_camera
from ..instances import Instances
from ..photo import Photo
from .floor import find_floor
from .given_depth import read_depth
from .given_masks import items_of, read_masks
from .given_picture import read_bytes
from .protocols import KnownView
from .rectify import Rectification
from .view import View, see_view, stand_view

_HEIGHT_TOLERANCE = 0.1


class GivenMasks:
    """A label map of the user's as a Segmenter; its revision is the file's content.

    rectification: takes the photo's lens distortion out of the file's pixels.
    """

    name = "given"
    uses_depth = False

    def __init__(self, path: Path, *, rectification: Rectification | None = None) -> None:
        self._path, self._rectification = path, rectification
        self.revision = hashlib.sha256(read_bytes(path, what="mask")).hexdigest()

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """The file's objects; raises InputError if it does not fit the photo."""
        del known, depth
        return self.at_full_size(photo).resized(photo.size_px)

    def at_full_size(self, photo: Photo) -> Instances:
        """The file's objects at the size of the photo's file, without lens distortion."""
        read = read_masks(self._path, photo.full_size_px)
        if self._rectification is None:
            return read
        straight = read.on(self._rectification.values(read.label_map), why="outside the picture without distortion")
        return replace(straight, items=items_of(straight.label_map))


class GivenDepth:
    """A depth file of the user's as a DepthEstimator; its revision is the file's content.

    camera_height_m, fallback_fov_deg: where neither the user nor the depth nor the photo tells them.
    rectification: as for GivenMasks.
    """

    name = "given"
    needs_instances = False

    def __init__(
        self,
        path: Path,
        *,
        camera_height_m: float,
        fallback_fov_deg: float,
        rectification: Rectification | None = None,
    ) -> None:
        self._path, self._camera_height_m, self._fallback_fov_deg = path, camera_height_m, fallback_fov_deg
        self._rectification = rectification
        self.revision = hashlib.sha256(read_bytes(path, what="depth")).hexdigest()

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """The file's depth with the best camera there is; raises InputError if it does not fit the photo.

        The pose is the user's own; else the floor found in the depth gives it (and the camera's height with
        it); else it is assumed. The notes say which.
        """
        view = see_view(photo, known, fallback_fov_deg=self._fallback_fov_deg)
        depth = self.at_full_size(view.camera.resized(photo.full_size_px)).resized(photo.size_px)
        if not view.pose_given:
            view = self._stand(view, depth, instances, known)
        return replace(depth, camera=view.camera, notes=view.notes + depth.notes)

    def at_full_size(self, camera: Camera) -> Depth:
        """The file's depth without lens distortion; `camera` is that of the photo at the size of its file."""
        read = read_depth(self._path, camera)
        if self._rectification is None:
            return read
        rectify = self._rectification.values
        return replace(read, z_m=rectify(np.asarray(read.z_m)), valid=rectify(np.asarray(read.valid)))

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
