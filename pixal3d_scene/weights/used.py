"""Under which licence the networks of a run are: its settings in, licences by name out, for the report.

Nothing is loaded and no file is looked at. Weights of the user's own folders are named as such: their licence is not
known here.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..settings import Settings
from .own import LICENCE, OWN
from .registry import REGISTRY

_UNKNOWN = "not known: a folder or repository of your choice"
_DEFAULT_DEPTH = {"depth_anything": "depth-anything-small", "depth_pro": "depth-pro"}


def licences_used(
    settings: Settings, *, masks_given: bool, depth_given: bool, votes_asked: bool = False
) -> dict[str, str]:
    """By names of `models list` where they are listed. *_given: the user brought these instead of a network.

    votes_asked: the front-end network helped to clean masks that it did not make.
    """
    by_hub_id = {entry.hub_id: entry for entry in REGISTRY.values() if entry.hub_id and not entry.name.endswith("-mv")}
    used: dict[str, str] = {}
    references = _references(settings, masks_given=masks_given, depth_given=depth_given)
    for reference in (*references, *([settings.front_end.weights or "front_end"] if votes_asked else [])):
        entry = REGISTRY.get(reference) or by_hub_id.get(reference)
        if reference in OWN:
            used[reference] = LICENCE
        elif entry is not None:
            used[entry.name] = entry.licence
        else:
            used[reference] = _UNKNOWN
    return used


def _references(settings: Settings, *, masks_given: bool, depth_given: bool) -> Iterable[str]:
    """Names, hub ids and paths of all weights that the chosen parts read."""
    segment, depth, generate = settings.segment, settings.depth, settings.generate
    if (not masks_given and segment.segmenter == "front_end") or (not depth_given and depth.estimator == "front_end"):
        yield settings.front_end.weights or "front_end"
    if not depth_given and depth.estimator == "front_end":
        yield "reliefs"
    if not masks_given and segment.segmenter in ("sam", "sam2", "sam3"):
        yield getattr(segment, segment.segmenter).weights
        if segment.segmenter != "sam3" and segment.detector != "none":
            yield getattr(segment, segment.detector).weights
    if not depth_given and depth.estimator in _DEFAULT_DEPTH:
        yield depth.weights or _DEFAULT_DEPTH[depth.estimator]
    if generate.generator == "lift":
        yield "extents"
        if generate.hidden_sides:
            yield "hidden_sides"
    if generate.generator == "object_networks" and generate.object_networks.weights:
        yield generate.object_networks.weights
    if generate.generator == "pixal3d":
        chosen = generate.pixal3d
        yield chosen.weights
        yield chosen.image_encoder or "dinov3"
        yield chosen.upsampler or "naf"
    if settings.complete.completer == "inpaint":
        yield settings.complete.weights
