"""P-Gen3DSR on shapes whose score is known: metres, unsquared, clipped to the frustum, with and without background."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from protocol_cases import CAMERA, SIZE_PX, block, l_shape, mirrored, run_of, shifted, sphere, true_room

from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import InputError
from pixal3d_scene.review.protocol_gen3dsr import Gen3dsrProtocol, depth_surface, in_frustum

POINTS = 40_000
PROTOCOL = Gen3dsrProtocol(points_per_scene=POINTS)


def spacing_m(area_m2: float) -> float:
    """Mean distance to the nearest of uniform points: half the square root of the area each one has."""
    return 0.5 * float(np.sqrt(area_m2 / POINTS))


@pytest.mark.parametrize(("d_m", "f10", "f1"), [(0.15, 0, 0), (0.05, 100, 0), (0.004, 100, 98)])
def test_spheres_within_each_other(d_m: float, f10: float, f1: float) -> None:
    truth = true_room({1: sphere(0.5)})
    got = PROTOCOL.score(truth, run_of(truth, {1: sphere(0.5 + d_m)})).figures
    # Not squared, and the mean of two ways, not their sum.
    assert d_m * 0.99 < got["CD"] < float(np.hypot(d_m, 1.3 * spacing_m(np.pi * 1.3))) * 1.01
    assert got["F@0.1"] == pytest.approx(f10, abs=0.1)
    assert got["F@0.01"] == pytest.approx(f1, abs=2)
    assert got["F@0.001"] < 2


def test_nothing_is_aligned() -> None:
    truth = true_room({1: sphere(0.5)})
    got = PROTOCOL.score(truth, run_of(truth, {1: shifted(sphere(0.5), 0.3, 0, 0)})).figures
    # |n . shift| to first order, 0.15 on the mean over a sphere; F: where |cos t| < 1/3
    assert got["CD"] == pytest.approx(0.15, abs=0.02)
    assert got["F@0.1"] == pytest.approx(100 / 3, abs=6)


def test_a_mirrored_object_is_seen() -> None:
    truth = true_room({1: l_shape()})
    assert PROTOCOL.score(truth, run_of(truth, {1: mirrored(l_shape())})).figures["F@0.1"] < 75


def test_what_is_outside_the_picture_does_not_count() -> None:
    inside, outside = sphere(0.5), shifted(sphere(0.5), 30.0, 0, 0)
    truth = true_room({1: inside})
    got = PROTOCOL.score(truth, run_of(truth, {1: inside, 2: outside, 3: shifted(inside, 0, 0, -20)})).figures
    assert got["F@0.1"] == 100
    with pytest.raises(InputError, match="no object in the photo's frustum"):
        PROTOCOL.score(truth, run_of(truth, {1: outside}))


def test_the_frustum_is_that_of_the_picture() -> None:
    K = np.array([[50.0, 0, 10.0], [0, 40.0, 45.0], [0, 0, 1]])
    camera = Camera(K=K, size_px=(80, 60))
    plate = trimesh.Trimesh([[-90, -90, 2], [90, -90, 2], [90, 90, 2], [-90, 90, 2]], [[0, 1, 2], [0, 2, 3]])
    cut = in_frustum([plate], camera)
    assert cut.area == pytest.approx((80 * 2 / 50) * (60 * 2 / 40))
    np.testing.assert_allclose(cut.bounds[:, :2], [[-10 * 2 / 50, -45 * 2 / 40], [70 * 2 / 50, 15 * 2 / 40]])


def test_a_depth_surface_is_where_the_pixels_are() -> None:
    wanted = np.zeros(SIZE_PX[::-1], dtype=bool)
    wanted[10:21, 30:51] = True
    surface = depth_surface(CAMERA, np.full(wanted.shape, 2.0), wanted)
    # From pixel centre to pixel centre: one less than the pixels on every side.
    assert surface.area == pytest.approx((20 * 2 / 40) * (10 * 2 / 40))
    np.testing.assert_allclose(surface.bounds[:, 0], [(30.5 - 40) * 2 / 40, (50.5 - 40) * 2 / 40])


def test_the_background_counts_by_its_area() -> None:
    thing = sphere(0.5, z_m=3.0)
    truth = true_room({1: thing}, wall_z_m=6.0)
    wall = block((40, 40, 0.0), (0, 0, 6.3))
    got = PROTOCOL.score(truth, run_of(truth, {1: thing}, background_cam=wall)).figures
    wall_m2 = depth_surface(CAMERA, truth.z_m, truth.label_map == 0).area
    sphere_m2 = 4 * np.pi * 0.5**2
    found_m2 = wall_m2 * (6.3 / 6.0) ** 2
    # Per way: the wall's share of the points is 0.3 m away (a little more where the farther wall is wider).
    expected = 0.3 * 0.5 * (wall_m2 / (wall_m2 + sphere_m2) + found_m2 / (found_m2 + sphere_m2))
    assert got["CD"] < 1.3 * spacing_m(sphere_m2)
    assert expected < got["CD_bg"] < expected * 1.03 + 1.3 * spacing_m(found_m2 + sphere_m2)
    share = sphere_m2 / (wall_m2 + sphere_m2), sphere_m2 / (found_m2 + sphere_m2)
    assert got["F@0.1_bg"] == pytest.approx(200 * share[0] * share[1] / (share[0] + share[1]), rel=0.05)
    perfect = PROTOCOL.score(truth, run_of(truth, {1: thing}, background_cam=block((40, 40, 0.0), (0, 0, 6.0))))
    assert perfect.figures["F@0.1_bg"] == pytest.approx(100, abs=0.5)


def test_figures_with_background_are_absent_where_there_is_none() -> None:
    thing = sphere(0.5)
    truth = true_room({1: thing}, wall_z_m=6.0)
    got = PROTOCOL.score(truth, run_of(truth, {1: thing}))
    assert "CD_bg" not in got.figures
    assert got.notes == ("no figures with background: the run has no room shell",)
    blind = true_room({1: thing})
    assert "the truth has no depth" in PROTOCOL.score(blind, run_of(blind, {1: thing}, background_cam=thing)).notes[0]
