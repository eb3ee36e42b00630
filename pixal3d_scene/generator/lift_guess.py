"""A network's guess of the whole object, for the sides that no photo shows (`hidden_network`).

The first look at an object in, a solid out that `lift_volume` joins with what is seen. Frames: `world`, and `box`,
facing the camera.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int8

from ..crop import CropVolume
from ..weights.own import HIDDEN_SIDES, own_weights
from .hidden_cells import (
    CELLS,
    VISIBLE,
    WALLS,
    CellGrid,
    as_values,
    cells_around,
    evidence_in_cells,
    landmarks,
    mirrored_landmarks,
    mirrored_sides,
)
from .lift_box import Box
from .lift_cut import mirrored_features
from .lift_sight import Sight, box_by_symmetry, view_around
from .lift_visible import surroundings_world

if TYPE_CHECKING:
    from .hidden_network import HiddenNetwork

_LEVELS = (0.25, 0.5)
_SURE = 0.7  # of the surest cell of a slab that the object reaches
_MOST = 20.0  # times a cell may be surer by that
_UNLIKELY = 0.2  # what is less sure is not there, whatever mirror images say


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessedSolid:
    """filled: how sure each cell is to be inside the object, 0 to 1. level: what is surer than this is solid.

    box: around the whole object, in the frame of the cells.
    """

    cells: CellGrid
    filled: Float32[np.ndarray, "n n n"]
    box: Box
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

    def box_around(self, visible: Box) -> Box:
        """The visible box, grown to hold the solid as well."""
        return visible.around(self.box.corners_world())


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the network reads, but the numbers of `lift_cut`; `hidden_cells` says what it is."""

    cells: CellGrid
    evidence: Int8[np.ndarray, "C n n n"]
    landmarks: Float[np.ndarray, "L"]


def what_is_known(volume: CropVolume, sight: Sight) -> Known:
    """Of an object at first sight."""
    cells = cells_around(sight.cut)
    return Known(
        cells=cells,
        evidence=evidence_in_cells(view_around(volume, sight.seen, cells.box), cells),
        landmarks=landmarks(cells, box_by_symmetry(volume, sight)[0], sight.cut.box, surroundings_world(volume)),
    )


def guess_solid(volume: CropVolume, sight: Sight) -> GuessedSolid:
    """Raises BackendMissing where the weights are not in this installation."""
    import torch

    known = what_is_known(volume, sight)
    evidence, features = as_values(known.evidence), sight.cut.features
    both = (
        np.stack([evidence, evidence[:, ::-1]]),
        np.stack([features, mirrored_features(features)]),
        np.stack([known.landmarks, mirrored_landmarks(known.landmarks)]),
    )
    with torch.inference_mode():
        logits, sides = _network()(*(torch.from_numpy(b).float() for b in both))
    one, other = logits.sigmoid().numpy()
    filled = (one + other[::-1]) / 2
    sides = sides.numpy()
    sides = before_wall((sides[0] + mirrored_sides(sides[1])) / 2, known.landmarks)
    return solid_in_sides(known.cells, filled, sides)


def before_wall(sides: Float[np.ndarray, "6"], places: Float[np.ndarray, "L"]) -> Float[np.ndarray, "6"]:
    """The sides of a box that does not reach into the wall behind it. places: landmarks. What is seen stays."""
    behind, seen = float(places[WALLS][0]), float(places[VISIBLE][2])
    kept = sides.copy()
    kept[2] = max(kept[2], min(behind, seen))
    return kept


def solid_in_sides(
    cells: CellGrid, filled: Float32[np.ndarray, "n n n"], sides: Float[np.ndarray, "6"]
) -> GuessedSolid:
    """The solid that fills a box. sides: its corners, 0 to 1 in the cells.

    No cell beyond what is seen may be sure, though the sides say that the object goes on there: what is known of a slab
    is then how sure its cells are beside the surest.
    """
    sides = np.clip(sides, 0, 1)
    sides[1] = 0.0
    for axis, (low, high) in enumerate(zip(sides[:3], sides[3:], strict=True)):
        surest = filled.max(axis=tuple(a for a in range(3) if a != axis), keepdims=True)
        middles = (np.arange(CELLS) + 0.5) / CELLS
        within = ((middles > low) & (middles < high)).reshape([CELLS if a == axis else 1 for a in range(3)])
        filled = filled * np.where(within, np.clip(_SURE / np.maximum(surest, _SURE / _MOST), 1, None), 1)
    box = cells.box
    whole = replace(box, low=box.low + sides[:3] * box.size_m, high=box.low + sides[3:] * box.size_m)
    filled = filled.astype(np.float32)
    return GuessedSolid(cells=cells, filled=filled, box=whole, level=best_level(filled))


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
