"""The whole way from square pictures of one object to the condition of one stage.

Pictures of an object are encoded once per size (`see`) and serve every stage of that size (`condition`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from .back_projection import back_project_views
from .condition import Condition
from .image_features import ImageEncoder, ImageFeatures
from .naf import Naf
from .picture import at_stage_size
from .view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class StageView:
    """How a stage looks at the picture: its size, and the side of the upsampled features (None: not used)."""

    size_px: int
    naf_side_px: int | None


# As the released networks were trained. The token grid is not part of it: it follows the run.
STAGE_VIEWS: Mapping[str, StageView] = MappingProxyType(
    {
        "structure": StageView(size_px=512, naf_side_px=None),
        "shape_512": StageView(size_px=512, naf_side_px=512),
        "shape_1024": StageView(size_px=1024, naf_side_px=512),
        "texture_1024": StageView(size_px=1024, naf_side_px=1024),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPictures:
    """V views of one object at one size: the pictures in [0, 1] and their features."""

    pictures: Float[Tensor, "V 3 s s"]
    features: ImageFeatures


class Conditioner(nn.Module):
    """Image encoder and upsampler, shared by all stages.

    Without `naf` only stages that do not use it work; without `image_encoder` only `condition` works.
    """

    def __init__(self, image_encoder: ImageEncoder | None, naf: Naf | None) -> None:
        super().__init__()
        self.image_encoder, self.naf = image_encoder, naf

    @torch.no_grad()
    def see(self, squares: Sequence[UInt8[np.ndarray, "S S 3"]], size_px: int) -> SeenPictures:
        """Encode the views of one object at the size of a stage."""
        assert self.image_encoder is not None, "seeing needs the image encoder"
        device = next(self.image_encoder.parameters()).device
        pictures = torch.stack([at_stage_size(square, size_px) for square in squares]).to(device)  # (V, 3, s, s)
        return SeenPictures(pictures=pictures, features=self.image_encoder(pictures))

    @torch.no_grad()
    def condition(
        self,
        seen: SeenPictures,
        views: Sequence[View],
        coords: Int[Tensor, "T 3"],
        *,
        grid: int,
        naf_side_px: int | None,
    ) -> Condition:
        """What the tokens at `coords` of a grid^3 see of one object; the mean over its views."""
        patches = seen.features.patches  # (V, C, h, w)
        coords = coords.to(patches.device)
        maps = None
        if naf_side_px is not None:
            assert self.naf is not None, "this stage needs the NAF weights"
            target_hw = (naf_side_px, naf_side_px)
            # One at a time: a view's map holds a query for every pixel, 1 GB at 1024.
            maps = (self.naf(p, f, target_hw) for p, f in zip(seen.pictures, patches, strict=True))
        proj = back_project_views(patches, maps, views, coords, grid=grid, size_px=seen.pictures.shape[-1])
        return Condition(global_tokens=seen.features.global_tokens.mean(dim=0, keepdim=True), proj=proj)  # (1, L, C)
