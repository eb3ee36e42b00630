"""SAM 2 by transformers: photo and prompts in, masks out. Weights: a folder of `Sam2Model`.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024. The published folders hold the video model; of it
only the image part is read. The picture is stretched to a square, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..photo import Photo
from ..weights.device import half_precision
from ..weights.transformers_folder import load_transformers
from .mask_grid import GridSettings, distinct_masks, grid_points, sure
from .prompts import Prompt, in_batches, in_network_px, proposal
from .proposals import MaskProposal
from .working_picture import IMAGENET, as_input, masks_of_logits, resized_rgb, working_size_px

if TYPE_CHECKING:
    import torch


class Sam2:
    """A `PromptableNetwork`. Raises InputError where the folder is no complete SAM 2."""

    name = "sam2"

    def __init__(self, folder: Path, *, device: torch.device, grid: GridSettings) -> None:
        self._model = load_transformers("Sam2Model", folder, what="The segmentation network SAM 2").to(device)
        self._device, self._grid = device, grid
        self._side_px = int(self._model.config.prompt_encoder_config.image_size)

    def segment_prompts(self, photo: Photo, prompts: Sequence[Prompt]) -> list[MaskProposal]:
        """See `PromptableNetwork`."""
        features = self._features(photo)
        found: list[MaskProposal] = []
        for together in in_batches(prompts, self._grid.batch):
            found += self._segment(features, photo, together)
        return found

    def segment_everything(self, photo: Photo) -> list[MaskProposal]:
        """See `PromptableNetwork`."""
        import torch

        features = self._features(photo)
        points = in_network_px(grid_points(photo.size_px, self._grid.points), photo.size_px, self._square)
        kept_logits, kept_quality = [], []
        for start in range(0, len(points), self._grid.batch):
            some = torch.from_numpy(points[start : start + self._grid.batch]).float()[None, :, None]
            logits, quality = self._decode(features, input_points=some, multimask_output=True)
            logits, quality = logits.flatten(0, 1), quality.flatten(0, 1)
            keep = sure(logits, quality, self._grid)
            kept_logits.append(logits[keep])
            kept_quality.append(quality[keep])
        logits, scores = torch.cat(kept_logits), torch.cat(kept_quality).numpy()
        kept = distinct_masks((logits > 0).numpy(), scores)  # before they are enlarged: most say the same
        masks = masks_of_logits(logits[kept], working_size_px(photo.size_px))
        return [
            proposal(mask, Prompt(label=""), float(score), f"{self.name} grid")
            for mask, score in zip(masks, scores[kept], strict=True)
        ]

    @property
    def _square(self) -> tuple[int, int]:
        return self._side_px, self._side_px

    def _features(self, photo: Photo) -> list[torch.Tensor]:
        import torch

        picture = as_input(resized_rgb(photo, self._square), IMAGENET, self._device)
        with torch.no_grad(), half_precision(self._device):
            return [level.float() for level in self._model.get_image_embeddings(picture)]

    def _segment(self, features: list[torch.Tensor], photo: Photo, prompts: Sequence[Prompt]) -> list[MaskProposal]:
        """Of several boxes, or of one prompt of any kind."""
        import torch

        asked: dict[str, Any] = {}
        boxes = np.array([p.box_px for p in prompts if p.box_px is not None], dtype=np.float64)
        if len(boxes):
            corners = in_network_px(boxes.reshape(-1, 2, 2), photo.size_px, self._square)
            asked["input_boxes"] = torch.from_numpy(corners.reshape(1, -1, 4)).float()
        points, labels = prompts[0].clicks()
        if len(points):
            clicks = in_network_px(points, photo.size_px, self._square)
            asked["input_points"] = torch.from_numpy(clicks).float()[None, None]
            asked["input_labels"] = torch.from_numpy(labels).int()[None, None]
        logits, quality = self._decode(features, **asked, multimask_output=prompts[0].ambiguous)
        best = quality.argmax(1)
        each = torch.arange(len(prompts))
        masks = masks_of_logits(logits[each, best], working_size_px(photo.size_px))
        return [
            proposal(mask, prompt, float(score), self.name)
            for mask, prompt, score in zip(masks, prompts, quality[each, best], strict=True)
        ]

    def _decode(self, features: list[torch.Tensor], **asked: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """(prompts, masks, h, w) logits and (prompts, masks) predicted IoUs."""
        import torch

        on_device = {k: v.to(self._device) if isinstance(v, torch.Tensor) else v for k, v in asked.items()}
        with torch.no_grad():
            found = self._model(image_embeddings=list(features), **on_device)
        return found.pred_masks[0].float().cpu(), found.iou_scores[0].float().cpu()
