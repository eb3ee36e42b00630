"""The networks of the front-end by kind: a folder in, its kind out, or the network, loaded strictly to see if it fits.

For `models check`, where weights are looked at without a photo.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..weights.pretrained import WEIGHTS_FILE, load_pretrained, load_tokenizer


def _sam(folder: Path) -> Any:
    from .sam_checkpoint import load_sam

    return load_sam(folder / WEIGHTS_FILE)


def _transformers_class(class_name: str, *, with_words: bool) -> Callable[[Path], Any]:
    def load(folder: Path) -> Any:
        if with_words:
            load_tokenizer(folder, what=class_name)
        return load_pretrained(class_name, folder, what="network")

    return load


LOADERS: dict[str, Callable[[Path], Any]] = {
    "sam": _sam,
    "sam2": _transformers_class("Sam2Model", with_words=False),
    "sam3": _transformers_class("Sam3Model", with_words=True),
    "grounding-dino": _transformers_class("GroundingDinoForObjectDetection", with_words=True),
    "owlv2": _transformers_class("Owlv2ForObjectDetection", with_words=True),
}
_PUBLISHED_AS = {"sam2_video": "sam2", "sam3_video": "sam3"}  # the hub's folders hold the video models


def kind_of(folder: Path) -> str | None:
    """Key of LOADERS that a folder's config.json names; None where it names another network, or where there is none."""
    try:
        model_type = json.loads((folder / "config.json").read_text())["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    kind = _PUBLISHED_AS.get(str(model_type), str(model_type))
    return kind if kind in LOADERS else None
