"""Which segmenter, depth estimator and generator a run uses: two plain tables from name to factory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .errors import BackendMissing, InputError
from .frontend.completer import Completer
from .frontend.object_votes import ObjectVoter
from .frontend.prompts import Prompt
from .frontend.protocols import DepthEstimator, Segmenter
from .generator.protocol import ObjectGenerator
from .settings import Settings
from .weights.device import choose_device

if TYPE_CHECKING:
    from .frontend.own_network import OwnNetwork
    from .frontend.stand import Assumed
    from .generator.lift import Lift

_Factory = TypeVar("_Factory")

_DEPTH_ANYTHING, _DEPTH_PRO = "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf", "apple/DepthPro-hf"


OWN = "front_end"  # the package's own network, as segmenter and as depth estimator
OWN_PARTS = (OWN, "lift", "object_networks")  # names of the parts whose networks are the package's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The swappable parts, and what generates an object where `generator` fails. completer: None where off."""

    segmenter: Segmenter
    depth: DepthEstimator
    generator: ObjectGenerator
    fallback: ObjectGenerator
    completer: Completer | None = None


def _regions(settings: Settings) -> Segmenter:
    from .frontend.regions import RegionsSegmenter

    _refuse_labels(settings)
    chosen = settings.segment
    return RegionsSegmenter(max_objects=chosen.max_objects or 12, min_area_share=chosen.min_area_share or 0.003)


def _refuse_labels(settings: Settings) -> None:
    name = settings.segment.segmenter
    if settings.segment.labels:
        raise InputError(
            f"--labels needs a segmenter that looks for words; {name} does not: add --segmenter sam2 or sam3."
        )


def _networks(settings: Settings) -> Segmenter:
    from .frontend.network_choice import network_segmenter

    return network_segmenter(settings, object_voter(settings))


def _prompted(settings: Settings, prompts: Sequence[Prompt]) -> Segmenter:
    from .frontend.network_choice import prompted_segmenter

    return prompted_segmenter(settings, prompts)


def _room_geometry(settings: Settings) -> DepthEstimator:
    from .frontend.room_geometry import RoomGeometryDepth

    return RoomGeometryDepth(
        camera_height_m=settings.depth.camera_height_m, fallback_fov_deg=settings.depth.fallback_fov_deg
    )


def _assumed(settings: Settings) -> Assumed:
    from .frontend.stand import Assumed

    return Assumed(camera_height_m=settings.depth.camera_height_m, fallback_fov_deg=settings.depth.fallback_fov_deg)


def _depth_anything(settings: Settings) -> DepthEstimator:
    from .frontend.depth_anything import DepthAnythingDepth

    chosen = settings.depth
    return DepthAnythingDepth(
        chosen.weights or _DEPTH_ANYTHING,
        revision=chosen.revision,
        device=settings.device,
        assumed=_assumed(settings),
    )


def _depth_pro(settings: Settings) -> DepthEstimator:
    from .frontend.depth_pro import DepthProDepth

    chosen = settings.depth
    return DepthProDepth(
        chosen.weights or _DEPTH_PRO,
        revision=chosen.revision,
        device=settings.device,
        assumed=_assumed(settings),
    )


def _own_network(settings: Settings) -> OwnNetwork:
    """One for both of its parts, which then share its answer."""
    file = Path(settings.front_end.weights or "").expanduser()
    return _network_of(settings.front_end.weights, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=1)
def _network_of(weights: str | None, modified_ns: int) -> OwnNetwork:
    from .frontend.own_network import OwnNetwork

    del modified_ns  # a file that was trained again is another network
    return OwnNetwork(weights)


def object_voter(settings: Settings) -> ObjectVoter | None:
    """The package's own network, where the settings name it for masks or depth, to help the mask hygiene."""
    if OWN not in (settings.segment.segmenter, settings.depth.estimator):
        return None
    return _own_network(settings)


def _own_segmenter(settings: Settings) -> Segmenter:
    from .frontend.own_network import OwnSegmenter

    _refuse_labels(settings)
    chosen = settings.segment
    return OwnSegmenter(
        _own_network(settings),
        max_objects=chosen.max_objects or 60,
        min_area_share=chosen.min_area_share or 0.001,
        otherwise=_regions(settings),
    )


def _own_depth(settings: Settings) -> DepthEstimator:
    from .frontend.own_network import OwnDepth

    return OwnDepth(_own_network(settings), assumed=_assumed(settings))


def _lift(settings: Settings) -> ObjectGenerator:
    lift = _lift_if_need_be(settings)
    lift.need_weights()  # now, not after the stages before it
    return lift


def _lift_if_need_be(settings: Settings) -> Lift:
    """Where it is not the chosen generator, it may never be asked for."""
    from .generator.lift import Lift

    chosen = settings.generate
    return Lift(chosen.voxels, chosen.max_faces, chosen.texture_px, hidden_sides=chosen.hidden_sides)


def _pixal3d(settings: Settings) -> ObjectGenerator:
    from .generator.pixal3d import Pixal3D

    return Pixal3D(settings.generate.pixal3d, device=settings.device)


def _object_networks(settings: Settings) -> ObjectGenerator:
    from .generator.own_objects import OwnObjects

    return OwnObjects(settings.generate)


def _boxes(settings: Settings) -> ObjectGenerator:
    from .generator.box import Boxes

    del settings
    return Boxes()


def _inpaint(settings: Settings) -> Completer:
    from .frontend.inpaint import Inpaint

    return Inpaint(settings.complete, device=settings.device)


def _no_completer(settings: Settings) -> None:
    del settings


SEGMENTERS: dict[str, Callable[[Settings], Segmenter]] = {
    "regions": _regions,
    OWN: _own_segmenter,
    "sam": _networks,
    "sam2": _networks,
    "sam3": _networks,
}
DEPTH_ESTIMATORS: dict[str, Callable[[Settings], DepthEstimator]] = {
    "room_geometry": _room_geometry,
    OWN: _own_depth,
    "depth_anything": _depth_anything,
    "depth_pro": _depth_pro,
}
COMPLETERS: dict[str, Callable[[Settings], Completer | None]] = {"none": _no_completer, "inpaint": _inpaint}
GENERATORS: dict[str, Callable[[Settings], ObjectGenerator]] = {
    "lift": _lift,
    "box": _boxes,
    "pixal3d": _pixal3d,
    "object_networks": _object_networks,
}


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
    missing: list[str] = []

    def made(factory: Callable[[Settings], _Factory]) -> _Factory | None:
        try:
            return factory(settings)
        except BackendMissing as error:  # all that is missing is told at once
            missing.append(str(error))
            return None

    if settings.device not in ("auto", "cpu"):  # now, not after the stages that need none
        made(lambda chosen: choose_device(chosen.device))
    named = _choose(SEGMENTERS, settings.segment.segmenter, "segmenter")
    found_segmenter = segmenter or made(partial(_prompted, prompts=prompts) if prompts else named)
    found_depth = depth or made(_choose(DEPTH_ESTIMATORS, settings.depth.estimator, "depth estimator"))
    generator = made(_choose(GENERATORS, settings.generate.generator, "generator"))
    completer = made(_choose(COMPLETERS, settings.complete.completer, "completer"))
    if found_segmenter is None or found_depth is None or generator is None or missing:
        raise BackendMissing(" ".join(missing))
    fallback = generator if settings.generate.generator == "lift" else _lift_if_need_be(settings)
    return Models(
        segmenter=found_segmenter, depth=found_depth, generator=generator, fallback=fallback, completer=completer
    )


def _choose(table: dict[str, _Factory], name: str, kind: str) -> _Factory:
    if name not in table:
        raise InputError(f"There is no {kind} {name!r}; choose one of: {', '.join(sorted(table))}.")
    return table[name]
