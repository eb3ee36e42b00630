"""Walls are in the way: what errors of the depth put behind one comes before it, where nothing surer forbids it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from layout_cases import body, disturbed
from rendered_scene import RenderedScene, box, camera_at, render, shell, standing_box, true_asset

from pixal3d_scene.layout.behind_wall import behind_wall
from pixal3d_scene.layout.body import Body, Motion
from pixal3d_scene.layout.joint import Touch, solve_jointly
from pixal3d_scene.layout.room_shell import fit_room
from pixal3d_scene.layout.solve import solve_layout
from pixal3d_scene.room import Room, RoomPlane

# The wall behind, z = -2, in front of which the eye at (0, 1.5, 3) stands.
WALL = RoomPlane(name="wall_01", corners_world=np.array([[-2.0, 0, -2], [2.0, 0, -2], [2.0, 2.5, -2], [-2.0, 2.5, -2]]))


def solved(*, deep_m: float, stands: bool = False, x: float = 0.3, **about: float) -> tuple[Body, Motion]:
    """A box of half a metre that reaches behind the wall, and its motion; on the floor or in the air."""
    item = body("a", standing_box((0.5, 0.5, 0.5), x, -2 + 0.25 - deep_m, y=0.0 if stands else 1.0), **about)
    foot = np.array([x, 0.0, -1.75 - deep_m])
    on_floor = Touch(
        body="a", other=None, what="floor", keeps="contact", normal=np.array([0.0, 1.0, 0.0]),
        points=(foot, foot), value_m=0.0,
    )  # fmt: skip
    solution = solve_jointly({"a": item}, [on_floor] if stands else [], picture_px=640.0, walls=[WALL])
    return item, solution.motions["a"]


def test_what_reaches_behind_a_wall_comes_before_it_along_its_rays() -> None:
    item, motion = solved(deep_m=0.1)
    back_m = float(item.moved(motion).mesh_world.bounds[0, 2])
    assert back_m == pytest.approx(-2.0, abs=0.005)
    # Sliding by this share of the way from the eye to the back keeps every pixel.
    assert motion.slide == pytest.approx(np.log(5.0 / 5.1), rel=0.15)
    assert np.linalg.norm(motion.translation_m) < 0.02


@pytest.mark.parametrize("deep_m", [-0.05, 0.9])
def test_what_is_before_the_wall_or_seen_through_it_stays(deep_m: float) -> None:
    _, motion = solved(deep_m=deep_m)
    assert motion.is_none


def test_past_the_end_of_a_wall_nothing_is_in_the_way() -> None:
    _, motion = solved(deep_m=0.1, x=2.6)
    assert motion.is_none


def test_no_wall_lifts_a_foot_off_the_floor() -> None:
    item, motion = solved(deep_m=0.1, stands=True)
    assert float(item.moved(motion).mesh_world.bounds[0, 1]) == pytest.approx(0, abs=0.005)


def test_how_deep_is_told_without_strays() -> None:
    mesh = standing_box((1.0, 1.0, 1.0), 0.0, -1.7)
    found = behind_wall(mesh, WALL)
    assert found is not None
    assert found.depth_m == pytest.approx(0.2)
    np.testing.assert_allclose(found.out, [0, 0, 1], atol=1e-12)
    assert behind_wall(mesh, replace(WALL, corners_world=WALL.corners_world - [0, 0, 1.0])) is None


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    things = {1: standing_box((0.5, 0.5, 0.5), -0.8, 0.5), 2: box((0.5, 0.5, 0.06), (0.8, 1.7, -2.97))}
    return render(things, camera_at(size_px=(640, 480)), room=shell())


def test_a_picture_that_its_depth_puts_behind_the_wall_hangs_on_it(scene: RenderedScene) -> None:
    room: Room = fit_room(scene.depth, scene.instances)
    noisy = disturbed(scene.depth, noise_share=0.02, smooth_share=0.02, seed=3)
    farther = np.where(scene.volume(2).mask, 1.03 * scene.depth.z_m, noisy.z_m)  # 17 cm: nobody would see it
    depth = replace(scene.depth, z_m=farther.astype(np.float32))
    volumes = tuple(replace(v, depth=depth) for v in scene.volumes)
    assets = [true_asset(scene, v.instance.mask_value) for v in volumes]
    placed = {p.name: p for p in solve_layout(assets, volumes, room, snap_m=0.1)}["object_02"]
    assert placed.relation == "against"
    wall = next(p for p in room.planes if p.name == placed.parent)
    T = placed.T_world_from_node.as_matrix() @ placed.T_node_from_obj.as_matrix()
    vertices = assets[1].mesh_obj.vertices @ T[:3, :3].T + T[:3, 3]
    assert wall.distance_m(vertices).min() > -0.02
    assert np.linalg.norm(vertices.mean(axis=0) - [0.8, 1.7, -2.97]) < 0.06
