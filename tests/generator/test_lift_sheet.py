"""A rug without any height becomes a thin slab on the floor, in place and closed."""

from __future__ import annotations

import numpy as np
import trimesh
from rendered_scene import camera_at, render, standing_box

from pixal3d_scene.asset import ObjectAsset
from pixal3d_scene.crop import plan_crops
from pixal3d_scene.frames import Similarity, cropcam_from_obj
from pixal3d_scene.generator.lift import Lift
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.progress import Silent


def test_rug_becomes_a_slab_where_it_lies() -> None:
    scene = render({1: standing_box((0.4, 0.4, 0.4), 1.5, -1.5)}, camera_at(pitch_deg=25))
    points = scene.depth.points_world()
    on_floor = np.abs(points[..., 1]) < 1e-4
    rug = on_floor & (np.abs(points[..., 0] + 0.3) < 0.8) & (np.abs(points[..., 2] - 0.2) < 0.6)
    instances = Instances(
        label_map=np.where(rug, 2, 0).astype(np.uint16), items=(Instance(mask_value=2),), source="analytic"
    )
    (volume,) = plan_crops(scene.photo, instances, scene.depth, size_px=128, margin=1.1)
    (asset,) = Lift(voxels=64, max_faces=4000, texture_px=128).generate([volume], [0], Silent())
    assert isinstance(asset, ObjectAsset)
    assert "thin slab" in " ".join(asset.notes)
    assert asset.status == "lifted"
    assert asset.expected_scale_m is not None
    T_cropcam_from_obj = cropcam_from_obj(scale_m=asset.expected_scale_m, camera_distance_obj=asset.camera_distance_obj)
    T_world_from_obj = Similarity.from_rigid(volume.camera.T_world_from_cam) @ T_cropcam_from_obj
    world = asset.mesh_obj.transformed(T_world_from_obj)
    # The rug as it was cut out, up to the steps of its outline: x -1.1 .. 0.5, z -0.4 .. 0.8, centimetres thick.
    np.testing.assert_allclose(world.bounds[:, [0, 2]], [[-1.1, -0.4], [0.5, 0.8]], atol=0.05)
    assert world.bounds[0, 1] > -0.001
    assert world.bounds[1, 1] < 0.03
    solid = trimesh.Trimesh(world.vertices, world.faces)
    assert solid.is_watertight
    assert solid.volume > 0
    assert asset.mesh_obj.uv is not None
