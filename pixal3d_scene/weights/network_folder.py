"""The folder of one network: a folder or hub id goes in, a folder with all that is needed comes out, nothing loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import BackendMissing, InputError
from .digest import content_digest
from .location import WeightsFolder, find_weights
from .transformers_folder import has_vocabulary

WEIGHTS_FILE = "model.safetensors"
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


def find_network(
    reference: str,
    *,
    revision: str | None,
    needs: Sequence[str] = ("config.json", WEIGHTS_FILE),
    with_words: bool = False,
) -> WeightsFolder:
    """As `find_weights`; with_words: a vocabulary is needed too.

    Raises InputError where there is a pickle in the place of safetensors, or a file in the place of a folder.
    """
    given = Path(reference).expanduser()
    if given.is_file():
        raise InputError(
            f"{given} is a file; give the folder that holds it as {WEIGHTS_FILE} (docs/weights.md shows how to convert "
            "a .pth once)."
        )
    if given.is_dir() and not (given / WEIGHTS_FILE).is_file():
        refuse_pickles(given)
    found = find_weights(reference, revision=revision, files=needs)
    if with_words and not has_vocabulary(found.path):
        raise BackendMissing(f"The weights in {found.path} have no tokenizer.json, and so no words; fetch them again.")
    return found


def refuse_pickles(folder: Path) -> None:
    """Raise InputError where a folder holds weights that only a pickle reader could open."""
    pickled = next((file for file in sorted(folder.iterdir()) if file.suffix in _PICKLES), None)
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
