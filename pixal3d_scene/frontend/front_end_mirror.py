"""Two answers for one picture: the network also sees it mirrored, and what it says both times is averaged.

So a photo and its mirror image always get mirrored answers, and what the network says by chance weighs less.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .front_end_network import NEIGHBOURS, FrontEndNetwork, FrontEndOutput, neighbour_px


def look_twice(network: FrontEndNetwork, rgb: Float[Tensor, "1 3 H W"]) -> FrontEndOutput:
    """The network's answer to one picture as it is and mirrored, in the axes of the picture as it is."""
    both = network(torch.cat([rgb, rgb.flip(-1)]))
    return FrontEndOutput(
        log_depth=_mean(both.log_depth),
        shell=_mean(both.shell.log_softmax(dim=1)),
        centre=_mean(both.centre),
        offset=_mean(both.offset, flip_first=True),
        same=_mean_of_neighbours(both.same),
        label=_mean(both.label.log_softmax(dim=1)),
        up_cam=F.normalize(torch.stack([both.up_cam[:1], both.up_cam[1:] * _MIRROR.to(both.up_cam)]).mean(0), dim=1),
        log_focal=both.log_focal.mean(0, keepdim=True),
    )


_MIRROR = torch.tensor([-1.0, 1.0, 1.0])


def _mean_of_neighbours(same: Float[Tensor, "2 n h w"]) -> Float[Tensor, "1 n h w"]:
    """In the mirror a pixel's right neighbour is its left one: what is said of the pair belongs to that pixel."""
    one, other = same[:1], same[1:].flip(-1)
    shifted = other.clone()
    for k, share in enumerate(NEIGHBOURS):
        apart = neighbour_px(share, same.shape[-2:])
        shifted[:, 2 * k, :, :-apart] = other[:, 2 * k, :, apart:]
        shifted[:, 2 * k, :, -apart:] = one[:, 2 * k, :, -apart:]
    return (one + shifted) / 2


def _mean(maps: Float[Tensor, "2 *C h w"], *, flip_first: bool = False) -> Float[Tensor, "1 *C h w"]:
    """flip_first: the first channel points along x."""
    mirrored = maps[1:].flip(-1)
    if flip_first:
        mirrored = torch.cat([-mirrored[:, :1], mirrored[:, 1:]], dim=1)
    return (maps[:1] + mirrored) / 2
