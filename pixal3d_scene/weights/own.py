"""Weights that were trained by this project and are part of the package: a name in, a file or folder out.

Each has a card (NAME.md) beside it: data, steps, machine, figures, licence.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import BackendMissing
from .digest import computed_digest

FOLDER = Path(__file__).parent / "own"
FRONT_END = "front_end.safetensors"
OBJECTS = "objects"
EXTENTS = "extents.safetensors"
HIDDEN_SIDES = "hidden_sides.safetensors"
RELIEFS = "reliefs.safetensors"
LICENCE = "Apache-2.0"
# What each is for, by the name that `models list` and reports give it.
OWN = {
    "front_end": (FRONT_END, "objects, depth, camera and gravity from one photo"),
    "extents": (EXTENTS, "how far objects go on that the photo's border or others cut off"),
    "hidden_sides": (HIDDEN_SIDES, "what objects are like where no photo shows them"),
    "reliefs": (RELIEFS, "the shapes of what is seen, object by object"),
}


def own_weights(name: str) -> Path:
    """A file or folder of the package; raises BackendMissing where this installation lacks it."""
    need_own_weights(name)
    return FOLDER / name


def need_own_weights(*names: str) -> None:
    """Raises BackendMissing, with all of them in one sentence, where this installation lacks any."""
    missing = [name for name in names if not (FOLDER / name).exists()]
    if missing:
        raise BackendMissing(
            f"The package's own weights {', '.join(missing)} are not in this installation ({FOLDER}); install it "
            "again, or train them with `pixal3d-scene train` (docs/training-data.md)."
        )


def own_revision(*names: str) -> str:
    """Changes with the content of these files, and with whether they are there at all."""
    files = [FOLDER / name for name in names]
    parts = [f"{file.name} {computed_digest(file) if file.is_file() else 'missing'}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
