"""What scene.json, the `extras` of the GLB and the report say of a scene.

A scene graph enters; plain JSON values leave (no NaN: a number that is not finite becomes null). Matrices are
nested lists, row by row; `T_world_from_node` maps metres in the node frame to metres in world.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..camera import Camera
from ..photo import Photo
from ..scene_graph import Contact, SceneGraph, SceneObject

SCHEMA_VERSION = 1
UNDISTORTED_NAME = "photo_undistorted.jpg"  # in the run folder, where the lens's distortion was taken out


def scene_facts(scene: SceneGraph, photo: Photo) -> dict[str, Any]:
    """The whole of scene.json; objects in the order of their mask values."""
    return {
        "schema": SCHEMA_VERSION,
        "photo": photo_facts(photo),
        "camera": camera_facts(scene.camera.resized(photo.full_size_px)),
        "objects": [object_facts(item) for item in scene.objects],
    }


def photo_facts(photo: Photo) -> dict[str, Any]:
    """Name, hash and size (width, height) of the oriented photo, and the picture without distortion where one is."""
    facts: dict[str, Any] = {"file": photo.file_name, "sha256": photo.sha256, "size_px": list(photo.full_size_px)}
    if photo.distortion is not None:
        facts |= {"undistorted": UNDISTORTED_NAME, "distortion": photo.distortion.facts()}
    return facts


def camera_facts(camera: Camera) -> dict[str, Any]:
    """`K` in pixels of the oriented photo and the pose of the OpenCV camera."""
    return {"K": camera.K.tolist(), "T_world_from_cam": camera.T_world_from_cam.as_matrix().tolist()}


def object_facts(item: SceneObject) -> dict[str, Any]:
    """One entry of scene.json's `objects`; the node's `extras` in the GLB hold the same."""
    placement = item.placement
    return {
        "name": item.name,
        "label": item.instance.label,
        "mask_value": item.instance.mask_value,
        "score": _finite(item.instance.score),
        "flags": list(item.instance.flags),
        "parent": placement.parent,
        "relation": placement.relation,
        "T_world_from_node": placement.T_world_from_node.as_matrix().tolist(),
        "T_node_from_obj": placement.T_node_from_obj.as_matrix().tolist(),
        "size_m": item.size_m.tolist(),
        "status": item.status,
        "generator": item.generator,
        "mesh": None if item.mesh_node is None else f"objects/{item.name}.glb",
        "mesh_of": placement.mesh_of,
        "residual_m": _finite(placement.residual_m),
        "inlier_ratio": _finite(placement.inlier_ratio),
        "conditioning": _finite(placement.conditioning),
        "sigma_m": _finite(placement.sigma_m),
        "moved_m": _finite(placement.moved_m),
        "contacts": [_contact_facts(contact) for contact in placement.contacts],
        "quality": {key: _finite(value) for key, value in item.quality.items()},
        "warnings": list(dict.fromkeys((*item.warnings, *placement.warnings))),
    }


def floats(facts: Mapping[str, Any]) -> bool:
    """Whether an object, as `object_facts` tells it, touches nothing that would carry it."""
    return not any(contact["other"] == facts["parent"] for contact in facts["contacts"][:1])


def _contact_facts(contact: Contact) -> dict[str, Any]:
    """One thing that the object touches; the parent's comes first unless the object floats."""
    return {
        "other": contact.other,
        "relation": contact.relation,
        "confidence": _finite(contact.confidence),
        "gap_m": _finite(contact.gap_m),
        "at_world": contact.middle_world.tolist(),
    }


def _finite(value: float | None) -> float | None:
    """JSON knows no NaN and no infinity."""
    return float(value) if value is not None and math.isfinite(value) else None
