"""Lens models against the formulas that their programs print, and the names of their coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from pixal3d_scene.distortion import Distortion
from pixal3d_scene.errors import InputError

RAYS = np.array([[0.0, 0.0], [0.3, -0.2], [-0.7, 0.5], [0.1, 0.9]])


def test_opencv_as_its_documentation_writes_it() -> None:
    k1, k2, k3, k4, k5, k6, p1, p2 = -0.31, 0.12, -0.04, 0.02, 0.01, -0.003, 0.004, -0.002
    lens = Distortion.from_facts(
        {"model": "opencv", "k1": k1, "k2": k2, "k3": k3, "k4": k4, "k5": k5, "k6": k6, "p1": p1, "p2": p2}
    )
    for (x, y), bent in zip(RAYS, lens.bend(RAYS), strict=True):
        r = np.hypot(x, y)
        radial = (1 + k1 * r**2 + k2 * r**4 + k3 * r**6) / (1 + k4 * r**2 + k5 * r**4 + k6 * r**6)
        assert bent[0] == pytest.approx(x * radial + 2 * p1 * x * y + p2 * (r**2 + 2 * x**2), abs=1e-14)
        assert bent[1] == pytest.approx(y * radial + p1 * (r**2 + 2 * y**2) + 2 * p2 * x * y, abs=1e-14)


def test_brown_as_photogrammetry_writes_it() -> None:
    k1, k2, k3, k4, p1, p2 = -0.31, 0.12, -0.04, 0.02, 0.004, -0.002
    lens = Distortion.from_facts({"model": "brown", "k1": k1, "k2": k2, "k3": k3, "k4": k4, "p1": p1, "p2": p2})
    for (x, y), bent in zip(RAYS, lens.bend(RAYS), strict=True):
        r = np.hypot(x, y)
        radial = 1 + k1 * r**2 + k2 * r**4 + k3 * r**6 + k4 * r**8
        assert bent[0] == pytest.approx(x * radial + p1 * (r**2 + 2 * x**2) + 2 * p2 * x * y, abs=1e-14)
        assert bent[1] == pytest.approx(y * radial + p2 * (r**2 + 2 * y**2) + 2 * p1 * x * y, abs=1e-14)


def test_facts_survive_a_round_trip() -> None:
    for facts in ({"model": "opencv", "k1": 0.1, "k6": 0.2, "p2": -0.1}, {"model": "brown", "k4": 0.1, "p1": 0.2}):
        lens = Distortion.from_facts(facts)
        assert Distortion.from_facts(lens.facts()) == lens
        assert {k: v for k, v in lens.facts().items() if v} == facts


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ([0.1, 0.2], "object"),
        ({"model": "fisheye", "k1": 0.1}, "fish-eye"),
        ({"model": "brown", "k5": 0.1}, "k5"),
        ({"k1": "0.1"}, "finite"),
        ({"k1": float("nan")}, "finite"),
        ({"k1": True}, "finite"),
        ({"K1": 0.1}, "K1"),
    ],
)
def test_what_is_no_distortion_is_refused(facts: object, word: str) -> None:
    with pytest.raises(InputError, match=word) as error:
        Distortion.from_facts(facts)
    assert ";" in str(error.value) or "give" in str(error.value)
