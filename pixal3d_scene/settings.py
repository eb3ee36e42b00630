"""One frozen tree of settings: defaults here, a preset over them, the user's file over that, flags on top."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .errors import InputError

Quality = Literal["draft", "standard", "high"]


class _Tree(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PhotoSettings(_Tree):
    max_megapixels: float = Field(50.0, gt=0, description="Larger photos are refused.")
    working_megapixels: float = Field(
        13.0, gt=0, description="Larger photos are worked on at this size; masks and depth are written at full size."
    )
    allow_panorama: bool = Field(False, description="Take a panorama as if one plain camera had seen it.")


class NetworkSettings(_Tree):
    weights: str = Field(description="Folder, or hub id of fetched weights.")
    revision: str | None = Field(None, description="Commit of the hub id; needed where several were fetched.")


class SamSettings(NetworkSettings):
    weights: str = Field("facebook/sam-vit-huge", description="Folder with model.safetensors, or hub id.")


class Sam2Settings(NetworkSettings):
    weights: str = Field("facebook/sam2.1-hiera-large", description="Folder, or hub id of fetched weights.")


class Sam3Settings(NetworkSettings):
    weights: str = Field("facebook/sam3", description="Folder, or hub id of fetched weights.")
    threshold: float = Field(0.5, gt=0, lt=1, description="Least score of a mask.")


class GroundingDinoSettings(NetworkSettings):
    weights: str = Field("IDEA-Research/grounding-dino-base", description="Folder, or hub id of fetched weights.")
    threshold: float = Field(0.3, gt=0, lt=1, description="Least score of a box.")


class Owlv2Settings(NetworkSettings):
    weights: str = Field("google/owlv2-base-patch16-ensemble", description="Folder, or hub id of fetched weights.")
    threshold: float = Field(0.2, gt=0, lt=1, description="Least score of a box.")


class SegmentSettings(_Tree):
    segmenter: str = Field("front_end", description="Name of the segmenter: front_end, regions, sam, sam2 or sam3.")
    max_objects: int | None = Field(None, ge=1, description="The most objects; else 12 by regions, 60 by networks.")
    min_area_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Smaller ones are no objects; else 0.001 by front_end, 0.003 by regions, 0.0003 by others.",
    )
    detector: Literal["grounding_dino", "owlv2", "none"] = Field(
        "grounding_dino", description="What finds boxes by words for sam and sam2."
    )
    labels: tuple[str, ...] = Field((), description="Words to look for; else the built-in indoor words.")
    automatic: bool = Field(False, description="sam and sam2 also segment a grid of points (always without detector).")
    same_box_iou: float = Field(
        0.7, gt=0, le=1, description="Boxes that overlap more are one thing, whatever the word."
    )
    grid_points: int = Field(32, ge=1, le=128, description="Points of the grid along each side.")
    grid_quality: float = Field(0.88, ge=0, le=1, description="Least IoU that the network itself predicts.")
    grid_stability: float = Field(0.95, ge=0, le=1, description="Least IoU of a mask with itself at other thresholds.")
    prompt_batch: int = Field(64, ge=1, description="Points or boxes at once.")
    sam: SamSettings = SamSettings()
    sam2: Sam2Settings = Sam2Settings()
    sam3: Sam3Settings = Sam3Settings()
    grounding_dino: GroundingDinoSettings = GroundingDinoSettings()
    owlv2: Owlv2Settings = Owlv2Settings()


class DepthSettings(_Tree):
    estimator: str = Field("front_end", description="front_end, room_geometry, depth_anything or depth_pro.")
    weights: str | None = Field(None, description="Folder or hub id of the network; else the published one.")
    revision: str | None = Field(None, description="Commit of the hub id; needed where several were fetched.")
    camera_height_m: float = Field(1.5, gt=0, description="Height of the camera where nothing tells it.")
    fallback_fov_deg: float = Field(
        66.0, gt=0, lt=170, description="Field of view of the longer side where nothing tells it (a phone's)."
    )


class FrontEndSettings(_Tree):
    weights: str | None = Field(
        None, description="File that `train` wrote, for segmenter and estimator front_end; none for the package's own."
    )


class CropSettings(_Tree):
    mode: Literal["exact", "naive"] = Field("exact", description="Exact crop camera, or the usual shortcut.")
    margin: float = Field(1.1, ge=1.0, description="Half-side of the crop over half-extent of the mask.")
    size_px: int = Field(512, ge=64, description="Side of the generator's picture.")


class CompleteSettings(_Tree):
    completer: str = Field("none", description="Name of the completer of hidden parts; none leaves them out.")
    weights: str = Field(
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        description="Folder with model_index.json of an inpainting pipeline, or hub id of fetched weights.",
    )
    revision: str | None = Field(None, description="Commit of the hub id; needed where several were fetched.")
    steps: int = Field(30, ge=1, le=1000, description="Sampling steps of a picture.")
    guidance: float | None = Field(None, ge=0, description="Strength of the prompt; else the pipeline's own.")
    picture_px: int | None = Field(None, ge=16, description="Side at which is painted; else the network's own.")
    low_vram: bool = Field(False, description="Keep only the working network on the GPU.")
    max_growth: float = Field(3.0, ge=1, description="Area of a completed mask over the visible one, at most.")


class Pixal3DSettings(_Tree):
    weights: str = Field("TencentARC/Pixal3D", description="Folder with pipeline.json, or hub id of fetched weights.")
    revision: str | None = Field(None, description="Commit of the hub id; needed where several were fetched.")
    image_encoder: str | None = Field(
        None, description="Folder or hub id of DINOv3; else dinov3/ beside pipeline.json."
    )
    upsampler: str | None = Field(None, description="NAF weights (.safetensors); else naf.safetensors there.")
    resolution: int = Field(1536, ge=1024, le=1536, multiple_of=128, description="Finest voxels per cube edge.")
    steps: int = Field(12, ge=1, le=100, description="Sampling steps of each stage.")
    max_num_tokens: int = Field(49_152, ge=1024, description="Finer grids with this many tokens are not used.")
    batch: int | None = Field(None, ge=1, description="Objects at once; else 4 on a GPU, 1 with little memory.")
    low_vram: bool = Field(False, description="Keep only the working network on the GPU.")
    max_faces: int = Field(100_000, ge=100, description="Meshes are simplified to this many triangles.")


class ObjectNetworksSettings(_Tree):
    weights: str | None = Field(None, description="Folder `objects` that `train` wrote; none for the package's own.")
    steps: int | None = Field(None, ge=1, le=100, description="Sampling steps of each stage; else the pipeline's own.")
    guidance: float | None = Field(
        None, ge=0, description="How strongly the picture decides, in each stage; 1 is off; else the pipeline's own."
    )


class GenerateSettings(_Tree):
    generator: str = Field("lift", description="Name of the generator: lift, object_networks, pixal3d or box.")
    voxels: int = Field(128, ge=16, le=512, description="Grid of the lift generator along the longest side.")
    hidden_sides: bool = Field(
        True, description="lift guesses what no photo shows by a network; false: by symmetry alone."
    )
    max_faces: int = Field(20_000, ge=100, description="Meshes are simplified to this many triangles.")
    texture_px: int = Field(512, ge=64, description="Side of an object's texture.")
    object_networks: ObjectNetworksSettings = ObjectNetworksSettings()
    pixal3d: Pixal3DSettings = Pixal3DSettings()


class LayoutSettings(_Tree):
    snap_m: float = Field(
        0.15, ge=0, description="Largest gap to a support that is closed, if the uncertainty allows it."
    )
    share_duplicates: bool = Field(False, description="Objects that are one model several times share one mesh.")


class ExportSettings(_Tree):
    jpeg_quality: int = Field(90, ge=1, le=100, description="Of textures without alpha.")
    room_shell: bool = Field(True, description="Floor and walls as nodes of the GLB.")


DEVICE_NAMES = "auto, cpu, cuda, cuda:N or mps"


class Settings(_Tree):
    """All settings of a run; written into the manifest as they were resolved."""

    preset: str = Field("embedded", description="Which models.")
    quality: Quality = "standard"
    seed: int = Field(42, ge=0)
    device: str = "auto"
    photo: PhotoSettings = PhotoSettings()
    segment: SegmentSettings = SegmentSettings()
    depth: DepthSettings = DepthSettings()
    front_end: FrontEndSettings = FrontEndSettings()
    crop: CropSettings = CropSettings()
    complete: CompleteSettings = CompleteSettings()
    generate: GenerateSettings = GenerateSettings()
    layout: LayoutSettings = LayoutSettings()
    export: ExportSettings = ExportSettings()

    @field_validator("device")
    @classmethod
    def _is_device(cls, name: str) -> str:
        if not is_device_name(name):
            raise ValueError(f"choose {DEVICE_NAMES}")
        return name


# What the one dial means; a config file or a flag overrides it.
QUALITY: dict[str, dict[str, Any]] = {
    "draft": {
        "crop": {"size_px": 256},
        "generate": {
            "voxels": 64,
            "max_faces": 6_000,
            "texture_px": 256,
            "pixal3d": {"steps": 8, "resolution": 1024, "max_faces": 30_000},
        },
    },
    "standard": {},
    "high": {
        "crop": {"size_px": 1024},
        "generate": {
            "voxels": 192,
            "max_faces": 60_000,
            "texture_px": 1024,
            "pixal3d": {"steps": 20, "max_faces": 300_000},
        },
    },
}


def is_device_name(name: str) -> bool:
    """Whether it is one of DEVICE_NAMES; not whether this machine has it."""
    return re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name) is not None


def preset_names() -> tuple[str, ...]:
    """Names of the presets that are installed."""
    folder = resources.files("configs")
    return tuple(sorted(f.name[: -len(".toml")] for f in folder.iterdir() if f.name.endswith(".toml")))


def resolve_settings(
    *,
    preset: str = "embedded",
    quality: Quality = "standard",
    config_file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    called: Mapping[str, str] | None = None,
) -> Settings:
    """Defaults < quality < preset < config file < overrides (a nested mapping such as {"seed": 7}).

    called: what the user calls a setting, by its dotted name. Raises InputError where one is not usable.
    """
    if preset not in preset_names():
        raise InputError(f"There is no preset {preset!r}; choose one of: {', '.join(preset_names())}.")
    if quality not in QUALITY:
        raise InputError(f"There is no quality {quality!r}; choose one of: {', '.join(QUALITY)}.")
    tree: dict[str, Any] = {"preset": preset, "quality": quality}
    _merge(tree, QUALITY[quality])
    _merge(tree, _parse((resources.files("configs") / f"{preset}.toml").read_text(), f"preset {preset}"))
    if config_file is not None:
        _merge(tree, _parse(_read(config_file), str(config_file)))
    _merge(tree, overrides or {})
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(f"There is no setting {key!r}; see docs/settings.md for those that exist.") from error
        why = first["msg"].removeprefix("Value error, ").replace("Input should be", "it must be", 1)
        got = f"{first['input']:g}" if isinstance(first["input"], float) else repr(first["input"])
        name = (called or {}).get(key, f"The setting {key!r}")
        raise InputError(f"{name} is not usable: {why} (got {got}).") from error


def _read(config_file: Path) -> str:
    try:
        return config_file.read_text(errors="replace")
    except FileNotFoundError as error:
        raise InputError(f"The config file {config_file} does not exist; check the name.") from error
    except IsADirectoryError as error:
        raise InputError(f"The config file {config_file} is a folder; give a TOML file.") from error
    except OSError as error:
        raise InputError(
            f"The config file {config_file} cannot be read ({error.strerror}); check its name and permissions."
        ) from error


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin} is not valid TOML: {error}.") from error


def _merge(tree: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping):
            branch = tree.setdefault(key, {})
            if isinstance(branch, dict):
                _merge(branch, value)
                continue
        tree[key] = value
