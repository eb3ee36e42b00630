"""How far one set of surface points is from another: distances, F-score, boxes, alignment.

In: points of two surfaces in one common frame and unit. Out: plain numbers in that unit. The functions know
nothing of rooms, cameras or files; which frame and which threshold make a figure comparable with others is
said in the protocols (`protocol_*.py`), which also name their own constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from ..arrays import freeze

# Divisors are kept from zero by values far below anything a room holds.
_NO_DISTANCE = 1e-12
_NO_HALF_EXTENT = 1e-6
_NO_SHARE = 1e-9
_NO_UNION = 1e-12
_NO_BOX = 1e-9


def surface_points(mesh: Any, count: int, *, seed: int = 0) -> Float[np.ndarray, "n 3"]:
    """Uniform samples of the surface of anything with `vertices` and `faces`; the same ones for the same seed."""
    import trimesh

    bare = trimesh.Trimesh(mesh.vertices, mesh.faces)
    return np.asarray(trimesh.sample.sample_surface(bare, count, seed=seed)[0])


class Surface:
    """Points of one surface, ready for nearest-neighbour queries."""

    def __init__(self, points: Float[np.ndarray, "n 3"]) -> None:
        self.points = points
        self._tree = cKDTree(points)

    def nearest(self, queries: Float[np.ndarray, "m 3"]) -> tuple[Float[np.ndarray, "m"], Int[np.ndarray, "m"]]:
        """Distance to, and index of, the nearest own point of every query."""
        distances, indices = self._tree.query(queries, workers=-1)
        return np.asarray(distances), np.asarray(indices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Nearest distances between two surfaces, both ways."""

    from_result: Float[np.ndarray, "n"]
    from_truth: Float[np.ndarray, "m"]

    def __post_init__(self) -> None:
        freeze(self, "from_result", "from_truth")

    @property
    def squared_chamfer(self) -> float:
        """Mean squared distances, both ways summed."""
        return float((self.from_result**2).mean() + (self.from_truth**2).mean())

    @property
    def mean_chamfer(self) -> float:
        """Chamfer distance: mean distances, not squared, mean of the two ways."""
        return float((self.from_result.mean() + self.from_truth.mean()) / 2)

    def f_score(self, within: float) -> float:
        """Harmonic mean of precision and recall at the distance `within`, 0 to 100 (Knapitsch et al. 2017)."""
        precision, recall = (self.from_result < within).mean(), (self.from_truth < within).mean()
        return float(2 * precision * recall / max(precision + recall, _NO_SHARE) * 100)


def gap(result: Float[np.ndarray, "n 3"], truth: Surface) -> Gap:
    """Distances between the points of a result and those of the truth, same frame."""
    return Gap(from_result=truth.nearest(result)[0], from_truth=Surface(result).nearest(truth.points)[0])


def align_rigidly(
    result: Float[np.ndarray, "n 3"], truth: Surface, *, steps: int, relative_change: float
) -> Float[np.ndarray, "n 3"]:
    """`result` moved onto `truth` by point-to-point ICP from where it is (Besl and McKay 1992).

    Ends after `steps` steps, or when the mean squared distance changes by less than `relative_change` of itself.
    It finds the nearest minimum only: a part of the figures' definition, not a registration tool.
    """
    moved, last = result, np.inf
    for _ in range(steps):
        distances, nearest = truth.nearest(moved)
        mean_squared = float((distances**2).mean())
        if abs(last - mean_squared) < relative_change * max(last, _NO_DISTANCE):
            break
        last = mean_squared
        # Fitted from the start each time, so that rounding does not add up.
        rotation, translation = rigid_fit(result, truth.points[nearest])
        moved = result @ rotation.T + translation
    return moved


def rigid_fit(
    source: Float[np.ndarray, "n 3"], target: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """Rotation and translation of least squares from paired points, never a reflection (Umeyama 1991)."""
    source_middle, target_middle = source.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((source - source_middle).T @ (target - target_middle))
    handedness = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    rotation = vt.T @ handedness @ u.T
    return rotation, target_middle - rotation @ source_middle


def stretched_to_unit(points: Float[np.ndarray, "n 3"], *, half_side: float) -> Float[np.ndarray, "n 3"]:
    """Each axis stretched by itself to [-half_side, half_side]: shape is left, without size and proportions."""
    low, high = points.min(axis=0), points.max(axis=0)
    half_extent = np.maximum((high - low) / 2, _NO_HALF_EXTENT)
    return (points - (low + high) / 2) / half_extent * half_side


def box_centre(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """Centre of the axis-aligned box."""
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)


def box_iou(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"]) -> float:
    """Intersection over union of the axis-aligned boxes of two point sets."""
    shared = _shared_box_volume(a, b)
    return float(shared / max(_box_volume(a) + _box_volume(b) - shared, _NO_UNION))


def box_overlap(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"]) -> float:
    """Intersection of the axis-aligned boxes over the smaller of them."""
    return float(_shared_box_volume(a, b) / max(min(_box_volume(a), _box_volume(b)), _NO_BOX))


def _box_volume(points: Float[np.ndarray, "n 3"]) -> float:
    return float(np.prod(np.ptp(points, axis=0)))


def _shared_box_volume(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"]) -> float:
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    return float(np.prod(np.clip(high - low, 0, None)))
