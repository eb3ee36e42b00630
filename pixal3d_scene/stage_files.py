"""The results of the stages as plain files (NPZ without pickles) and back, without loss."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from scipy.spatial.transform import RigidTransform

from .asset import Material, Mesh, ObjectAsset
from .camera import Camera
from .completion import PaintedPart
from .depth import Depth
from .instances import Instance, Instances, Rejection


def pack_instances(instances: Instances) -> bytes:
    facts = {
        "items": [
            {"mask_value": i.mask_value, "label": i.label, "score": i.score, "flags": list(i.flags)}
            for i in instances.items
        ],
        "rejected": [
            {"reason": r.reason, "area_px": r.area_px, "centre_px": list(r.centre_px)} for r in instances.rejected
        ],
        "source": instances.source,
        "notes": list(instances.notes),
    }
    shell = {} if instances.shell_map is None else {"shell_map": instances.shell_map}
    return _pack(facts, label_map=instances.label_map, **shell)


def unpack_instances(data: bytes) -> Instances:
    facts, arrays = _unpack(data)
    items = [Instance(**{**i, "flags": tuple(i["flags"])}) for i in facts["items"]]
    rejected = [Rejection(**{**r, "centre_px": tuple(r["centre_px"])}) for r in facts["rejected"]]
    return Instances(
        label_map=arrays["label_map"],
        items=tuple(items),
        source=facts["source"],
        rejected=tuple(rejected),
        notes=tuple(facts["notes"]),
        shell_map=arrays.get("shell_map"),
    )


def pack_depth(depth: Depth) -> bytes:
    facts = {"size_px": list(depth.camera.size_px), "source": depth.source, "notes": list(depth.notes)}
    return _pack(
        facts,
        z_m=np.where(depth.valid, depth.z_m, 0).astype(np.float32),
        valid=depth.valid,
        K=depth.camera.K,
        T_world_from_cam=depth.camera.T_world_from_cam.as_matrix(),
    )


def unpack_depth(data: bytes) -> Depth:
    facts, arrays = _unpack(data)
    camera = Camera(
        K=arrays["K"],
        size_px=(facts["size_px"][0], facts["size_px"][1]),
        T_world_from_cam=RigidTransform.from_matrix(arrays["T_world_from_cam"]),
    )
    return Depth(
        z_m=arrays["z_m"],
        valid=arrays["valid"],
        camera=camera,
        source=facts["source"],
        notes=tuple(facts["notes"]),
    )


def pack_painted_parts(parts: tuple[PaintedPart, ...]) -> bytes:
    facts = {"parts": [{"mask_value": p.mask_value, "notes": list(p.notes)} for p in parts]}
    arrays: dict[str, np.ndarray] = {}
    for part in parts:
        pictures = {"A_crop_from_photo": part.A_crop_from_photo, "rgba": part.rgba, "invented": part.invented}
        arrays |= {f"{part.mask_value}_{name}": array for name, array in pictures.items() if array is not None}
    return _pack(facts, **arrays)


def unpack_painted_parts(data: bytes) -> tuple[PaintedPart, ...]:
    facts, arrays = _unpack(data)
    return tuple(
        PaintedPart(
            mask_value=part["mask_value"],
            rgba=arrays.get(f"{part['mask_value']}_rgba"),
            invented=arrays.get(f"{part['mask_value']}_invented"),
            A_crop_from_photo=arrays[f"{part['mask_value']}_A_crop_from_photo"],
            notes=tuple(part["notes"]),
        )
        for part in facts["parts"]
    )


def pack_asset(asset: ObjectAsset) -> bytes:
    material = asset.material
    facts = {
        "mask_value": asset.mask_value,
        "camera_distance_obj": asset.camera_distance_obj,
        "expected_scale_m": asset.expected_scale_m,
        "generator": asset.generator,
        "status": asset.status,
        "notes": list(asset.notes),
        "material": {
            "base_colour_factor": list(material.base_colour_factor),
            "metallic": material.metallic,
            "roughness": material.roughness,
            "double_sided": material.double_sided,
        },
    }
    mesh = asset.mesh_obj
    optional = {"uv": mesh.uv, "colours": mesh.colours, "base_colour": material.base_colour}
    return _pack(
        facts, vertices=mesh.vertices, faces=mesh.faces, **{k: v for k, v in optional.items() if v is not None}
    )


def unpack_asset(data: bytes) -> ObjectAsset:
    facts, arrays = _unpack(data)
    material = facts.pop("material")
    material["base_colour_factor"] = tuple(material["base_colour_factor"])
    facts["notes"] = tuple(facts["notes"])
    mesh = Mesh(vertices=arrays["vertices"], faces=arrays["faces"], uv=arrays.get("uv"), colours=arrays.get("colours"))
    return ObjectAsset(mesh_obj=mesh, material=Material(base_colour=arrays.get("base_colour"), **material), **facts)


def _pack(facts: dict[str, Any], **arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    np.savez_compressed(buffer, allow_pickle=False, facts=text, **arrays)
    return buffer.getvalue()


def _unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    facts: dict[str, Any] = json.loads(arrays.pop("facts").tobytes())
    return facts, arrays
