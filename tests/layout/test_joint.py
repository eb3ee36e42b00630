"""The joint solve on bodies whose answer is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from layout_cases import EYE, bodies, body
from rendered_scene import standing_box

from pixal3d_scene.layout.body import Body, Motion
from pixal3d_scene.layout.joint import JointSolution, Touch, solve_jointly
from pixal3d_scene.layout.overlap import Solid, penetration

UP = np.array([0.0, 1.0, 0.0])


def stands_on(upper: Body, lower: Body | None) -> Touch:
    """The contact of a box with the floor or the top of another box, as far apart as they are."""
    low, high = upper.mesh_world.bounds
    foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    support_m = 0.0 if lower is None else float(lower.mesh_world.bounds[1, 1])
    gap_m = float(low[1] - support_m)
    return Touch(
        body=upper.name,
        other=None if lower is None else lower.name,
        what="floor" if lower is None else lower.name,
        keeps="contact",
        normal=UP,
        points=(foot, foot - gap_m * UP),
        value_m=gap_m,
    )


def solve(of: dict[str, Body], touches: list[Touch]) -> JointSolution:
    return solve_jointly(of, touches, picture_px=640.0)


def lowest_m(item: Body, motion: Motion) -> float:
    return float(item.moved(motion).mesh_world.bounds[0, 1])


def moved_sigmas(item: Body, motion: Motion) -> float:
    shift = item.moved(motion).mesh_world.bounds.mean(axis=0) - item.mesh_world.bounds.mean(axis=0)
    return float(np.linalg.norm(shift) / item.sigma_m)


def test_a_foot_above_the_floor_comes_down_along_its_rays() -> None:
    item = body("a", standing_box((0.5, 0.5, 0.5), 0.3, -0.5, y=0.03))
    motion = solve({"a": item}, [stands_on(item, None)]).motions["a"]
    assert lowest_m(item, motion) == pytest.approx(0, abs=1e-4)
    # Along the rays alone it would be this; the translation takes next to nothing of it.
    alone = np.log(1.5 / (1.5 - 0.03))
    assert motion.slide == pytest.approx(alone, rel=0.1)
    assert np.linalg.norm(motion.translation_m) < 0.1 * 0.03


def test_a_foot_at_eye_height_moves_across_since_sliding_is_no_use() -> None:
    item = body("a", standing_box((0.3, 0.3, 0.3), 0.0, 0.0, y=EYE[1] + 0.01), sigma_shape_m=0.02)
    shelf = body("b", standing_box((1.0, 1.49, 0.5), 0.0, 0.0), sigma_log=0.001, sigma_shape_m=0.002)
    motion = solve({"a": item, "b": shelf}, [stands_on(item, shelf), stands_on(shelf, None)]).motions["a"]
    assert motion.translation_m[1] == pytest.approx(-0.02, abs=2e-3)
    assert abs(motion.slide) < 0.02


def test_what_cannot_be_closed_is_given_up_and_nothing_moves() -> None:
    item = body("a", standing_box((0.5, 0.5, 0.5), 0.0, 0.0, y=0.3))
    solution = solve({"a": item}, [stands_on(item, None)])
    assert solution.motions["a"].slide == pytest.approx(0, abs=1e-9)
    assert not solution.motions["a"].translation_m.any()
    (gave,) = solution.gave_way["a"]
    assert gave.left_m == pytest.approx(0.3)


def test_carriers_come_first() -> None:
    # The table is 8 cm up, the vase another 14 cm: the vase would have to come down 22 cm, more than it may.
    of = bodies(
        {"table": standing_box((1, 0.7, 0.6), 0, 0, y=0.08), "vase": standing_box((0.2, 0.2, 0.2), 0, 0, y=0.92)}
    )
    solution = solve(of, [stands_on(of["vase"], of["table"]), stands_on(of["table"], None)])
    assert lowest_m(of["table"], solution.motions["table"]) == pytest.approx(0, abs=0.005)  # a contact is made
    assert list(solution.gave_way) == ["vase"]
    assert solution.gave_way["vase"][0].left_m > 0.05


def test_two_boxes_that_share_space_come_apart_and_stay_on_the_floor() -> None:
    of = bodies(
        {"a": standing_box((0.6, 0.6, 0.6), 0.0, 0.0), "b": standing_box((0.6, 0.6, 0.6), 0.05, -0.57)},
        sigma_shape_m=0.03,
    )
    assert penetration(Solid(of["a"].mesh_world), Solid(of["b"].mesh_world)) is not None
    solution = solve(of, [stands_on(of["a"], None), stands_on(of["b"], None)])
    moved = {name: item.moved(solution.motions[name]) for name, item in of.items()}
    left = penetration(Solid(moved["a"].mesh_world), Solid(moved["b"].mesh_world))
    assert left is None or left.depth_m < 0.004
    for name, item in of.items():
        assert lowest_m(item, solution.motions[name]) == pytest.approx(0, abs=2e-3)
    assert not solution.gave_way


def test_an_overlap_too_deep_to_mend_is_named_with_its_depth() -> None:
    of = bodies(
        {"a": standing_box((0.6, 0.6, 0.6), 0.0, 0.0), "b": standing_box((0.6, 0.6, 0.6), 0.02, -0.2)},
        sigma_log=0.005,
        sigma_shape_m=0.005,
    )
    solution = solve(of, [stands_on(of["a"], None), stands_on(of["b"], None)])
    gave = [g for given in solution.gave_way.values() for g in given]
    assert {g.touch.keeps for g in gave} == {"apart"}
    assert all(g.left_m < -g.touch.tolerance_m for g in gave)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_nothing_moves_by_more_than_three_sigma(seed: int) -> None:
    rng = np.random.default_rng(seed)
    of = {}
    for k in range(6):
        size = tuple(rng.uniform(0.2, 0.8, 3))
        mesh = standing_box(size, rng.uniform(-1, 1), rng.uniform(-1, 1), y=rng.uniform(-0.1, 0.1))
        sigma_log, sigma_shape_m = float(rng.uniform(0.002, 0.05)), float(rng.uniform(0.002, 0.03))
        of[f"o{k}"] = body(f"o{k}", mesh, sigma_log=sigma_log, sigma_shape_m=sigma_shape_m)
    touches = [stands_on(item, None) for item in of.values()]
    solution = solve(of, touches)
    for name, item in of.items():
        assert moved_sigmas(item, solution.motions[name]) <= 3.0
    again = solve(of, touches)
    for name in of:
        assert again.motions[name].slide == solution.motions[name].slide
        np.testing.assert_array_equal(again.motions[name].translation_m, solution.motions[name].translation_m)


def test_groups_do_not_know_of_each_other() -> None:
    of = bodies({"a": standing_box((0.5, 0.5, 0.5), -1, 0, y=0.02), "b": standing_box((0.5, 0.5, 0.5), 1, 0, y=-0.03)})
    both = solve(of, [stands_on(item, None) for item in of.values()])
    alone = solve({"a": of["a"]}, [stands_on(of["a"], None)])
    assert both.motions["a"].slide == alone.motions["a"].slide
    np.testing.assert_array_equal(both.motions["a"].translation_m, alone.motions["a"].translation_m)


def test_neighbours_in_the_picture_share_slow_errors() -> None:
    # The table's foot tells that everything here was seen too near; the vase on it follows, touching nothing else.
    of = bodies(
        {"table": standing_box((1, 0.7, 0.6), 0, 0, y=0.04), "vase": standing_box((0.2, 0.2, 0.2), 0, 0, y=0.76)}
    )
    solution = solve(of, [stands_on(of["table"], None), stands_on(of["vase"], of["table"])])
    assert solution.motions["vase"].slide > 0.3 * solution.motions["table"].slide > 0
