"""A network's guess of the whole object, for the sides that no photo shows (`hidden_network`).

The first look at an object in, a solid out that `lift_volume` joins with what is seen. Frames: `world`, and `box`,
facing the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

from ..crop import CropVolume
from ..weights.own import HIDDEN_SIDES, own_weights
from .hidden_cells import CELLS, CellGrid, as_values, cells_around, evidence_in_cells
from .lift_cut import mirrored_features
from .lift_sight import Sight, view_around

if TYPE_CHECKING:
    from .hidden_network import HiddenNetwork

_LEVELS = (0.25, 0.5)
_UNLIKELY = 0.2  # what is less sure is not there, whatever mirror images say


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessedSolid:
    """filled: how sure each cell is to be inside the object, 0 to 1. level: what is surer than this is solid."""

    cells: CellGrid
    filled: Float32[np.ndarray, "n n n"]
    level: float = 0.5

    @property
    def is_blurred(self) -> bool:
        return True

    def inside_m(self, points_world: Float[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n"]:
        """About how far inside the solid's surface each point lies, metres, within two cells; negative outside."""
        return self._above_m(points_world, self.level)

    def perhaps_inside_m(self, points_world: Float[np.ndarray, "*n 3"]) -> Float32[np.ndarray, "*n"]:
        """The same of the solid that is not unlikely."""
        return self._above_m(points_world, _UNLIKELY)

    def _above_m(self, points_world: Float[np.ndarray, "*n 3"], level: float) -> Float32[np.ndarray, "*n"]:
        from scipy.ndimage import map_coordinates

        box = self.cells.box
        points = box.box_from_world(points_world.reshape(-1, 3))
        at = (points - box.low) / box.size_m * CELLS - 0.5
        # Beyond the middles of the outermost cells these go on; beyond the box there is nothing.
        sure = map_coordinates(self.filled, np.clip(at, 0, CELLS - 1).T, order=1, output=np.float32)
        sure[((at < -0.5) | (at > CELLS - 0.5)).any(axis=1)] = 0
        return ((sure - level) * (2 * self.cells.spacing_m)).astype(np.float32).reshape(points_world.shape[:-1])

    def nodes_world(self) -> Float[np.ndarray, "n 3"]:
        """Points that fill the solid."""
        from scipy.ndimage import zoom

        finer = zoom(self.filled, 2, order=1, mode="nearest", grid_mode=True)
        box = self.cells.box
        return box.world_from_box(box.low + (np.argwhere(finer > self.level) + 0.5) / (2 * CELLS) * box.size_m)


def guess_solid(volume: CropVolume, sight: Sight) -> GuessedSolid:
    """Raises BackendMissing where the weights are not in this installation."""
    import torch

    cells = cells_around(sight.cut)
    evidence = as_values(evidence_in_cells(view_around(volume, sight.seen, cells.box), cells))
    both = torch.from_numpy(np.stack([evidence, evidence[:, ::-1]]))
    features = torch.from_numpy(np.stack([sight.cut.features, mirrored_features(sight.cut.features)])).float()
    with torch.inference_mode():
        one, other = _network()(both, features).sigmoid().numpy()
    filled = (one + other[::-1]) / 2
    return GuessedSolid(cells=cells, filled=filled, level=best_level(filled))


def best_level(filled: Float32[np.ndarray, "n n n"]) -> float:
    """The level whose solid has the largest expected IoU with the true one: a half where all is sure, less where not.

    By the ratio of expected intersection and union (Nowozin, "Optimal Decisions from Probabilistic Models: The
    Intersection-over-Union Case", CVPR 2014, section 4). A plain half would leave out whatever the photo does not show
    of an object that is half cut off.
    """
    sure = np.sort(filled.ravel())[::-1].astype(np.float64)
    within = np.cumsum(sure)
    iou = within / np.maximum(np.arange(1, len(sure) + 1) + within[-1] - within, 1e-9)
    best = int(iou.argmax())
    return float(np.clip(sure[best], *_LEVELS))


@lru_cache(maxsize=1)
def _network() -> HiddenNetwork:
    from .hidden_network import read_hidden

    return read_hidden(own_weights(HIDDEN_SIDES))
