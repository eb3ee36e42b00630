"""A network of the transformers library from a local folder (config.json, model.safetensors), strictly and offline."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BackendMissing, InputError

_MOST_NAMES = 4  # in an error message

# What the package runs, by the model type in config.json.
CLASSES = {
    "dinov3_vit": "DINOv3ViTModel",
    "depth_anything": "DepthAnythingForDepthEstimation",
    "depth_pro": "DepthProForDepthEstimation",
    "sam2": "Sam2Model",
    "sam2_video": "Sam2Model",  # as published: the image part of the video model
    "sam3": "Sam3Model",
    "sam3_video": "Sam3Model",
    "grounding-dino": "GroundingDinoForObjectDetection",
    "owlv2": "Owlv2ForObjectDetection",
}
_WITH_WORDS = ("Sam3Model", "GroundingDinoForObjectDetection", "Owlv2ForObjectDetection")
# Any of these is a whole vocabulary. Without one transformers makes up a tokenizer that knows no word.
_VOCABULARIES = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"))


def load_transformers(class_name: str, folder: Path, *, what: str, **options: Any) -> Any:
    """The network of that class in float32 on the CPU, ready to be evaluated.

    what: its role in an error, such as "The depth network". Every tensor of the network must be in the file with its
    own shape, and none may be left over, but for those that the class itself lists as parts of another model: what is
    published of SAM 2 and SAM 3 are the video models. Pickles are not opened and nothing is fetched. options: for
    `from_pretrained`. Raises BackendMissing without transformers, InputError where the folder does not hold that
    network.
    """
    try:
        import torch
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise BackendMissing(f"{what} needs transformers: pip install 'transformers>=5.10,<6'.") from error
    kind = getattr(transformers, class_name)
    try:
        with quiet_transformers():
            config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
            if CLASSES.get(config.model_type) != class_name:
                raise InputError(
                    f"{what} in {folder} is a {config.model_type!r}, not a {kind.config_class.model_type!r}; give "
                    "the folder of such a network, or name the adapter that belongs to it."
                )
            model, report = kind.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they come back in the report, with their names
                **options,
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{what} in {folder} cannot be loaded: {error}") from error
    others = getattr(kind, "_keys_to_ignore_on_load_unexpected", None) or ()
    report["unexpected_keys"] = [
        name for name in report["unexpected_keys"] if not any(re.search(pattern, name) for pattern in others)
    ]
    wrong = [
        _listed(kind_of, names) for kind_of, names in sorted(report.items()) if kind_of.endswith("_keys") and names
    ]
    if wrong:
        raise InputError(f"{what} in {folder} is no complete {class_name}: {'; '.join(wrong)}. Fetch it again.")
    return model.requires_grad_(False).eval()


def load_tokenizer(folder: Path, *, what: str) -> Any:
    """What turns words into the numbers of a text network, from the same folder; raises InputError without one."""
    if not has_vocabulary(folder):
        raise InputError(f"{what} in {folder} has no vocabulary (tokenizer.json); fetch it again.")
    try:
        from transformers import AutoTokenizer

        with quiet_transformers():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever a damaged file makes the parsers raise
        raise InputError(f"{what} in {folder} has a vocabulary that cannot be read: {error}") from error


def has_vocabulary(folder: Path) -> bool:
    """Whether a folder tells which words there are."""
    return any(all((folder / name).is_file() for name in names) for names in _VOCABULARIES)


def load_any(class_name: str, folder: Path, *, what: str) -> Any:
    """The network, and the tokenizer where it reads words, to see whether everything fits."""
    if class_name in _WITH_WORDS:
        load_tokenizer(folder, what=what)
    return load_transformers(class_name, folder, what=what)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bar and no advice on stderr; what matters comes back as an error."""
    from transformers.utils import logging as speech

    level, bar = speech.get_verbosity(), speech.is_progress_bar_enabled()
    speech.set_verbosity(logging.CRITICAL)
    speech.disable_progress_bar()
    try:
        yield
    finally:
        speech.set_verbosity(level)
        if bar:
            speech.enable_progress_bar()


def _listed(kind_of: str, names: Any) -> str:
    found = sorted(map(_described, names))
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return f"{len(found)} {kind_of}: {', '.join(found[:_MOST_NAMES])}{more}"


def _described(entry: Any) -> str:
    """A key as it is, or one with the shape in the file and the shape that the network has."""
    if isinstance(entry, tuple) and len(entry) == 3:
        name, stored, expected = entry
        return f"{name} is {tuple(stored)}, not {tuple(expected)}"
    return str(entry)
