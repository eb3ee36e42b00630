"""Several looks at one picture, at different sizes, as one: what the network says of it at each is averaged.

Seen larger a thing has more pixels and a crisper edge, seen at the size of training the whole is understood better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .front_end_network import FrontEndOutput


def mean_of_looks(looks: Sequence[FrontEndOutput]) -> FrontEndOutput:
    """Maps on the grid of the last look; offsets and depth are relative to the picture, so that they need no scaling.

    Probabilities are averaged as logarithms. Camera and depth are those of the first look, whose size the network was
    trained on.
    """
    first, last = looks[0], looks[-1]

    def mean(values: Callable[[FrontEndOutput], Float[Tensor, "1 C h w"]]) -> Float[Tensor, "1 C H W"]:
        size = values(last).shape[-2:]
        return torch.stack([_resized(values(look), size) for look in looks]).mean(dim=0)

    return FrontEndOutput(
        log_depth=_resized(first.log_depth[:, None], last.log_depth.shape[-2:])[:, 0],
        shell=mean(lambda look: look.shell.log_softmax(dim=1)),
        centre=mean(lambda look: look.centre[:, None])[:, 0],
        offset=mean(lambda look: look.offset),
        same=mean(lambda look: look.same),
        label=mean(lambda look: look.label.log_softmax(dim=1)),
        up_cam=first.up_cam,
        log_focal=first.log_focal,
    )


def _resized(maps: Float[Tensor, "B C h w"], size: torch.Size) -> Float[Tensor, "B C H W"]:
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
