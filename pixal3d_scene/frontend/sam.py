"""SAM 1 by the package segment-anything: photo and prompts in, masks out. Weights: FOLDER/model.safetensors.

Kirillov et al., "Segment Anything", ICCV 2023. The package's own predictor and automatic mask generator do the work,
on the photo at its working size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..photo import Photo
from ..weights.network_folder import WEIGHTS_FILE
from .mask_grid import GridSettings
from .prompts import Prompt, in_batches, in_network_px, proposal
from .proposals import MaskProposal
from .torchvision_stand_in import import_segment_anything
from .working_picture import resized_rgb, working_size_px

if TYPE_CHECKING:
    import torch


class Sam:
    """A `PromptableNetwork`. Raises InputError where the file is no complete SAM 1."""

    name = "sam"

    def __init__(self, folder: Path, *, device: torch.device, grid: GridSettings) -> None:
        from .sam_checkpoint import load_sam

        self._package: Any = import_segment_anything()
        self._model = load_sam(folder / WEIGHTS_FILE).to(device)
        self._device, self._grid = device, grid

    def segment_prompts(self, photo: Photo, prompts: Sequence[Prompt]) -> list[MaskProposal]:
        """See `PromptableNetwork`."""
        predictor = self._package.SamPredictor(self._model)
        predictor.set_image(resized_rgb(photo, working_size_px(photo.size_px)))
        found: list[MaskProposal] = []
        for together in in_batches(prompts, self._grid.batch):
            found += self._segment(predictor, photo, together)
        return found

    def segment_everything(self, photo: Photo) -> list[MaskProposal]:
        """See `PromptableNetwork`."""
        grid = self._grid
        generator = self._package.SamAutomaticMaskGenerator(
            self._model,
            points_per_side=grid.points,
            points_per_batch=grid.batch,
            pred_iou_thresh=grid.quality,
            stability_score_thresh=grid.stability,
        )
        found = generator.generate(resized_rgb(photo, working_size_px(photo.size_px)))
        return [
            proposal(f["segmentation"], Prompt(label=""), float(f["predicted_iou"]), f"{self.name} grid")
            for f in found
            if f["segmentation"].any()
        ]

    def _segment(self, predictor: Any, photo: Photo, prompts: Sequence[Prompt]) -> list[MaskProposal]:
        """Of several boxes, or of one prompt of any kind."""
        import torch

        # The part of the padded square that the photo fills.
        filled_px = (predictor.input_size[1], predictor.input_size[0])

        def placed(points: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(in_network_px(points, photo.size_px, filled_px)).float().to(self._device)

        boxes = np.array([p.box_px for p in prompts if p.box_px is not None], dtype=np.float64)
        points, labels = prompts[0].clicks()
        masks, quality, _ = predictor.predict_torch(
            placed(points)[None] if len(points) else None,
            torch.from_numpy(labels).to(self._device)[None] if len(points) else None,
            boxes=placed(boxes.reshape(-1, 2, 2)).reshape(-1, 4) if len(boxes) else None,
            multimask_output=prompts[0].ambiguous,
        )
        best = quality.argmax(1)
        return [
            proposal(masks[i, best[i]].cpu().numpy(), prompt, float(quality[i, best[i]]), self.name)
            for i, prompt in enumerate(prompts)
        ]
