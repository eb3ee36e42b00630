"""Equal chairs are found whatever their turn, other things are not taken for them, and one mesh fits them all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pygltflib
import pytest
import trimesh
from rendered_scene import RenderedScene, camera_at, render, standing_box, true_asset
from scipy.spatial.transform import Rotation

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.crop import plan_crops
from pixal3d_scene.export.glb import scene_glb
from pixal3d_scene.frames import WORLD_UP, Similarity
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.layout.duplicates import Duplicates, find_duplicates, share_meshes, view_quality
from pixal3d_scene.layout.likeness import Cloud, shape_difference
from pixal3d_scene.layout.noise import DepthNoise
from pixal3d_scene.layout.registration import register
from pixal3d_scene.layout.room_shell import fit_room
from pixal3d_scene.layout.solve import solve_layout
from pixal3d_scene.learning.furniture import make, united
from pixal3d_scene.photo import Photo
from pixal3d_scene.reconstruction import Placed, build_scene, place
from pixal3d_scene.settings import LayoutSettings

RED, BLUE, OAK = (170, 50, 45), (50, 70, 160), (160, 120, 70)
CLEAN = DepthNoise(independent=0.0, correlated=0.0, measured=True)


def solid(*sizes_and_places: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Mesh:
    """Boxes welded into one, in node: bottom centre at the origin."""
    boxes = [trimesh.creation.box(s).apply_translation(at) for s, at in sizes_and_places]
    welded = trimesh.boolean.union(boxes)
    low, high = welded.bounds
    vertices = np.asarray(welded.vertices) - [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]
    return Mesh(vertices=vertices, faces=np.asarray(welded.faces, dtype=np.int64))


def chair(kind: str = "dining chair", seed: int = 2) -> Mesh:
    parts = make(kind, np.random.default_rng(seed), (0.45, 0.9, 0.48))
    return united(parts)


def handed() -> Mesh:
    """A corner seat with its long side to one hand: its mirror image cannot be turned into it."""
    return solid(
        ((1.2, 0.4, 0.4), (0.0, 0.2, 0.0)), ((0.4, 0.4, 0.7), (0.4, 0.2, 0.5)), ((1.2, 0.4, 0.1), (0.0, 0.6, -0.15))
    )


def mirrored(mesh: Mesh) -> Mesh:
    return Mesh(vertices=mesh.vertices * [-1, 1, 1], faces=mesh.faces[:, ::-1].copy())


def at(mesh: Mesh, x: float, z: float, yaw_deg: float) -> Mesh:
    turn = Rotation.from_rotvec(np.deg2rad(yaw_deg) * WORLD_UP)
    return mesh.transformed(Similarity(rotation=turn, translation=np.array([x, 0.0, z])))


def scene_of(
    *things: tuple[Mesh, tuple[int, int, int]], labels: tuple[str, ...] = (), behind: Mesh | None = None
) -> RenderedScene:
    """What the camera sees of meshes in world with their colours, with some shading and grain."""
    meshes = {k: mesh for k, (mesh, _) in enumerate(things, start=1)}
    if behind is not None:
        meshes[len(meshes) + 1] = behind
    seen = render(meshes, camera_at(size_px=(640, 480)))
    rng = np.random.default_rng(0)
    rgb = np.array(seen.photo.rgb).astype(np.float64)
    for k, (_, colour) in enumerate(things, start=1):
        mask = seen.instances.mask(k)
        light = np.linspace(0.85, 1.1, mask.shape[1])[None, :, None] * rng.normal(1.0, 0.03, (*mask.shape, 1))
        rgb[mask] = (np.array(colour) * light)[mask]
    photo = Photo(rgb=np.clip(rgb, 0, 255).astype(np.uint8), file_name="a.png", sha256="0" * 64)
    named = dict(enumerate(labels, start=1))
    items = tuple(
        Instance(mask_value=i.mask_value, label=named.get(i.mask_value, "object")) for i in seen.instances.items
    )
    instances = Instances(label_map=seen.instances.label_map, items=items, source="analytic")
    volumes = plan_crops(photo, instances, seen.depth, size_px=128, margin=1.1)
    return replace(seen, photo=photo, instances=instances, volumes=volumes)


def assets_of(scene: RenderedScene) -> list[ObjectAsset]:
    return [true_asset(scene, v.instance.mask_value) for v in scene.volumes]


def found_in(scene: RenderedScene) -> tuple[Duplicates, ...]:
    assets = assets_of(scene)
    placements = solve_layout(assets, scene.volumes, fit_room(scene.depth, scene.instances), snap_m=0.15)
    return find_duplicates(assets, scene.volumes, placements)


def placed_in(scene: RenderedScene, *, share: bool) -> Placed:
    room = fit_room(scene.depth, scene.instances)
    return place(assets_of(scene), scene.volumes, room, LayoutSettings(share_duplicates=share))


FOUR = ((-1.3, -0.6, 20.0), (-0.4, -1.2, 130.0), (0.6, -0.9, 245.0), (1.3, -0.2, 310.0))


@pytest.fixture(scope="module")
def four_chairs() -> RenderedScene:
    return scene_of(*((at(chair(), *where), RED) for where in FOUR))


@pytest.mark.slow
def test_equal_chairs_are_one_group_whatever_their_turn(four_chairs: RenderedScene) -> None:
    (group,) = found_in(four_chairs)
    assert sorted((group.model, *group.others)) == ["object_01", "object_02", "object_03", "object_04"]
    assert "object_01, object_02, object_03 and object_04 look like one model" in group.note


@pytest.mark.slow
def test_colour_shape_size_and_label_must_agree() -> None:
    other, larger = chair("office chair", 5), chair().transformed(Similarity(scale=1.25))
    scene = scene_of(
        (at(chair(), -1.4, -0.5, 20), RED), (at(chair(), -0.5, -1.2, 100), BLUE), (at(other, 0.5, -1.0, 30), RED),
        (at(larger, 1.4, -0.4, 250), RED),
    )  # fmt: skip
    assert found_in(scene) == ()
    twice = ((at(chair(), -0.6, -0.5, 20), RED), (at(chair(), 0.6, -0.8, 140), RED))
    assert len(found_in(scene_of(*twice, labels=("chair", "chair")))) == 1
    assert len(found_in(scene_of(*twice, labels=("chair",)))) == 1  # nobody knows what the other is
    assert found_in(scene_of(*twice, labels=("chair", "armchair"))) == ()


@pytest.mark.slow
def test_a_mirror_image_is_no_twin_where_handedness_shows() -> None:
    left, right = handed(), mirrored(handed())
    pair = shape_difference(Cloud.of(left), Cloud.of(at(left, 0, 0, 200)))
    assert pair.share < 0.01
    assert np.rad2deg(pair.yaw_rad) % 360 == pytest.approx(160, abs=1)
    scene = scene_of((at(left, -0.9, -0.8, 10), OAK), (at(right, 0.9, -0.8, 350), OAK))
    assert found_in(scene) == ()
    twins = scene_of((at(left, -0.9, -0.8, 10), OAK), (at(left, 0.9, -0.8, 300), OAK))
    assert len(found_in(twins)) == 1


def test_the_largest_and_least_hidden_view_is_the_best() -> None:
    crate = standing_box((0.7, 0.5, 0.3), 0.3, 0.6)
    scene = scene_of((at(chair(), -0.5, -0.8, 20), RED), (at(chair(), 0.3, 0.2, 100), RED), behind=crate)
    alone, hidden = (view_quality(scene.volume(k)) for k in (1, 2))
    assert alone > hidden
    cut_off = scene_of((at(chair(), -0.5, -0.8, 20), RED), (at(chair(), 0.1, 1.6, 100), RED))
    rows, _ = np.nonzero(cut_off.instances.mask(2))
    assert rows.max() == 479
    assert view_quality(cut_off.volume(2)) < rows.size
    nearer = scene_of((at(chair(), -0.5, -0.8, 20), RED), (at(chair(), 0.5, 0.4, 100), RED))
    assert view_quality(nearer.volume(2)) > view_quality(nearer.volume(1))


def test_a_mesh_is_laid_where_the_other_stands(four_chairs: RenderedScene) -> None:
    x, z, yaw_deg = FOUR[1]
    foot_world = np.array([x + 0.05, 0.01, z - 0.06])
    fit = register(chair(), four_chairs.volume(2), foot_world, CLEAN)
    np.testing.assert_allclose(fit.T_world_from_node.translation, [x, 0, z], atol=0.01)
    turn = fit.T_world_from_node.rotation * Rotation.from_rotvec(np.deg2rad(yaw_deg) * WORLD_UP).inv()
    assert np.rad2deg(turn.magnitude()) < 1
    assert fit.silhouette_iou > 0.9


@pytest.fixture(scope="module")
def shared(four_chairs: RenderedScene) -> Placed:
    return placed_in(four_chairs, share=True)


@pytest.mark.slow
def test_without_being_asked_they_are_only_named(four_chairs: RenderedScene) -> None:
    apart = placed_in(four_chairs, share=False)
    assert "--share-duplicates" in " ".join(apart.notes)
    assert {p.mesh_of for p in apart.placements} == {None}


def test_sharing_says_so_where_there_is_nothing_to_share() -> None:
    different = scene_of((at(chair(), -0.5, -0.8, 20), RED), (standing_box((1.2, 0.4, 0.6), 0.6, 0.4), RED))
    assert found_in(different) == ()
    told = placed_in(different, share=True)
    assert told.notes == ("No mesh is shared: no two objects look like one model (--share-duplicates).",)
    assert {p.mesh_of for p in told.placements} == {None}
    assert placed_in(different, share=False).notes == ()


@pytest.mark.slow
def test_the_shared_mesh_stands_where_every_chair_stood(shared: Placed, four_chairs: RenderedScene) -> None:
    (model,) = {p.mesh_of for p in shared.placements if p.mesh_of}
    assert [p.mesh_of for p in shared.placements].count(model) == 3
    assert f"share the mesh of {model}" in " ".join(shared.notes)
    mesh_node = next(
        a.mesh_obj.transformed(p.T_node_from_obj)
        for a, p in zip(shared.assets, shared.placements, strict=True)
        if p.name == model
    )
    for volume, asset, p in zip(four_chairs.volumes, shared.assets, shared.placements, strict=True):
        # The same mesh by either way, and where the chair really is: turned, mirrored or shifted it would not be.
        np.testing.assert_allclose(
            asset.mesh_obj.transformed(p.T_node_from_obj).vertices, mesh_node.vertices, atol=1e-9
        )
        np.testing.assert_allclose(p.T_world_from_node.rotation.apply(np.array(WORLD_UP)), WORLD_UP, atol=1e-9)
        true_world = four_chairs.meshes_world[volume.instance.mask_value].vertices
        there = p.T_world_from_node.apply(np.array(mesh_node.vertices))
        assert np.linalg.norm(there - true_world, axis=1).max() < 0.02
        assert there[:, 1].min() == pytest.approx(0, abs=0.002)
        assert p.parent == "floor"


@pytest.mark.slow
def test_the_scene_and_its_file_hold_the_mesh_once(shared: Placed, four_chairs: RenderedScene) -> None:
    s = four_chairs
    room = fit_room(s.depth, s.instances)
    scene = build_scene(s.photo, s.instances, s.depth, room, list(shared.assets), shared.placements)
    assert len({id(item.mesh_node) for item in scene.objects}) == 1
    assert len({tuple(item.size_m) for item in scene.objects}) == 1
    assert min(item.quality["silhouette_iou"] for item in scene.objects) > 0.9
    gltf = pygltflib.GLTF2().load_from_bytes(scene_glb(scene, photo=s.photo, jpeg_quality=80, room_shell=False))
    chairs = {node.name: node.mesh for node in gltf.nodes if node.name.startswith("object_")}
    assert len(chairs) == 4
    assert set(chairs.values()) == {0}


def test_a_mesh_that_does_not_fit_is_not_shared() -> None:
    scene = scene_of((at(chair(), -0.6, -0.5, 20), RED), (at(chair("office chair", 5), 0.6, -0.8, 140), RED))
    assets = assets_of(scene)
    placements = solve_layout(assets, scene.volumes, fit_room(scene.depth, scene.instances), snap_m=0.15)
    claimed = Duplicates(model="object_01", others=("object_02",))
    shared = share_meshes([claimed], assets, scene.volumes, placements)
    assert shared.mesh_of == {}
    assert shared.assets == tuple(assets)
    assert "object_02 looks like object_01, but keeps its own mesh" in shared.notes[0]


def test_without_depth_nothing_is_shared() -> None:
    scene = scene_of((at(chair(), -0.6, -0.5, 20), RED), (at(chair(), 0.6, -0.8, 140), RED))
    depth = replace(scene.depth, valid=scene.depth.valid & ~scene.volume(2).mask)
    blind = replace(scene, depth=depth, volumes=tuple(replace(v, depth=depth) for v in scene.volumes))
    assets = assets_of(scene)
    placements = solve_layout(assets, blind.volumes, fit_room(depth, scene.instances), snap_m=0.15)
    claimed = Duplicates(model="object_01", others=("object_02",))
    shared = share_meshes([claimed], assets, blind.volumes, placements)
    assert shared.mesh_of == {}
    assert "no depth shows where it stands" in shared.notes[0]
