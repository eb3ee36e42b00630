"""The layout of a Pixal3D pipeline: `pipeline.json` (or `pipeline_mv.json`) in, its settings and checkpoints out.

    FOLDER/pipeline.json        {"name", "args": {"models": {role: stem}, samplers, normalisations}}
    FOLDER/STEM.json            {"name": class, "args": constructor}
    FOLDER/STEM.safetensors     its weights
    FOLDER/dinov3/              image encoder as transformers saves it; optional, see `find_image_encoder`
    FOLDER/naf.safetensors      upsampler; optional, likewise

Nothing here loads a network or imports torch. The file's `name` is not read: published files carry another's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import BackendMissing, InputError
from ..weights.digest import content_digest
from ..weights.location import WeightsFolder, find_weights, own_cache
from ..weights.registry import published

# What each network of the cascade is called in a pipeline file. Other roles are not used.
ROLES = (
    "sparse_structure_flow_model",
    "sparse_structure_decoder",
    "shape_slat_flow_model_512",
    "shape_slat_flow_model_1024",
    "shape_slat_decoder",
    "tex_slat_flow_model_1024",
    "tex_slat_decoder",
)
_SAMPLERS = {
    "structure": "sparse_structure_sampler",
    "shape": "shape_slat_sampler",
    "texture": "tex_slat_sampler",
}
_STAGES = ("structure", "shape_512", "shape_1024", "texture_1024")
_FORBIDDEN = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """Per channel: what is sampled is (latent - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One network on the disk: its constructor's arguments (None: the class's own defaults) and its weights."""

    config: Path | None
    weights: Path

    @property
    def digest(self) -> str:
        """Changes with the content of either file."""
        config = b"" if self.config is None else self.config.read_bytes()
        return hashlib.sha256(config + content_digest(self.weights).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineFile:
    """What the cascade needs of a pipeline folder.

    samplers: of "structure", "shape" and "texture", as the file has them. stage_views: how large each stage looks at
    the picture, (picture side, NAF side or None) in px; None in published files, whose networks all share one choice.
    """

    path: Path
    checkpoints: Mapping[str, Checkpoint]
    samplers: Mapping[str, Mapping[str, Any]]
    shape_normalisation: Normalisation
    texture_normalisation: Normalisation
    stage_views: Mapping[str, tuple[int, int | None]] | None = None


def read_pipeline(folder: Path, *, multi_view: bool = False) -> PipelineFile:
    """Read the pipeline file of a folder and find its checkpoints.

    Raises InputError for a file that is not one, BackendMissing where a checkpoint is not there.
    """
    path = folder / ("pipeline_mv.json" if multi_view else "pipeline.json")
    if not path.is_file():
        raise BackendMissing(f"There is no {path.name} in {folder}; give the folder of a Pixal3D pipeline.")
    stems, args = stems_of_roles(path), read_json(path)["args"]
    views = args.get("stage_views")
    return PipelineFile(
        path=path,
        checkpoints=MappingProxyType({role: find_checkpoint(folder, stem) for role, stem in stems.items()}),
        samplers=read_samplers(args),
        shape_normalisation=read_normalisation(path, args, "shape_slat_normalization"),
        texture_normalisation=read_normalisation(path, args, "tex_slat_normalization"),
        stage_views=None if views is None else _stage_views(path, views),
    )


def stems_of_roles(path: Path, roles: Sequence[str] = ROLES) -> dict[str, str]:
    """The stem of every role, from a pipeline file; raises InputError where one is not named."""
    args = read_json(path).get("args")
    models = args.get("models") if isinstance(args, dict) else None
    if not isinstance(models, dict):
        raise InputError(f"{path} has no args.models; it must list a checkpoint per role ({', '.join(roles)}).")
    missing = [role for role in roles if role not in models]
    if missing:
        raise InputError(f"{path} names no checkpoint for {', '.join(missing)}; the pipeline is not complete.")
    return {role: str(models[role]) for role in roles}


def read_samplers(args: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The sampler entries of a pipeline file by "structure", "shape" and "texture"; empty where there is none."""
    return MappingProxyType({stage: args.get(key) or {} for stage, key in _SAMPLERS.items()})


def find_checkpoint(folder: Path, stem: str) -> Checkpoint:
    """A stem relative to the pipeline, else as a path of its own, else as OWNER/REPOSITORY/STEM of the hub's cache."""
    tried = [folder / stem, Path(stem)]
    for place in tried:
        if _beside(place, ".json").is_file() and _beside(place, ".safetensors").is_file():
            return Checkpoint(config=_beside(place, ".json"), weights=_beside(place, ".safetensors"))
    for place in tried:
        _refuse_pickle(place)
    if stem.count("/") >= 2:
        owner, repository, inside = stem.split("/", 2)
        try:
            place = find_weights(f"{owner}/{repository}").path / inside
        except BackendMissing:
            place = folder / stem
        if _beside(place, ".json").is_file() and _beside(place, ".safetensors").is_file():
            return Checkpoint(config=_beside(place, ".json"), weights=_beside(place, ".safetensors"))
    raise BackendMissing(
        f"The checkpoint {stem} is not complete: {folder / stem}.json and {folder / stem}.safetensors are both needed. "
        "Run `pixal3d-scene models fetch` again, or copy the missing file there."
    )


def find_image_encoder(folder: Path, chosen: str | None) -> WeightsFolder:
    """The DINOv3 of a pipeline: the chosen folder or hub id, else `dinov3/` in the folder, else the registered one."""
    own = folder / "dinov3"
    default = str(own) if own.is_dir() else str(published("dinov3").hub_id)
    found = find_weights(chosen or default)
    for name in ("config.json", "model.safetensors"):
        if not (found.path / name).is_file():
            raise BackendMissing(f"The image encoder in {found.path} has no {name}; fetch it again (models fetch).")
    return found


def find_upsampler(folder: Path, chosen: str | None) -> Checkpoint:
    """The NAF weights: the chosen file, else `naf.safetensors` in the folder, else the one in the package's cache."""
    places = [Path(chosen).expanduser()] if chosen else [folder / "naf.safetensors", own_cache() / "naf.safetensors"]
    for place in places:
        if place.is_file() and place.suffix == ".safetensors":
            config = place.with_suffix(".json")
            return Checkpoint(config=config if config.is_file() else None, weights=place)
        _refuse_pickle(place.with_suffix(""))
    raise BackendMissing(
        f"The NAF upsampler is not at {' or '.join(map(str, places))}; docs/weights.md tells how to convert the "
        "published file once, and where to put it."
    )


def _refuse_pickle(stem: Path) -> None:
    for suffix in _FORBIDDEN:
        if (pickled := _beside(stem, suffix)).is_file():
            raise InputError(
                f"{pickled} is a pickle, which can run any program when it is loaded, and is never opened here; "
                f"convert it once into {stem.name}.safetensors as docs/weights.md shows."
            )


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)  # with_suffix would cut a stem at its last dot


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file holds; raises InputError where it holds none."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); fetch or copy it again.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object; fetch or copy it again.")
    return value


def _stage_views(path: Path, views: object) -> Mapping[str, tuple[int, int | None]]:
    stated = views if isinstance(views, dict) else {}
    sizes: dict[str, tuple[int, int | None]] = {}
    for stage in _STAGES:
        match stated.get(stage):
            case [int(picture_px), int() | None as naf_px]:
                sizes[stage] = (picture_px, naf_px)
            case _:
                raise InputError(
                    f"{path}: stage_views needs [picture side, NAF side or null] for {', '.join(_STAGES)}."
                )
    return MappingProxyType(sizes)


def read_normalisation(path: Path, args: Mapping[str, Any], key: str) -> Normalisation:
    """Mean and std of a pipeline file; raises InputError where they are not usable."""
    try:
        mean, std = (tuple(float(x) for x in args[key][part]) for part in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} has no usable {key} (lists of numbers, mean and std).") from error
    if len(mean) != len(std) or min(std, default=0.0) <= 0:
        raise InputError(f"{path}: {key} needs as many mean as std values, and every std above 0.")
    return Normalisation(mean=mean, std=std)
