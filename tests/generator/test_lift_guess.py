"""The network of hidden sides in `lift`: what it reads, where its answer lies, what is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lift_cases import box, joined
from lift_cases import render as render_analytic
from rendered_scene import camera_at, render, standing_box
from scipy.ndimage import binary_erosion
from scipy.spatial.transform import Rotation

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.errors import BackendMissing
from pixal3d_scene.frames import Similarity
from pixal3d_scene.generator.hidden_cells import (
    CELLS,
    CHANNELS,
    LANDMARKS,
    SYMMETRIC,
    VISIBLE,
    WALLS,
    CellGrid,
    as_values,
    cells_around,
    evidence_in_cells,
    landmarks,
    mirrored_landmarks,
    sides_in_cells,
)
from pixal3d_scene.generator.hidden_network import HiddenNetwork, HiddenSize, read_hidden, write_hidden
from pixal3d_scene.generator.lift import lift, lifted_solid
from pixal3d_scene.generator.lift_box import Box
from pixal3d_scene.generator.lift_cut import FEATURES
from pixal3d_scene.generator.lift_guess import (
    GuessedSolid,
    before_wall,
    best_level,
    guess_solid,
    solid_in_sides,
    what_is_known,
)
from pixal3d_scene.generator.lift_sight import look, view_around
from pixal3d_scene.generator.lift_volume import _reaching_down
from pixal3d_scene.mesh.raycast import view

SMALL = HiddenSize(widths=(8, 12, 16), blocks=(1, 1, 1))


def seen_alone(*meshes: Mesh) -> CropVolume:
    return render({3 + k: mesh for k, mesh in enumerate(meshes)}, camera_at(size_px=(320, 240))).volume(3)


def step(x: float, *, mirrored: bool = False) -> Mesh:
    """A block with a lower block at its right, or left."""
    sides = (-0.5, 0.1, 0.5) if not mirrored else (-0.1, 0.5, -0.5)
    low, high = sorted(sides[1:])
    return joined(
        box((x + sides[0], 0, -0.3), (x + sides[0] + 0.6, 0.9, 0.3)), box((x + low, 0, -0.3), (x + high, 0.4, 0.3))
    )


def evidence_of(volume: CropVolume) -> tuple[CellGrid, np.ndarray]:
    sight = look(volume)
    cells = cells_around(sight.cut)
    return cells, as_values(evidence_in_cells(view_around(volume, sight.seen, cells.box), cells))


def middles_world(cells: CellGrid) -> np.ndarray:
    axes = np.stack(np.meshgrid(*(cells.axis_m(k) for k in range(3)), indexing="ij"), axis=-1)
    return cells.box.world_from_box(axes.reshape(-1, 3)).reshape(axes.shape)


def test_cells_say_what_is_free_in_front_and_behind() -> None:
    cells, evidence = evidence_of(seen_alone(standing_box((0.8, 0.6, 0.4), 0.0, 0.0)))
    points = middles_world(cells)
    inside = (np.abs(points - [0, 0.3, 0]) < np.array([0.4, 0.3, 0.2]) - 0.03).all(axis=-1)
    outside = (np.abs(points - [0, 0.3, 0]) > np.array([0.4, 0.3, 0.2]) + 0.03).any(axis=-1)
    hull, hidden, far, near, width = evidence
    assert inside.any()
    assert (hull[inside] > 0).all()
    assert not hidden.any()
    assert (near[inside] >= far[inside] - 0.01).all()
    assert (far[hull < -0.5] <= 0).all()
    before = outside & (points[..., 2] > 0.23) & (points[..., 1] < 0.55)
    assert (hull[before] < 0).all()
    depth = points[..., 2][inside]  # the front is at +z: the farther back, the deeper
    assert np.corrcoef(depth, far[inside])[0, 1] < -0.9
    assert (width[inside] > 0).all()


def test_what_something_nearer_covers_is_hidden() -> None:
    alone = evidence_of(seen_alone(standing_box((0.8, 0.6, 0.4), 0.0, 0.0)))[1]
    covered = evidence_of(seen_alone(standing_box((0.8, 0.6, 0.4), 0.0, 0.0), standing_box((0.3, 0.5, 0.1), 0.3, 0.6)))[
        1
    ]
    assert not alone[1].any()
    share = covered[1].mean(axis=(1, 2))
    assert share[-CELLS // 3 :].mean() > 0.1  # the occluder stands at the right
    assert share[: CELLS // 3].mean() < 0.02


def test_the_mirrored_scene_has_the_mirrored_evidence() -> None:
    (_, one), (_, other) = (evidence_of(seen_alone(m)) for m in (step(0.0), step(0.0, mirrored=True)))
    assert np.abs(one[:, ::-1] - other).mean() < 0.02
    assert np.abs(one - other).mean() > 0.05


def test_folding_keeps_every_cell_in_its_place() -> None:
    from pixal3d_scene.generator.hidden_network import _folded, _unfolded

    values = torch.randn(2, 1, CELLS, CELLS, CELLS)
    torch.testing.assert_close(_unfolded(_folded(values)), values[:, 0])
    at = torch.zeros(1, 1, CELLS, CELLS, CELLS)
    at[0, 0, 10, 21, 30] = 1
    assert [int(i) for i in _folded(at)[0].amax(dim=0).nonzero()[0]] == [5, 10, 15]


def test_files_come_back_and_others_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = HiddenNetwork(SMALL).eval()
    write_hidden(network, tmp_path / "w.safetensors")
    again = read_hidden(tmp_path / "w.safetensors")
    told = torch.rand(1, CHANNELS, CELLS, CELLS, CELLS), torch.randn(1, FEATURES), torch.rand(1, LANDMARKS)
    with torch.no_grad():
        for one, other in zip(again(*told), network(*told), strict=True):
            torch.testing.assert_close(one, other, atol=2e-2, rtol=1e-2)
    (tmp_path / "x.safetensors").write_bytes(b"no weights")
    with pytest.raises(BackendMissing, match="hidden sides"):
        read_hidden(tmp_path / "x.safetensors")


def test_a_guess_lies_where_its_cells_are() -> None:
    """Half a cell, a swapped axis or a flipped one would show."""
    sight = look(seen_alone(box((-0.1, 0, -0.4), (0.7, 0.6, 0.0), yaw_deg=20)))
    cells = cells_around(sight.cut)
    filled = np.zeros((CELLS, CELLS, CELLS), dtype=np.float32)
    filled[3:20, :11, 5:9] = 1
    guess = GuessedSolid(cells=cells, filled=filled, box=cells.box)
    share = np.array([[3, 0, 5], [20, 11, 9]]) / CELLS
    low, high = (cells.box.low + s * cells.box.size_m for s in share)
    middle = (low + high) / 2
    for axis in range(3):
        for side, sign in ((low, -1), (high, 1)):
            if axis == 1 and sign < 0:  # the bottom is the box's own
                continue
            on = middle.copy()
            on[axis] = side[axis]
            cell_m = cells.box.size_m[axis] / CELLS
            at = cells.box.world_from_box(on + np.eye(3)[axis] * sign * cell_m * np.array([[-0.4], [0.0], [0.4]]))
            inward, on_it, outward = guess.inside_m(at)
            assert inward > 0 > outward
            assert abs(on_it) < 1e-4
    far = cells.box.world_from_box(cells.box.high[None] + 1.0)
    assert guess.inside_m(far)[0] < 0


def test_landmarks_are_where_symmetry_the_mask_and_the_walls_have_them() -> None:
    """A cabinet a hand's breadth before one wall, with another one at its right."""
    walls = joined(box((-2, 0, -1.4), (2, 2.4, -1.3)), box((0.5, 0, -1.4), (0.6, 2.4, 0.4)))
    scene = render({3: box((-0.4, 0, -1.2), (0.4, 0.8, -0.7)), 0: walls}, camera_at(size_px=(320, 240)))
    volume = scene.volume(3)
    known = what_is_known(volume, look(volume))
    cells = known.cells
    places = cells.box.low[[0, 1, 2, 0, 1, 2]] + known.landmarks[SYMMETRIC] * np.tile(cells.box.size_m, 2)
    seen = cells.box.low[[0, 1, 2, 0, 1, 2]] + known.landmarks[VISIBLE] * np.tile(cells.box.size_m, 2)
    middle = cells.box.middle
    towards_eye = cells.box.box_from_world(np.array([[0.0, 0.4, 9.0]]))[0] - middle
    assert abs(towards_eye[0]) < 0.1 * towards_eye[2]  # the cells face the camera: no turn to undo
    np.testing.assert_allclose(places[[0, 1, 3, 4, 5]], [-0.4, 0, 0.4, 0.8, -0.7], atol=0.03)
    np.testing.assert_allclose(seen[[0, 1, 3, 4, 5]], [-0.4, 0, 0.4, 0.8, -0.7], atol=0.03)
    behind, left, right = known.landmarks[WALLS]
    assert abs(cells.box.low[2] + behind * cells.box.size_m[2] + 1.3) < 0.05
    assert abs(cells.box.low[0] + right * cells.box.size_m[0] - 0.5) < 0.05
    assert left <= 0


def test_landmarks_mirror_as_the_box_does() -> None:
    unit = Box(R_world_from_box=Rotation.identity(), low=np.zeros(3), high=np.ones(3))
    cells = CellGrid(box=unit)
    small, large = replace(unit, high=np.array([0.4, 0.6, 0.9])), replace(unit, low=np.array([-0.5, 0, 0.2]))
    wall = np.array([[-0.7, 0.5, 0.5]] * 9)
    told = landmarks(cells, large, small, wall)
    other = landmarks(
        cells,
        replace(large, low=np.array([0, 0, 0.2]), high=np.array([1.5, 1, 1])),
        replace(small, low=np.array([0.6, 0, 0]), high=np.array([1, 0.6, 0.9])),
        wall * [-1, 1, 1] + [1, 0, 0],
    )
    np.testing.assert_allclose(mirrored_landmarks(told), other, atol=1e-9)
    np.testing.assert_allclose(mirrored_landmarks(other), told, atol=1e-9)
    np.testing.assert_allclose(told[SYMMETRIC], sides_in_cells(cells, large.corners_world()))


def test_the_network_sees_where_a_cell_is() -> None:
    from pixal3d_scene.generator.hidden_network import _place_channels

    told = torch.tensor([[0.25, 0, 0.5, 0.75, 1, 1, *[0.0] * 6, 0.25, -0.5, 0.9]])
    inside, behind, left, right = _place_channels(told)[0]
    middles = (torch.arange(CELLS) + 0.5) / CELLS
    x, y, z = torch.meshgrid(middles, middles, middles, indexing="ij")
    in_box = (x > 0.25) & (x < 0.75) & (z > 0.5)
    assert ((inside > 0) == in_box).all()
    assert ((behind > 0) == (z > 0.25)).all()
    assert (left > 0).all()
    assert ((right > 0) == (x < 0.9)).all()
    assert float(y.max()) < 1


def test_a_solid_goes_on_to_the_sides_and_not_beyond() -> None:
    """A sofa that the border cuts: its cells are ever less sure, and it is known how long it is."""
    unit = Box(R_world_from_box=Rotation.identity(), low=np.zeros(3), high=np.array([2.0, 1, 1]))
    cells = CellGrid(box=unit)
    filled = np.zeros((CELLS, CELLS, CELLS), dtype=np.float32)
    filled[:8, :16, 8:24] = 1
    filled[8:, :16, 8:24] = np.linspace(0.5, 0.02, 24)[:, None, None]
    filled[8:, 16:, 8:24] = filled[8:, :16, 8:24] / 9  # what is unlikely beside the surest stays so
    sides = np.array([0, 0.2, 0.25, 0.75, 0.5, 0.75])
    guess = solid_in_sides(cells, filled, sides)
    np.testing.assert_allclose(guess.box.low, [0, 0, 0.25])
    np.testing.assert_allclose(guess.box.high, [1.5, 0.5, 0.75])
    inside = guess.filled > guess.level
    assert inside[:24, :16, 8:24].all()
    assert not inside[8:, 16:].any()
    assert not (guess.filled[26:] > 0.2).any()  # not surer there than the cells are
    visible = replace(unit, low=np.array([0, 0, 0.2]), high=np.array([0.5, 0.6, 0.5]))
    whole = guess.box_around(visible)
    np.testing.assert_allclose([*whole.low, *whole.high], [0, 0, 0.2, 1.5, 0.6, 0.75])


def test_a_guess_does_not_reach_into_the_wall_behind() -> None:
    places = np.zeros(LANDMARKS)
    places[VISIBLE] = [0.1, 0, 0.6, 0.9, 0.9, 0.9]
    sides = np.array([0.1, 0, 0.2, 0.9, 0.9, 0.9])
    for wall, low in ((0.4, 0.4), (0.1, 0.2), (0.7, 0.6)):  # a wall before what is seen is none
        places[WALLS] = [wall, -2, 3]
        np.testing.assert_allclose(before_wall(sides, places), [0.1, 0, low, 0.9, 0.9, 0.9])


def test_a_mirrored_photo_gets_the_mirrored_guess() -> None:
    volumes = [seen_alone(m) for m in (step(0.0), step(0.0, mirrored=True))]
    one, other = (guess_solid(v, look(v)).filled for v in volumes)
    assert np.abs(one[::-1] - other).mean() < 0.02
    assert np.abs(one - other).mean() > 0.05


def test_lift_keeps_what_is_seen_and_believes_the_rest() -> None:
    """A guess with a deep left half and a shallow right one; wherever the photo sees past, nothing stays of it."""
    volume = seen_alone(standing_box((0.8, 0.6, 0.1), 0.0, 0.0))
    sight = look(volume)
    low, high = sight.cut.box.low - np.array([0.3, 0, 0.6]), sight.cut.box.high + np.array([0.3, 0.3, 0.1])
    box_ = replace(sight.cut.box, low=low, high=high)
    filled = np.zeros((CELLS, CELLS, CELLS), dtype=np.float32)
    filled[: CELLS // 2, : CELLS // 2, :] = 1
    guess = GuessedSolid(cells=CellGrid(box=box_), filled=filled, box=box_)
    lifted = lifted_solid(volume, sight, voxels=64, believed=guess)
    vertices = lifted.surface_world(4000).vertices
    eye = volume.depth.camera.centre_world
    assert vertices[vertices[:, 0] < -0.1].min(axis=0)[2] < -0.4  # behind the left half
    assert vertices[vertices[:, 0] > 0.1].min(axis=0)[2] > -0.2
    assert vertices[:, 2].max() < 0.05 + 0.03  # nothing before the front
    assert vertices[:, 0].min() > -0.4 * (eye[2] + 0.6) / (eye[2] - 0.05) - 0.05  # nothing beside the outline


@pytest.mark.parametrize("top_m", [0.6, 0.75, 0.9])
def test_a_grazed_top_has_neither_holes_nor_steps(top_m: float) -> None:
    """A table top that is seen from a little above it, and of which a belief knows nothing: what is seen is there,
    and flat, though it is far thinner along the rays than straight from its surface."""
    volume = seen_alone(box((-0.6, top_m - 0.03, -0.5), (0.6, top_m, 0.5)))
    sight = look(volume)
    nothing = GuessedSolid(
        cells=CellGrid(box=sight.cut.box), filled=np.full((CELLS,) * 3, 0.01, dtype=np.float32), box=sight.cut.box
    )
    lifted = lifted_solid(volume, sight, voxels=64, believed=nothing)
    camera = volume.depth.camera
    mesh = lifted.surface_world(10**6)
    in_cam = mesh.transformed(Similarity.from_rigid(camera.T_world_from_cam).inverse())
    hits = view([in_cam], camera)
    inner = binary_erosion(volume.mask, iterations=2)
    assert float((hits.hit & inner).sum()) / float(inner.sum()) > 0.995
    points_world = camera.world_from_cam(
        camera.unproject(camera.pixel_centres()[inner & hits.hit], hits.t[inner & hits.hit])
    )
    off_voxels = np.abs(points_world[:, 1] - top_m)[points_world[:, 2] < 0.4] / lifted.solid.grid.spacing_m
    assert np.quantile(off_voxels, 0.5) < 0.15
    assert np.quantile(off_voxels, 0.9) < 0.5


def test_mirror_images_of_what_is_seen_are_kept_where_they_are_not_unlikely() -> None:
    """The front of a table with its legs is seen; a belief too blurred for legs allows those behind, or does not."""
    legs = [box((x, 0, z), (x + 0.06, 0.6, z + 0.06)) for x in (-0.5, 0.44) for z in (-0.4, 0.34)]
    volume = seen_alone(joined(*legs, box((-0.5, 0.6, -0.4), (0.5, 0.66, 0.4))))
    sight = look(volume)
    box_ = replace(sight.cut.box, low=np.array([-0.55, 0, -0.45]), high=np.array([0.55, 0.7, 0.45]))

    def behind(sure: float) -> float:
        filled = np.full((CELLS, CELLS, CELLS), sure, dtype=np.float32)
        filled[2:-2, 26:30, 2:-2] = 1  # the top
        guess = GuessedSolid(cells=CellGrid(box=box_), filled=filled, box=sight.cut.box)
        lifted = lifted_solid(volume, sight, voxels=64, believed=guess)
        grid, solid = lifted.solid.grid, lifted.solid.field > 0
        points = grid.points_world()
        leg = (np.abs(points - [-0.47, 0.2, -0.37]) < [0.05, 0.1, 0.05]).all(axis=-1)
        return float(solid[leg].mean())

    assert behind(0.3) > 0.1
    assert behind(0.05) < behind(0.3) / 2


def test_the_level_is_a_half_where_all_is_sure_and_less_where_not() -> None:
    sure = np.zeros((CELLS, CELLS, CELLS), dtype=np.float32)
    sure[8:24, 8:24, 8:24] = 1
    assert best_level(sure) == 0.5
    unsure = sure.copy()
    unsure[24:, 8:24, 8:24] = 0.4  # as likely as not that it goes on
    assert best_level(unsure) == 0.5
    unsure[8:24, 8:24, 8:24] = 0.45
    assert 0.25 <= best_level(unsure) <= 0.4 + 1e-6
    assert best_level(np.zeros_like(sure)) == 0.25  # nothing is anywhere


def test_the_packages_network_closes_a_cabinet_behind_its_front() -> None:
    volume = seen_alone(box((-0.1, 0, -0.25), (0.7, 0.9, 0.25), yaw_deg=25))
    filled = guess_solid(volume, look(volume)).filled
    assert 0.3 < (filled > 0.5).mean() < 0.9
    assert filled[CELLS // 2, CELLS // 3, CELLS // 2] > 0.8


def test_what_a_guess_leaves_in_the_air_goes_on_down_where_the_photo_allows_it() -> None:
    field = np.full((6, 10, 6), -1, dtype=np.float32)
    field[1:5, 5:8, 1:5] = 1
    field[2:4, 4, 2:4] = 1  # a rounded tip
    hull = np.ones_like(field)
    hull[:3, :3] = -1  # seen past, beside the left half's lower part
    reaching = _reaching_down(field, hull) > 0
    assert reaching[3:5, :5, 1:5].all()
    assert not reaching[:3, :3].any()
    assert (reaching[:, 5:] == (field[:, 5:] > 0)).all()
    assert not (_reaching_down(-np.abs(field), hull) > 0).any()


def test_a_mere_front_reaches_back_to_a_wall_that_is_near_and_is_guessed_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    front, wall = box((-0.5, 0, -0.3), (0.5, 1.6, 0.0)), box((-3, 0, -0.4), (3, 2.6, -0.3))
    against_wall = render({3: front, 0: wall}, camera_at(size_px=(320, 240))).volume(3)
    free = seen_alone(box((-0.4, 0.2, -0.1), (0.4, 1.8, -0.02)))

    def made(volume: CropVolume, *, hidden_sides: bool) -> ObjectAsset:
        return lift(volume, voxels=48, max_faces=2000, texture_px=64, hidden_sides=hidden_sides)

    assert any("a network's guess" in note for note in made(free, hidden_sides=True).notes)
    assert any("a share of its size" in note for note in made(free, hidden_sides=False).notes)

    def fail(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("pixal3d_scene.generator.lift.guess_solid", fail)
    told = made(against_wall, hidden_sides=True)
    assert any("Only its front is seen; its depth is up to the wall behind it." in note for note in told.notes)
    behind = lifted_solid(against_wall, look(against_wall), voxels=48).surface_world(2000).vertices[:, 2]
    assert abs(behind.min() + 0.3) < 0.03
    with pytest.raises(AssertionError, match="was asked"):
        made(free, hidden_sides=True)


def test_a_surface_that_is_grazed_lies_where_the_depth_has_it() -> None:
    """Along the ray it is far away from points just above it, which must not push it down against its other sides."""
    (volume,) = render_analytic({1: box((-1, 0, -3.5), (1, 0.7, -2.5), yaw_deg=10)})
    sight = look(volume)
    larger = replace(sight.cut.box, low=sight.cut.box.low - 0.1, high=sight.cut.box.high + np.array([0.1, 0.013, 0.1]))
    full = np.ones((CELLS, CELLS, CELLS), dtype=np.float32)
    guess = GuessedSolid(cells=CellGrid(box=larger), filled=full, box=larger)
    camera = volume.depth.camera
    for voxels in (33, 37, 41, 45):
        lifted = lifted_solid(volume, sight, voxels=voxels, believed=guess)
        mesh_world = lifted.surface_world(20000)
        hits = view([mesh_world.transformed(Similarity.from_rigid(camera.T_world_from_cam).inverse())], camera)
        on_top = sight.seen & hits.hit
        on_top[sight.seen] &= sight.points_world[:, 1] > 0.69
        rows, columns = np.nonzero(on_top)
        points = camera.world_from_cam(camera.unproject(np.stack([columns, rows], axis=-1) + 0.5, hits.t[on_top]))
        assert len(points) > 200
        assert abs(np.median(points[:, 1]) - 0.7) < 0.05 * lifted.solid.grid.spacing_m
