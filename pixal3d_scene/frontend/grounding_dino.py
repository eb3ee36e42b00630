"""Grounding DINO by transformers: photo and words in, boxes with words out. Weights: `GroundingDinoForObjectDetection`.

Liu et al., "Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set Object Detection", ECCV 2024. All
words go in as one text, "sofa. lamp."; a box gets the word whose tokens fit it best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..photo import Photo
from ..weights.device import half_precision
from ..weights.transformers_folder import load_tokenizer, load_transformers
from .detections import Detection, inside_photo
from .working_picture import IMAGENET, as_input, resized_rgb

if TYPE_CHECKING:
    import torch

_WHAT = "The detector Grounding DINO"
_SHORT_SIDE_PX, _LONG_SIDE_PX = 800, 1333


class GroundingDino:
    """A `Detector`. threshold: least score of a box. Raises InputError where the folder is not complete."""

    name = "grounding_dino"

    def __init__(self, folder: Path, *, device: torch.device, threshold: float) -> None:
        self._model = load_transformers("GroundingDinoForObjectDetection", folder, what=_WHAT).to(device)
        self._tokenizer = load_tokenizer(folder, what=_WHAT)
        self._device, self._threshold = device, threshold
        config = self._model.config
        self._most_tokens = min(int(config.max_text_len), int(config.text_config.max_position_embeddings))

    def detect(self, photo: Photo, words: Sequence[str]) -> list[Detection]:
        """See `Detector`. Words that do not fit into one text go in as several."""
        picture = as_input(resized_rgb(photo, detector_size_px(photo.size_px)), IMAGENET, self._device)
        return [d for some in self._texts(words) for d in self._detect(picture, photo.size_px, some)]

    def _texts(self, words: Sequence[str]) -> Iterator[list[str]]:
        """The words in groups whose text is short enough."""
        group: list[str] = []
        for word in words:
            if self._tokens([word]) > self._most_tokens:
                raise InputError(f"The label {word!r} is too long for Grounding DINO; give a shorter one.")
            if group and self._tokens([*group, word]) > self._most_tokens:
                yield group
                group = []
            group.append(word)
        if group:
            yield group

    def _tokens(self, words: Sequence[str]) -> int:
        return len(self._tokenizer(_text([word.lower() for word in words])).input_ids)

    def _detect(self, picture: torch.Tensor, size_px: tuple[int, int], words: Sequence[str]) -> list[Detection]:
        import torch

        lowered = [word.lower() for word in words]
        text = self._tokenizer(_text(lowered), return_offsets_mapping=True, return_tensors="pt")
        offsets = text.pop("offset_mapping")[0]
        text = text.to(self._device)
        with torch.no_grad(), half_precision(self._device):
            found = self._model(
                pixel_values=picture,
                input_ids=text.input_ids,
                token_type_ids=text.token_type_ids,
                attention_mask=text.attention_mask,
            )
        of_tokens = found.logits[0].float().sigmoid().cpu()[:, : len(offsets)]  # (queries, tokens)
        nothing = torch.zeros(len(of_tokens), 1)  # of a word that the tokenizer does not know at all
        of_words = torch.stack(
            [torch.cat([of_tokens[:, own], nothing], dim=1).amax(1) for own in _tokens_of(lowered, offsets)], dim=1
        )
        scores, best = of_words.max(1)
        boxes = found.pred_boxes[0].float().cpu().numpy()  # centre and size, as shares of the photo
        detections = []
        for query in (scores >= self._threshold).nonzero()[:, 0].tolist():
            x, y, width, height = boxes[query]
            corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * np.array(size_px * 2)
            if (box_px := inside_photo(corners, size_px)) is not None:
                label = words[int(best[query])]
                detections.append(Detection(label=label, score=float(scores[query]), box_px=box_px))
        return detections


def detector_size_px(size_px: tuple[int, int]) -> tuple[int, int]:
    """The published size: 800 px along the shorter side, but at most 1333 px along the longer one."""
    from transformers.image_transforms import get_size_with_aspect_ratio

    height, width = get_size_with_aspect_ratio(size_px[::-1], _SHORT_SIDE_PX, _LONG_SIDE_PX)
    return max(1, int(width)), max(1, int(height))


def _text(words: Sequence[str]) -> str:
    return "".join(f"{word}. " for word in words).strip()


def _tokens_of(words: Sequence[str], offsets: torch.Tensor) -> list[list[int]]:
    """Of every word, the tokens that lie in it; offsets: (tokens, 2) first and last character of each."""
    spans, start = [], 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word) + 2
    return [[i for i, (a, b) in enumerate(offsets.tolist()) if first <= a < b <= last] for first, last in spans]
