"""The user's own masks and depth behind the same protocols as the models: a file in, `Instances` or `Depth` out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..code_revision import code_revision
from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from .clean_given import clean_given
from .given_depth import read_depth_file
from .given_masks import items_of, read_masks
from .given_picture import read_bytes
from .object_votes import ObjectVoter
from .protocols import KnownView
from .rectify import Rectification
from .stand import Assumed, stand_in_depth, without_flying_pixels
from .view import EstimatedCamera, see_view


class GivenMasks:
    """A label map of the user's as a Segmenter; its revision is the file's content.

    clean: specks and merged masks are cleaned (`clean_given`), with depth where it comes first. voter: helps then.
    rectification: takes the photo's lens distortion out of the file's pixels.
    """

    name = "given"

    def __init__(
        self,
        path: Path,
        *,
        clean: bool = False,
        voter: ObjectVoter | None = None,
        rectification: Rectification | None = None,
    ) -> None:
        self._path, self._rectification, self._voter = path, rectification, voter
        self.cleans = self.uses_depth = clean
        self.revision = hashlib.sha256(read_bytes(path, what="mask")).hexdigest()
        if clean:
            self.revision += f"+{code_revision('frontend/*.py')}+{voter.revision if voter is not None else ''}"

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """The file's objects; raises InputError if it does not fit the photo."""
        del known
        masks = self.at_full_size(photo).resized(photo.size_px)
        if not self.cleans:
            return masks
        return clean_given(masks, depth, None if depth is None or self._voter is None else self._voter.votes(photo))

    def at_full_size(self, photo: Photo) -> Instances:
        """The file's objects as they are, at the size of the photo's file, without lens distortion."""
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
        self._path, self._rectification = path, rectification
        self._assumed = Assumed(camera_height_m=camera_height_m, fallback_fov_deg=fallback_fov_deg)
        content = hashlib.sha256(read_bytes(path, what="depth")).hexdigest()
        self.revision = f"{content} {code_revision('frontend/*.py')}"

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """The file's depth with the best camera there is; raises InputError if it does not fit the photo.

        The pose is the user's own; else gravity and floor found in the depth give it (and the camera's height with
        it); else it is assumed. A stated camera height scales the depth. The notes say which.
        """
        file = read_depth_file(self._path, photo.full_size_px)
        estimated = None
        if file.camera is not None:
            estimated = EstimatedCamera(camera=file.camera.resized(photo.size_px), source="the point map")
        view = see_view(photo, known, fallback_fov_deg=self._assumed.fallback_fov_deg, estimated=estimated)
        read = self._rectified(file.depth_of(view.camera.resized(photo.full_size_px))).resized(photo.size_px)
        depth = without_flying_pixels(read)
        return stand_in_depth(view, depth, instances, known, assumed=self._assumed, rescale=False)

    def at_full_size(self, depth: Depth, size_px: tuple[int, int]) -> Depth:
        """The file's depth at the size of the photo's file, scaled as `depth`, which `estimate` gave, was scaled."""
        camera = depth.camera.resized(size_px)
        own = self._rectified(read_depth_file(self._path, size_px).depth_of(camera))
        same = own.resized(depth.camera.size_px)
        both = depth.valid & same.valid
        scale = float(np.median(depth.z_m[both] / same.z_m[both]))  # one number for the whole picture
        return replace(own, z_m=(own.z_m * scale).astype(np.float32))

    def _rectified(self, depth: Depth) -> Depth:
        if self._rectification is None:
            return depth
        rectify = self._rectification.values
        return replace(depth, z_m=rectify(np.asarray(depth.z_m)), valid=rectify(np.asarray(depth.valid)))
