"""Which segmenter, depth estimator and generator a run uses: two plain tables from name to factory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .errors import InputError
from .frontend.prompts import Prompt
from .frontend.protocols import DepthEstimator, Segmenter
from .generator.protocol import ObjectGenerator
from .settings import Settings

_Factory = TypeVar("_Factory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The three swappable parts, and what generates an object where `generator` fails."""

    segmenter: Segmenter
    depth: DepthEstimator
    generator: ObjectGenerator
    fallback: ObjectGenerator


def _regions(settings: Settings) -> Segmenter:
    from .frontend.regions import RegionsSegmenter

    if settings.segment.labels:
        raise InputError("--labels needs a segmenter that knows words; regions does not: add --segmenter sam2 or sam3.")
    chosen = settings.segment
    return RegionsSegmenter(max_objects=chosen.max_objects or 12, min_area_share=chosen.min_area_share or 0.003)


def _networks(settings: Settings) -> Segmenter:
    from .frontend.network_choice import network_segmenter

    return network_segmenter(settings)


def _prompted(settings: Settings, prompts: Sequence[Prompt]) -> Segmenter:
    from .frontend.network_choice import prompted_segmenter

    return prompted_segmenter(settings, prompts)


def _room_geometry(settings: Settings) -> DepthEstimator:
    from .frontend.room_geometry import RoomGeometryDepth

    return RoomGeometryDepth(
        camera_height_m=settings.depth.camera_height_m, fallback_fov_deg=settings.depth.fallback_fov_deg
    )


def _lift(settings: Settings) -> ObjectGenerator:
    from .generator.lift import Lift

    chosen = settings.generate
    return Lift(voxels=chosen.voxels, max_faces=chosen.max_faces, texture_px=chosen.texture_px)


def _pixal3d(settings: Settings) -> ObjectGenerator:
    from .generator.pixal3d import Pixal3D

    return Pixal3D(settings.generate.pixal3d, device=settings.device)


def _boxes(settings: Settings) -> ObjectGenerator:
    from .generator.box import Boxes

    del settings
    return Boxes()


SEGMENTERS: dict[str, Callable[[Settings], Segmenter]] = {
    "regions": _regions,
    "sam": _networks,
    "sam2": _networks,
    "sam3": _networks,
}
DEPTH_ESTIMATORS: dict[str, Callable[[Settings], DepthEstimator]] = {"room_geometry": _room_geometry}
GENERATORS: dict[str, Callable[[Settings], ObjectGenerator]] = {"lift": _lift, "box": _boxes, "pixal3d": _pixal3d}


def load_models(
    settings: Settings,
    *,
    segmenter: Segmenter | None = None,
    depth: DepthEstimator | None = None,
    prompts: Sequence[Prompt] = (),
) -> Models:
    """The parts that `settings` names; a segmenter or depth that the caller brings takes the named one's place.

    prompts: the objects that the named segmenter is to find, instead of looking for them itself. Raises InputError
    for an unknown name, BackendMissing where a part cannot run on this machine.
    """
    if segmenter is None:
        make = _choose(SEGMENTERS, settings.segment.segmenter, "segmenter")
        segmenter = _prompted(settings, prompts) if prompts else make(settings)
    return Models(
        segmenter=segmenter,
        depth=depth or _choose(DEPTH_ESTIMATORS, settings.depth.estimator, "depth estimator")(settings),
        generator=_choose(GENERATORS, settings.generate.generator, "generator")(settings),
        fallback=_lift(settings),
    )


def _choose(table: dict[str, _Factory], name: str, kind: str) -> _Factory:
    if name not in table:
        raise InputError(f"There is no {kind} {name!r}; choose one of: {', '.join(sorted(table))}.")
    return table[name]
