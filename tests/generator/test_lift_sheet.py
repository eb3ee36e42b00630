"""A rug without any height becomes a thin slab on the floor, in place and closed."""

from __future__ import annotations

import numpy as np
import trimesh
from jaxtyping import Bool
from rendered_scene import RenderedScene, camera_at, render, standing_box

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.crop import plan_crops
from pixal3d_scene.frames import Similarity, cropcam_from_obj
from pixal3d_scene.generator.lift import Lift
from pixal3d_scene.instances import Instance, Instances
from pixal3d_scene.progress import Silent


def lifted_rug(scene: RenderedScene, rug: Bool[np.ndarray, "H W"]) -> tuple[ObjectAsset, Mesh]:
    """The rug of a mask, and its mesh in world."""
    instances = Instances(
        label_map=np.where(rug, 2, 0).astype(np.uint16), items=(Instance(mask_value=2),), source="analytic"
    )
    (volume,) = plan_crops(scene.photo, instances, scene.depth, size_px=128, margin=1.1)
    (asset,) = Lift(voxels=64, max_faces=4000, texture_px=128).generate([volume], [0], Silent())
    assert isinstance(asset, ObjectAsset)
    assert asset.expected_scale_m is not None
    T_cropcam_from_obj = cropcam_from_obj(scale_m=asset.expected_scale_m, camera_distance_obj=asset.camera_distance_obj)
    T_world_from_obj = Similarity.from_rigid(volume.camera.T_world_from_cam) @ T_cropcam_from_obj
    return asset, asset.mesh_obj.transformed(T_world_from_obj)


def floor_seen(scene: RenderedScene) -> Bool[np.ndarray, "H W"]:
    """Pixels of the floor in x -1.1 .. 0.5, z -0.4 .. 0.8."""
    points = scene.depth.points_world()
    on_floor = np.abs(points[..., 1]) < 1e-4
    return on_floor & (np.abs(points[..., 0] + 0.3) < 0.8) & (np.abs(points[..., 2] - 0.2) < 0.6)


def test_rug_becomes_a_slab_where_it_lies() -> None:
    scene = render({1: standing_box((0.4, 0.4, 0.4), 1.5, -1.5)}, camera_at(pitch_deg=25))
    asset, world = lifted_rug(scene, floor_seen(scene))
    assert "thin slab" in " ".join(asset.notes)
    assert asset.status == "lifted"
    # The rug as it was cut out, up to the steps of its outline, centimetres thick.
    np.testing.assert_allclose(world.bounds[:, [0, 2]], [[-1.1, -0.4], [0.5, 0.8]], atol=0.05)
    assert world.bounds[0, 1] > -0.001
    assert world.bounds[1, 1] < 0.03
    solid = trimesh.Trimesh(world.vertices, world.faces)
    assert solid.is_watertight
    assert solid.volume > 0
    assert asset.mesh_obj.uv is not None


def test_a_leg_in_its_mask_does_not_tilt_it() -> None:
    scene = render({1: standing_box((0.1, 0.5, 0.1), 0.3, -0.3)}, camera_at(pitch_deg=25))
    leg = scene.instances.label_map == 1
    rug = floor_seen(scene)
    assert 0.03 < leg.sum() / rug.sum() < 0.1
    _, world = lifted_rug(scene, rug | leg)
    assert world.bounds[0, 1] > -0.001
    assert world.bounds[1, 1] < 0.03
