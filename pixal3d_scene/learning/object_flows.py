"""View encoder and the flows of structure, shape and material as one network to train: pictures and noisy latents in,
velocities and their losses out.

The three flows share the view encoder, whose features reach them by back-projection. For comparison they can instead
reach them by cross-attention to all tokens of the coarse map, in networks of the same size that know the same of a
token's place.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..conditioning.condition import Condition
from ..conditioning.two_scale import PLACE_CHANNELS, two_scale_projection
from ..conditioning.view_encoder import ViewEncoder, ViewFeatures
from ..generator.flow import DenseFlow, SparseFlow
from ..generator.rope import grid_coords
from .object_latents import ObjectLatents

SIGMA_MIN = 1e-5
TOKEN_GRID = 16
_DROPPED = 0.1  # share of objects whose picture is taken away
_TIME_SCALE = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenObjects:
    """B pictures (`view_picture`) with their cameras."""

    pictures: Float[Tensor, "B 7 S S"]
    fov_rad: Float[Tensor, "B"]
    camera_distance_obj: Float[Tensor, "B"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """Noise like the latents, a time in [0, 1] per object and stage, and whose picture is kept."""

    noise: ObjectLatents
    times: Float[Tensor, "3 B"]
    kept: Bool[Tensor, "B"]


def draw_noise(latents: ObjectLatents, generator: torch.Generator, *, drop: bool = True) -> Draw:
    """Times are logit-normal (1, 1) for the structure, which is decided near the noise, and uniform for the others."""
    items = len(latents.structure)

    def like(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=generator).to(x)

    noise = ObjectLatents(
        structure=like(latents.structure),
        cells=latents.cells,
        shape=like(latents.shape),
        material=like(latents.material),
    )
    structure_time = torch.sigmoid(1 + torch.randn(1, items, generator=generator))
    times = torch.cat([structure_time, torch.rand(2, items, generator=generator)])
    kept = torch.rand(items, generator=generator) >= (_DROPPED if drop else 0.0)
    device = latents.structure.device
    return Draw(noise=noise, times=times.to(device), kept=kept.to(device))


class ObjectFlows(nn.Module):
    """by_projection: otherwise the picture reaches the tokens by cross-attention alone."""

    def __init__(
        self, view: ViewEncoder, structure: DenseFlow, shape: SparseFlow, texture: SparseFlow, *, by_projection: bool
    ) -> None:
        super().__init__()
        self.view, self.structure, self.shape, self.texture = view, structure, shape, texture
        self.by_projection = by_projection

    def forward(self, seen: SeenObjects, latents: ObjectLatents, draw: Draw) -> dict[str, Tensor]:
        """Mean squared error of the velocity, per stage."""
        features = self.view(seen.pictures)
        noise, times = draw.noise, _TIME_SCALE * draw.times
        item = latents.cells[:, 0].long()
        cells = self.condition(features, latents.cells, seen, grid=TOKEN_GRID, kept=draw.kept)
        dense = self.condition(features, self.structure_cells(len(draw.kept)), seen, kept=draw.kept)
        x, v = _on_the_way(latents.structure, noise.structure, draw.times[0][:, None, None, None, None])
        structure = F.mse_loss(self.structure(x, times[0], self.structure.prepare(dense)).float(), v)
        x, v = _on_the_way(latents.shape, noise.shape, draw.times[1][item, None])
        shape = F.mse_loss(self.shape(x, times[1], self.shape.prepare(cells, latents.cells)).float(), v)
        x, v = _on_the_way(latents.material, noise.material, draw.times[2][item, None])
        prepared = self.texture.prepare(cells, latents.cells)
        texture = F.mse_loss(self.texture(x, times[2], prepared, latents.shape).float(), v)
        return {"structure": structure, "shape": shape, "texture": texture}

    def structure_cells(self, items: int) -> Int[Tensor, "T 4"]:
        """All cells of the dense grid of every object."""
        cells = grid_coords(self.structure.resolution, next(self.parameters()).device)
        return torch.cat([F.pad(cells, (1, 0), value=item) for item in range(items)])

    def condition(
        self,
        features: ViewFeatures,
        coords: Int[Tensor, "T 4"],
        seen: SeenObjects,
        *,
        grid: int | None = None,
        kept: Bool[Tensor, "B"] | None = None,
    ) -> Condition:
        """What the tokens at `coords` see. grid: cells along an edge, those of the structure by default."""
        proj = two_scale_projection(
            features,
            coords,
            seen.fov_rad,
            seen.camera_distance_obj,
            grid=self.structure.resolution if grid is None else grid,
        )
        global_tokens = features.global_tokens
        if not self.by_projection:
            global_tokens = torch.cat([global_tokens, features.coarse_tokens().to(global_tokens)], dim=1)
            proj = F.pad(proj[:, -PLACE_CHANNELS:], (proj.shape[1] - PLACE_CHANNELS, 0))
        if kept is not None:
            global_tokens = global_tokens * kept[:, None, None]
            proj = proj * kept[coords[:, 0].long(), None]
        return Condition(global_tokens=global_tokens, proj=proj)


def _on_the_way(x_0: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The state at time t, and the velocity there; see `generator.sampler`."""
    return (1 - t) * x_0 + (SIGMA_MIN + (1 - SIGMA_MIN) * t) * noise, (1 - SIGMA_MIN) * noise - x_0
