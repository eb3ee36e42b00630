"""One frozen tree of settings for a training run, from a TOML file by name or path."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import InputError

_MULTIPLE_PX = 32  # of the sides of the front-end network's pictures, whose coarsest stride it is


class _Tree(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FrontEndNetworkSettings(_Tree):
    widths: tuple[int, int, int, int, int] = Field((24, 48, 96, 192, 256), description="Channels at strides 2 to 32.")
    blocks: tuple[int, int, int, int] = Field((2, 2, 3, 2), description="Residual blocks at strides 4 to 32.")
    decoder_width: int = Field(64, ge=8, description="Channels of the way back to stride 4.")
    finest_width: int = Field(32, ge=8, description="Channels at stride 2.")
    attention_layers: int = Field(2, ge=0, description="Attention layers at stride 32.")


class PlanSettings(_Tree):
    steps: int = Field(20_000, ge=1, description="Most optimiser steps.")
    minutes: float | None = Field(None, gt=0, description="Most minutes, all sessions together.")
    learning_rate: float = Field(1e-3, gt=0, description="At its highest.")
    averaging: float = Field(0.999, gt=0, lt=1, description="Of the weights, per step.")
    log_every: int = Field(20, ge=1, description="Steps between rows of the curves.")
    validate_every: int = Field(1000, ge=1, description="Steps between validations.")
    seed: int = Field(0, ge=0, description="Of weights and data.")


class RoomSettings(_Tree):
    size_px: tuple[int, int] = Field((256, 192), description="Width and height of the rendered pictures.")
    sides_px: tuple[int, ...] = Field((), description="Longer sides they are shrunk to, one drawn for each step.")
    half_size_steps: int = Field(0, ge=0, description="First steps that see the pictures at half this size.")
    batch: int = Field(16, ge=1, description="Rooms per step, where they are rendered as they are needed.")
    validation_batches: int = Field(8, ge=1, description="Batches that are never trained on.")

    @model_validator(mode="after")
    def _sides_that_the_network_takes(self) -> RoomSettings:
        longer = max(self.size_px)
        for side in self.sides_px:
            size = [side * edge / longer for edge in self.size_px]
            if any(edge % _MULTIPLE_PX for edge in size):
                raise ValueError(f"sides_px {side} gives pictures whose sides are no multiples of {_MULTIPLE_PX} px")
        return self


class ObjectSettings(_Tree):
    batch: int = Field(8, ge=1, description="Objects per step.")
    validation_objects: int = Field(64, ge=1, description="Objects that are never trained on.")


class StructureSettings(_Tree):
    channels: tuple[int, int, int] = Field((64, 32, 8), description="At 8, 16 and 32 cells an edge.")
    res_blocks: int = Field(0, ge=0, description="Per level.")
    middle_blocks: int = Field(2, ge=0, description="More of them at 8 cells.")
    latent_channels: int = Field(8, ge=1, description="Of the structure latent.")


class VoxelSettings(_Tree):
    shape_channels: tuple[int, int, int] = Field(
        (64, 32, 16), description="At 16, 32 and 64 voxels an edge; each divides 8 times the next."
    )
    shape_blocks: tuple[int, int, int] = Field((2, 0, 0), description="ConvNeXt blocks per level.")
    shape_latent: int = Field(16, ge=1, description="Channels of the shape latent.")
    material_channels: tuple[int, int, int] = Field((32, 16, 8), description="As shape_channels.")
    material_blocks: tuple[int, int, int] = Field((1, 0, 0), description="As shape_blocks.")
    material_latent: int = Field(8, ge=1, description="Channels of the material latent.")
    mlp_ratio: float = Field(2.0, gt=0, description="Of the ConvNeXt blocks.")


class ExtentSettings(_Tree):
    width: int = Field(128, ge=8, description="Units of each hidden layer.")
    dropout: float = Field(0.15, ge=0, lt=1, description="Share of them that a step leaves out.")


class HiddenSettings(_Tree):
    widths: tuple[int, int, int] = Field((32, 80, 160), description="Channels at 16, 8 and 4 places an edge.")
    blocks: tuple[int, int, int] = Field((1, 2, 2), description="Residual blocks on the way in.")
    batch: int = Field(12, ge=1, description="Objects per step.")


class ReliefSettings(_Tree):
    widths: tuple[int, int, int] = Field((48, 96, 160), description="Channels at 32, 16 and 8 pixels an edge.")
    blocks: tuple[int, int, int] = Field((2, 2, 2), description="Residual blocks on the way in.")
    batch: int = Field(32, ge=1, description="Objects per step.")


class FlowSize(_Tree):
    width: int = Field(128, ge=12, description="Channels of a token.")
    blocks: int = Field(4, ge=1, description="Transformer blocks.")
    heads: int = Field(2, ge=1, description="Attention heads.")


class ViewEncoderSettings(_Tree):
    widths: tuple[int, int, int, int] = Field((24, 48, 96, 128), description="Channels at strides 2 to 16.")
    blocks: tuple[int, int, int] = Field((1, 1, 1), description="Residual blocks at strides 4 to 16.")
    attention_layers: int = Field(2, ge=0, description="At stride 16.")
    channels: int = Field(96, ge=8, description="Of the coarse map and the global tokens.")
    fine_channels: int = Field(24, ge=8, description="Learned ones of the fine map.")


class FlowSettings(_Tree):
    structure: FlowSize = FlowSize()
    shape: FlowSize = FlowSize()
    texture: FlowSize = FlowSize(blocks=2)
    mlp_ratio: float = Field(3.0, gt=0, description="Of all flows.")
    view: ViewEncoderSettings = ViewEncoderSettings()
    conditioning: Literal["projection", "cross_attention"] = Field(
        "projection",
        description="How the picture reaches the tokens: where each projects to, or by attention alone.",
    )
    exact_camera: bool = Field(True, description="Each object's own crop camera; false: one mean camera for all.")
    guidance_strength: float = Field(2.0, ge=0, description="Of structure and shape, written with the pipeline.")


class TrainingSettings(_Tree):
    """All settings of a training run. kind: what is trained; only the sections of that kind may be given."""

    kind: Literal["front_end", "structure", "voxels", "flows", "extents", "hidden", "reliefs"] = "front_end"
    network: FrontEndNetworkSettings = FrontEndNetworkSettings()
    plan: PlanSettings = PlanSettings()
    rooms: RoomSettings = RoomSettings()
    objects: ObjectSettings = ObjectSettings()
    structure: StructureSettings = StructureSettings()
    voxels: VoxelSettings = VoxelSettings()
    flows: FlowSettings = FlowSettings()
    extents: ExtentSettings = ExtentSettings()
    hidden: HiddenSettings = HiddenSettings()
    reliefs: ReliefSettings = ReliefSettings()

    @model_validator(mode="after")
    def _only_its_own_sections(self) -> TrainingSettings:
        alone = {name: {name} for name in ("extents", "hidden", "reliefs")}
        own = ({"front_end": {"network", "rooms"}} | alone).get(self.kind, {"objects", self.kind})
        foreign = sorted(self.model_fields_set - own - {"kind", "plan"})
        if foreign:
            raise ValueError(f"kind {self.kind!r} has no section {', '.join(foreign)}")
        return self


def training_names() -> tuple[str, ...]:
    """Names of the training settings that are installed."""
    folder = resources.files("configs") / "training"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def read_training_settings(name_or_path: str) -> TrainingSettings:
    """Raises InputError where there is no such file, or a key or value in it is not usable."""
    if name_or_path in training_names():
        text = (resources.files("configs") / "training" / f"{name_or_path}.toml").read_text()
    elif Path(name_or_path).is_file():
        text = Path(name_or_path).read_text()
    else:
        raise InputError(
            f"There are no training settings {name_or_path!r}; choose one of: {', '.join(training_names())}, or give "
            "a TOML file."
        )
    try:
        return TrainingSettings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name_or_path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "kind"
        raise InputError(f"The training setting {key!r} in {name_or_path} is not usable: {first['msg']}.") from error
