"""Random rooms: nothing overlaps, all is inside, things rest on what carries them, the camera sees them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixal3d_scene.learning.compose import compose_room
from pixal3d_scene.learning.composed_room import ComposedRoom
from pixal3d_scene.learning.example_room import example_room
from pixal3d_scene.learning.furniture import CATALOGUE
from pixal3d_scene.learning.placement import Spot, overlap
from pixal3d_scene.learning.render import PixelTruth, pixel_truth
from pixal3d_scene.learning.shell import WALLS, WallFrame

SIZE_PX = (96, 72)
SEEDS = (4, 7)


@pytest.fixture(scope="module")
def rooms() -> dict[int, ComposedRoom]:
    composed = {seed: compose_room(seed, size_px=SIZE_PX) for seed in SEEDS}
    return composed | {-1: example_room(SIZE_PX)}


@pytest.fixture(scope="module")
def truths(rooms: dict[int, ComposedRoom]) -> dict[int, PixelTruth]:
    return {seed: pixel_truth(room) for seed, room in rooms.items()}


def sampled_overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Readable reference of `overlap`: is any of 40 x 40 inner points of one rectangle inside the other?"""
    s = (np.arange(40) + 0.5) / 40
    u, v = np.meshgrid(s, s)
    points = a[0] + u[..., None] * (a[1] - a[0]) + v[..., None] * (a[3] - a[0])
    e1, e2 = b[1] - b[0], b[3] - b[0]
    x, y = (points - b[0]) @ e1 / (e1 @ e1), (points - b[0]) @ e2 / (e2 @ e2)
    return bool(((x > 0) & (x < 1) & (y > 0) & (y < 1)).any())


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-1, 1)] * 4), st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
def test_overlap_agrees_with_the_reference(place: tuple[float, ...], yaw: tuple[float, float]) -> None:
    a = Spot(x_m=place[0], z_m=place[1], yaw_rad=yaw[0]).footprint((1.0, 1.0, 0.5))
    b = Spot(x_m=place[2], z_m=place[3], yaw_rad=yaw[1]).footprint((0.7, 1.0, 0.9))
    if sampled_overlap(a, b) or sampled_overlap(b, a):
        assert overlap(a, b)
    grown = Spot(x_m=place[2], z_m=place[3], yaw_rad=yaw[1]).footprint((0.7, 1.0, 0.9), 0.06)
    if overlap(a, b):
        assert sampled_overlap(a, grown)


def test_walls_look_inwards() -> None:
    size = (4.0, 3.0, 2.5)
    for wall in WALLS:
        frame = WallFrame.of(wall, size)
        middle = frame.point(frame.length_m / 2, 1.25)
        assert frame.inward @ (np.array([2.0, 1.25, -1.5]) - middle) > 0
        np.testing.assert_allclose([np.sin(frame.yaw_rad), 0, np.cos(frame.yaw_rad)], frame.inward, atol=1e-12)


def test_the_shell_faces_inwards(rooms: dict[int, ComposedRoom]) -> None:
    for room in rooms.values():
        middle = np.array([room.size_m[0] / 2, room.size_m[2] / 2, -room.size_m[1] / 2])
        for part in room.shell_world:
            if part.name in ("floor", "ceiling") or part.name.endswith(" wall"):
                a, b, c = (part.mesh_node.vertices[part.mesh_node.faces[:, k]] for k in range(3))
                assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), middle - a) > 0).all(), part.name


def test_footprints_do_not_overlap_and_are_inside(rooms: dict[int, ComposedRoom]) -> None:
    for room in rooms.values():
        for k, one in enumerate(room.objects):
            vertices = np.concatenate([one.mesh_world(p.mesh_node).vertices for p in one.parts])
            assert vertices[:, 0].min() >= 0
            assert vertices[:, 2].min() >= -room.size_m[1]
            assert vertices[:, 0].max() <= room.size_m[0]
            assert vertices[:, 2].max() <= 0
            for other in room.objects[k + 1 :]:
                if one.parent == other.parent:
                    assert not overlap(one.footprint_world, other.footprint_world), (one.kind, other.kind)


def test_the_footprint_holds_the_mesh(rooms: dict[int, ComposedRoom]) -> None:
    for item in rooms[-1].objects:
        vertices = np.concatenate([item.mesh_world(p.mesh_node).vertices for p in item.parts])[:, [0, 2]]
        corner, right, _, back = item.footprint_world
        for edge in (right - corner, back - corner):
            share = (vertices - corner) @ edge / (edge @ edge)
            assert share.min() == pytest.approx(0, abs=1e-6)
            assert share.max() == pytest.approx(1, abs=1e-6)


def test_things_rest_on_the_floor_or_on_their_carrier(rooms: dict[int, ComposedRoom]) -> None:
    carried = 0
    for room in rooms.values():
        by_value = {item.mask_value: item for item in room.objects}
        assert sorted(by_value) == list(range(1, len(by_value) + 1))
        for item in room.objects:
            low = min(item.mesh_world(p.mesh_node).vertices[:, 1].min() for p in item.parts)
            if item.parent == 0:
                assert low == pytest.approx(0, abs=1e-6)
                continue
            carried += 1
            carrier = by_value[item.parent]
            top = max(carrier.mesh_world(p.mesh_node).vertices[:, 1].max() for p in carrier.parts)
            assert abs(low - top) < 1e-3
            assert CATALOGUE[carrier.kind].carries
            at = carrier.T_world_from_node.inv().apply(np.array(item.place_world))
            assert (np.abs(at[[0, 2]]) < carrier.size_m[[0, 2]] / 2).all()
    assert carried >= 3


def test_the_camera_is_inside_and_sees_every_object(
    rooms: dict[int, ComposedRoom], truths: dict[int, PixelTruth]
) -> None:
    for seed, room in rooms.items():
        eye = room.camera.centre_world
        assert 0 < eye[0] < room.size_m[0]
        assert -room.size_m[1] < eye[2] < 0
        values = truths[seed].mask_values
        carriers = {item.parent for item in room.objects}
        for item in room.objects:
            if item.mask_value not in carriers:
                assert (values == item.mask_value).sum() > 4, (seed, item.kind)


def test_a_seed_gives_the_same_room_again_and_another_one_not(truths: dict[int, PixelTruth]) -> None:
    again = pixel_truth(compose_room(4, size_px=SIZE_PX))
    first, other = truths[4], truths[7]
    assert again.mask_values.tobytes() == first.mask_values.tobytes()
    assert again.z_m.tobytes() == first.z_m.tobytes()
    assert other.z_m.tobytes() != first.z_m.tobytes()
