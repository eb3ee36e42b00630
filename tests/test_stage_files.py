"""What a stage keeps comes back without loss, and without pickles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rendered_scene import camera_at, render, standing_box, true_asset

from pixal3d_scene.asset import Material, Mesh, ObjectAsset
from pixal3d_scene.instances import Instance, Instances, Rejection
from pixal3d_scene.stage_files import (
    pack_asset,
    pack_depth,
    pack_instances,
    unpack_asset,
    unpack_depth,
    unpack_instances,
)


def test_instances_come_back() -> None:
    label_map = np.zeros((4, 5), dtype=np.uint16)
    label_map[1:3, 2:] = 300
    instances = Instances(
        label_map=label_map,
        items=(Instance(mask_value=300, label="Sofa ünlu", score=0.25, flags=("tiny",)),),
        source="given",
        rejected=(Rejection(reason="too small", area_px=3, centre_px=(1.5, 2.5)),),
        notes=("a note",),
        shell_map=np.arange(20, dtype=np.uint8).reshape(4, 5) % 6,
    )
    back = unpack_instances(pack_instances(instances))
    np.testing.assert_array_equal(back.label_map, label_map)
    np.testing.assert_array_equal(back.shell_map, instances.shell_map)
    assert unpack_instances(pack_instances(replace(instances, shell_map=None))).shell_map is None
    assert back.items == instances.items
    assert back.rejected == instances.rejected
    assert (back.source, back.notes) == ("given", ("a note",))


def test_depth_comes_back_to_the_bit_with_its_camera() -> None:
    depth = render({1: standing_box((0.5, 0.5, 0.5), 0, 0)}, camera_at(size_px=(64, 48))).depth
    back = unpack_depth(pack_depth(depth))
    np.testing.assert_array_equal(back.z_m[depth.valid], depth.z_m[depth.valid])
    np.testing.assert_array_equal(back.valid, depth.valid)
    np.testing.assert_array_equal(back.camera.K, depth.camera.K)
    np.testing.assert_allclose(
        back.camera.T_world_from_cam.as_matrix(), depth.camera.T_world_from_cam.as_matrix(), atol=1e-12
    )


@pytest.mark.parametrize("textured", [True, False])
def test_asset_comes_back(textured: bool) -> None:
    scene = render({1: standing_box((0.5, 0.5, 0.5), 0, 0)}, camera_at(size_px=(64, 48)))
    plain = true_asset(scene, 1, expected_scale_m=None if textured else 1.5)
    count = len(plain.mesh_obj.vertices)
    texture = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    asset = ObjectAsset(
        mask_value=1,
        mesh_obj=Mesh(
            vertices=plain.mesh_obj.vertices,
            faces=plain.mesh_obj.faces,
            uv=np.linspace(0, 1, 2 * count).reshape(-1, 2) if textured else None,
            colours=None if textured else np.full((count, 4), 7, dtype=np.uint8),
        ),
        material=Material(base_colour=texture if textured else None, roughness=0.25),
        camera_distance_obj=plain.camera_distance_obj,
        expected_scale_m=plain.expected_scale_m,
        generator="lift",
        status="lifted",
        notes=("why",),
    )
    back = unpack_asset(pack_asset(asset))
    for field in ("vertices", "faces", "uv", "colours"):
        np.testing.assert_array_equal(getattr(back.mesh_obj, field), getattr(asset.mesh_obj, field))
    np.testing.assert_array_equal(back.material.base_colour, asset.material.base_colour)
    assert back.material.roughness == 0.25
    assert (back.camera_distance_obj, back.expected_scale_m, back.notes) == (
        asset.camera_distance_obj,
        asset.expected_scale_m,
        ("why",),
    )
