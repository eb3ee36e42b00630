"""From settings to a segmenter of networks: weights are looked for here, loaded only when a photo is segmented."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..settings import NetworkSettings, SegmentSettings, Settings
from ..weights.device import choose_device
from ..weights.network_folder import WEIGHTS_FILE, find_network, folder_digest
from .detections import Detector
from .mask_grid import GridSettings
from .network_segmenter import NetworkSegmenter, PromptedSegmenter
from .object_votes import ObjectVoter
from .prompts import Prompt, PromptableNetwork
from .proposals import MaskProposer
from .proposers import DetectedMasks, GridMasks, StoredNetwork, WordMasks, WordNetwork
from .protocols import Segmenter
from .vocabulary import check_labels, words_to_find

if TYPE_CHECKING:
    import torch

_NO_DETECTOR = "none"


def network_segmenter(settings: Settings, voter: ObjectVoter | None = None) -> Segmenter:
    """What `settings.segment` names: sam or sam2 with a detector or alone, or sam3. voter: see `NetworkSegmenter`.

    Raises BackendMissing, with the command that fetches, where weights are not on this machine.
    """
    chosen = settings.segment
    words = words_to_find(check_labels(chosen.labels))
    proposers: list[MaskProposer] = []
    if chosen.segmenter in _BY_WORDS:
        network = _BY_WORDS[chosen.segmenter](settings)
        proposers.append(WordMasks(network, words=words, iou=chosen.same_box_iou))
    else:
        promptable = _PROMPTABLE[chosen.segmenter](settings)
        if chosen.detector != _NO_DETECTOR:
            detector = _DETECTORS[chosen.detector](settings)
            proposers.append(DetectedMasks(detector, promptable, words=words, iou=chosen.same_box_iou))
        elif chosen.labels:
            raise InputError("Labels need a detector: set segment.detector to grounding_dino or owlv2.")
        if chosen.automatic or chosen.detector == _NO_DETECTOR:
            proposers.append(GridMasks(promptable))
    return NetworkSegmenter(
        proposers,
        max_objects=chosen.max_objects or 60,
        min_area_share=chosen.min_area_share or 0.0003,
        device=settings.device,
        voter=voter,
    )


def prompted_segmenter(settings: Settings, prompts: Sequence[Prompt]) -> Segmenter:
    """The named segmenter, asked for exactly the given objects; raises InputError where it takes no prompts."""
    name = settings.segment.segmenter
    if name in _BY_WORDS:
        raise InputError(
            f"{name} is asked by words here: its box prompts need torchvision and mean all things that look alike, not "
            "one; add --segmenter sam2 for --points and --boxes, or use --labels."
        )
    if name not in _PROMPTABLE:
        raise InputError(
            f"--points and --boxes need a segmenter that can be prompted; {name} cannot: add --segmenter sam2 or sam."
        )
    if settings.segment.labels:
        raise InputError("--labels looks for things and --points and --boxes show them; give one of them.")
    return PromptedSegmenter(_PROMPTABLE[name](settings), prompts, device=settings.device)


def _sam(settings: Settings) -> StoredNetwork[PromptableNetwork]:
    own, grid = settings.segment.sam, _grid(settings.segment)

    def load(folder: Path, device: torch.device) -> PromptableNetwork:
        from .sam import Sam

        return Sam(folder, device=device, grid=grid)

    return _stored("sam", own, load, settings.device, how=grid, needs=(WEIGHTS_FILE,))


def _sam2(settings: Settings) -> StoredNetwork[PromptableNetwork]:
    own, grid = settings.segment.sam2, _grid(settings.segment)

    def load(folder: Path, device: torch.device) -> PromptableNetwork:
        from .sam2 import Sam2

        return Sam2(folder, device=device, grid=grid)

    return _stored("sam2", own, load, settings.device, how=grid)


def _sam3(settings: Settings) -> StoredNetwork[WordNetwork]:
    own = settings.segment.sam3

    def load(folder: Path, device: torch.device) -> WordNetwork:
        from .sam3 import Sam3

        return Sam3(folder, device=device, threshold=own.threshold)

    return _stored("sam3", own, load, settings.device, how=own.threshold, with_words=True)


def _grounding_dino(settings: Settings) -> StoredNetwork[Detector]:
    own = settings.segment.grounding_dino

    def load(folder: Path, device: torch.device) -> Detector:
        from .grounding_dino import GroundingDino

        return GroundingDino(folder, device=device, threshold=own.threshold)

    return _stored("grounding_dino", own, load, settings.device, how=own.threshold, with_words=True)


def _owlv2(settings: Settings) -> StoredNetwork[Detector]:
    own = settings.segment.owlv2

    def load(folder: Path, device: torch.device) -> Detector:
        from .owlv2 import Owlv2

        return Owlv2(folder, device=device, threshold=own.threshold)

    return _stored("owlv2", own, load, settings.device, how=own.threshold, with_words=True)


_PROMPTABLE: Mapping[str, Callable[[Settings], StoredNetwork[PromptableNetwork]]] = {"sam": _sam, "sam2": _sam2}
_BY_WORDS: Mapping[str, Callable[[Settings], StoredNetwork[WordNetwork]]] = {"sam3": _sam3}
_DETECTORS: Mapping[str, Callable[[Settings], StoredNetwork[Detector]]] = {
    "grounding_dino": _grounding_dino,
    "owlv2": _owlv2,
}


def _grid(chosen: SegmentSettings) -> GridSettings:
    return GridSettings(
        points=chosen.grid_points,
        quality=chosen.grid_quality,
        stability=chosen.grid_stability,
        batch=chosen.prompt_batch,
    )


def _stored(
    name: str,
    own: NetworkSettings,
    load: Callable[[Path, torch.device], Any],
    device: str,
    *,
    how: object,
    needs: Sequence[str] = ("config.json", WEIGHTS_FILE),
    with_words: bool = False,
) -> StoredNetwork[Any]:
    """The weights that the settings name, found on this machine; how: what else changes the result."""
    found = find_network(own.weights, revision=own.revision, needs=needs, with_words=with_words)
    revision = f"{name} {folder_digest(found.path)} {how}"
    return StoredNetwork(name=name, revision=revision, load=lambda: load(found.path, choose_device(device)))
