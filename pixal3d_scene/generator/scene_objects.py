"""The objects of a scene on their way through the cascade: what goes in, what is known in between, what comes out.

Between two stages everything of an object lies in the machine's memory, whatever device the networks run on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ..autoencoder.dual_grid import DualGrid
from ..autoencoder.pbr_voxels import PbrVoxels
from ..conditioning.conditioner import SeenPictures
from ..conditioning.image_features import ImageFeatures
from ..conditioning.view import View
from ..errors import StageFailed
from .sampler import NoiseSource


def _no_rows() -> Tensor:
    return torch.zeros(0, 3, dtype=torch.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInput:
    """One object: square pictures on black, the cameras that took them, and its seed."""

    name: str
    squares: tuple[UInt8[np.ndarray, "_ _ 3"], ...]
    views: tuple[View, ...]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedObject:
    """What the cascade made: dual grid and materials in `obj`. notes: what went differently than planned."""

    grid: DualGrid
    pbr: PbrVoxels
    resolution: int
    tokens: int
    notes: tuple[str, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class ObjectState:
    """An object between two stages. Latents are normalised, as sampled; cells and tokens are rows (x, y, z).

    seen: by side of the picture in px. cells: of the coarse grid, with the shape latent `coarse`. voxels: where the
    coarse shape has its surface, on the 512^3 grid. tokens: of the fine grid of `resolution`, with the latents `shape`
    and `texture`. failure: why the object is left out from now on.
    """

    input: ObjectInput
    seen: dict[int, SeenPictures] = field(default_factory=dict)
    structure: Float[Tensor, "1 C R R R"] = field(default_factory=lambda: torch.zeros(1, 0, 0, 0, 0))
    cells: Int[Tensor, "_ 3"] = field(default_factory=_no_rows)
    coarse: Float[Tensor, "_ _"] = field(default_factory=lambda: torch.zeros(0, 0))
    voxels: Int[Tensor, "_ 3"] = field(default_factory=_no_rows)
    tokens: Int[Tensor, "_ 3"] = field(default_factory=_no_rows)
    resolution: int = 0
    shape: Float[Tensor, "_ _"] = field(default_factory=lambda: torch.zeros(0, 0))
    texture: Float[Tensor, "_ _"] = field(default_factory=lambda: torch.zeros(0, 0))
    decoded: tuple[DualGrid, PbrVoxels] | None = None
    failure: StageFailed | None = None
    notes: list[str] = field(default_factory=list)

    def fail(self, reason: str, cause: BaseException | None = None) -> None:
        """Leave the object out of everything that follows."""
        self.failure = StageFailed("generate", reason, object_name=self.input.name)
        self.failure.__cause__ = cause

    def draw_noise(self, *shapes: tuple[int, ...]) -> Tensor:
        """The noise of a stage; `shapes` are those of all stages so far, in the order of the upstream pipeline.

        A stage that is repeated, at another resolution or in another batch, gets what it would have got at once.
        """
        source = NoiseSource(self.input.seed)
        return [source.draw(*shape) for shape in shapes][-1]

    def result(self) -> GeneratedObject | StageFailed:
        if self.failure is not None:
            return self.failure
        assert self.decoded is not None, "an object without a failure went through all stages"
        grid, pbr = self.decoded
        return GeneratedObject(
            grid=grid, pbr=pbr, resolution=self.resolution, tokens=len(self.tokens), notes=tuple(self.notes)
        )


def alive(objects: Iterable[ObjectState]) -> list[ObjectState]:
    """Those without a failure, in order."""
    return [item for item in objects if item.failure is None]


def seen_on(seen: SeenPictures, device: torch.device | str) -> SeenPictures:
    """The same pictures and features in another memory."""
    features = ImageFeatures(
        global_tokens=seen.features.global_tokens.to(device), patches=seen.features.patches.to(device)
    )
    return SeenPictures(pictures=seen.pictures.to(device), features=features)
