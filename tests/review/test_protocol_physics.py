"""P-Physics on boxes whose overlap, gap and support are known."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from protocol_cases import T_WORLD_FROM_CAM, block, run_of, true_room

from pixal3d_scene.asset import Mesh
from pixal3d_scene.errors import InputError
from pixal3d_scene.review.layout_physics import voxel_collision
from pixal3d_scene.review.protocol import Score
from pixal3d_scene.review.protocol_physics import PhysicsProtocol
from pixal3d_scene.review.room_files import run_of_truth


def standing(size: tuple[float, float, float], x: float, y: float = 0.0, z: float = -4.0) -> trimesh.Trimesh:
    """In `cam`; size and place in world, y is the height of the bottom."""
    return block(size, (x, y + size[1] / 2, z)).apply_transform(np.linalg.inv(T_WORLD_FROM_CAM))


def score(meshes_cam: dict[int, trimesh.Trimesh], parents: dict[int, str] | None = None) -> Score:
    truth = true_room(meshes_cam)
    return PhysicsProtocol().score(truth, run_of(truth, meshes_cam, parents=parents))


def test_a_tenth_of_a_box_in_another() -> None:
    got = score({1: standing((1, 1, 1), 0), 2: standing((1, 1, 1), 0.9)}).figures
    assert got["penetration"] == pytest.approx(0.1 / 2, rel=1e-6)  # exact: both are watertight
    assert got["depth_m"] == pytest.approx(0.1, abs=1e-6)
    assert got["open"] == 0
    assert got["gap_m"] == pytest.approx(0, abs=1e-9)
    assert got["contact_5mm"] == 1


def test_the_depth_is_exact_for_fine_meshes_too() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5).apply_transform(np.linalg.inv(T_WORLD_FROM_CAM))
    # The ball's outermost vertex is its lowest; it reaches 3 mm into the box.
    pressed = ball.apply_translation(standing((1, 1, 1), 0).bounds.mean(axis=0) - ball.bounds.mean(axis=0))
    pressed = pressed.apply_translation([0, -(1.0 - 0.003), 0])
    got = score({1: standing((1, 1, 1), 0), 2: pressed}).figures
    assert got["depth_m"] == pytest.approx(0.003, abs=2e-4)
    assert 0 < got["penetration"] < 1e-4


def test_a_box_that_floats_seven_millimetres() -> None:
    meshes = {1: standing((1, 0.7, 0.6), 0), 2: standing((0.2, 0.2, 0.2), 0, y=0.707)}
    got = score(meshes, {2: "object_1"}).figures
    assert got["gap_m"] == pytest.approx(0.007, abs=1e-6)
    assert got["contact_5mm"] == 0.5
    assert got["penetration"] == got["depth_m"] == 0
    sunk = score({1: standing((1, 1, 1), 0, y=-0.007)}).figures
    assert sunk["gap_m"] == pytest.approx(0.007, abs=1e-6)


def test_a_box_half_over_the_edge() -> None:
    meshes = {1: standing((1, 0.7, 0.6), 0), 2: standing((0.4, 0.2, 0.4), 0.5, y=0.7)}
    got = score(meshes, {2: "object_1"}).figures
    # The foot's grid has 16 columns: the edge is known to one of them.
    assert got["coverage"] == pytest.approx((1 + 0.5) / 2, abs=0.5 / 16)


def test_what_stands_below_a_shelf_stands_on_the_board() -> None:
    board = standing((1, 0.02, 0.5), 0, y=0.4)
    shelf = standing((1, 0.02, 0.5), 0, y=0.65)
    rack = trimesh.util.concatenate([board, shelf])
    meshes = {1: rack, 2: standing((0.2, 0.2, 0.2), 0, y=0.423)}
    assert score(meshes, {1: "wall_01", 2: "object_1"}).figures["gap_m"] == pytest.approx(0.003, abs=1e-6)


def test_open_meshes_are_counted_and_named() -> None:
    whole = standing((1, 1, 1), 0)
    fine = whole.subdivide().subdivide().subdivide()
    torn = trimesh.Trimesh(fine.vertices, fine.faces[:-1], process=False)
    got = score({1: torn, 2: standing((1, 1, 1), 0.9)})
    assert got.figures["open"] == 1
    assert got.notes == ("not watertight: object_1",)
    # By most rays, on a grid: near the exact share.
    assert got.figures["penetration"] == pytest.approx(0.05, rel=0.1)
    inside_out = trimesh.Trimesh(whole.vertices, whole.faces[:, ::-1], process=False)
    assert score({1: inside_out}).figures["open"] == 1


def test_a_lost_support_is_named() -> None:
    got = score({2: standing((1, 1, 1), 0, y=0.5)}, {2: "object_1"})
    assert got.notes == ("without a support that can be measured: object_2",)


def test_voxels_that_two_objects_share() -> None:
    def plate(low: float, high: float) -> Mesh:
        """In the plane z = 0, one unit wide."""
        corners = np.array([[low, 0, 0], [high, 0, 0], [high, 1, 0], [low, 1, 0]], dtype=float)
        return Mesh(vertices=corners, faces=np.array([[0, 1, 2], [0, 2, 3]]))

    # Of 64 columns, the first plate ends in the middle of the 41st and the second begins in that of the 25th.
    assert voxel_collision([plate(0, 40.5 / 64), plate(24.5 / 64, 1)], cells_a_side=64) == 17 / 64
    assert voxel_collision([plate(0, 0.4), plate(0.6, 1)], cells_a_side=64) == 0
    assert voxel_collision([plate(0, 1), plate(0, 1)], cells_a_side=64) == 1


def test_the_truth_is_measured_the_same_way() -> None:
    meshes = {1: standing((1, 0.7, 0.6), 0), 2: standing((0.2, 0.2, 0.2), 0, y=0.707)}
    truth = true_room(meshes, parents={1: 0, 2: 1})
    got = PhysicsProtocol().score(truth, run_of_truth(truth)).figures
    assert got["gap_m"] == pytest.approx(0.007, abs=1e-6)
    with pytest.raises(InputError, match="no object with a mesh"):
        PhysicsProtocol().score(truth, run_of(truth, {}))
