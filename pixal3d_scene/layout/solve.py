"""Assets in, placements out: scale along the ray, support, contact.

Each object is placed by its own evidence first; then, carriers before what they carry, its foot is set on its
support where the gap is small enough to be noise. What is moved, and what floats, is said in its warnings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import RigidTransform

from ..asset import Mesh, ObjectAsset
from ..crop import CropVolume
from ..frames import Similarity, cropcam_from_obj, heading_towards
from ..room import Room
from ..scene_graph import Placement
from .contact import seen_contacts
from .depth_scale import DepthScale, fit_scale
from .support import Support, find_supports

# Corrections below this are rounding of a voxel grid and not worth a remark.
_WORTH_A_REMARK_M = 0.03


def solve_layout(
    assets: Sequence[ObjectAsset], volumes: Sequence[CropVolume], room: Room, *, snap_m: float
) -> tuple[Placement, ...]:
    """One placement per asset, in order.

    snap_m: the largest gap between an object and its support that is closed.
    """
    fits = [fit_scale(asset, volume) for asset, volume in zip(assets, volumes, strict=True)]
    T_world_from_obj = {
        volume.name: _T_world_from_obj(asset, volume, fit)
        for asset, volume, fit in zip(assets, volumes, fits, strict=True)
    }
    meshes_world = {
        volume.name: asset.mesh_obj.transformed(T_world_from_obj[volume.name])
        for asset, volume in zip(assets, volumes, strict=True)
    }
    names = {volume.instance.mask_value: volume.name for volume in volumes}
    seen = {
        volume.name: {names[value]: height_m for value, height_m in seen_contacts(volume).items() if value in names}
        for volume in volumes
    }
    supports = find_supports(meshes_world, seen, room, reach_m=snap_m)
    lift_m = _close_gaps(supports, meshes_world, snap_m=snap_m)
    return tuple(
        _placement(
            volume, T_world_from_obj[volume.name], meshes_world[volume.name], supports[volume.name],
            lift_m[volume.name], fit, snap_m,
        )
        for volume, fit in zip(volumes, fits, strict=True)
    )  # fmt: skip


def _T_world_from_obj(asset: ObjectAsset, volume: CropVolume, fit: DepthScale | None) -> Similarity:
    T_cropcam_from_obj = cropcam_from_obj(
        scale_m=_scale_m(asset, volume, fit), camera_distance_obj=asset.camera_distance_obj
    )
    return Similarity.from_rigid(volume.camera.T_world_from_cam) @ T_cropcam_from_obj


def _scale_m(asset: ObjectAsset, volume: CropVolume, fit: DepthScale | None) -> float:
    if fit is not None:
        return fit.scale_m
    if asset.expected_scale_m is not None:
        return asset.expected_scale_m
    # No depth anywhere on the object: as far as the median of what is known in the picture.
    z_m = float(np.median(volume.depth.z_m[volume.depth.valid]))
    return z_m / asset.camera_distance_obj


def _close_gaps(supports: dict[str, Support], meshes_world: dict[str, Mesh], *, snap_m: float) -> dict[str, float]:
    """How far each object is lifted (m, along y), carriers first, since what stands on them moves along."""
    lift_m: dict[str, float] = {}

    def settle(name: str) -> float:
        if name not in lift_m:
            support = supports[name]
            carried = settle(support.parent) if support.parent in supports else 0.0
            closes = support.relation == "on" and abs(support.gap_m) <= snap_m
            lift_m[name] = carried - (support.gap_m if closes else 0.0)
        return lift_m[name]

    for name in supports:
        settle(name)
    return lift_m


def _placement(
    volume: CropVolume,
    T_world_from_obj: Similarity,
    mesh_world: Mesh,
    support: Support,
    lift_m: float,
    fit: DepthScale | None,
    snap_m: float,
) -> Placement:
    T_lifted = Similarity(translation=np.array([0.0, lift_m, 0.0])) @ T_world_from_obj
    T_world_from_node = _node_frame(mesh_world, lift_m, volume)
    warnings = []
    if fit is None:
        warnings.append("No usable depth on this object: its distance is a guess.")
    elif fit.inlier_ratio < 0.6:
        warnings.append(f"Only {fit.inlier_ratio:.0%} of its pixels agree on its distance.")
    if abs(lift_m) > _WORTH_A_REMARK_M:
        warnings.append(f"Moved {lift_m:+.2f} m along the vertical to meet its support.")
    if support.relation == "on" and abs(support.gap_m) > snap_m:
        side = "above" if support.gap_m > 0 else "below"
        warnings.append(f"Its foot is {abs(support.gap_m):.2f} m {side} the {support.parent}; it was left there.")
    return Placement(
        name=volume.name,
        T_world_from_node=T_world_from_node,
        T_node_from_obj=Similarity.from_rigid(T_world_from_node).inverse() @ T_lifted,
        parent=support.parent,
        relation=support.relation,
        residual_m=None if fit is None else fit.residual_m,
        inlier_ratio=None if fit is None else fit.inlier_ratio,
        warnings=tuple(warnings),
    )


def _node_frame(mesh_world: Mesh, lift_m: float, volume: CropVolume) -> RigidTransform:
    """Pose of the node frame: upright, facing the photo's camera, origin at the bottom centre of the box."""
    low, high = mesh_world.bounds
    R_world_from_node = heading_towards(volume.depth.camera.centre_world, (low + high) / 2)
    vertices_turned = R_world_from_node.inv().apply(np.array(mesh_world.vertices))
    low, high = vertices_turned.min(axis=0), vertices_turned.max(axis=0)
    bottom_centre = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    origin_world = R_world_from_node.apply(bottom_centre) + np.array([0.0, lift_m, 0.0])
    return RigidTransform.from_components(origin_world, R_world_from_node)
