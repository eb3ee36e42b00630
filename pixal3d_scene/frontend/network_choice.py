"""From settings to a segmenter of networks: weights are looked for here, loaded only when a photo is segmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..settings import NetworkSettings, SegmentSettings, Settings
from ..weights.device import choose_device
from ..weights.pretrained import WEIGHTS_FILE, find_pretrained, folder_digest
from .detections import Detector
from .mask_grid import GridSettings
from .network_segmenter import NetworkSegmenter, PromptedSegmenter
from .prompts import Prompt, PromptableNetwork
from .proposals import MaskProposer
from .proposers import DetectedMasks, GridMasks, StoredNetwork, WordMasks, WordNetwork
from .protocols import Segmenter
from .vocabulary import check_labels, words_to_find

if TYPE_CHECKING:
    import torch

PROMPTABLE = ("sam", "sam2")
BY_WORDS = ("sam3",)
DETECTORS = ("grounding_dino", "owlv2")
NETWORK_SEGMENTERS = (*PROMPTABLE, *BY_WORDS)
NO_DETECTOR = "none"


def network_segmenter(settings: Settings) -> Segmenter:
    """What `settings.segment` names: sam or sam2 with a detector or alone, or sam3.

    Raises BackendMissing, with the command that fetches, where weights are not on this machine.
    """
    chosen = settings.segment
    words = words_to_find(check_labels(chosen.labels))
    proposers: list[MaskProposer] = []
    if chosen.segmenter in BY_WORDS:
        proposers.append(WordMasks(_word_network(settings), words=words, iou=chosen.same_box_iou))
    else:
        network = _promptable(settings)
        if chosen.detector != NO_DETECTOR:
            detector = _detector(settings)
            proposers.append(DetectedMasks(detector, network, words=words, iou=chosen.same_box_iou))
        elif chosen.labels:
            raise InputError("Labels need a detector: set segment.detector to grounding_dino or owlv2.")
        if chosen.automatic or chosen.detector == NO_DETECTOR:
            proposers.append(GridMasks(network))
    return NetworkSegmenter(
        proposers,
        max_objects=chosen.max_objects or 60,
        min_area_share=chosen.min_area_share or 0.0003,
        device=settings.device,
    )


def prompted_segmenter(settings: Settings, prompts: Sequence[Prompt]) -> Segmenter:
    """The named segmenter, asked for exactly the given objects; raises InputError where it takes no prompts."""
    name = settings.segment.segmenter
    if name in BY_WORDS:
        raise InputError(
            f"{name} is asked by words here: its box prompts need torchvision and mean all things that look alike, not "
            "one; add --segmenter sam2 for --points and --boxes, or use --labels."
        )
    if name not in PROMPTABLE:
        raise InputError(f"--points and --boxes need a segmenter that can be prompted; {name} cannot: add --segmenter "
                         f"{' or '.join(reversed(PROMPTABLE))}.")  # fmt: skip
    return PromptedSegmenter(_promptable(settings), prompts, device=settings.device)


def _promptable(settings: Settings) -> StoredNetwork[PromptableNetwork]:
    chosen = settings.segment
    grid = _grid(chosen)
    if chosen.segmenter == "sam":

        def load_sam(folder: Path, device: torch.device) -> PromptableNetwork:
            from .sam import Sam

            return Sam(folder, device=device, grid=grid)

        return _stored("sam", chosen.sam, load_sam, settings.device, [WEIGHTS_FILE], grid)

    def load_sam2(folder: Path, device: torch.device) -> PromptableNetwork:
        from .sam2 import Sam2

        return Sam2(folder, device=device, grid=grid)

    return _stored("sam2", chosen.sam2, load_sam2, settings.device, ["config.json", WEIGHTS_FILE], grid)


def _word_network(settings: Settings) -> StoredNetwork[WordNetwork]:
    chosen = settings.segment.sam3

    def load(folder: Path, device: torch.device) -> WordNetwork:
        from .sam3 import Sam3

        return Sam3(folder, device=device, threshold=chosen.threshold)

    return _stored("sam3", chosen, load, settings.device, ["config.json", WEIGHTS_FILE], chosen.threshold)


def _detector(settings: Settings) -> StoredNetwork[Detector]:
    chosen = settings.segment
    needs = ["config.json", WEIGHTS_FILE]
    if chosen.detector == "owlv2":

        def load_owlv2(folder: Path, device: torch.device) -> Detector:
            from .owlv2 import Owlv2

            return Owlv2(folder, device=device, threshold=chosen.owlv2.threshold)

        return _stored("owlv2", chosen.owlv2, load_owlv2, settings.device, needs, chosen.owlv2.threshold)

    def load_grounding_dino(folder: Path, device: torch.device) -> Detector:
        from .grounding_dino import GroundingDino

        return GroundingDino(folder, device=device, threshold=chosen.grounding_dino.threshold)

    own = chosen.grounding_dino
    return _stored("grounding_dino", own, load_grounding_dino, settings.device, needs, own.threshold)


def _grid(chosen: SegmentSettings) -> GridSettings:
    return GridSettings(
        points=chosen.grid_points,
        quality=chosen.grid_quality,
        stability=chosen.grid_stability,
        batch=chosen.prompt_batch,
    )


def _stored(
    name: str,
    chosen: NetworkSettings,
    load: Callable[[Path, torch.device], Any],
    device: str,
    needs: Sequence[str],
    how: object,
) -> StoredNetwork[Any]:
    """The weights that the settings name, found on this machine; how: what else changes the result."""
    found = find_pretrained(chosen.weights, revision=chosen.revision, setting=f"segment.{name}", needs=needs)
    revision = f"{name} {folder_digest(found.path)} {how}"
    return StoredNetwork(name=name, revision=revision, load=lambda: load(found.path, choose_device(device)))
