"""One small network for the whole front-end: a picture in; depth, room shell, instances, labels and camera out.

Sizes are relative, so that the same weights serve any field of view: depth is canonical, that is divided by the focal
length in longer sides of the picture (as Yin et al., "Metric3D", ICCV 2023, section 3.2, and Depth Pro do), and
centres are offsets in longer sides. Instances are centres and offsets to them, without a fixed list of classes
(Cheng et al., "Panoptic-DeepLab", CVPR 2020, section 3.2); labels are a head of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 2  # pixels of the picture per pixel of the dense outputs
LABEL_STRIDE = 4
SIZE_MULTIPLE_PX = 32
# How far apart the pixels are that are told to be of one object or not, in longer sides: to the right and below.
NEIGHBOURS = (1 / 32, 1 / 10)
# Classes of the shell head: 0 is an object, the others are `instances.SHELL_PARTS`.
SHELL_CLASSES = ("object", "floor", "wall", "ceiling", "window", "door")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndConfig:
    """Size of the network. decoder_width: channels on the way back to stride 4; finest_width: at stride 2.

    labels: words of the label head. side_px: longer side of the pictures that it was trained on. widths: channels at
    strides 2, 4, 8, 16, 32.
    """

    labels: tuple[str, ...]
    side_px: int = 256
    widths: tuple[int, int, int, int, int] = (24, 48, 96, 192, 256)
    blocks: tuple[int, int, int, int] = (2, 2, 3, 2)
    decoder_width: int = 64
    finest_width: int = 32
    attention_layers: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndOutput:
    """Dense maps have `STRIDE` pixels of the picture per pixel, labels LABEL_STRIDE; (h, w) = (H / 2, W / 2).

    log_depth: of z in m over the focal length in longer sides. shell: logits of SHELL_CLASSES. centre: logits of
    "an object's visible middle is here". offset: (x, y) from a pixel to its object's middle, in longer sides. same:
    logits of "this pixel and its neighbour are of one object", to the right and below for each of NEIGHBOURS (Gao et
    al., "SSAP", ICCV 2019, section 3.1). label: logits of the labels. up_cam: unit vector against gravity. log_focal:
    of the focal length in longer sides.
    """

    log_depth: Float[Tensor, "B h w"]
    shell: Float[Tensor, "B 6 h w"]
    centre: Float[Tensor, "B h w"]
    offset: Float[Tensor, "B 2 h w"]
    same: Float[Tensor, "B n h w"]
    label: Float[Tensor, "B L h/2 w/2"]
    up_cam: Float[Tensor, "B 3"]
    log_focal: Float[Tensor, "B"]


class FrontEndNetwork(nn.Module):
    """A residual encoder with attention at its coarsest stride, and a pyramid that leads back to stride 4.

    From there a shuffle of channels and the first level's own features make stride 2: a full level of the pyramid at
    stride 2 took half of the time of a training step.
    """

    def __init__(self, config: FrontEndConfig) -> None:
        super().__init__()
        self.config = config
        w, d = config.widths, config.decoder_width
        self.stem = nn.Sequential(_conv(3, w[0], stride=2), _conv(w[0], w[0]))
        self.stages = nn.ModuleList(
            nn.Sequential(_conv(w[i], w[i + 1], stride=2), *(_Residual(w[i + 1]) for _ in range(config.blocks[i])))
            for i in range(4)
        )
        self.place = nn.Conv2d(2, w[4], 1)
        self.attention = nn.ModuleList(
            nn.TransformerEncoderLayer(w[4], 4, 2 * w[4], dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(config.attention_layers)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, d, 1) for width in reversed(w[1:]))
        self.merge = nn.ModuleList(_Residual(d) for _ in range(3))
        half = config.finest_width // 2
        self.finer, self.edges = nn.Conv2d(d, 4 * half, 1), nn.Conv2d(w[0], half, 1)
        self.finest = _conv(half, config.finest_width)
        self.dense = nn.Conv2d(config.finest_width, 1 + len(SHELL_CLASSES) + 1 + 2 + 2 * len(NEIGHBOURS), 1)
        self.label = nn.Conv2d(d, len(config.labels), 1)
        self.view = nn.Sequential(nn.Linear(w[4], w[4]), nn.ReLU(), nn.Linear(w[4], 4))

    def forward(self, rgb: Float[Tensor, "B 3 H W"]) -> FrontEndOutput:
        """rgb: sRGB-coded, 0 to 1, sides a multiple of 32 px."""
        x = self.stem((rgb - 0.5) / 0.25)
        levels = [x]
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        x = x + self.place(_places(x))
        batch, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)  # (B, h w, C)
        for layer in self.attention:
            tokens = layer(tokens)
        levels[-1] = tokens.transpose(1, 2).reshape(batch, channels, height, width)
        y = self.lateral[0](levels[-1])
        for lateral, merge, level in zip(self.lateral[1:], self.merge, reversed(levels[1:-1]), strict=True):
            y = merge(F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False) + lateral(level))
        fine = self.finest(torch.relu(F.pixel_shuffle(self.finer(y), 2) + self.edges(levels[0])))
        dense, view = self.dense(fine).float(), self.view(tokens.mean(dim=1)).float()
        n = len(SHELL_CLASSES)
        # Level, looking a little down, at a phone's focal length, is where training starts from.
        up_cam = F.normalize(view[:, :3] + view.new_tensor([0.0, -1.0, -0.2]), dim=1)
        return FrontEndOutput(
            log_depth=dense[:, 0] + 1.0,
            shell=dense[:, 1 : 1 + n],
            centre=dense[:, 1 + n] - 4.0,
            offset=dense[:, 2 + n : 4 + n],
            same=dense[:, 4 + n :],
            label=self.label(y).float(),
            up_cam=up_cam,
            log_focal=view[:, 3] - 0.2,
        )


def neighbour_px(share: float, size: Sequence[int]) -> int:
    """How many pixels of a map of that height and width a neighbour is away. share: one of NEIGHBOURS."""
    return max(1, round(share * max(size)))


def _places(x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 2 h w"]:
    """Where each pixel is in the picture, in longer sides from its middle: attention itself cannot tell."""
    height, width = x.shape[2:]
    longer = max(height, width)
    rows = (torch.arange(height, device=x.device, dtype=x.dtype) + 0.5 - height / 2) / longer
    columns = (torch.arange(width, device=x.device, dtype=x.dtype) + 0.5 - width / 2) / longer
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))  # (2, h, w)
    return grid.expand(len(x), 2, height, width)


def _conv(inside: int, outside: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        return torch.relu(x + self.second(self.first(x)))
