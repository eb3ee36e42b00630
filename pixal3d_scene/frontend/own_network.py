"""The front-end network that `pixal3d-scene train` makes, as a Segmenter and as a DepthEstimator.

One network for both. It sees the photo at the size it was trained on, its longer side exactly; the shorter one is
continued at both ends to a multiple of 32 px. For the masks it looks once more, at a larger size.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from ..camera import Camera
from ..code_revision import code_revision
from ..depth import Depth
from ..errors import BackendMissing, StageFailed
from ..instances import SHELL_PARTS, Instances
from ..photo import Photo
from ..weights.own import FRONT_END, own_weights
from .boxed_depth import with_room_in_box
from .closer_look import CloserLook
from .guided_masks import EdgeGuide, owners
from .hygiene import clean_masks
from .network_depth import Prediction, seen_depth
from .object_reliefs import ObjectReliefs
from .object_votes import ObjectVotes
from .proposals import MaskProposal
from .protocols import KnownView, Segmenter
from .stand import Assumed, stand_on_floor, towards_usual_height
from .vanishing import ExpectedTurn
from .view import EstimatedCamera
from .working_picture import resized_rgb, working_size_px

if TYPE_CHECKING:
    import torch

    from .front_end_network import FrontEndNetwork, FrontEndOutput

_LARGER = 1.5  # the second look for masks: at twice the size of training the whole is no longer understood
_MASKS_SIDE_PX = 640  # masks are decided on a grid with so long a longer side, or on the photo's own if it is smaller
_FINER = 4  # the room's parts are decided on a grid this much finer than the network's maps
_SHELL_SURE = 0.5
# People hold phones at 1.5 m within some 15 %; the network's scale is as sure (17 % on validation rooms).
_USUAL_HEIGHT_WEIGHT = 0.5
_UP_SIGMA_RAD = math.radians(2.2)
_LOG_FOCAL_SIGMA = 0.07
_RUG = "rug"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """How a photo lies in the network's picture: the size it has there, and the pixels above and left of it.

    All are multiples of 4 px, so that maps of every stride can be cut.
    """

    inner_px: tuple[int, int]
    left_px: int
    top_px: int
    outer_px: tuple[int, int]

    def inside(self, stride: int) -> tuple[slice, slice]:
        """Rows and columns of a map with so many pixels per pixel that show the photo."""
        left, top = self.left_px // stride, self.top_px // stride
        width, height = (side // stride for side in self.inner_px)
        return slice(top, top + height), slice(left, left + width)


class OwnNetwork:
    """The network in a file, read when it is first needed. Keeps what it said of the last photo."""

    def __init__(self, weights: str | None) -> None:
        """weights: a file that `train` wrote; None for the package's own."""
        self._path = path = own_weights(FRONT_END) if weights is None else Path(weights).expanduser()
        if not path.is_file():
            raise BackendMissing(f"The front-end weights {path} do not exist; check front_end.weights.")
        self._network: FrontEndNetwork | None = None
        self._last: tuple[str, FrontEndOutput] | None = None
        self._last_larger: tuple[str, FrontEndOutput] | None = None
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        self.revision = hashlib.sha256(f"{content} {code_revision('frontend/*.py')}".encode()).hexdigest()[:16]

    @property
    def network(self) -> FrontEndNetwork:
        if self._network is None:
            from .front_end_weights import read_front_end

            self._network = read_front_end(self._path)
        return self._network

    def look(self, photo: Photo) -> FrontEndOutput:
        """What the network says of a photo, without what was continued around it; on the CPU, a batch of one."""
        if self._last is None or self._last[0] != photo.sha256:
            self._last = (photo.sha256, self.seen(photo))
        return self._last[1]

    def look_larger(self, photo: Photo) -> FrontEndOutput:
        """As `look`, at a size at which the photo's small things have more pixels."""
        if self._last_larger is None or self._last_larger[0] != photo.sha256:
            self._last_larger = (photo.sha256, self.seen(photo, side_px=round(_LARGER * self.network.config.side_px)))
        return self._last_larger[1]

    def votes(self, photo: Photo) -> ObjectVotes:
        """See `ObjectVoter`."""
        return CloserLook(self, photo)

    def seen(self, photo: Photo, *, side_px: int | None = None) -> FrontEndOutput:
        """As `look`, but nothing is kept. side_px: the photo's longer side; None for that of training."""
        import torch

        from .front_end_mirror import look_twice
        from .front_end_network import LABEL_STRIDE, STRIDE, FrontEndOutput

        fit = fit_picture(photo.size_px, side_px=side_px or self.network.config.side_px)
        picture = torch.from_numpy(_picture(photo, fit)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            output = look_twice(self.network, picture)
        rows, columns = fit.inside(STRIDE)
        label_rows, label_columns = fit.inside(LABEL_STRIDE)
        return FrontEndOutput(
            log_depth=output.log_depth[:, rows, columns],
            shell=output.shell[..., rows, columns],
            centre=output.centre[:, rows, columns],
            offset=output.offset[..., rows, columns],
            same=output.same[..., rows, columns],
            label=output.label[..., label_rows, label_columns],
            up_cam=output.up_cam,
            log_focal=output.log_focal,
        )


class OwnDepth:
    """Metric depth, intrinsics and floor by the network; see `DepthEstimator`.

    Masks come first: they are sharper than this depth, which would cut them wrongly.
    """

    name = "front_end"
    needs_instances = True

    def __init__(self, network: OwnNetwork, *, assumed: Assumed) -> None:
        self._network, self._assumed, self._reliefs = network, assumed, ObjectReliefs()
        self.revision = f"{network.revision} {self._reliefs.revision}"

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """See `DepthEstimator`."""
        assert instances is not None  # needs_instances
        output = self._network.look(photo)
        longer = max(photo.size_px)
        focal_px = float(output.log_focal[0].exp()) * longer
        prediction = Prediction(
            depth=_as_float32(output.log_depth[0].exp()) * np.float32(photo.size_px[0] / longer),
            per_focal_width=True,
            estimated=EstimatedCamera(
                camera=Camera.from_focal(focal_px=focal_px, size_px=photo.size_px),
                source="the front-end network",
                expected=ExpectedTurn(
                    up_cam=output.up_cam[0].double().numpy(),
                    up_sigma_rad=_UP_SIGMA_RAD,
                    log_focal_sigma=_LOG_FOCAL_SIGMA,
                ),
            ),
        )
        seen, view = seen_depth(prediction, photo, known, source=self.name, assumed=self._assumed)
        part = np.where(instances.label_map == 0, _parts(output, photo.size_px), 0).astype(np.uint8)
        rug = _rugs(output, self._network.network.config.labels, photo.size_px)
        on_floor = (part == SHELL_PARTS.index("floor")) | rug
        depth = stand_on_floor(view, seen, instances, on_floor, known, assumed=self._assumed)
        depth = with_room_in_box(
            depth, photo, part, instances, yaw_rad=view.turn.yaw_rad, reliefs=self._reliefs, rug=rug
        )
        if view.pose_given or known.camera_height_m is not None:
            return depth
        return towards_usual_height(depth, usual_m=self._assumed.camera_height_m, weight=_USUAL_HEIGHT_WEIGHT)


class OwnSegmenter:
    """Instances, labels and the room's parts by the network; see `Segmenter`.

    Without depth: the network's own was seen by the same eyes, and cutting masks by it lost more than it found.
    otherwise: who looks at a photo in which the network finds nothing, such as a drawing.
    """

    name = "front_end"
    uses_depth = False

    def __init__(
        self, network: OwnNetwork, *, max_objects: int, min_area_share: float, otherwise: Segmenter | None = None
    ) -> None:
        self._network, self._otherwise = network, otherwise
        self.revision = network.revision if otherwise is None else f"{network.revision} {otherwise.revision}"
        self._max_objects, self._min_area_share = max_objects, min_area_share

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """See `Segmenter`; raises StageFailed where the network finds no object."""
        proposals = self.propose(photo)
        if not any(p.label not in SHELL_PARTS[1:] for p in proposals):
            if self._otherwise is None:
                raise StageFailed("segment", "no object was found in the photo; give the objects with --masks")
            found = self._otherwise.segment(photo, known, depth)
            note = (
                "The front-end network finds no object in this photo; they were looked for by "
                f"{self._otherwise.name} instead."
            )
            return replace(found, notes=(*found.notes, note))
        return clean_masks(
            proposals,
            size_px=photo.size_px,
            depth=None,
            source=self.name,
            max_objects=self._max_objects,
            min_area_share=self._min_area_share,
        )

    def propose(self, photo: Photo) -> tuple[MaskProposal, ...]:
        """The objects, whose masks do not overlap, and the parts of the room."""
        from .front_end_decode import PEAK_OF_MEAN, find_instances
        from .front_end_network import SHELL_CLASSES
        from .front_end_scales import mean_of_looks

        output = mean_of_looks([self._network.look(photo), self._network.look_larger(photo)])
        labels = self._network.network.config.labels
        probability = output.shell[0].softmax(dim=0)  # (6, h, w)
        found = find_instances(output, least_peak=PEAK_OF_MEAN, rug=labels.index(_RUG) if _RUG in labels else None)
        guide = EdgeGuide(resized_rgb(photo, working_size_px(photo.size_px, _MASKS_SIDE_PX)))
        owner = owners(guide, [_as_float32(share) for share in (1 - probability[0], *(f.share for f in found))])
        objects = [
            MaskProposal(mask=owner == k, label=_word(labels, f.label), score=f.score, source=self.name)
            for k, f in enumerate(found, start=1)
            if (owner == k).any()
        ]
        parts = [
            MaskProposal(mask=mask, label=SHELL_CLASSES[k], score=0.5, source=self.name)
            for k in range(1, len(SHELL_CLASSES))
            if (mask := guide.follow(_as_float32(probability[k])) > _SHELL_SURE).any()
        ]
        return (*objects, *parts)


def _parts(output: FrontEndOutput, size_px: tuple[int, int]) -> UInt8[np.ndarray, "H W"]:
    """The likeliest part of the room per pixel of the photo, 0 for objects."""
    fine = np.stack([_finer(p) for p in output.shell[0].softmax(dim=0)]).argmax(axis=0).astype(np.uint8)
    return np.asarray(Image.fromarray(fine).resize(size_px, Image.Resampling.NEAREST))


def _rugs(output: FrontEndOutput, labels: Sequence[str], size_px: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Pixels of things whose word is rug: they lie as low as the floor."""
    from .front_end_decode import find_rugs

    found = find_rugs(output, labels.index(_RUG))[0] if _RUG in labels else []
    rug = np.any([mask.numpy() for mask in found], axis=0) if found else np.zeros((1, 1), dtype=bool)
    return np.asarray(Image.fromarray(rug).resize(size_px, Image.Resampling.NEAREST)) & (_parts(output, size_px) == 0)


def fit_picture(size_px: tuple[int, int], *, side_px: int) -> _Fit:
    """The photo at `side_px` along its longer side, continued alike on both sides of the shorter one."""
    from .front_end_network import SIZE_MULTIPLE_PX

    scale = side_px / max(size_px)
    inner = (4 * max(1, round(size_px[0] * scale / 4)), 4 * max(1, round(size_px[1] * scale / 4)))
    outer = (-(-inner[0] // SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX, -(-inner[1] // SIZE_MULTIPLE_PX) * SIZE_MULTIPLE_PX)
    left, top = ((outer[k] - inner[k]) // 8 * 4 for k in (0, 1))
    return _Fit(inner_px=inner, left_px=left, top_px=top, outer_px=outer)


def _picture(photo: Photo, fit: _Fit) -> UInt8[np.ndarray, "h w 3"]:
    inner = np.asarray(photo.image.resize(fit.inner_px, Image.Resampling.BOX))
    right, bottom = fit.outer_px[0] - fit.inner_px[0] - fit.left_px, fit.outer_px[1] - fit.inner_px[1] - fit.top_px
    return np.pad(inner, ((fit.top_px, bottom), (fit.left_px, right), (0, 0)), mode="edge")


def _finer(values: torch.Tensor) -> Float32[np.ndarray, "h w"]:
    from torch.nn.functional import interpolate

    fine = interpolate(values[None, None].float(), scale_factor=_FINER, mode="bilinear", align_corners=False)
    return _as_float32(fine[0, 0])


def _as_float32(values: torch.Tensor) -> Float32[np.ndarray, "..."]:
    return values.float().cpu().numpy()


def _word(labels: Sequence[str], index: int | None) -> str:
    return "" if index is None or labels[index] == "object" else labels[index]
