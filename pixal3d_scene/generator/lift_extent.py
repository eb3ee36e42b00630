"""How far an object goes on where the photo's border cuts it off: a learnt guess of its box.

A small network reads what `lift_cut` says of the visible box and answers how far the true one reaches beyond each of
its sides. Geometry alone cannot know it: a sofa that the border cuts in half is as symmetric as a whole armchair. It
runs in numpy; `learning.extent_task` trains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32

from ..errors import BackendMissing
from ..weights.own import EXTENTS, own_weights
from .lift_box import Box
from .lift_cut import CutBox

# Of the outline, and of the outline near a side, that the photo's border must cut for the guess to count. Beside what
# only other objects cover, `complete_box` knows nearly as much.
LEAST_CUT, _LEAST_CUT_SIDE = 0.02, 0.1
_LOW_SIDES, _HIGH_SIDES = (0, 2, 4), (1, 3, 5)
_BOTTOM = 2  # where it stands is known better (`lift_foot`)
_LEAST_GROWTH = 0.08  # less is within the error, and would shift the middle that symmetry is about
MOST_GROWTH = 4.0  # beyond a side, in lengths of the visible box's longest one


def grown_box(cut: CutBox) -> Box | None:
    """The visible box with its cut sides moved out to where the network sees those of the whole object.

    None where the photo's border cuts nothing off that is worth it.
    """
    if cut.border_share < LEAST_CUT:
        return None
    beyond = growth(cut.features, _weights())
    beyond[(cut.border_sides < _LEAST_CUT_SIDE) | (beyond < _LEAST_GROWTH)] = 0.0
    beyond[_BOTTOM] = 0.0
    if not beyond.any():
        return None
    beyond_m = beyond * float(cut.box.size_m.max())
    return replace(
        cut.box, low=cut.box.low - beyond_m[list(_LOW_SIDES)], high=cut.box.high + beyond_m[list(_HIGH_SIDES)]
    )


def all_growth(cut: CutBox) -> Float[np.ndarray, "6"]:
    """The network's answer for every side but the bottom, whether something cuts it or not."""
    beyond = growth(cut.features, _weights())
    beyond[_BOTTOM] = 0.0
    return beyond


def growth(
    features: Float[np.ndarray, "F"], weights: Mapping[str, Float32[np.ndarray, "..."]]
) -> Float[np.ndarray, "6"]:
    """Beyond each side, 0 to MOST_GROWTH. weights: of `learning.extent_task.ExtentNetwork`."""
    x = (features - weights["mean"]) / weights["std"]
    layers = sorted({int(name.split(".")[1]) for name in weights if name.startswith("layers.")})
    for layer in layers:
        x = weights[f"layers.{layer}.weight"].astype(np.float64) @ x + weights[f"layers.{layer}.bias"]
        if layer != layers[-1]:
            x = x / (1 + np.exp(-x))  # SiLU
    return np.clip(np.expm1(x), 0.0, MOST_GROWTH)


@lru_cache(maxsize=1)
def _weights() -> Mapping[str, Float32[np.ndarray, "..."]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = own_weights(EXTENTS)
    try:
        return {name: array.astype(np.float32) for name, array in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise BackendMissing(f"The weights of extents {path} cannot be read ({error}); install them again.") from error
