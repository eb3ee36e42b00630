"""What other methods of placement would have made of a run: the same assets, masks and depth, other places.

In: a run folder with its kept stages, and the `ReviewedRun` read from it. Out: one `ReviewedRun` per method of
`layout_baselines`, alike in everything but where the meshes are. Nothing is generated or estimated again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import trimesh

from ..asset import ObjectAsset
from ..crop import CropVolume, plan_crops
from ..errors import InputError
from ..frames import Similarity
from ..photo import Photo
from ..stage_files import unpack_asset, unpack_depth, unpack_instances
from .room_files import ReviewedRun

# The methods look at masks, depth and the crop's camera; no picture is warped for them.
_CROP_PX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStages:
    """What a run was placed from. assets and volumes: in the same order, by the names of the run's objects."""

    assets: tuple[ObjectAsset, ...]
    volumes: tuple[CropVolume, ...]


def read_kept_stages(folder: Path) -> KeptStages:
    """The kept results of a run; raises InputError if they are missing or damaged.

    The photo is not kept, so that the volumes' pictures are black.
    """
    try:
        crop = json.loads((folder / "manifest.json").read_text())["settings"]["crop"]
        instances = unpack_instances((folder / "stages/segment.npz").read_bytes())
        depth = unpack_depth((folder / "stages/depth.npz").read_bytes())
        photo = Photo(rgb=np.zeros((*depth.camera.shape_hw, 3), dtype=np.uint8), file_name="not kept", sha256="0" * 64)
        volumes = plan_crops(photo, instances, depth, size_px=_CROP_PX, margin=crop["margin"], mode=crop["mode"])
        assets = [unpack_asset((folder / f"stages/objects/{v.name}.npz").read_bytes()) for v in volumes]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder} does not keep what other layouts would start from ({type(error).__name__}: {error}); "
            "run the photo again."
        ) from error
    return KeptStages(assets=tuple(assets), volumes=volumes)


def placed_by(
    method: Callable[[ObjectAsset, CropVolume], Similarity | None], stages: KeptStages, run: ReviewedRun
) -> ReviewedRun:
    """The run with every object where `method` puts it; an object that it cannot place is left out."""
    poses = {v.name: method(asset, v) for asset, v in zip(stages.assets, stages.volumes, strict=True)}
    return replaced(run, stages, {name: T for name, T in poses.items() if T is not None})


def replaced(run: ReviewedRun, stages: KeptStages, T_cam_from_obj: Mapping[str, Similarity]) -> ReviewedRun:
    """The run with its objects' kept meshes at other places, those without a place left out."""
    meshes_obj = {v.name: asset.mesh_obj for asset, v in zip(stages.assets, stages.volumes, strict=True)}
    placed = []
    for item in run.objects:
        if item.name in T_cam_from_obj:
            mesh_cam = meshes_obj[item.name].transformed(T_cam_from_obj[item.name])
            placed.append(replace(item, mesh_cam=trimesh.Trimesh(mesh_cam.vertices, mesh_cam.faces)))
    return replace(run, objects=tuple(placed))
