"""SAM 3 by transformers: photo and words in, a labelled mask per thing out. Weights: a folder of `Sam3Model`.

Carion et al., "SAM 3: Segment Anything with Concepts", 2025. Each word is a prompt of its own over the same image
features. The picture is stretched to a square, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..photo import Photo
from ..weights.device import half_precision
from ..weights.transformers_folder import load_tokenizer, load_transformers
from .prompts import Prompt, proposal
from .proposals import MaskProposal
from .working_picture import HALF, as_input, masks_of_logits, resized_rgb, working_size_px

if TYPE_CHECKING:
    import torch

_WHAT = "The segmentation network SAM 3"
_TEXT_TOKENS = 32  # the length that it was trained with


class Sam3:
    """Segments by words. threshold: least score of a mask. Raises InputError where the folder is no complete SAM 3."""

    name = "sam3"

    def __init__(self, folder: Path, *, device: torch.device, threshold: float) -> None:
        self._model = load_transformers("Sam3Model", folder, what=_WHAT).to(device)
        self._tokenizer = load_tokenizer(folder, what=_WHAT)
        self._device, self._threshold = device, threshold
        self._side_px = int(self._model.config.vision_config.backbone_config.image_size)

    def segment_words(self, photo: Photo, words: Sequence[str]) -> list[MaskProposal]:
        """Masks at `working_size_px` of the photo, word by word; a thing may be there under several words."""
        import torch

        picture = as_input(resized_rgb(photo, (self._side_px, self._side_px)), HALF, self._device)
        found = []
        with torch.no_grad(), half_precision(self._device):
            features = self._model.get_vision_features(pixel_values=picture)
            for word in words:
                text = self._tokenizer(
                    word, padding="max_length", truncation=True, max_length=_TEXT_TOKENS, return_tensors="pt"
                ).to(self._device)
                output = self._model(
                    vision_embeds=features, input_ids=text.input_ids, attention_mask=text.attention_mask
                )
                found += self._masks(output, photo, word)
        return found

    def _masks(self, output: object, photo: Photo, word: str) -> list[MaskProposal]:
        """Score of a query: that it is such a thing, times that there is such a thing at all."""
        scores = output.pred_logits[0].float().sigmoid() * output.presence_logits[0].float().sigmoid()  # type: ignore[attr-defined]
        sure = (scores >= self._threshold).nonzero()[:, 0]
        masks = masks_of_logits(output.pred_masks[0][sure], working_size_px(photo.size_px))  # type: ignore[attr-defined]
        return [
            proposal(mask, Prompt(label=word, score=float(scores[i])), 1.0, self.name)
            for mask, i in zip(masks, sure.tolist(), strict=True)
            if mask.any()
        ]
