"""From what a depth network says to a `Depth`: its picture-sized guess in, depth of the photo with a posed camera out.

Flying pixels are taken out at the network's own size, where an edge is a pixel or two wide, and only then the depth is
brought to the photo's size. In cam, m.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from ..camera import Camera
from ..code_revision import code_revision
from ..depth import Depth
from ..errors import StageFailed
from ..instances import Instances
from ..photo import Photo
from ..weights.digest import content_digest
from ..weights.location import find_weights
from .depth_edges import flying_pixels
from .depth_resampling import at_photo_size
from .protocols import KnownView
from .stand import Assumed, stand_in_depth
from .view import EstimatedCamera, View, see_view

FILES = ("config.json", "model.safetensors")
_FARTHEST_M = 60.0  # windows and mirrors; nothing of a room is farther


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a network says of the whole photo, at a size of its own.

    depth: along +z of cam; metres, or, where `per_focal_width`, metres per (focal length / width) of the picture.
    estimated: the network's own idea of the photo's camera, if it has one.
    """

    depth: Float32[np.ndarray, "h w"]
    per_focal_width: bool
    estimated: EstimatedCamera | None = None

    def metres(self, camera: Camera) -> Float32[np.ndarray, "h w"]:
        """Depth of a photo taken with `camera`.

        A network that was trained on depth of one canonical camera sees only how large things appear. Taken with a
        focal length f in px of a picture W px wide, what appears the same is f / W times as far.
        """
        factor = camera.K[0, 0] / camera.size_px[0] if self.per_focal_width else 1.0
        return (self.depth * factor).astype(np.float32)


def depth_of_photo(
    prediction: Prediction,
    photo: Photo,
    instances: Instances | None,
    known: KnownView,
    *,
    source: str,
    assumed: Assumed,
) -> Depth:
    """Depth at the photo's own size with the best camera there is; the notes say what each number is taken from."""
    depth, view = seen_depth(prediction, photo, known, source=source, assumed=assumed)
    return stand_in_depth(view, depth, instances, known, assumed=assumed, rescale=True)


def seen_depth(
    prediction: Prediction, photo: Photo, known: KnownView, *, source: str, assumed: Assumed
) -> tuple[Depth, View]:
    """Depth at the photo's own size in a camera that is not posed yet, and what the photo told of that camera."""
    view = see_view(photo, known, fallback_fov_deg=assumed.fallback_fov_deg, estimated=prediction.estimated)
    small = prediction.metres(view.camera)
    camera = view.camera.resized((small.shape[1], small.shape[0]))
    usable: Bool[np.ndarray, "h w"] = np.isfinite(small) & (small > 0) & (small < _FARTHEST_M)
    usable &= ~flying_pixels(small, usable, camera)
    z_m, valid = at_photo_size(small, usable, photo.rgb)
    if not valid.any():
        raise StageFailed("depth", f"{source} gave no depth that a room can have; give your own with --depth")
    notes = []
    if not valid.all():
        share = 100 * (1 - float(valid.mean()))
        notes.append(
            f"{share:.1f} % of the pixels have no depth: there it hangs between two surfaces, or is beyond "
            f"{_FARTHEST_M:g} m."
        )
    return Depth(z_m=z_m, valid=valid, camera=view.camera, source=source, notes=tuple(notes)), view


class StoredDepthNetwork(ABC):
    """The network in a folder or of a fetched hub id; torch is loaded by `estimate`, not before.

    Raises BackendMissing, with the command that fetches, where the weights are not on this machine.
    """

    name: str
    needs_instances = False

    def __init__(self, weights: str, *, revision: str | None, device: str, assumed: Assumed) -> None:
        self._folder = find_weights(weights, revision=revision, files=FILES).path
        self._device, self._assumed = device, assumed
        parts = [code_revision("frontend/*.py"), *(content_digest(self._folder / name) for name in FILES)]
        self.revision = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """See `DepthEstimator`. Raises InputError where the folder holds another network."""
        prediction = self._predict(photo)
        return depth_of_photo(prediction, photo, instances, known, source=self.name, assumed=self._assumed)

    @abstractmethod
    def _predict(self, photo: Photo) -> Prediction:
        """Load the network and ask it."""
