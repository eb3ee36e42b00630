"""The stage that completes hidden parts: crop volumes in, crop volumes with painted hidden parts out.

An object that others stand in front of is framed so that what they hide fits too, painted by a completer, judged by
the guard, and framed again around what was found. Where the guard refuses, the crop stays as the photo shows it and
the object's notes say why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from .arrays import freeze
from .crop import CropVolume, outline_corners_px, reframed, warp_mask, warp_picture
from .errors import BackendMissing, InputError, StageFailed
from .frontend.completer import Completer, Completion, HiddenPart
from .frontend.completion_guard import guarded_picture
from .frontend.occluders import find_occlusion
from .generator.protocol import object_seed
from .progress import Progress
from .settings import Settings

# Less than this share of the visible area, hidden or painted, is the rim between two masks.
_SMALLEST_PART = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintedPart:
    """What is kept of one completion.

    rgba, invented: the guarded picture, and which of its pixels were painted; None where the visible crop stays.
    A_crop_from_photo: of that picture. notes: for the object.
    """

    mask_value: int
    rgba: UInt8[np.ndarray, "S S 4"] | None
    invented: Bool[np.ndarray, "S S"] | None
    A_crop_from_photo: Float[np.ndarray, "3 3"]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        freeze(self, "rgba", "invented", "A_crop_from_photo")


def paint_hidden_parts(
    volumes: Sequence[CropVolume], picture: Image.Image, completer: Completer, settings: Settings, progress: Progress
) -> tuple[PaintedPart, ...]:
    """One result for every object that something stands in front of. picture: the photo.

    Raises BackendMissing or InputError where the completer cannot work at all on this machine.
    """
    names = {v.instance.mask_value: v.name for v in volumes}
    found = (hidden_part(volume, picture, settings, names) for volume in volumes)
    hidden = [part for part in found if part is not None]
    progress.start("complete", len(hidden))
    results = _painted(hidden, completer, settings, progress)
    parts = tuple(_judged(part, result, completer.name, settings) for part, result in zip(hidden, results, strict=True))
    progress.finish()
    return parts


def hidden_part(
    volume: CropVolume, picture: Image.Image, settings: Settings, names: Mapping[int, str]
) -> HiddenPart | None:
    """The object framed with what may be hidden of it; None where nothing stands in front. names: by mask value."""
    occlusion = find_occlusion(volume.instance.mask_value, volume.label_map, volume.depth)
    mask = volume.mask
    if occlusion.region.sum() < _SMALLEST_PART * mask.sum():
        return None
    corners_px = outline_corners_px(mask | occlusion.region)
    wide = reframed(volume, picture, corners_px, margin=settings.crop.margin, mode=settings.crop.mode)
    # Pixels that mix the object with what is in front are painted too: left as they are they would be a seam.
    covered = warp_mask(occlusion.region, wide.A_crop_from_photo, wide.rgba.shape[0])
    hole = (covered > 0) & (wide.rgba[..., 3] < 255)
    return HiddenPart(volume=wide, hole=hole, hidden_by=tuple(names[v] for v in occlusion.values))


def with_painted_parts(
    volumes: Sequence[CropVolume], parts: Sequence[PaintedPart], picture: Image.Image, settings: Settings
) -> tuple[CropVolume, ...]:
    """The volumes for the generator: completed where a part was accepted, with its notes in any case."""
    by_value = {part.mask_value: part for part in parts}
    completed = []
    for volume in volumes:
        part = by_value.get(volume.instance.mask_value)
        if part is not None:
            volume = replace(_completed(volume, part, picture, settings), notes=(*volume.notes, *part.notes))
        completed.append(volume)
    return tuple(completed)


def _painted(
    hidden: Sequence[HiddenPart], completer: Completer, settings: Settings, progress: Progress
) -> Sequence[Completion | StageFailed]:
    """What the completer gives; whatever it raises becomes the failure of every object."""
    if not hidden:
        return []
    seeds = [object_seed(settings.seed, part.volume.instance.mask_value) for part in hidden]
    try:
        results = completer.complete(hidden, seeds, progress)
        if len(results) != len(hidden):
            raise StageFailed("complete", f"{completer.name} gave {len(results)} pictures of {len(hidden)} objects")
        return results
    except (BackendMissing, InputError):
        raise
    except StageFailed as failure:
        return [failure] * len(hidden)
    except Exception as error:  # the scene is worth more than its hidden parts
        unexpected = StageFailed("complete", f"{type(error).__name__}: {error}")
        unexpected.__cause__ = error
        return [unexpected] * len(hidden)


def _judged(
    hidden: HiddenPart, result: Completion | StageFailed, completer_name: str, settings: Settings
) -> PaintedPart:
    rgba = invented = None
    in_front = ", ".join(hidden.hidden_by)
    try:
        if isinstance(result, StageFailed):
            raise result
        rgba, invented = guarded_picture(hidden, result.rgba, max_growth=settings.complete.max_growth)
        whole = rgba[..., 3] >= 128
        if invented.sum() >= _SMALLEST_PART * (whole & ~invented).sum():
            share = invented.sum() / whole.sum()
            note = f"{share:.0%} of it was hidden by {in_front}, and is painted by {completer_name}."
        else:
            rgba = invented = None
            note = f"{completer_name} found nothing of it behind {in_front}."
    except StageFailed as failure:
        note = f"What {in_front} may hide of it was not completed by {completer_name}: {failure.reason}."
    return PaintedPart(
        mask_value=hidden.volume.instance.mask_value,
        rgba=rgba,
        invented=invented,
        A_crop_from_photo=hidden.volume.A_crop_from_photo,
        notes=(note,),
    )


def _completed(volume: CropVolume, part: PaintedPart, picture: Image.Image, settings: Settings) -> CropVolume:
    """Framed around the whole object: the photo's own pixels where it is visible, painted ones in the rest."""
    if part.rgba is None or part.invented is None:
        return volume
    whole = part.rgba[..., 3] >= 128
    corners_px = outline_corners_px(whole)
    homogeneous = np.column_stack([corners_px, np.ones(len(corners_px))]) @ np.linalg.inv(part.A_crop_from_photo).T
    corners_px = np.concatenate([outline_corners_px(volume.mask), homogeneous[:, :2] / homogeneous[:, 2:]])
    framed = reframed(volume, picture, corners_px, margin=settings.crop.margin, mode=settings.crop.mode)
    A = framed.A_crop_from_photo @ np.linalg.inv(part.A_crop_from_photo)
    size_px = framed.rgba.shape[0]
    painted = warp_picture(Image.fromarray(part.rgba[..., :3]), A, (size_px, size_px), Image.Resampling.BICUBIC)
    alpha = warp_mask(whole, A, size_px)
    # Never where the photo shows the object alone (alpha 255) or something else (away from what was painted).
    invented = (warp_mask(part.invented, A, size_px) > 0) & (alpha > framed.rgba[..., 3])
    rgba = framed.rgba.copy()
    rgba[invented, :3], rgba[invented, 3] = np.asarray(painted)[invented], alpha[invented]
    return replace(framed, rgba=rgba, invented=invented)
