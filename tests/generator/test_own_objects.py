"""The generator of the small networks: with perfect networks, with random ones, and what its guard refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from lift_cases import joined, merged
from rendered_scene import RenderedScene, camera_at, render, standing_box
from room_on_disk import write_room_on_disk
from safetensors.torch import load_file, save_file
from tiny_object_networks import CUBE_OVER_CROP, RESOLUTION

from pipelines.given_files import GivenFiles
from pipelines.room import RoomRun, run_room
from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.autoencoder.dual_grid import DualGrid
from pixal3d_scene.autoencoder.mesh_to_dual_grid import mesh_to_dual_grid
from pixal3d_scene.autoencoder.pbr_voxels import PbrVoxels
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.errors import BackendMissing, StageFailed
from pixal3d_scene.frames import Similarity, cropcam_from_obj
from pixal3d_scene.generator import own_cascade
from pixal3d_scene.generator.own_cascade import generate_grid, load_networks
from pixal3d_scene.generator.own_objects import OwnObjects
from pixal3d_scene.generator.own_pipeline import read_own_pipeline
from pixal3d_scene.generator.own_view import NetworkView, network_view
from pixal3d_scene.generator.protocol import ObjectGenerator
from pixal3d_scene.mesh.closed import is_closed
from pixal3d_scene.models import load_models
from pixal3d_scene.progress import Silent
from pixal3d_scene.settings import Settings, resolve_settings

COLOUR = (0.2, 0.6, 0.4)


def tiny_settings(folder: Path, **changes: Any) -> Settings:
    chosen = {"weights": str(folder), "steps": 2, **changes}
    generate = {"generator": "object_networks", "max_faces": 4000, "texture_px": 128, "object_networks": chosen}
    return resolve_settings(overrides={"crop": {"size_px": 128}, "generate": generate, "device": "cpu"})


def stool(x: float = 0.0, z: float = 0.0) -> Mesh:
    """A seat on one leg and a back to the right: no mirror image of it looks alike."""
    leg = standing_box((0.2, 0.4, 0.2), x - 0.15, z)
    seat = standing_box((0.6, 0.1, 0.5), x, z, y=0.4)
    return joined(leg, seat, standing_box((0.1, 0.5, 0.5), x + 0.25, z, y=0.5))


def true_grid(volume: CropVolume, mesh_world: Mesh, cube_over_crop: float = CUBE_OVER_CROP) -> DualGrid:
    """What perfect networks would decode: the mesh in its cube, in front of the crop camera."""
    T_cropcam_from_world = Similarity.from_rigid(volume.camera.T_world_from_cam).inverse()
    view = network_view(volume, picture_px=64, cube_over_crop=cube_over_crop)
    T_cropcam_from_obj = cropcam_from_obj(scale_m=view.scale_m, camera_distance_obj=view.camera_distance_obj)
    mesh_obj = mesh_world.transformed(T_cropcam_from_obj.inverse() @ T_cropcam_from_world)
    return mesh_to_dual_grid(mesh_obj, resolution=RESOLUTION).grid


def in_one_colour(grid: DualGrid) -> PbrVoxels:
    attributes = np.tile(np.array([*COLOUR, 0.1, 0.7, 1.0], dtype=np.float32), (len(grid.coords), 1))
    return PbrVoxels(coords=grid.coords, attributes=attributes, resolution=grid.resolution)


def decode_these(monkeypatch: pytest.MonkeyPatch, *grids: DualGrid) -> None:
    left = iter(grids)

    def decoded(*_: Any) -> tuple[DualGrid, PbrVoxels]:
        grid = next(left)
        return grid, in_one_colour(grid)

    monkeypatch.setattr(own_cascade, "generate_grid", decoded)


def made_of(
    grid: DualGrid, volume: CropVolume, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> ObjectAsset | StageFailed:
    decode_these(monkeypatch, grid)
    [made] = OwnObjects(tiny_settings(folder).generate).generate([volume], [1], Silent())
    return made


def one_stool() -> tuple[RenderedScene, CropVolume]:
    scene = render({3: stool()}, camera_at(size_px=(320, 240)))
    return scene, scene.volume(3)


def placed(asset: ObjectAsset, volume: CropVolume) -> Mesh:
    assert asset.expected_scale_m is not None
    T = cropcam_from_obj(scale_m=asset.expected_scale_m, camera_distance_obj=asset.camera_distance_obj)
    return asset.mesh_obj.transformed(Similarity.from_rigid(volume.camera.T_world_from_cam) @ T)


def test_perfect_networks_put_the_object_where_it_stands(
    object_networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, volume = one_stool()
    made = made_of(true_grid(volume, stool()), volume, object_networks, monkeypatch)
    assert isinstance(made, ObjectAsset)
    assert made.status == "generated"
    assert made.generator == "object_networks"
    assert made.notes == ()
    assert is_closed(merged(made.mesh_obj))
    np.testing.assert_allclose(placed(made, volume).bounds, stool().bounds, atol=0.025)
    assert made.material.metallic == pytest.approx(0.1)
    assert made.material.roughness == pytest.approx(0.7)
    del scene


def test_the_photo_colours_what_it_shows_and_lights_the_rest(
    object_networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, volume = one_stool()
    made = made_of(true_grid(volume, stool()), volume, object_networks, monkeypatch)
    assert isinstance(made, ObjectAsset)
    mesh, texture = made.mesh_obj, np.asarray(made.material.base_colour)
    assert mesh.uv is not None
    height, width = texture.shape[:2]
    at = np.clip((mesh.uv[mesh.faces].mean(axis=1) * [width, height]).astype(int), 0, [width - 1, height - 1])
    colours = texture[at[:, 1], at[:, 0]].astype(int)
    of_photo = np.asarray(scene.photo.rgb[scene.instances.label_map == 3][0]).astype(int)
    # The photo's one colour is on the shown side; the networks' one colour, brought to its light, is the same.
    assert np.median(np.abs(colours - of_photo)) <= 3
    assert np.quantile(np.abs(colours - of_photo), 0.99) <= 12


@pytest.mark.slow
def test_what_is_seen_is_the_photos_and_what_is_hidden_the_networks(
    object_networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A post above the stool, where the photo sees past it, is cut off; one that the stool hides is kept."""
    _, volume = one_stool()
    above = standing_box((0.16, 0.5, 0.16), -0.18, -0.1, y=0.5)
    behind = standing_box((0.08, 0.3, 0.08), -0.15, -0.2, y=0.1)
    generated = joined(stool(), above, behind)
    made = made_of(true_grid(volume, generated), volume, object_networks, monkeypatch)
    assert isinstance(made, ObjectAsset)
    mesh_world = placed(made, volume)
    assert is_closed(merged(mesh_world))
    truth = joined(stool(), behind).bounds
    np.testing.assert_allclose(mesh_world.bounds, truth, atol=0.03)
    solid = trimesh.Trimesh(mesh_world.vertices, mesh_world.faces).process()
    assert solid.contains(behind.vertices.mean(axis=0)[None])[0]
    assert not solid.contains(above.vertices.mean(axis=0)[None])[0]


def turned(grid: DualGrid, axis: int) -> DualGrid:
    """Mirrored along an axis of the cube."""
    coords, offset = np.array(grid.coords), np.array(grid.offset_vox)
    coords[:, axis] = grid.resolution - 1 - coords[:, axis]
    offset[:, axis] = 1 - offset[:, axis]
    vertices = (coords + offset) / grid.resolution - 0.5
    mesh = Mesh(vertices=vertices.astype(np.float64), faces=grid.to_mesh().faces)
    return mesh_to_dual_grid(mesh, resolution=grid.resolution).grid


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_object_is_refused(axis: int, object_networks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, volume = one_stool()
    made = made_of(turned(true_grid(volume, stool()), axis), volume, object_networks, monkeypatch)
    assert isinstance(made, StageFailed)
    assert made.object_name == volume.name
    assert "its outline agrees with the mask by" in made.reason


def test_a_surface_that_the_depth_contradicts_is_refused(
    object_networks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, volume = one_stool()
    grid = true_grid(volume, stool())
    z_m = np.array(volume.depth.z_m)
    columns = np.arange(z_m.shape[1])[None] / z_m.shape[1]
    bent = replace(volume.depth, z_m=(z_m * (1 + 4 * (columns - 0.5))).astype(np.float32))
    made = made_of(grid, replace(volume, depth=bent), object_networks, monkeypatch)
    assert isinstance(made, StageFailed)
    assert "from where the depth has it" in made.reason


def test_what_is_cut_or_has_no_depth_is_not_tried(object_networks: Path) -> None:
    generator = OwnObjects(tiny_settings(object_networks).generate)
    cut = render({3: stool(x=-1.9)}, camera_at(size_px=(160, 120))).volume(3)
    _, whole = one_stool()
    blind = replace(whole, depth=replace(whole.depth, valid=np.zeros_like(whole.depth.valid)))
    reasons = [made.reason for made in generator.generate([cut, blind], [1, 1], Silent())]  # type: ignore[union-attr]
    assert reasons == ["the photo's border cuts it", "only 0 of its pixels have a usable depth"]


@pytest.mark.slow
def test_noise_is_the_seeds_and_nothing_else_is_random(object_networks: Path) -> None:
    networks = load_networks(read_own_pipeline(object_networks), steps=2, guidance=1.0)
    guided = load_networks(read_own_pipeline(object_networks), steps=2, guidance=3.0)
    _, volume = one_stool()
    view = network_view(volume, picture_px=networks.picture_px, cube_over_crop=CUBE_OVER_CROP)
    flipped = NetworkView(
        rgb=view.rgb[:, ::-1].copy(),
        region=view.region[:, ::-1].copy(),
        z_m=view.z_m[:, ::-1].copy(),
        fov_rad=view.fov_rad,
        camera_distance_obj=view.camera_distance_obj,
        scale_m=view.scale_m,
    )
    first, again = generate_grid(networks, view, 5), generate_grid(networks, view, 5)
    assert len(first[0].coords) > 100
    assert np.array_equal(first[0].offset_vox, again[0].offset_vox)
    assert np.array_equal(first[1].attributes, again[1].attributes)
    assert np.array_equal(first[0].coords, first[1].coords)
    assert first[0].resolution == RESOLUTION
    assert int(first[0].coords.max()) < RESOLUTION
    for other in (
        generate_grid(networks, view, 6),
        generate_grid(networks, flipped, 5),
        generate_grid(guided, view, 5),
    ):
        same = other[0].coords.shape == first[0].coords.shape
        assert not (same and np.array_equal(other[0].offset_vox, first[0].offset_vox))


def test_nothing_occupied_is_a_failure_with_the_reason(object_networks: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(object_networks, tmp_path / "empty"))
    weights = load_file(folder / "structure_decoder.safetensors")
    weights["out_layer.2.bias"] -= 1000
    save_file(weights, folder / "structure_decoder.safetensors")
    _, volume = one_stool()
    [made] = OwnObjects(tiny_settings(folder).generate).generate([volume], [1], Silent())
    assert isinstance(made, StageFailed)
    assert made.reason == "the structure network leaves no cell occupied"


def test_it_is_a_generator_with_the_revision_of_its_weights(object_networks: Path, tmp_path: Path) -> None:
    generator = load_models(tiny_settings(object_networks)).generator
    assert isinstance(generator, ObjectGenerator)
    assert generator.name == "object_networks"
    assert list(generator.generate([], [], Silent())) == []
    folder = Path(shutil.copytree(object_networks, tmp_path / "other"))
    weights = load_file(folder / "shape_flow.safetensors")
    weights["out_layer.bias"] += 1
    save_file(weights, folder / "shape_flow.safetensors")
    assert load_models(tiny_settings(folder)).generator.revision != generator.revision
    with pytest.raises(BackendMissing, match=r"are no folder; give the one that .*train"):
        load_models(tiny_settings(tmp_path / "nowhere"))


def run(folder: Path, settings: Settings) -> RoomRun:
    folder.mkdir()
    room = write_room_on_disk(folder)
    given = GivenFiles(masks=room.masks, depth=room.depth, camera=room.camera)
    return run_room(room.photo, folder / "run", settings, given_files=given, progress=Silent())


@pytest.mark.slow
def test_random_networks_fall_back_and_say_so(object_networks: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "a", tiny_settings(object_networks))
    for item in done.objects:
        fell = [w for w in item["warnings"] if w.startswith("Fell back to lift: object_networks failed: ")]
        assert (item["status"] == "generated") != bool(fell), item
    assert len(done.fell_back) == sum(item["status"] != "generated" for item in done.objects)


@pytest.mark.slow
def test_perfect_networks_from_photo_to_scene(
    object_networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "truth").mkdir()
    scene = write_room_on_disk(tmp_path / "truth").scene
    decode_these(monkeypatch, *(true_grid(scene.volume(v), mesh) for v, mesh in sorted(scene.meshes_world.items())))
    done = run(tmp_path / "a", tiny_settings(object_networks))
    assert [o["status"] for o in done.objects] == ["generated"] * 3
    assert done.fell_back == ()
    for item in done.objects:
        mesh = trimesh.load_mesh(done.folder / item["mesh"])
        points_world = trimesh.transform_points(mesh.vertices, np.array(item["T_world_from_node"]))
        truth = scene.meshes_world[item["mask_value"]].vertices
        np.testing.assert_allclose(points_world.min(axis=0), truth.min(axis=0), atol=0.04, err_msg=item["name"])
        np.testing.assert_allclose(points_world.max(axis=0), truth.max(axis=0), atol=0.04, err_msg=item["name"])
