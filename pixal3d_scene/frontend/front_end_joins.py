"""Which pieces are one object: pieces and what the network says of pairs of neighbouring pixels in, groups out.

A peak of the centre map on each arm of a sofa makes two pieces of it. Along the line between them the network says of
pixels on both sides whether they are of one object; the pieces that it is surest of are joined first (average linkage,
as Bailoni et al., "GASP", CVPR 2022, compare it with others).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .front_end_network import NEIGHBOURS, neighbour_px

NO_PIECE = -1


def joined_pieces(
    piece: Int64[Tensor, "h w"], same: Float[Tensor, "n h w"], count: int, *, sure: float, fewest: float
) -> Int64[Tensor, "k"]:
    """For each of `count` pieces the number of its group, which is that of one of its pieces.

    piece: NO_PIECE where there is none. same: logits as in `FrontEndOutput`. sure: the least mean probability over the
    pairs of pixels of two pieces. fewest: pairs that say something, as a share of the smaller piece's pixels.
    """
    said, pairs = _between(piece, same.sigmoid(), count)
    area = torch.bincount(piece[piece != NO_PIECE], minlength=count).double()
    group = torch.arange(count)
    while count > 1:
        enough = pairs >= fewest * torch.minimum(area[:, None], area[None])
        mean = torch.where(enough & (pairs > 0), said / pairs.clamp(min=1), 0.0)
        best = int(mean.argmax())
        one, other = divmod(best, count)
        if float(mean[one, other]) < sure:
            break
        group[group == other] = one
        area[one], area[other] = area[one] + area[other], 0
        for table in (said, pairs):
            table[one] += table[other]
            table[:, one] += table[:, other]
            table[other], table[:, other], table[one, one] = 0, 0, 0
    return group


def _between(
    piece: Int64[Tensor, "h w"], same: Float[Tensor, "n h w"], count: int
) -> tuple[Float[Tensor, "k k"], Float[Tensor, "k k"]]:
    """Sum of the probabilities over the pairs of pixels of two pieces, and how many pairs there are; symmetric."""
    said, pairs = torch.zeros(count * count, dtype=torch.float64), torch.zeros(count * count, dtype=torch.float64)
    for k, share in enumerate(NEIGHBOURS):
        apart = neighbour_px(share, piece.shape)
        for one, other, value in (
            (piece[:, :-apart], piece[:, apart:], same[2 * k, :, :-apart]),
            (piece[:-apart], piece[apart:], same[2 * k + 1, :-apart]),
        ):
            here = (one != other) & (one != NO_PIECE) & (other != NO_PIECE)
            index = one[here] * count + other[here]
            said += torch.bincount(index, weights=value[here].double(), minlength=count * count)
            pairs += torch.bincount(index, minlength=count * count)
    said, pairs = said.reshape(count, count), pairs.reshape(count, count)
    return said + said.T, pairs + pairs.T
