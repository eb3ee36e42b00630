"""Objects of a photo from colour and texture alone: photo in, `Instances` of the oriented photo out.

A stop-gap until a trained network is there: the photo is cut into small even pieces, pieces that look like floor, wall
or ceiling are left out, and what remains is put together into objects. Works at 512 px along the longer side.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image

from ..code_revision import code_revision
from ..depth import Depth
from ..errors import StageFailed
from ..instances import Instances, Rejection
from ..photo import Photo
from .given_masks import instances_from_label_map
from .grouping import group_pieces
from .protocols import KnownView
from .room_box import fit_room_box
from .structure import cut_room_from_objects, describe_pieces, strangeness
from .view import see_view, stand_view

_WORKING_SIDE_PX = 512
_STRANGE = 1.8  # of the usual spread of a face


class RegionsSegmenter:
    """Segments by colour and texture. max_objects: the largest ones stay. min_area_share: of the photo."""

    name = "regions"
    uses_depth = False

    def __init__(self, *, max_objects: int, min_area_share: float) -> None:
        self._max_objects, self._min_area_share = max_objects, min_area_share
        self.revision = code_revision("frontend/*.py")

    def segment(self, photo: Photo, known: KnownView, depth: Depth | None) -> Instances:
        """The photo's objects, the largest first; raises StageFailed if nothing stands out from the room."""
        from skimage.color import rgb2lab
        from skimage.segmentation import felzenszwalb

        rgb = _small(photo)
        lab = rgb2lab(rgb)
        pieces = describe_pieces(felzenszwalb(rgb, scale=60, sigma=0.7, min_size=60), lab)
        strange = pieces.mean_of(np.minimum(strangeness(lab, _faces(photo, known, (rgb.shape[1], rgb.shape[0]))), 8.0))
        bias = np.clip(np.log(np.maximum(strange, 0.1) / _STRANGE), -1.0, 1.0)
        is_object = cut_room_from_objects(pieces, bias, weak_step_lab=5.0, smoothness=1.0)
        groups = group_pieces(pieces, lab, is_object)
        return self._instances(groups[pieces.map], photo.size_px)

    def _instances(self, group_map: Int[np.ndarray, "h w"], size_px: tuple[int, int]) -> Instances:
        kept, rejected = self._cleaned(group_map, size_px)
        if not kept:
            raise StageFailed("segment", "no object stands out from the room; give the objects with --masks")
        label_map = np.zeros(size_px[::-1], dtype=np.uint16)
        strongest = np.full(size_px[::-1], 0.5, dtype=np.float32)
        for value, mask in enumerate(kept, start=1):
            soft = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size_px, Image.Resampling.BILINEAR))
            wins = soft > strongest
            label_map[wins], strongest[wins] = value, soft[wins]
        note = (
            "Objects were found by colour and texture only, as a stop-gap: expect wrong borders and missing "
            "objects; --masks gives better ones."
        )
        found = instances_from_label_map(label_map, source=self.name, notes=(note,))
        return Instances(label_map=label_map, items=found.items, source=self.name, rejected=rejected, notes=found.notes)

    def _cleaned(
        self, group_map: Int[np.ndarray, "h w"], size_px: tuple[int, int]
    ) -> tuple[list[Bool[np.ndarray, "h w"]], tuple[Rejection, ...]]:
        """Connected objects with their holes filled, the largest first, and what was left out."""
        from scipy import ndimage

        kept: list[np.ndarray] = []
        rejected: list[Rejection] = []
        scale = size_px[0] / group_map.shape[1]
        for number in range(1, int(group_map.max()) + 1):
            mask = ndimage.binary_fill_holes(group_map == number) & ((group_map == number) | (group_map == 0))
            reason = self._refusal(mask)
            if reason is None:
                kept.append(mask)
                continue
            rows, columns = np.nonzero(mask)
            centre_px = (float(columns.mean() + 0.5) * scale, float(rows.mean() + 0.5) * scale)
            rejected.append(Rejection(reason=reason, area_px=round(len(rows) * scale**2), centre_px=centre_px))
        kept.sort(key=lambda m: -int(m.sum()))
        for mask in kept[self._max_objects :]:
            rows, columns = np.nonzero(mask)
            centre_px = (float(columns.mean() + 0.5) * scale, float(rows.mean() + 0.5) * scale)
            reason = f"more than {self._max_objects} objects"
            rejected.append(Rejection(reason=reason, area_px=round(len(rows) * scale**2), centre_px=centre_px))
        return kept[: self._max_objects], tuple(rejected)

    def _refusal(self, mask: Bool[np.ndarray, "h w"]) -> str | None:
        share = float(mask.mean())
        if share < self._min_area_share:
            return "smaller than the smallest object"
        if share > 0.6:
            return "larger than an object can be"
        return None


def _small(photo: Photo) -> UInt8[np.ndarray, "h w 3"]:
    shrink = max(1.0, max(photo.size_px) / _WORKING_SIDE_PX)
    size_px = (max(8, round(photo.size_px[0] / shrink)), max(8, round(photo.size_px[1] / shrink)))
    return np.asarray(photo.image.resize(size_px, Image.Resampling.BOX))


def _faces(photo: Photo, known: KnownView, size_px: tuple[int, int]) -> Int[np.ndarray, "h w"]:
    """The face of the room box behind every pixel of the small picture; sizes in metres do not matter here."""
    view = stand_view(see_view(photo, known, fallback_fov_deg=60.0), known, camera_height_m=1.5)
    everything = np.ones(photo.rgb.shape[:2], dtype=bool)
    box = fit_room_box(photo.rgb, everything, view.camera, yaw_rad=view.turn.yaw_rad, feet_room_m=np.zeros((0, 2)))
    return box.shell(view.camera.resized(size_px))[1]
