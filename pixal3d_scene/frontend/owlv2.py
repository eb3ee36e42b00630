"""OWLv2 by transformers: photo and words in, boxes with words out. Weights: `Owlv2ForObjectDetection`.

Minderer et al., "Scaling Open-Vocabulary Object Detection", NeurIPS 2023. The picture is padded to a square below or
to the right; boxes are shares of that square's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..photo import Photo
from ..weights.device import half_precision
from ..weights.transformers_folder import load_tokenizer, load_transformers
from .detections import Detection, inside_photo
from .working_picture import CLIP, as_input, resized_rgb

if TYPE_CHECKING:
    import torch

_WHAT = "The detector OWLv2"
_TEXT = "a photo of a {}"  # the wording that it was trained with


class Owlv2:
    """A `Detector`. threshold: least score of a box. Raises InputError where the folder is not complete."""

    name = "owlv2"

    def __init__(self, folder: Path, *, device: torch.device, threshold: float) -> None:
        self._model = load_transformers("Owlv2ForObjectDetection", folder, what=_WHAT).to(device)
        self._tokenizer = load_tokenizer(folder, what=_WHAT)
        self._device, self._threshold = device, threshold
        self._side_px = int(self._model.config.vision_config.image_size)
        self._text_tokens = int(self._model.config.text_config.max_position_embeddings)

    def detect(self, photo: Photo, words: Sequence[str]) -> list[Detection]:
        """See `Detector`."""
        import torch

        text = self._tokenizer(
            [_TEXT.format(word) for word in words],
            padding="max_length",
            truncation=True,
            max_length=self._text_tokens,
            return_tensors="pt",
        ).to(self._device)
        picture = as_input(padded_square(photo, self._side_px), CLIP, self._device)
        with torch.no_grad(), half_precision(self._device):
            found = self._model(pixel_values=picture, input_ids=text.input_ids, attention_mask=text.attention_mask)
        scores, best = found.logits[0].float().sigmoid().cpu().max(1)
        boxes = found.pred_boxes[0].float().cpu().numpy()  # centre and size, as shares of the square
        square_px = np.array(photo.size_px) * self._side_px / np.array(size_in_square_px(photo.size_px, self._side_px))
        detections = []
        for query in (scores >= self._threshold).nonzero()[:, 0].tolist():
            x, y, width, height = boxes[query]
            corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * np.tile(square_px, 2)
            if (box_px := inside_photo(corners, photo.size_px)) is not None:
                label = words[int(best[query])]
                detections.append(Detection(label=label, score=float(scores[query]), box_px=box_px))
        return detections


def padded_square(photo: Photo, side_px: int) -> np.ndarray:
    """(side, side, 3): the photo with black below or to its right, at the network's size."""
    width, height = size_in_square_px(photo.size_px, side_px)
    square = np.zeros((side_px, side_px, 3), dtype=np.uint8)
    square[:height, :width] = resized_rgb(photo, (width, height))
    return square


def size_in_square_px(size_px: tuple[int, int], side_px: int) -> tuple[int, int]:
    """What of the square the photo fills, in whole pixels."""
    longest = max(size_px)
    return max(1, round(size_px[0] * side_px / longest)), max(1, round(size_px[1] * side_px / longest))
