"""What a front-end must do. An adapter imports its model inside its constructor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..camera import Camera
from ..depth import Depth
from ..instances import Instances
from ..photo import Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSize:
    """The user's word for the height of one object. name: as its scene node is called."""

    name: str
    height_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownView:
    """What the user knows of the camera and its scale; each value wins over any estimate. None = not known.

    camera: intrinsics, and the pose where `pose_known`. horizontal_fov_deg: of the oriented photo.
    camera_height_m: above the floor. sizes: of objects; they are applied to the depth once masks are there.
    """

    camera: Camera | None = None
    pose_known: bool = True
    horizontal_fov_deg: float | None = None
    camera_height_m: float | None = None
    sizes: tuple[KnownSize, ...] = ()


@runtime_checkable
class Segmenter(Protocol):
    """Finds the objects of a photo. `revision` changes whenever the same photo may give another result."""

    name: str
    revision: str
    uses_depth: bool

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """Objects of the photo at the photo's own size; raises StageFailed if there is none.

        depth: of the same photo, where `uses_depth` is true and the depth estimator needs no masks; else None.
        """


@runtime_checkable
class DepthEstimator(Protocol):
    """Finds metric depth, intrinsics, gravity and the floor. `revision` as for a Segmenter."""

    name: str
    revision: str
    needs_instances: bool

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """Depth at the photo's own size, its camera posed so that the floor is y = 0 and y points up.

        instances: None only where `needs_instances` is false: the masks are then made with the help of the depth.
        """
