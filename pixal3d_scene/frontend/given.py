"""The user's own masks and depth behind the same protocols as the models: a file in, `Instances` or `Depth` out."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..code_revision import code_revision
from ..depth import Depth
from ..instances import Instances
from ..photo import Photo
from .given_depth import read_depth_file
from .given_masks import read_masks
from .given_picture import read_bytes
from .protocols import KnownView
from .stand import Assumed, stand_in_depth, without_flying_pixels
from .view import EstimatedCamera, see_view


class GivenMasks:
    """A label map of the user's as a Segmenter; its revision is the file's content."""

    name = "given"
    uses_depth = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.revision = hashlib.sha256(read_bytes(path, what="mask")).hexdigest()

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """The file's objects; raises InputError if it does not fit the photo."""
        del known, depth
        return read_masks(self._path, photo.size_px)


class GivenDepth:
    """A depth file of the user's as a DepthEstimator; its revision is the file's content.

    camera_height_m, fallback_fov_deg: where neither the user nor the depth nor the photo tells them.
    """

    name = "given"
    needs_instances = False

    def __init__(self, path: Path, *, camera_height_m: float, fallback_fov_deg: float) -> None:
        self._path = path
        self._assumed = Assumed(camera_height_m=camera_height_m, fallback_fov_deg=fallback_fov_deg)
        content = hashlib.sha256(read_bytes(path, what="depth")).hexdigest()
        self.revision = f"{content} {code_revision('frontend/*.py')}"

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """The file's depth with the best camera there is; raises InputError if it does not fit the photo.

        The pose is the user's own; else gravity and floor found in the depth give it (and the camera's height with
        it); else it is assumed. A stated camera height scales the depth. The notes say which.
        """
        file = read_depth_file(self._path, photo.size_px)
        estimated = None if file.camera is None else EstimatedCamera(camera=file.camera, source="the point map")
        view = see_view(photo, known, fallback_fov_deg=self._assumed.fallback_fov_deg, estimated=estimated)
        depth = without_flying_pixels(file.depth_of(view.camera))
        return stand_in_depth(view, depth, instances, known, assumed=self._assumed, rescale=False)
