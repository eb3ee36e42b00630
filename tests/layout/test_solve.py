"""Placement of true meshes whose distance was lost: it must come back from the photo's depth alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered_scene import RenderedScene, box, camera_at, render, standing_box, true_asset

from pixal3d_scene.depth import Depth
from pixal3d_scene.instances import Instances
from pixal3d_scene.layout.depth_scale import fit_scale
from pixal3d_scene.layout.joint import GaveWay, Touch
from pixal3d_scene.layout.noise import DepthNoise
from pixal3d_scene.layout.room_shell import fit_room
from pixal3d_scene.layout.solve import _still_inside, solve_layout
from pixal3d_scene.scene_graph import Placement

TABLE = standing_box((1.2, 0.7, 0.8), -0.8, -0.5)
VASE = standing_box((0.2, 0.3, 0.2), -0.7, -0.4, y=0.7)
CRATE = standing_box((0.5, 0.4, 0.6), 1.0, 0.3)
CLEAN = DepthNoise(independent=0.0, correlated=0.0, measured=True)
CLOCK = box((0.5, 0.5, 0.06), (0.8, 1.7, -2.97))


def place(scene: RenderedScene, snap_m: float = 0.1) -> dict[str, Placement]:
    assets = [true_asset(scene, v.instance.mask_value) for v in scene.volumes]
    room = fit_room(scene.depth, scene.instances)
    return {p.name: p for p in solve_layout(assets, scene.volumes, room, snap_m=snap_m)}


@pytest.fixture(scope="module")
def scene() -> RenderedScene:
    return render({1: TABLE, 2: VASE, 3: CRATE, 4: CLOCK}, camera_at())


def test_true_meshes_return_to_their_place(scene: RenderedScene) -> None:
    for volume in scene.volumes:
        mask_value = volume.instance.mask_value
        asset = true_asset(scene, mask_value)
        placement = place(scene)[volume.name]
        T_world_from_obj_matrix = placement.T_world_from_node.as_matrix() @ placement.T_node_from_obj.as_matrix()
        vertices = np.array(asset.mesh_obj.vertices)
        placed_world = vertices @ T_world_from_obj_matrix[:3, :3].T + T_world_from_obj_matrix[:3, 3]
        # A millimetre: only the snap to the support and float32 depth are between the two.
        np.testing.assert_allclose(placed_world, scene.meshes_world[mask_value].vertices, atol=1e-3)
        assert placement.residual_m is not None
        assert placement.residual_m < 1e-4


def test_supports_are_the_true_ones(scene: RenderedScene) -> None:
    placements = place(scene)
    found = {name: (p.parent, p.relation) for name, p in placements.items()}
    assert found["object_01"] == ("floor", "on")
    assert found["object_02"] == ("object_01", "on")
    assert found["object_03"] == ("floor", "on")
    assert found["object_04"][0].startswith("wall_")
    assert found["object_04"][1] == "against"


def test_node_frames_are_upright_centred_and_along_the_sides_of_their_objects(scene: RenderedScene) -> None:
    for volume in scene.volumes:
        placement = place(scene)[volume.name]
        asset = true_asset(scene, volume.instance.mask_value)
        low, high = asset.mesh_obj.transformed(placement.T_node_from_obj).bounds
        assert low[1] == pytest.approx(0, abs=1e-9)
        assert (low + high)[[0, 2]] == pytest.approx(0, abs=1e-9)
        true_size_m = np.ptp(scene.meshes_world[volume.instance.mask_value].bounds, axis=0)
        assert sorted(high - low) == pytest.approx(sorted(true_size_m), rel=0.02)
        front_world = placement.T_world_from_node.rotation.apply([0.0, 0.0, 1.0])
        to_camera = scene.depth.camera.centre_world - placement.T_world_from_node.translation
        to_camera[1] = 0
        assert front_world @ to_camera / np.linalg.norm(to_camera) > np.cos(np.pi / 4) - 1e-6
        up_world = placement.T_world_from_node.rotation.apply([0.0, 1.0, 0.0])
        np.testing.assert_allclose(up_world, [0, 1, 0], atol=1e-12)


def test_half_of_the_pixels_may_be_wrong(scene: RenderedScene) -> None:
    volume = scene.volume(3)
    rng = np.random.default_rng(0)
    z_m = np.array(scene.depth.z_m)
    wrong = volume.mask & (rng.random(z_m.shape) < 0.4)
    z_m[wrong] *= 1.6  # as if 40 % of the mask showed the wall behind
    spoilt = replace(volume, depth=replace(scene.depth, z_m=z_m))
    asset = true_asset(scene, 3)
    exact, robust = fit_scale(asset, volume, CLEAN), fit_scale(asset, spoilt, CLEAN)
    assert exact is not None
    assert robust is not None
    assert robust.scale_m == pytest.approx(exact.scale_m, rel=1e-3)
    assert 0.5 < robust.inlier_ratio < 0.7
    assert exact.inlier_ratio > 0.99


def test_mirrored_mesh_is_noticed(scene: RenderedScene) -> None:
    # A box seen at an angle, mirrored left to right, no longer agrees with the depth.
    asset = true_asset(scene, 1)
    mesh = asset.mesh_obj
    turned = replace(mesh, vertices=mesh.vertices * [-1, 1, 1], faces=mesh.faces[:, ::-1])
    mirrored = replace(asset, mesh_obj=turned)
    right, wrong = fit_scale(asset, scene.volume(1), CLEAN), fit_scale(mirrored, scene.volume(1), CLEAN)
    assert right is not None
    assert wrong is not None
    assert right.residual_m < 1e-4
    assert wrong.residual_m > 20 * right.residual_m


def test_without_depth_the_guess_is_said(scene: RenderedScene) -> None:
    blind = Depth(
        z_m=scene.depth.z_m,
        valid=scene.depth.valid & ~scene.volume(3).mask,
        camera=scene.depth.camera,
        source="analytic",
    )
    volumes = tuple(replace(v, depth=blind) for v in scene.volumes)
    assets = [true_asset(scene, v.instance.mask_value) for v in volumes]
    placements = solve_layout(assets, volumes, fit_room(blind, scene.instances), snap_m=0.1)
    assert "guess" in " ".join(placements[2].warnings)
    assert not placements[0].warnings


def test_a_floating_object_stays_and_is_reported() -> None:
    floating = render({1: standing_box((0.4, 0.4, 0.4), 0.0, 0.0, y=0.6)}, camera_at())
    placement = place(floating)["object_01"]
    assert (placement.parent, placement.relation) == ("floor", "on")
    assert placement.T_world_from_node.translation[1] == pytest.approx(0.6, abs=1e-3)
    assert "0.60 m above the floor" in " ".join(placement.warnings)


def test_a_small_gap_is_closed_together_with_what_stands_on_it() -> None:
    lifted = render(
        {1: standing_box((1.0, 0.5, 0.6), 0.0, -0.3, y=0.04), 2: standing_box((0.2, 0.2, 0.2), 0.0, -0.3, y=0.56)},
        camera_at(),
    )
    placements = place(lifted)
    assert placements["object_01"].T_world_from_node.translation[1] == pytest.approx(0, abs=1e-3)
    assert placements["object_02"].parent == "object_01"
    assert placements["object_02"].T_world_from_node.translation[1] == pytest.approx(0.5, abs=2e-3)
    assert "Moved 0.04 m" in " ".join(placements["object_01"].warnings)


def test_removing_an_object_leaves_the_others(scene: RenderedScene) -> None:
    all_of_them = place(scene)
    label_map = np.where(scene.instances.label_map == 3, 0, scene.instances.label_map).astype(np.uint16)
    items = tuple(i for i in scene.instances.items if i.mask_value != 3)
    fewer = replace(
        scene,
        instances=Instances(label_map=label_map, items=items, source="analytic"),
        volumes=tuple(replace(v, label_map=label_map) for v in scene.volumes if v.instance.mask_value != 3),
    )
    for name, placement in place(fewer).items():
        before = all_of_them[name].T_world_from_node.as_matrix()
        # Walls are fitted to other pixels, and may turn by rounding.
        np.testing.assert_allclose(placement.T_world_from_node.as_matrix(), before, rtol=0, atol=1e-12)


def test_what_stays_inside_another_is_said_once_with_its_deepest_place() -> None:
    def left(other: str | None, left_m: float, keeps: str = "apart") -> GaveWay:
        at = np.zeros(3)
        touch = Touch(
            body="a",
            other=other,
            what=other or "wall_01",
            keeps=keeps,
            normal=np.array([0.0, 1.0, 0.0]),
            points=(at, at),
            value_m=left_m,
        )
        return GaveWay(touch=touch, left_m=left_m)

    gave_way = [left("b", -0.01), left("c", -0.002), left("b", -0.03), left(None, -0.02)]
    gave_way.append(left("b", 0.2, "contact"))
    assert _still_inside(gave_way) == [
        "It reaches 3.0 cm into b (at 2 places): apart, they would contradict the photo. Move one by hand if it shows.",
        "It reaches 0.2 cm into c: apart, they would contradict the photo. Move one by hand if it shows.",
        "It reaches 2.0 cm into wall_01: apart, they would contradict the photo. Move one by hand if it shows.",
    ]
