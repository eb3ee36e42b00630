"""Pixal3D as a generator of scenes, from a complete tiny pipeline folder to the GLB."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from rendered_scene import camera_at, render, standing_box, true_asset
from room_on_disk import write_room_on_disk
from safetensors.torch import load_file, save_file

from pipelines.given_files import GivenFiles
from pipelines.room import RoomRun, run_room
from pixal3d_scene.asset import ObjectAsset
from pixal3d_scene.autoencoder.dual_grid import DualGrid
from pixal3d_scene.autoencoder.mesh_to_dual_grid import mesh_to_dual_grid
from pixal3d_scene.autoencoder.pbr_voxels import PbrVoxels
from pixal3d_scene.camera import Camera
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.errors import BackendMissing, InputError, StageFailed
from pixal3d_scene.frames import cropcam_from_obj
from pixal3d_scene.generator import cascade, checkpoint, voxel_mesh
from pixal3d_scene.generator.pixal3d import Pixal3D, _as_input, choose_device, effective_samplers
from pixal3d_scene.generator.protocol import ObjectGenerator
from pixal3d_scene.models import load_models
from pixal3d_scene.progress import Silent
from pixal3d_scene.settings import Pixal3DSettings, Settings, resolve_settings


def tiny_settings(folder: Path, **pixal3d: Any) -> Settings:
    overrides = {"weights": str(folder), "steps": 1, "resolution": 1024, "max_faces": 1000, **pixal3d}
    tree = {"crop": {"size_px": 128}, "generate": {"pixal3d": overrides}, "device": "cpu"}
    plain = {"segment": {"segmenter": "regions"}, "depth": {"estimator": "room_geometry"}}
    return resolve_settings(preset="pixal3d", overrides={**tree, **plain})


def run_analytic_room(folder: Path, settings: Settings) -> RoomRun:
    folder.mkdir()
    room = write_room_on_disk(folder)
    given = GivenFiles(masks=room.masks, depth=room.depth, camera=room.camera)
    return run_room(room.photo, folder / "run", settings, given_files=given, progress=Silent())


def glb_and_objects(run: RoomRun) -> dict[str, bytes]:
    paths = [run.folder / "scene.glb", *sorted((run.folder / "objects").iterdir())]
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def volumes() -> tuple[CropVolume, ...]:
    meshes = {3: standing_box((0.9, 0.6, 0.7), -0.7, -0.6), 9: standing_box((0.5, 0.9, 0.5), 0.8, -0.3)}
    return render(meshes, camera_at(size_px=(160, 120))).volumes


def assets(settings: Settings, volumes: tuple[CropVolume, ...]) -> list[ObjectAsset | StageFailed]:
    generator = Pixal3D(settings.generate.pixal3d, device="cpu")
    return generator.generate(volumes, [11 + v.instance.mask_value for v in volumes], Silent())


@pytest.mark.slow
def test_photo_to_glb_twice_with_the_same_bytes(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: Counter[str] = Counter()
    load = checkpoint.load_network

    def counted(place: Any, **options: Any) -> Any:
        loads[place.weights.stem] += 1
        return load(place, **options)

    monkeypatch.setattr(checkpoint, "load_network", counted)
    settings = tiny_settings(tiny_folder)
    first = run_analytic_room(tmp_path / "a", settings)
    assert [o["status"] for o in first.objects] == ["generated"] * 3
    assert {o["generator"] for o in first.objects} == {"pixal3d"}
    assert first.fell_back == ()
    names = {path.stem for path in (tiny_folder / "ckpts").glob("*.safetensors")} | {"naf"}
    assert loads == dict.fromkeys(names, 1)  # three objects, each network once

    second = run_analytic_room(tmp_path / "b", settings)
    assert glb_and_objects(first) == glb_and_objects(second)

    monkeypatch.setattr(checkpoint, "load_network", None)  # a finished run needs none
    room = tmp_path / "a"
    given = GivenFiles(masks=room / "masks.png", depth=room / "depth.npz", camera=room / "camera.json")
    again = run_room(room / "room.png", room / "run", settings, given_files=given, progress=Silent())
    assert again.resumed


@pytest.mark.slow
def test_a_perfect_decoder_puts_every_object_where_it_stands(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way from voxels in the cube to the scene: a mirrored or swapped axis would miss by decimetres."""
    scene = write_room_on_disk(tmp_path).scene
    grids = [
        mesh_to_dual_grid(true_asset(scene, value).mesh_obj, resolution=128).grid
        for value in sorted(scene.meshes_world)
    ]
    decoded = iter(grids)

    def decode(*_: Any, **__: Any) -> tuple[DualGrid, PbrVoxels]:
        grid = next(decoded)
        grey = np.full((len(grid.coords), 6), 0.5, dtype=np.float32)
        return grid, PbrVoxels(coords=grid.coords, attributes=grey, resolution=64)

    monkeypatch.setattr(cascade, "decode", decode)
    run = run_analytic_room(tmp_path / "a", tiny_settings(tiny_folder, max_faces=20_000))
    for item in run.objects:
        mesh = trimesh.load_mesh(run.folder / item["mesh"])
        points_world = trimesh.transform_points(mesh.vertices, np.array(item["T_world_from_node"]))
        truth = scene.meshes_world[item["mask_value"]].vertices
        np.testing.assert_allclose(points_world.min(axis=0), truth.min(axis=0), atol=0.03, err_msg=item["name"])
        np.testing.assert_allclose(points_world.max(axis=0), truth.max(axis=0), atol=0.03, err_msg=item["name"])


@pytest.mark.slow
def test_a_real_room_twice_with_the_same_bytes(tiny_folder: Path, rooms_dir: Path, tmp_path: Path) -> None:
    room = rooms_dir / "room00"
    given = GivenFiles(masks=room / "instances.png", depth=room / "depth.png", camera=room / "camera.json")
    runs = [
        run_room(room / "photo.jpg", tmp_path / name, tiny_settings(tiny_folder), given_files=given, progress=Silent())
        for name in ("a", "b")
    ]
    assert glb_and_objects(runs[0]) == glb_and_objects(runs[1])
    assert "generated" in {o["status"] for o in runs[0].objects}


@pytest.mark.slow
def test_nothing_occupied_falls_back_with_the_reason(tiny_folder: Path, tmp_path: Path) -> None:
    empty = Path(shutil.copytree(tiny_folder, tmp_path / "empty"))
    weights = load_file(empty / "ckpts/ss_dec.safetensors")
    weights["out_layer.2.bias"] -= 1000  # no logit above 0
    save_file(weights, empty / "ckpts/ss_dec.safetensors")
    run = run_analytic_room(tmp_path / "a", tiny_settings(empty))
    assert [o["status"] for o in run.objects] == ["lifted"] * 3
    assert len(run.fell_back) == 3
    for item in run.objects:
        assert any("the structure network leaves no cell occupied" in warning for warning in item["warnings"])


@pytest.mark.slow
def test_objects_do_not_depend_on_each_other(tiny_folder: Path, volumes: tuple[CropVolume, ...]) -> None:
    settings = tiny_settings(tiny_folder)
    both = assets(settings, volumes)
    [alone] = assets(settings, volumes[1:])
    [reseeded] = Pixal3D(settings.generate.pixal3d, device="cpu").generate(volumes[1:], [12], Silent())
    assert isinstance(alone, ObjectAsset)
    assert isinstance(reseeded, ObjectAsset)
    assert isinstance(both[1], ObjectAsset)
    assert np.array_equal(alone.mesh_obj.vertices, both[1].mesh_obj.vertices)
    assert np.array_equal(np.asarray(alone.mesh_obj.colours), np.asarray(both[1].mesh_obj.colours))
    assert not np.array_equal(alone.mesh_obj.vertices, reseeded.mesh_obj.vertices)


@pytest.mark.slow
def test_meshing_that_fails_is_the_objects_own(
    tiny_folder: Path, volumes: tuple[CropVolume, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, calls = voxel_mesh.mesh_from_voxels, iter([None, ValueError("odd"), "as ever"])

    def sometimes(*args: Any, **options: Any) -> Any:
        outcome = next(calls)
        if isinstance(outcome, Exception):
            raise outcome
        return make(*args, **options) if outcome else None

    monkeypatch.setattr(voxel_mesh, "mesh_from_voxels", sometimes)
    bare, odd, good = assets(tiny_settings(tiny_folder), (*volumes, volumes[0]))
    assert isinstance(bare, StageFailed)
    assert bare.reason == "the decoded surface has no faces"
    assert isinstance(odd, StageFailed)
    assert odd.reason == "meshing: ValueError: odd"
    assert isinstance(good, ObjectAsset)


@pytest.mark.slow
def test_the_camera_is_handed_over(tiny_folder: Path, volumes: tuple[CropVolume, ...]) -> None:
    for volume, asset in zip(volumes, assets(tiny_settings(tiny_folder), volumes), strict=True):
        assert isinstance(asset, ObjectAsset)
        assert asset.mask_value == volume.instance.mask_value
        assert asset.camera_distance_obj == pytest.approx(volume.camera_distance_obj)
        assert asset.expected_scale_m is None
        assert not any("field of view" in note for note in asset.notes)


@pytest.mark.parametrize("scale_m", [0.3, 2.0])
def test_networks_and_placement_see_the_cube_alike(volumes: tuple[CropVolume, ...], scale_m: float) -> None:
    """Where the networks project a point of the cube to is where the placed cube shows it, whatever its size."""
    points_obj = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
    for volume in volumes:
        [view] = _as_input(volume, seed=0).views
        seen_px, _ = view.project(torch.from_numpy(points_obj), volume.camera.size_px[0])
        T_cropcam_from_obj = cropcam_from_obj(scale_m=scale_m, camera_distance_obj=volume.camera_distance_obj)
        np.testing.assert_allclose(
            seen_px.numpy(), volume.camera.project(T_cropcam_from_obj.apply(points_obj)), atol=1e-4
        )


def test_the_networks_see_the_object_on_black(volumes: tuple[CropVolume, ...]) -> None:
    [square] = _as_input(volumes[0], seed=0).squares
    rgba = np.asarray(volumes[0].rgba)
    assert (square[rgba[..., 3] == 0] == 0).all()
    inside = rgba[..., 3] == 255
    assert np.abs(square[inside].astype(int) - rgba[inside][:, :3]).max() <= 1


def test_a_view_that_was_not_trained_is_said(tiny_folder: Path, volumes: tuple[CropVolume, ...]) -> None:
    narrow = Camera.from_fov(horizontal_fov_deg=4.0, size_px=volumes[0].camera.size_px)
    volume = replace(volumes[0], camera=narrow.at(volumes[0].camera.T_world_from_cam))
    [asset] = assets(tiny_settings(tiny_folder), (volume,))
    assert isinstance(asset, ObjectAsset)
    assert asset.camera_distance_obj == pytest.approx(0.5 / math.tan(math.radians(2)))  # placed with the true camera
    [note] = [note for note in asset.notes if "field of view" in note]
    assert "4.0 degrees" in note
    assert "made with 10 degrees" in note


@pytest.mark.slow
def test_the_picture_matters(tiny_folder: Path, volumes: tuple[CropVolume, ...]) -> None:
    settings = tiny_settings(tiny_folder)
    mirrored = replace(volumes[0], rgba=np.asarray(volumes[0].rgba)[:, ::-1].copy())
    [a], [b] = assets(settings, volumes[:1]), assets(settings, (mirrored,))
    assert isinstance(a, ObjectAsset)
    assert isinstance(b, ObjectAsset)
    assert a.mesh_obj.vertices.shape != b.mesh_obj.vertices.shape or not np.allclose(
        a.mesh_obj.vertices, b.mesh_obj.vertices
    )


def test_the_preset_names_this_generator(tiny_folder: Path) -> None:
    generator = load_models(tiny_settings(tiny_folder)).generator
    assert isinstance(generator, ObjectGenerator)
    assert generator.name == "pixal3d"
    low_vram = resolve_settings(preset="pixal3d-low-vram", quality="high")
    assert low_vram.generate.generator == "pixal3d"
    assert low_vram.generate.pixal3d.low_vram
    assert low_vram.generate.pixal3d.resolution == 1024
    assert low_vram.crop.size_px == 1024


def test_no_objects_need_no_networks(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "load_network", None)
    assert assets(tiny_settings(tiny_folder), ()) == []


def test_revision_follows_the_content(tiny_folder: Path, tmp_path: Path) -> None:
    def revision(folder: Path) -> str:
        return Pixal3D(Pixal3DSettings(weights=str(folder)), device="cpu").revision

    copy = Path(shutil.copytree(tiny_folder, tmp_path / "copy"))
    before = revision(copy)
    assert before == revision(tiny_folder)  # a copy is the same
    spoiled: dict[str, Callable[[Path], object]] = {
        "ckpts/tex_dec.safetensors": lambda p: save_file(
            {k: v + 1 if v.dtype == torch.float32 else v for k, v in load_file(p).items()}, p
        ),
        "naf.json": lambda p: p.write_text(p.read_text() + " "),
        "pipeline.json": lambda p: p.write_text(p.read_text() + " "),
        "dinov3/config.json": lambda p: p.write_text(p.read_text() + " "),
    }
    seen = {before}
    for file, spoil in spoiled.items():
        spoil(copy / file)
        seen.add(revision(copy))
    assert len(seen) == 1 + len(spoiled)


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BackendMissing, match=r"models fetch sam2 .*fetch depth-anything-small .*fetch pixal3d "):
        load_models(resolve_settings(preset="pixal3d"))


def test_samplers_are_what_upstream_runs_with(tiny_folder: Path) -> None:
    in_file = json.loads((tiny_folder / "pipeline.json").read_text())["args"]
    entries = {
        "structure": in_file["sparse_structure_sampler"],
        "shape": in_file["shape_slat_sampler"],
        "texture": in_file["tex_slat_sampler"],
    }
    samplers = effective_samplers(entries, steps=12)
    got = {
        stage: (s.steps, s.rescale_t, s.guidance_strength, s.guidance_rescale, s.guidance_interval, s.sigma_min)
        for stage, s in samplers.items()
    }
    assert got == {
        "structure": (12, 5.0, 7.5, 0.7, (0.6, 1.0), 1e-5),
        "shape": (12, 3.0, 7.5, 0.5, (0.6, 1.0), 1e-5),
        "texture": (12, 3.0, 1.0, 0.0, (0.6, 0.9), 1e-5),
    }
    entries["shape"]["params"]["guidance_interval"] = [0.2, 0.7]
    entries["shape"]["args"]["sigma_min"] = 1e-3
    changed = effective_samplers({**entries, "texture": {}}, steps=5)
    assert changed["shape"].guidance_interval == (0.2, 0.7)
    assert changed["shape"].sigma_min == 1e-3
    assert changed["texture"].guidance_interval == (0.6, 0.9)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(BackendMissing, match="sees 0 CUDA devices"):
        choose_device("cuda:1")
    with pytest.raises(InputError, match="mps"):
        choose_device("mps")
