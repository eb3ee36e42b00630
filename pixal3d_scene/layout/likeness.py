"""How alike two objects are: meshes in their node frames (m, y up) and masks in the photo in, differences out.

Shape is compared over all turns about gravity and never over mirror images; colour by what the masks show, in CIELAB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..arrays import read_only
from ..asset import Mesh
from ..colour import linear_from_srgb, srgb_from_linear
from ..crop import CropVolume
from ..frames import WORLD_UP
from .depth_scale import mask_window
from .overlap import spread_points

_DENSE, _SPARSE = 6000, 500
_TURNS = 36
_REFINED = 3
_MOST_EVALUATIONS = 20
# Distances above this share of the size are parts that one of the two lacks; they count, but do not pull.
_SOFT_SHARE = 0.02
# Pixels next to the rim of a mask mix two colours.
_RIM_PX = 2
_MOST_PIXELS = 1500
_FEWEST_PIXELS = 30
# Light and shade of one room; what remains of them differs in lightness more than in hue.
_MOST_GAIN = 1.8
_LIGHTNESS_WEIGHT = 0.5
_LUMINANCE = read_only(np.array([0.2126, 0.7152, 0.0722]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeDifference:
    """share: mean distance between the surfaces, both ways, over the mean diagonal of the two boxes.

    yaw_rad: turn about y that lays the second on the first. mirrored_share: `share` for the second's mirror image.
    """

    share: float
    yaw_rad: float
    mirrored_share: float


def shape_difference(first: Cloud, second: Cloud) -> ShapeDifference:
    """Of two upright meshes in metres, whatever their turn about gravity; sizes are not adjusted."""
    share, yaw_rad = _best_turn(first, second)
    mirrored_share, _ = _best_turn(first, second.mirrored())
    return ShapeDifference(share=share, yaw_rad=yaw_rad, mirrored_share=mirrored_share)


def colour_difference(first: Colours, second: Colours) -> float:
    """Distance of the colour histograms of two masks in CIELAB units (earth mover's, channel by channel).

    One of the two may stand in the shade: up to a factor, their light is made equal first. Infinite where a mask is
    too small to tell.
    """
    from scipy.stats import wasserstein_distance
    from skimage.color import rgb2lab

    if min(len(first.linear), len(second.linear)) < _FEWEST_PIXELS:
        return np.inf
    gain = float(np.sqrt(np.clip(second.light / first.light, 1 / _MOST_GAIN, _MOST_GAIN)))
    a, b = (
        rgb2lab(srgb_from_linear(np.clip(colours.linear * factor, 0, 1)))
        for colours, factor in ((first, gain), (second, 1 / gain))
    )
    apart = np.array([wasserstein_distance(a[:, k], b[:, k]) for k in range(3)])
    return float(np.linalg.norm(apart * [_LIGHTNESS_WEIGHT, 1.0, 1.0]))


class Colours:
    """What a mask shows: linear RGB of its pixels, its rim aside where that leaves enough, and their mean luminance."""

    def __init__(self, volume: CropVolume) -> None:
        from scipy.ndimage import binary_erosion

        window = mask_window(volume.mask, margin_px=_RIM_PX)
        mask = volume.mask[window]
        inner = binary_erosion(mask, iterations=_RIM_PX)
        rows, columns = np.nonzero(inner if inner.sum() >= _FEWEST_PIXELS else mask)
        chosen = np.linspace(0, len(rows) - 1, min(_MOST_PIXELS, len(rows))).astype(np.int64)
        shown = volume.photo_rgb[window][rows[chosen], columns[chosen]]
        self.linear = linear_from_srgb(shown / 255)
        self.light = max(float((self.linear @ _LUMINANCE).mean()), 1e-4)


class Cloud:
    """Points of an upright surface about its own axis, and a search tree of many more of them."""

    def __init__(self, points_node: Float[np.ndarray, "n 3"]) -> None:
        from scipy.spatial import cKDTree

        self._dense = points_node
        self.tree = cKDTree(points_node)
        self.points = points_node[:: max(len(points_node) // _SPARSE, 1)]
        self.diagonal_m = float(np.linalg.norm(np.ptp(points_node, axis=0)))

    @staticmethod
    def of(mesh_node: Mesh) -> Cloud:
        """Of a mesh in its node frame, m."""
        dense = spread_points(mesh_node, _DENSE)[0]
        x_m, _, z_m = dense.mean(axis=0)
        return Cloud(dense - [x_m, float(mesh_node.bounds[0, 1]), z_m])

    def mirrored(self) -> Cloud:
        """The mirror image."""
        return Cloud(self._dense * [-1.0, 1.0, 1.0])


def _best_turn(first: Cloud, second: Cloud) -> tuple[float, float]:
    """Mean distance over size at the best turn and shift in plan, and the turn."""
    from scipy.optimize import least_squares

    size_m = (first.diagonal_m + second.diagonal_m) / 2

    def distances(x: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n"]:
        shift = np.array([x[1], 0.0, x[2]]) * size_m
        there = first.tree.query(turned(second.points, x[0]) + shift)[0]
        back = second.tree.query(turned(first.points - shift, -x[0]))[0]
        return np.concatenate([there, back]) / size_m

    starts = [np.array([k * 2 * np.pi / _TURNS, 0.0, 0.0]) for k in range(_TURNS)]
    best = (np.inf, 0.0)
    for start in sorted(starts, key=lambda x: float(distances(x).mean()))[:_REFINED]:
        found = least_squares(
            distances, start, loss="soft_l1", f_scale=_SOFT_SHARE, diff_step=1e-3, max_nfev=_MOST_EVALUATIONS,
            x_scale=[0.1, 0.05, 0.05],
        )  # fmt: skip
        best = min(best, (float(distances(found.x).mean()), float(found.x[0])))
    return best


def turned(points: Float[np.ndarray, "n 3"], yaw_rad: float) -> Float[np.ndarray, "n 3"]:
    """Points turned about gravity."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(yaw_rad * WORLD_UP).apply(points))
