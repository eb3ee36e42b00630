"""Which models may be trained on. `split.txt` lists the others: the test models, and those kept for validation.

A line is `test NAME GEOMETRY` or `validation NAME GEOMETRY`; all models that it does not name are for training. A
model with a listed name, or with the geometry of a listed test model under whatever name, is never packed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

import numpy as np
from jaxtyping import Bool, Float

_CELLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSplit:
    """Names and geometry hashes of what is held back."""

    test: dict[str, str]
    validation: dict[str, str]

    def role(self, name: str, geometry: str) -> str:
        """ "test", "validation" or "train"."""
        if name in self.test or geometry in self.test.values():
            return "test"
        return "validation" if name in self.validation or geometry in self.validation.values() else "train"


def read_split() -> ModelSplit:
    """The split of the repository."""
    lines = (resources.files(__package__) / "split.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    parts = {word: {row[1]: row[2] for row in rows if row[0] == word} for word in ("test", "validation")}
    return ModelSplit(test=parts["test"], validation=parts["validation"])


def geometry_hash(vertices: Float[np.ndarray, "V 3"]) -> str:
    """Of the shape alone: the same for a model that was renamed, scaled, moved, or whose vertices were reordered."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    cells = np.unique(np.round((vertices - low) / np.maximum(high - low, 1e-9) * 50).astype(np.int64), axis=0)
    return hashlib.sha256(cells.tobytes()).hexdigest()[:16]


def occupancy(points: Float[np.ndarray, "n 3"], size_m: Float[np.ndarray, "3"]) -> Bool[np.ndarray, "c c c"]:
    """Cells of a cube of its largest extent, centred, that a model's surface points touch."""
    middle = np.array([0.0, size_m[1] / 2, 0.0])
    cells = np.floor(((points - middle) / max(float(size_m.max()), 1e-9) + 0.5) * _CELLS).astype(int)
    grid = np.zeros((_CELLS,) * 3, dtype=bool)
    grid[tuple(np.clip(cells, 0, _CELLS - 1).T)] = True
    return grid


def alike(a: Bool[np.ndarray, "c c c"], b: Bool[np.ndarray, "c c c"]) -> float:
    """How alike two models are, 0 to 1: intersection over union at the best quarter turn, mirrored or not."""
    best = 0.0
    for mirrored in (b, b[::-1]):
        for quarter in range(4):
            turned = np.rot90(mirrored, quarter, axes=(0, 2))
            best = max(best, float((a & turned).sum() / max((a | turned).sum(), 1)))
    return best
