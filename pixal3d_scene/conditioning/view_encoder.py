"""The small image encoder that is trained along with the object networks: view pictures in, features at two scales out.

A residual CNN with a little attention at its coarsest stride. It stands where DINOv3 and NAF stand in the published
networks: few global tokens for cross-attention, a coarse map that has seen the whole picture, and a fine one that has
not forgotten the pixels. Every picture is encoded by itself (GroupNorm), so that a batch of one gives what it gives
among others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .view_picture import VIEW_CHANNELS

COARSE_STRIDE, FINE_STRIDE = 8, 2
_GROUP = 8  # channels that GroupNorm takes together


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFeatures:
    """Of V pictures of side s, which are kept.

    global_tokens: of the whole picture and of its four quarters. coarse: at stride 8. fine: at stride 2, its last
    channels the picture's own ones, averaged.
    """

    global_tokens: Float[Tensor, "V L C"]
    coarse: Float[Tensor, "V Cc hc wc"]
    fine: Float[Tensor, "V Cf hf wf"]
    pictures: Float[Tensor, "V 7 s s"]

    def coarse_tokens(self) -> Float[Tensor, "V n Cc"]:
        """The coarse map as tokens, rows of the picture first."""
        return self.coarse.flatten(2).transpose(1, 2)


class ViewEncoder(nn.Module):
    """widths: channels at strides 2, 4, 8 and 16. blocks: residual ones at strides 4, 8 and 16.

    channels: of the global tokens and of the coarse map. fine_channels: learned ones of the fine map.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (24, 48, 96, 128),
        blocks: Sequence[int] = (1, 1, 1),
        attention_layers: int = 2,
        channels: int = 96,
        fine_channels: int = 24,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.fine_channels = fine_channels + len(VIEW_CHANNELS)
        self.stem = nn.Sequential(_conv(len(VIEW_CHANNELS), widths[0], stride=2), _Residual(widths[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(_conv(widths[i], widths[i + 1], stride=2), *(_Residual(widths[i + 1]) for _ in range(depth)))
            for i, depth in enumerate(blocks)
        )
        self.place = nn.Conv2d(2, widths[-1], 1)
        self.attention = nn.ModuleList(
            nn.TransformerEncoderLayer(widths[-1], 4, 2 * widths[-1], dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(attention_layers)
        )
        self.to_global = nn.Linear(widths[-1], channels)
        self.coarse_lateral = nn.Conv2d(widths[2], channels, 1)
        self.coarse_top = nn.Conv2d(widths[-1], channels, 1)
        self.coarse_merge = _Residual(channels)
        self.fine_lateral = nn.Conv2d(widths[0], fine_channels, 1)
        self.fine_middle = nn.Conv2d(widths[1], fine_channels, 1)
        self.fine_top = nn.Conv2d(channels, fine_channels, 1)
        self.fine_merge = _Residual(fine_channels)

    def forward(self, pictures: Float[Tensor, "V 7 s s"]) -> ViewFeatures:
        """pictures: of `view_picture`, side a multiple of 32 px."""
        half = self.stem(pictures)  # stride 2
        quarter = self.stages[0](half)  # stride 4
        eighth = self.stages[1](quarter)  # stride 8
        top = self.stages[2](eighth)  # stride 16
        top = top + self.place(_places(top))
        tokens = top.flatten(2).transpose(1, 2)  # (V, n, C)
        for layer in self.attention:
            tokens = layer(tokens)
        top = tokens.transpose(1, 2).reshape(top.shape)
        quarters = F.adaptive_avg_pool2d(top, 2).flatten(2).transpose(1, 2)  # (V, 4, C)
        whole = torch.cat([tokens.mean(dim=1, keepdim=True), quarters], dim=1)  # (V, 5, C)
        coarse = self.coarse_merge(self.coarse_lateral(eighth) + _doubled(self.coarse_top(top)))
        middle = self.fine_middle(quarter) + _doubled(self.fine_top(coarse))
        fine = self.fine_merge(self.fine_lateral(half) + _doubled(middle))
        plain = F.avg_pool2d(pictures, FINE_STRIDE)  # (V, 7, s / 2, s / 2)
        return ViewFeatures(
            global_tokens=self.to_global(whole),
            coarse=coarse,
            fine=torch.cat([fine, plain.to(fine)], dim=1),
            pictures=pictures,
        )


def _doubled(x: Float[Tensor, "V C h w"]) -> Float[Tensor, "V C h2 w2"]:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _places(x: Float[Tensor, "V C h w"]) -> Float[Tensor, "V 2 h w"]:
    """Where each pixel is, from -1 to 1 (right, down): attention itself cannot tell."""
    height, width = x.shape[2:]
    rows = (torch.arange(height, device=x.device, dtype=x.dtype) + 0.5) / height * 2 - 1  # (h,)
    columns = (torch.arange(width, device=x.device, dtype=x.dtype) + 0.5) / width * 2 - 1  # (w,)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy")).expand(len(x), 2, height, width)


def _conv(inside: int, outside: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(max(outside // _GROUP, 1), outside),
        nn.SiLU(),
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Float[Tensor, "V C h w"]) -> Float[Tensor, "V C h w"]:
        return x + self.second(self.first(x))
