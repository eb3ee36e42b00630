"""The folder of the small object networks: `pipeline.json` in, its settings and checkpoints out.

The layout of a published pipeline (`pipeline_file`) with one stage of shape less and an image encoder of its own:

    FOLDER/pipeline.json        {"name", "args": {"models": {role: stem}, "view_encoder": stem, "cube_over_crop",
                                 "picture_px", "resolution", samplers, normalisations}}
    FOLDER/STEM.json            {"name": class, "args": constructor}
    FOLDER/STEM.safetensors     its weights

Nothing here loads a network or imports torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import BackendMissing, InputError
from .pipeline_file import (
    Checkpoint,
    Normalisation,
    find_checkpoint,
    read_json,
    read_normalisation,
    read_samplers,
    stems_of_roles,
)

OWN_ROLES = (
    "sparse_structure_flow_model",
    "sparse_structure_decoder",
    "shape_slat_flow_model_512",
    "shape_slat_decoder",
    "tex_slat_flow_model_1024",
    "tex_slat_decoder",
)
VIEW_ENCODER = "view_encoder"
_PICTURE_STEP_PX = 32  # what the view encoder's strides need
_RESOLUTION_STEP = 8  # voxels along an edge of a cell of the structure's latent


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPipeline:
    """What the small cascade needs of a folder.

    checkpoints: by role, with `VIEW_ENCODER`. samplers: of "structure", "shape" and "texture", as the file has them.
    cube_over_crop: the cube's edge over the width that the crop shows of its middle plane. picture_px: side of the
    encoder's picture. resolution: voxels along the cube's edge.
    """

    path: Path
    checkpoints: Mapping[str, Checkpoint]
    samplers: Mapping[str, Mapping[str, Any]]
    shape_normalisation: Normalisation
    texture_normalisation: Normalisation
    cube_over_crop: float
    picture_px: int
    resolution: int

    @property
    def digest(self) -> str:
        """Changes with the content of any file."""
        parts = [self.path.read_text(), *(checkpoint.digest for checkpoint in self.checkpoints.values())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_own_pipeline(folder: Path) -> OwnPipeline:
    """Read the pipeline file of a folder and find its checkpoints.

    Raises InputError for a file that is not one, BackendMissing where a checkpoint is not there.
    """
    path = folder / "pipeline.json"
    if not path.is_file():
        raise BackendMissing(
            f"There is no pipeline.json in {folder}; give the folder that `pixal3d-scene train` wrote."
        )
    stems = stems_of_roles(path, OWN_ROLES)
    args = read_json(path)["args"]
    if not isinstance(args.get(VIEW_ENCODER), str):
        raise InputError(f"{path} names no {VIEW_ENCODER}; it is not a folder of the small object networks.")
    stems[VIEW_ENCODER] = args[VIEW_ENCODER]
    return OwnPipeline(
        path=path,
        checkpoints=MappingProxyType({role: find_checkpoint(folder, stem) for role, stem in stems.items()}),
        samplers=read_samplers(args),
        shape_normalisation=read_normalisation(path, args, "shape_slat_normalization"),
        texture_normalisation=read_normalisation(path, args, "tex_slat_normalization"),
        cube_over_crop=_ratio(path, args, "cube_over_crop"),
        picture_px=_count(path, args, "picture_px", _PICTURE_STEP_PX),
        resolution=_count(path, args, "resolution", _RESOLUTION_STEP),
    )


def _ratio(path: Path, args: Mapping[str, Any], key: str) -> float:
    value = args.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10:
        raise InputError(f"{path} needs {key}, a number above 0 and below 10, and has {value!r}.")
    return float(value)


def _count(path: Path, args: Mapping[str, Any], key: str, step: int) -> int:
    value = args.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 1024 or value % step:
        raise InputError(f"{path} needs {key}, a multiple of {step} up to 1024, and has {value!r}.")
    return value
