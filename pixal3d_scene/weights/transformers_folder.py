"""A network of the transformers library from a local folder (config.json, model.safetensors), strictly and offline."""

from __future__ import annotations

import logging
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
}


def load_transformers(class_name: str, folder: Path, *, what: str, **options: Any) -> Any:
    """The network of that class in float32 on the CPU, ready to be evaluated.

    what: its role in an error, such as "The depth network". Every tensor of the network must be in the file with its
    own shape, and none may be left over; pickles are not opened and nothing is fetched. options: for
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
            if not isinstance(config, kind.config_class):
                raise InputError(
                    f"{what} in {folder} is a {config.model_type!r}, not a {kind.config_class.model_type!r}; give "
                    "the folder of such a network, or name the adapter that belongs to it."
                )
            model, report = kind.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True, dtype=torch.float32,
                **options,
            )  # fmt: skip
    except (OSError, ValueError, SafetensorError, RuntimeError) as error:
        raise InputError(f"{what} in {folder} cannot be loaded: {error}") from error
    wrong = [
        _listed(kind_of, names) for kind_of, names in sorted(report.items()) if kind_of.endswith("_keys") and names
    ]
    if wrong:
        raise InputError(f"{what} in {folder} is no complete {class_name}: {'; '.join(wrong)}. Fetch it again.")
    return model.requires_grad_(False).eval()


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
    found = sorted(map(str, names))
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    return f"{len(found)} {kind_of}: {', '.join(found[:_MOST_NAMES])}{more}"
