"""`Lift` on shapes whose truth is known exactly."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from lift_cases import (
    CAMERA,
    SIZE_PX,
    VOXELS,
    box,
    chair,
    generate,
    inside,
    joined,
    lifted,
    merged,
    placed,
    render,
    seen_by_camera,
    silhouette_iou,
    sphere,
    with_depth,
)
from scipy.ndimage import binary_erosion

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.errors import StageFailed
from pixal3d_scene.generator.lift_evidence import gather_evidence, plan_grid
from pixal3d_scene.generator.lift_sight import look, view_around
from pixal3d_scene.mesh.closed import is_closed, smallest_area
from pixal3d_scene.mesh.closed import volume as volume_of
from pixal3d_scene.mesh.surface import solid_surface

CRATE = box((-0.4, 0, -3.6), (0.4, 0.6, -3.0), yaw_deg=30)
BALL = sphere((0.3, 0.25, -2.5), 0.25)
CHAIR = chair(-0.6, -3.0)
# Seen from above: a long bar with a short one at its right end only.
ELL = joined(box((-0.6, 0, -3.4), (0.6, 0.3, -3.1)), box((0.3, 0, -3.1), (0.6, 0.3, -2.5)))
TABLE = joined(
    box((-0.7, 0.68, -3.2), (0.7, 0.72, -2.5)),
    *[box((x, 0, z), (x + 0.06, 0.68, z + 0.06)) for x in (-0.7, 0.64) for z in (-3.2, -2.56)],
)
VASE = box((-0.1, 0.72, -2.9), (0.1, 1.02, -2.7))

SHAPES = {"crate": CRATE, "ball": BALL, "chair": CHAIR, "ell": ELL, "table": TABLE}


@pytest.fixture(scope="module", params=list(SHAPES))
def shape(request: pytest.FixtureRequest):
    """(name, true mesh, volume, lifted asset)"""
    truth = SHAPES[request.param]
    (volume,) = render({1: truth})
    (asset,) = generate(volume)
    return request.param, truth, volume, asset


def test_is_a_solid(shape) -> None:
    _, _, volume, asset = shape
    mesh = merged(placed(volume, asset))
    assert is_closed(mesh)
    assert volume_of(mesh) > 0
    assert smallest_area(asset.mesh_obj) > 0


def test_keeps_to_its_box(shape) -> None:
    name, truth, volume, asset = shape
    size_m = np.ptp(truth.bounds, axis=0).max()
    voxel_m = size_m / VOXELS
    seen = volume.depth.points_world()[volume.mask]
    bounds = placed(volume, asset).bounds
    assert (bounds[0] < seen.min(axis=0) + voxel_m).all()
    assert (bounds[1] > seen.max(axis=0) - voxel_m).all()
    # A twentieth for the sides that nobody sees.
    np.testing.assert_allclose(bounds, truth.bounds, atol=0.05 * size_m, err_msg=name)


def test_covers_its_mask(shape) -> None:
    name, _, volume, asset = shape
    assert silhouette_iou(volume, placed(volume, asset)) > 0.95, name


def test_stands_on_the_floor(shape) -> None:
    _, _, volume, asset = shape
    assert abs(placed(volume, asset).bounds[0, 1]) < 0.01


def test_fits_the_cube_and_says_where_it_is(shape) -> None:
    _, _, _, asset = shape
    assert isinstance(asset, ObjectAsset)
    assert np.abs(asset.mesh_obj.vertices).max() <= 0.5
    assert np.abs(asset.mesh_obj.vertices).max() > 0.499
    assert asset.status == "lifted"
    assert asset.generator == "lift"
    assert asset.mask_value == 1


def test_visible_surface_is_where_the_depth_says(shape) -> None:
    """Every visible point is within a voxel of the mesh."""
    import trimesh
    from scipy.spatial import cKDTree

    _, truth, volume, asset = shape
    mesh = placed(volume, asset)
    voxel_m = np.ptp(truth.bounds, axis=0).max() / VOXELS
    seen = volume.depth.points_world()[volume.mask]
    samples = trimesh.sample.sample_surface(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False), 60_000, seed=0)[
        0
    ]
    assert np.quantile(cKDTree(samples).query(seen)[0], 0.98) < voxel_m


def test_texture_shows_the_object_only(shape) -> None:
    _, _, volume, asset = shape
    colour = volume.photo_rgb[volume.mask][0].astype(int)
    texture, uv = asset.material.base_colour, asset.mesh_obj.uv
    assert texture.shape[0] & (texture.shape[0] - 1) == 0
    assert 0 <= uv.min() <= uv.max() <= 1
    picked = texture[tuple(np.minimum((uv[:, ::-1] * texture.shape[0]).astype(int), texture.shape[0] - 1).T)]
    assert (np.abs(picked.astype(int) - colour).max(axis=1) < 40).mean() > 0.99


def test_is_not_mirrored() -> None:
    (volume,) = render({1: ELL})
    mesh = lifted(volume)
    assert inside(mesh, np.array([0.45, 0.15, -2.6]))[0]
    assert not inside(mesh, np.array([-0.45, 0.15, -2.6]))[0]


def test_what_is_seen_through_is_empty() -> None:
    (volume,) = render({1: CHAIR})
    mesh = lifted(volume)
    x, z = -0.6, -3.0
    below_seat = np.array([[x + 0.225, 0.2, z + 0.35], [x + 0.225, 0.1, z + 0.43]])
    above_seat = np.array([[x + 0.225, 0.7, z + 0.3]])
    assert not inside(mesh, np.concatenate([below_seat, above_seat])).any()
    legs = np.array([[x + 0.02, 0.2, z + 0.43], [x + 0.43, 0.2, z + 0.43]])
    assert inside(mesh, legs).all()


def test_foot_behind_an_occluder_reaches_the_floor() -> None:
    cabinet, crate = box((-0.3, 0, -3.6), (0.3, 1.2, -3.2)), box((-0.6, 0, -2.4), (0.6, 0.6, -2.2))
    volume = render({1: cabinet, 2: crate})[0]
    (asset,) = generate(volume)
    assert abs(placed(volume, asset).bounds[0, 1]) < 0.01
    assert any("hides its lower end; it was continued down to the floor" in note for note in asset.notes)


def test_upright_sides_before_an_object_are_no_surface_that_carries_it() -> None:
    sofa, board = box((-0.8, 0, -3.8), (0.8, 0.9, -3.3)), box((-0.9, 0, -2.88), (0.9, 0.47, -2.83))
    bench = box((-0.8, 0, -2.65), (0.8, 0.42, -2.55), yaw_deg=25)
    volume = render({1: sofa, 2: board, 3: bench})[0]
    assert abs(lifted(volume).bounds[0, 1]) < 0.01


def test_an_occluder_whose_rim_has_no_depth_hides_as_much() -> None:
    cabinet, crate = box((-0.3, 0, -3.6), (0.3, 1.2, -3.2)), box((-0.6, 0, -2.4), (0.6, 0.6, -2.2))
    volume = render({1: cabinet, 2: crate})[0]
    occluder = volume.label_map == 2
    rim = occluder & ~binary_erosion(occluder, iterations=2)
    frayed = with_depth(volume, np.where(rim, np.nan, volume.depth.z_m), volume.depth.valid & ~rim)
    whole, other = lifted(volume), lifted(frayed)
    np.testing.assert_allclose(other.bounds, whole.bounds, atol=0.005)
    assert volume_of(other) == pytest.approx(volume_of(whole), rel=0.02)


@pytest.mark.parametrize("width_m", [0.02, 0.03, 0.05])
def test_thin_posts_before_a_part_of_their_own_object_are_whole(width_m: float) -> None:
    places_m = (-0.7, -0.433, -0.111, 0.21, 0.57)  # not in step with any grid
    posts = [box((x, 0, -2.8), (x + width_m, 0.7, -2.8 + width_m)) for x in places_m]
    plate, base = box((-0.9, 0, -3.4), (0.9, 0.7, -3.35)), box((-0.9, 0, -3.4), (0.9, 0.03, -2.8))
    (volume,) = render({1: joined(plate, base, *posts)})
    seen = seen_by_camera(volume, lifted(volume))
    shows_post = volume.mask & (volume.depth.z_m < 2.95)
    assert (seen.hit & (seen.t < 3.0))[shows_post].mean() > 0.95


@pytest.mark.parametrize("slot_m", [0.02, 0.03, 0.05])
def test_what_is_seen_between_nearer_parts_of_its_object_is_seen_whole(slot_m: float) -> None:
    """Of the visible surface alone: nothing that is guessed behind it may stand in for it."""
    places_m = (-0.7, -0.433, -0.111, 0.21, 0.57)  # not in step with any grid
    slats = [box((a + slot_m, 0, -2.8), (b, 0.7, -2.75)) for a, b in itertools.pairwise(places_m)]
    plate = box((-0.6, 0, -3.4), (0.5, 0.5, -3.35))
    (volume,) = render({1: joined(plate, *slats)})
    sight = look(volume)
    grid = plan_grid(sight.box, voxels=VOXELS, finest_m=sight.pixel_m)
    evidence = gather_evidence(view_around(volume, sight.seen, sight.box), grid, straight=True)
    surface = solid_surface(evidence.shell(grid.spacing_m, grid.cut_m), grid.low_box, grid.spacing_m)
    seen = seen_by_camera(volume, Mesh(vertices=grid.box.world_from_box(surface.vertices), faces=surface.faces))
    in_slot = volume.mask & (volume.depth.z_m > 3.2)
    assert (np.abs(seen.t - volume.depth.z_m) < grid.spacing_m)[in_slot].mean() > 0.75


def test_stands_on_the_table_not_on_the_floor() -> None:
    volumes = render({1: TABLE, 2: VASE})
    assert abs(lifted(volumes[1]).bounds[0, 1] - 0.72) < 0.02
    assert abs(lifted(volumes[0]).bounds[0, 1]) < 0.01


def test_foot_hidden_on_a_table_ends_on_the_table() -> None:
    vase, cup = box((-0.1, 0.72, -3.15), (0.1, 1.1, -3.0)), box((-0.15, 0.72, -2.6), (0.15, 0.95, -2.55))
    volume = render({1: TABLE, 2: vase, 3: cup})[1]
    assert abs(lifted(volume).bounds[0, 1] - 0.72) < 0.04


def test_hanging_on_the_wall_does_not_reach_down() -> None:
    picture = box((-0.5, 1.4, -7.0), (0.5, 2.0, -6.95))
    (volume,) = render({1: picture})
    assert abs(lifted(volume).bounds[0, 1] - 1.4) < 0.04


def test_cut_by_the_border_of_the_picture() -> None:
    near = box((-0.3, 0, -1.4), (0.3, 0.7, -0.9))
    (volume,) = render({1: near})
    assert volume.mask[-1].any(), "the case must touch the border"
    mesh = lifted(volume)
    assert is_closed(merged(mesh))
    assert abs(mesh.bounds[0, 1]) < 0.01
    np.testing.assert_allclose(mesh.bounds[:, 0], [-0.3, 0.3], atol=0.03)


def test_small_and_far() -> None:
    (volume,) = render({1: box((0.1, 0, -6.6), (0.35, 0.3, -6.4))})
    assert volume.mask.sum() < 300
    (asset,) = generate(volume)
    assert is_closed(merged(placed(volume, asset)))
    assert asset.material.base_colour.shape[0] <= 64
    assert len(asset.mesh_obj.faces) < 6000


def test_same_bytes_alone_and_with_others() -> None:
    volumes = render({1: BALL, 2: CHAIR})
    first, second = generate(*volumes), generate(*volumes[::-1])[::-1]
    for a, b in zip(first, second, strict=True):
        assert a.mesh_obj.vertices.tobytes() == b.mesh_obj.vertices.tobytes()
        assert a.mesh_obj.faces.tobytes() == b.mesh_obj.faces.tobytes()
        assert a.mesh_obj.uv.tobytes() == b.mesh_obj.uv.tobytes()
        assert a.material.base_colour.tobytes() == b.material.base_colour.tobytes()


def test_values_without_depth_are_never_read() -> None:
    (volume,) = render({1: CRATE})
    rng = np.random.default_rng(0)
    valid = volume.depth.valid & (rng.random(volume.mask.shape) > 0.2)
    z_m = np.array(volume.depth.z_m)
    one = lifted(with_depth(volume, np.where(valid, z_m, np.nan), valid))
    other = lifted(with_depth(volume, np.where(valid, z_m, 0), valid))
    assert one.vertices.tobytes() == other.vertices.tobytes()
    assert silhouette_iou(volume, one) > 0.93


def test_flying_pixels_do_not_stretch_the_object() -> None:
    """At the mask's edge, depth that mixes the object and the wall; and a mask that spills onto the wall."""
    (volume,) = render({1: CRATE})
    z_m = np.array(volume.depth.z_m)
    edge = volume.mask & ~np.roll(volume.mask, 1, axis=1)
    z_m[edge] = np.linspace(z_m[edge].min(), 7, int(edge.sum()))
    spilled = volume.mask | (np.roll(volume.mask, 2, axis=0))
    label_map = np.where(spilled, 1, 0).astype(np.uint16)
    mesh = lifted(replace(with_depth(volume, z_m), label_map=label_map))
    assert np.ptp(mesh.bounds, axis=0).max() < 1.3 * np.ptp(CRATE.bounds, axis=0).max()


def test_noisy_depth_still_gives_a_solid_of_the_right_size() -> None:
    (volume,) = render({1: CRATE})
    rng = np.random.default_rng(1)
    mesh = lifted(with_depth(volume, volume.depth.z_m * (1 + 0.005 * rng.standard_normal(volume.mask.shape))))
    assert is_closed(merged(mesh))
    np.testing.assert_allclose(mesh.bounds, CRATE.bounds, atol=0.12)


def test_failure_is_a_value_and_ends_nobody_else() -> None:
    volumes = render({1: BALL, 2: CHAIR})
    blind = with_depth(volumes[0], volumes[0].depth.z_m, np.zeros(SIZE_PX[::-1], dtype=bool))
    failed, fine = generate(blind, volumes[1])
    assert isinstance(failed, StageFailed)
    assert "depth" in str(failed)
    assert failed.object_name == blind.name
    assert isinstance(fine, ObjectAsset)


def test_unexpected_error_is_a_value_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("inner")

    monkeypatch.setattr("pixal3d_scene.generator.lift.complete_solid", broken)
    (failed,) = generate(render({1: BALL})[0])
    assert isinstance(failed, StageFailed)
    assert isinstance(failed.__cause__, ZeroDivisionError)


def test_camera_turned_sideways_changes_nothing_in_the_world() -> None:
    """The same room from a rolled camera: the box stays upright."""
    from pixal3d_scene.frames import world_from_level_camera

    rolled = CAMERA.at(
        world_from_level_camera(height_m=1.4, pitch_rad=float(np.radians(18)), roll_rad=float(np.radians(12)))
    )
    (volume,) = render({1: CRATE}, rolled)
    np.testing.assert_allclose(lifted(volume).bounds, CRATE.bounds, atol=0.03)


def test_meshes_of_the_cases_face_outwards() -> None:
    assert all(volume_of(m) > 0 for m in (CRATE, BALL, Mesh(vertices=CRATE.vertices, faces=CRATE.faces)))
