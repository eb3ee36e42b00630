"""From the maps of the front-end network to instances: one picture's output in, masks at stride 2 out.

Peaks of the centre map are the objects; a pixel of an object belongs to the peak that its offset points to (Cheng et
al., "Panoptic-DeepLab", CVPR 2020, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from .front_end_network import LABEL_STRIDE, STRIDE, FrontEndOutput

# The least a centre map must say; in the mean of looks at different sizes peaks are lower.
PEAK, PEAK_OF_MEAN = 0.2, 0.15
_PEAK_WINDOW = 11 / 128  # longer sides: a peak is the highest in a window so wide
_MOST_PEAKS = 60
_FEWEST_PX = 12
_UNSURE = 0.01  # longer sides: what points so much nearer to one peak than to another is its own by e to 1
_SURE_WORD = 0.35  # mean probability over the object; of words above it eight in ten are right


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInstance:
    """mask: at stride 2. share: how much of a pixel is this object's, 0 to 1; the rest is others' and the room's.

    label: index into the network's labels, None where no word is sure. score: 0 to 1.
    """

    mask: Bool[Tensor, "h w"]
    share: Float[Tensor, "h w"]
    label: int | None
    score: float


def find_instances(output: FrontEndOutput, index: int = 0, *, least_peak: float = PEAK) -> list[FoundInstance]:
    """Instances of one picture of a batch, the surest first; their masks do not overlap."""
    probability = output.shell[index].softmax(dim=0)  # (6, h, w)
    is_object = probability.argmax(dim=0) == 0
    peaks, heights = _peaks(output.centre[index].sigmoid(), least_peak)
    if not len(peaks) or not bool(is_object.any()):
        return []
    away = _distances(output.offset[index], peaks)
    owner, share = away.argmin(dim=0), probability[0] * (-away / _UNSURE).softmax(dim=0)
    label = output.label[index].softmax(dim=0)  # (L, h / 2, w / 2)
    found = []
    for k, height in enumerate(heights.tolist()):
        mask = is_object & (owner == k)
        if int(mask.sum()) < _FEWEST_PX:
            continue
        covered = F.avg_pool2d(mask.float()[None], LABEL_STRIDE // STRIDE)[0]  # (h / 2, w / 2)
        words = (label * covered).sum(dim=(1, 2)) / covered.sum()
        word = int(words.argmax()) if float(words.max()) > _SURE_WORD else None
        sure = float(probability[0][mask].mean())
        found.append(FoundInstance(mask=mask, share=share[k], label=word, score=float(height**0.5) * sure))
    return sorted(found, key=lambda f: -f.score)


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
