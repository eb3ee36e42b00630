"""Weights that were trained by this project and are part of the package: a name in, a file or folder out.

Each has a card (NAME.md) beside it: data, steps, machine, figures, licence.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import BackendMissing

FOLDER = Path(__file__).parent / "own"
FRONT_END = "front_end.safetensors"
OBJECTS = "objects"
EXTENTS = "extents.safetensors"
HIDDEN_SIDES = "hidden_sides.safetensors"
LICENCE = "Apache-2.0"
# What each is for, by the name that `models list` and reports give it.
OWN = {
    "front_end": (FRONT_END, "objects, depth, camera and gravity from one photo"),
    "extents": (EXTENTS, "how far objects go on that the photo's border or others cut off"),
    "hidden_sides": (HIDDEN_SIDES, "what objects are like where no photo shows them"),
}


def own_weights(name: str) -> Path:
    """A file or folder of the package; raises BackendMissing where this installation lacks it."""
    path = FOLDER / name
    if not path.exists():
        raise BackendMissing(
            f"The package's own weights {name} are not in this installation ({FOLDER}); install it again, or train "
            "them with `pixal3d-scene train` (docs/training-data.md)."
        )
    return path
