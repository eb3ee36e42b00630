"""Networks as transformers saves them: a folder goes in, a network on the CPU comes out, strictly and offline.

Safetensors only, every key there and none left over; pickles are never opened and the hub is never asked.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BackendMissing, InputError
from .digest import content_digest
from .location import WeightsFolder, find_weights

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
WEIGHTS_FILE = "model.safetensors"
# Any of these is a whole vocabulary. Without one transformers makes up a tokenizer that knows no word.
_VOCABULARIES = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"))
_MOST_NAMES = 4  # in an error message


def find_pretrained(
    reference: str,
    *,
    revision: str | None,
    setting: str,
    needs: Sequence[str] = ("config.json", WEIGHTS_FILE),
    with_words: bool = False,
) -> WeightsFolder:
    """The folder of a network, found without loading anything.

    setting: where a config file names these weights, such as "segment.sam2". needs: files without which nothing can
    be loaded. with_words: a vocabulary is needed too. Raises BackendMissing where a file is not there, InputError
    where there is a pickle in its place.
    """
    given = Path(reference).expanduser()
    if given.is_file():
        raise InputError(
            f"{setting}.weights names the file {given}; give the folder that holds it as {WEIGHTS_FILE} "
            "(docs/weights.md shows how to convert a .pth once)."
        )
    found = find_weights(reference, revision=revision, setting=f"{setting}.revision")
    missing = [name for name in needs if not (found.path / name).is_file()]
    if missing:
        refuse_pickles(found.path)
    if with_words and not _has_vocabulary(found.path):
        missing.append("tokenizer.json")
    if missing:
        raise BackendMissing(
            f"{found.path} has no {missing[0]}: it is not complete; fetch it again (pixal3d-scene models list tells "
            f"the name), or name another folder as {setting}.weights in a config file."
        )
    return found


def refuse_pickles(folder: Path) -> None:
    """Raise InputError where a folder holds weights that only a pickle reader could open."""
    pickled = next((file for file in sorted(folder.iterdir()) if file.suffix in PICKLES), None)
    if pickled is not None:
        raise InputError(
            f"{pickled} is a pickle, which can run any program when it is loaded, and is never opened here; convert it "
            f"once into {WEIGHTS_FILE} as docs/weights.md shows."
        )


def folder_digest(folder: Path) -> str:
    """Changes with the content of any file of the folder itself that a loader may read."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".txt", ".safetensors") and file.is_file():
            digest.update(f"{file.name} {content_digest(file)}\n".encode())
    return digest.hexdigest()


def load_pretrained(class_name: str, folder: Path, *, what: str) -> Any:
    """A model class of transformers, by its name, with the weights of a folder; float32, ready to be evaluated.

    what: for error messages, such as "segmentation network". Raises InputError naming the keys that do not fit.
    Keys that the class itself says belong to another one of its family (the memory of SAM 2's video model, the
    tracker of SAM 3) may be there or not.
    """
    import torch
    from safetensors import SafetensorError

    model_class = getattr(_transformers(), class_name)
    _check_kind(folder, str(model_class.config_class.model_type), what)
    try:
        with quiet_transformers():
            model, report = model_class.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they come back in the report, with their names
            )
    except (OSError, ValueError, SafetensorError, RuntimeError, AttributeError, TypeError) as error:
        raise InputError(f"The {what} in {folder} cannot be loaded: {_first_line(error)}") from error
    problems = _problems(report, getattr(model_class, "_keys_to_ignore_on_load_unexpected", None) or ())
    if problems:
        raise InputError(f"The {what} in {folder} is no complete {class_name}: {'; '.join(problems)}. Fetch it again.")
    return model.requires_grad_(False).eval()


def load_tokenizer(folder: Path, *, what: str) -> Any:
    """The tokenizer of a text network, from the same folder."""
    if not _has_vocabulary(folder):
        raise InputError(f"The {what} in {folder} has no vocabulary (tokenizer.json); fetch it again.")
    try:
        with quiet_transformers():
            return _transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever a damaged file makes the parsers raise
        raise InputError(f"The tokenizer of the {what} in {folder} cannot be loaded: {_first_line(error)}") from error


def _check_kind(folder: Path, wanted: str, what: str) -> None:
    """Before gigabytes of another network are built: whether config.json describes this one, or its video model."""
    try:
        described = json.loads((folder / "config.json").read_text())["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / 'config.json'} does not name a model_type ({error!r}); fetch it again.") from error
    if described not in (wanted, f"{wanted}_video"):
        raise InputError(f"{folder} holds a {described!r}, not the {what} ({wanted!r}); name the right folder.")


def _has_vocabulary(folder: Path) -> bool:
    return any(all((folder / name).is_file() for name in names) for names in _VOCABULARIES)


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


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise BackendMissing("The networks need transformers: pip install 'transformers>=5.10,<6'.") from error
    return transformers


def _problems(report: dict[str, Any], of_relatives: Sequence[str]) -> list[str]:
    """What does not fit, each kind with its names."""
    problems = []
    for kind, names in sorted(report.items()):
        if not kind.endswith("_keys"):
            continue
        listed = sorted(_described(entry) for entry in names)
        if kind == "unexpected_keys":
            listed = [name for name in listed if not any(re.search(pattern, name) for pattern in of_relatives)]
        if listed:
            more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
            problems.append(f"{kind}: {', '.join(listed[:_MOST_NAMES])}{more}")
    return problems


def _described(entry: Any) -> str:
    """A key as it is, or one with the shape in the file and the shape that the network has."""
    if isinstance(entry, tuple) and len(entry) == 3:
        name, stored, expected = entry
        return f"{name} is {tuple(stored)}, not {tuple(expected)}"
    return str(entry)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
