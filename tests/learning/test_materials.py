"""Procedural colours: repeatable, sharp where they should be, oriented as their words say."""

import numpy as np
import pytest

from pixal3d_scene.learning.materials import Checks, Plain, Planks, Rug, Stripes, Wallpaper, Wood, linear
from pixal3d_scene.learning.noise import cell_value, fractal_noise, value_noise

UP = np.array([[0.0, 1.0, 0.0]])
RED, BLUE = (0.8, 0.1, 0.1), (0.1, 0.1, 0.8)


def test_noise_is_continuous_bounded_and_pinned() -> None:
    points = np.random.default_rng(0).uniform(-50, 50, (20000, 3))
    values = value_noise(points, seed=4)
    assert np.abs(values).max() <= 1
    assert abs(values.mean()) < 0.02
    assert np.abs(value_noise(points + 1e-5, seed=4) - values).max() < 1e-4
    assert np.abs(fractal_noise(points)).max() <= 1
    cells = np.array([[0.0, 0, 0], [1, 2, 3], [-1, -2, -3]])
    np.testing.assert_allclose(cell_value(cells), [-1.0, -0.96610625, -0.93885477], atol=1e-6)


def test_linear_light_of_an_srgb_colour() -> None:
    assert linear("#ffffff") == pytest.approx((1, 1, 1))
    assert linear("#bc0000") == pytest.approx((0.5029, 0, 0), abs=1e-4)


def test_stripes_run_across_their_axis() -> None:
    pattern = Stripes(first=RED, second=BLUE, period_m=0.2, axis=0, share=0.5)
    along_x = pattern.albedo(np.array([[0.05, 3, 7], [0.15, 3, 7], [0.25, -2, 1.0]]), np.repeat(UP, 3, axis=0))
    assert [c.argmax() for c in along_x] == [2, 0, 2]


def test_checks_alternate_both_ways() -> None:
    pattern = Checks(first=RED, second=BLUE, square_m=0.1)
    points = np.array([[0.05, 0, 0.05], [0.15, 0, 0.05], [0.15, 0, 0.15], [0.05, 0, 0.15]])
    assert [c.argmax() for c in pattern.albedo(points, np.repeat(UP, 4, axis=0))] == [0, 2, 0, 2]


def test_wood_changes_slowly_along_its_grain() -> None:
    pattern = Wood(light=(0.6, 0.4, 0.2), dark=(0.2, 0.1, 0.05), axis=0)
    points = np.random.default_rng(1).uniform(0, 1, (4000, 3))
    here = pattern.albedo(points, np.repeat(UP, 4000, axis=0))
    change = [
        np.abs(pattern.albedo(points + 0.006 * np.eye(3)[k], np.repeat(UP, 4000, axis=0)) - here).mean()
        for k in (0, 1, 2)
    ]
    assert change[0] < 0.6 * min(change[1:])


def test_a_rug_covers_its_turned_rectangle_only() -> None:
    ground = Plain(colour=(0.0, 1.0, 0.0), mottle=0.0)
    rug = Rug(under=ground, centre_m=(1.0, -2.0), size_m=(2.0, 1.0), yaw_rad=0.3, field=RED, figure=RED, border=RED)
    local = np.array([[0.99, 0.49], [-0.99, 0.49], [0.99, -0.49], [1.01, 0.0], [0.0, 0.51]])  # along its own x and z
    x = 1.0 + np.cos(0.3) * local[:, 0] + np.sin(0.3) * local[:, 1]  # a turn by +yaw about y
    z = -2.0 - np.sin(0.3) * local[:, 0] + np.cos(0.3) * local[:, 1]
    colours = rug.albedo(np.stack([x, np.zeros(5), z], axis=-1), np.repeat(UP, 5, axis=0))
    assert [c.argmax() for c in colours] == [0, 0, 0, 1, 1]


def test_planks_have_joints_and_a_wall_its_dado() -> None:
    pattern = Planks(light=(0.5, 0.5, 0.5), dark=(0.4, 0.4, 0.4), width_m=0.1)
    z = np.linspace(0.001, 0.999, 999)
    rows = pattern.albedo(np.stack([np.full(999, 0.3), 0 * z, z], axis=-1), np.repeat(UP, 999, axis=0))[:, 0]
    assert 8 <= (np.diff((rows < 0.25).astype(int)) == 1).sum() <= 11
    wall = Wallpaper(colour=RED, lower=BLUE, dado_m=1.0)
    colours = wall.albedo(np.array([[1.0, 0.9, 0.0], [1.0, 1.1, 0.0]]), np.repeat([[0.0, 0, 1]], 2, axis=0))
    assert [c.argmax() for c in colours] == [2, 0]
