"""From the maps of the front-end network to instances: one picture's output in, masks at stride 2 out.

Peaks of the centre map are the objects; a pixel of an object belongs to the peak that its offset points to (Cheng et
al., "Panoptic-DeepLab", CVPR 2020, section 3.2). Pieces that are of one object are joined (`front_end_joins`). Rugs are
found by their word instead: the middle of a rug is mostly that of the table on it, so that the two would be one object.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from .front_end_joins import NO_PIECE, joined_pieces
from .front_end_network import LABEL_STRIDE, STRIDE, FrontEndOutput

# The least a centre map must say; in the mean of looks at different sizes peaks are lower.
PEAK, PEAK_OF_MEAN = 0.2, 0.15
_PEAK_WINDOW = 11 / 128  # longer sides: a peak is the highest in a window so wide
_MOST_PEAKS = 60
_FEWEST_PX = 12
_UNSURE = 0.01  # longer sides: what points so much nearer to one peak than to another is its own by e to 1
_SURE_WORD = 0.35  # mean probability over the object; of words above it eight in ten are right
_SURE_RUG, _MAYBE_RUG = 0.5, 0.25  # probability of a rug's pixel: half of a rug is sure, the rest goes on from there
_LEAST_RUG = 0.01  # of the picture
_RUG_GAP = 0.015  # longer sides: what keeps two pieces of one rug so far apart is a leg
_RUG_BLUR = 4  # pixels of the maps around a rug that may be its own in part
_SURE_SAME = 0.6  # mean probability that pixels of two pieces are of one object
_FEWEST_PAIRS = 0.05  # of the smaller piece's pixels
_LEAST_LEFT = 0.1  # of an object: with less than that besides rug, its peak is the rug's


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInstance:
    """mask: at stride 2. share: how much of a pixel is this object's, 0 to 1; the rest is others' and the room's.

    label: index into the network's labels, None where no word is sure. score: 0 to 1.
    """

    mask: Bool[Tensor, "h w"]
    share: Float[Tensor, "h w"]
    label: int | None
    score: float


def find_instances(
    output: FrontEndOutput, index: int = 0, *, least_peak: float = PEAK, rug: int | None = None
) -> list[FoundInstance]:
    """Instances of one picture of a batch, the surest first; their masks do not overlap.

    rug: which of the network's labels says so; None where none does.
    """
    probability = output.shell[index].softmax(dim=0)  # (6, h, w)
    is_object = probability.argmax(dim=0) == 0
    label = output.label[index].softmax(dim=0)  # (L, h / 2, w / 2)
    rugs, rug_share = ([], torch.zeros_like(probability[0])) if rug is None else find_rugs(output, rug, index)
    on_rug = torch.stack(rugs).any(dim=0) if rugs else torch.zeros_like(is_object)

    found = []
    for mask in rugs:
        score = float((probability[0] * rug_share)[mask].mean())
        share = probability[0] * rug_share * _widened(mask)
        found.append(FoundInstance(mask=mask, share=share, label=rug, score=score))
    peaks, heights = _peaks(output.centre[index].sigmoid(), least_peak)
    if not len(peaks) or not bool(is_object.any()):
        return found
    away = _distances(output.offset[index], peaks)
    owner = away.argmin(dim=0)
    shares = probability[0] * (-away / _UNSURE).softmax(dim=0) * (1 - rug_share)
    pieces = torch.where(is_object & ~on_rug, owner, NO_PIECE)
    group = joined_pieces(pieces, output.same[index], len(peaks), sure=_SURE_SAME, fewest=_FEWEST_PAIRS)
    for k in sorted(set(group.tolist())):
        own = torch.nonzero(group == k)[:, 0]
        height = float(heights[own].max())
        whole = is_object & torch.isin(owner, own)
        mask = whole & ~on_rug
        if int(mask.sum()) < max(_FEWEST_PX, _LEAST_LEFT * int(whole.sum())):
            continue
        covered = F.avg_pool2d(mask.float()[None], LABEL_STRIDE // STRIDE)[0]  # (h / 2, w / 2)
        words = (label * covered).sum(dim=(1, 2)) / covered.sum()
        word = int(words.argmax()) if float(words.max()) > _SURE_WORD else None
        sure = float(probability[0][mask].mean())
        found.append(
            FoundInstance(mask=mask, share=shares[own].sum(dim=0), label=word, score=float(height**0.5) * sure)
        )
    return sorted(found, key=lambda f: -f.score)


def find_rugs(
    output: FrontEndOutput, rug: int, index: int = 0
) -> tuple[list[Bool[Tensor, "h w"]], Float[Tensor, "h w"]]:
    """Masks of the rugs of one picture, and how much of each pixel is theirs. rug: which of the labels says so."""
    from scipy.ndimage import binary_closing, label

    is_object = output.shell[index].argmax(dim=0) == 0
    coarse = output.label[index].softmax(dim=0)[rug]
    likely = F.interpolate(coarse[None, None], size=tuple(is_object.shape), mode="bilinear", align_corners=False)[0, 0]
    maybe = (is_object & (likely > _MAYBE_RUG)).numpy()
    reach = max(1, round(_RUG_GAP * max(maybe.shape)))
    whole = binary_closing(np.pad(maybe, reach), iterations=reach)[reach:-reach, reach:-reach] & is_object.numpy()
    pieces, count = label(whole | maybe, structure=np.ones((3, 3)))
    masks = [torch.from_numpy(maybe & (pieces == k)) for k in range(1, count + 1)]
    masks = [mask for mask in masks if int(mask.sum()) > _LEAST_RUG * mask.numel()]
    masks = [mask for mask in masks if float((likely[mask] > _SURE_RUG).float().mean()) > 0.5]
    around = torch.stack([_widened(mask) for mask in masks]).any(dim=0) if masks else torch.zeros_like(is_object)
    return masks, (likely / (2 * _MAYBE_RUG)).clamp(max=1) * around


def _widened(mask: Bool[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    return F.max_pool2d(mask.float()[None], 2 * _RUG_BLUR + 1, stride=1, padding=_RUG_BLUR)[0] > 0


def find_middles(output: FrontEndOutput, index: int = 0) -> Float[Tensor, "k 2"]:
    """(x, y) of the peaks of one picture's centre map, as shares of its width and height, the highest first."""
    height, width = output.centre.shape[1:]
    places, _ = _peaks(output.centre[index].sigmoid(), PEAK)
    return (places.flip(1) + 0.5) / torch.tensor([width, height], device=places.device)


def _peaks(heat: Float[Tensor, "h w"], least: float) -> tuple[Int64[Tensor, "k 2"], Float[Tensor, "k"]]:
    """(row, column) and height of the local maxima, the highest first."""
    window = int(_PEAK_WINDOW * max(heat.shape)) // 2 * 2 + 1
    highest = F.max_pool2d(heat[None], window, stride=1, padding=window // 2)[0]
    places = torch.nonzero((heat == highest) & (heat > least))
    heights = heat[places[:, 0], places[:, 1]]
    order = heights.argsort(descending=True, stable=True)[:_MOST_PEAKS]
    return places[order], heights[order]


def _distances(offset: Float[Tensor, "2 h w"], peaks: Int64[Tensor, "k 2"]) -> Float[Tensor, "k h w"]:
    """How far from each peak every pixel points, in longer sides."""
    height, width = offset.shape[1:]
    longer = max(height, width)
    rows = torch.arange(height, device=offset.device)[:, None] + offset[1] * longer
    columns = torch.arange(width, device=offset.device)[None, :] + offset[0] * longer
    pointed = torch.stack([rows, columns], dim=-1).reshape(-1, 2)  # (h w, 2) in pixels of the maps
    return (torch.cdist(peaks.to(pointed.dtype), pointed) / longer).reshape(-1, height, width)
