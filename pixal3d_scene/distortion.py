"""How a lens bends rays: normalised pinhole coordinates (x, y of a ray with z = 1 in cam) in, bent ones out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .errors import InputError

_NAMES = {"opencv": ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2"), "brown": ("k1", "k2", "k3", "k4", "p1", "p2")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """Radial and tangential lens distortion (Brown 1966, Decentering distortion of lenses).

    Both models multiply x and y by (1 + k1 r^2 + k2 r^4 + k3 r^6 + ...), with r^2 = x^2 + y^2.
    opencv: divided by (1 + k4 r^2 + k5 r^4 + k6 r^6); x gets 2 p1 x y + p2 (r^2 + 2 x^2) and y the mirror image,
    as OpenCV and COLMAP (OPENCV, FULL_OPENCV) mean the names. brown: k4 belongs to r^8, and p1 and p2 change
    places, as photogrammetry means them (Metashape, RealityCapture).
    """

    model: str = "opencv"
    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0
    p1: float = 0.0
    p2: float = 0.0

    @staticmethod
    def from_facts(facts: object) -> Distortion:
        """From a JSON object with "model" and its coefficients; those that are missing are 0."""
        if not isinstance(facts, Mapping):
            raise InputError('the distortion is no object; give {"model": "opencv", "k1": ..., "k2": ...}.')
        model = facts.get("model", "opencv")
        if model not in _NAMES:
            raise InputError(
                f"the distortion model {model!r} is not known; give one of {', '.join(_NAMES)}, "
                "or undistort a fish-eye photo first."
            )
        values: dict[str, Any] = {key: value for key, value in facts.items() if key != "model"}
        unknown = sorted(set(values) - set(_NAMES[model]))
        if unknown:
            raise InputError(
                f"the distortion has {', '.join(map(str, unknown))}, which the model {model} has not; "
                f"give some of {', '.join(_NAMES[model])}."
            )
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
                raise InputError(f"the distortion has {name} {value!r}; give a finite number.")
        return Distortion(model=model, **{name: float(value) for name, value in values.items()})

    def facts(self) -> dict[str, Any]:
        """The JSON object that `from_facts` reads."""
        return {key: value for key, value in asdict(self).items() if key == "model" or key in _NAMES[self.model]}

    def bend(self, xy: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
        """Where the lens draws the rays (x, y, 1)."""
        x, y = xy[..., 0], xy[..., 1]
        r2 = x * x + y * y
        radial = 1 + r2 * (self.k1 + r2 * (self.k2 + r2 * self.k3))
        p1, p2 = self.p1, self.p2
        if self.model == "opencv":
            radial = radial / (1 + r2 * (self.k4 + r2 * (self.k5 + r2 * self.k6)))
        else:
            radial = radial + self.k4 * r2**4
            p1, p2 = p2, p1
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y),
            ],
            axis=-1,
        )
