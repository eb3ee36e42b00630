"""More rooms from the rooms there are: mirrored, in other colours, blurred, noisy. Truth follows where it must."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from .room_batch import RoomBatch


def augment(batch: RoomBatch, generator: torch.Generator) -> RoomBatch:
    """The batch mirrored or not, with its pictures changed as other cameras would; `generator` is on the CPU.

    The objects' own truth (`objects`) is left as it is: it belongs to the batch that was not mirrored.
    """
    mirrored = _mirrored(batch) if bool(torch.rand((), generator=generator) < 0.5) else batch
    return replace(mirrored, rgb=recoloured(mirrored.rgb, generator))


def shrunk(batch: RoomBatch, longer_px: int) -> RoomBatch:
    """Pictures with that longer side: colours averaged, truth of the pixel at each new pixel's middle.

    Pictures that are no larger stay as they are. The objects' own truth (`objects`) is left as it is: its pixels are
    those of the larger picture.
    """
    height, width = batch.z_m.shape[1:]
    step = max(height, width) / longer_px
    if step <= 1:
        return batch
    size = (round(height / step), round(width / step))
    row, column = (
        ((torch.arange(count, device=batch.z_m.device) + 0.5) * full / count - 0.5).round().long()
        for count, full in zip(size, (height, width), strict=True)
    )
    K = batch.K.clone()
    K[:, 0] *= size[1] / width
    K[:, 1] *= size[0] / height
    dense = {
        name: getattr(batch, name)[..., row[:, None], column]
        for name in ("z_m", "valid", "normals_cam", "instance_ids", "shell_part", "label")
    }
    rgb = F.interpolate(batch.rgb.float(), size=size, mode="area").round().to(torch.uint8)
    return replace(batch, rgb=rgb, K=K, **dense)


def _mirrored(batch: RoomBatch) -> RoomBatch:
    K = batch.K.clone()
    K[:, 0, 2] = batch.z_m.shape[2] - K[:, 0, 2]
    sign = torch.tensor([-1.0, 1.0, 1.0], device=K.device)
    return replace(
        batch,
        rgb=batch.rgb.flip(-1),
        z_m=batch.z_m.flip(-1),
        valid=batch.valid.flip(-1),
        normals_cam=batch.normals_cam.flip(-1) * sign[:, None, None],
        instance_ids=batch.instance_ids.flip(-1),
        shell_part=batch.shell_part.flip(-1),
        label=batch.label.flip(-1),
        K=K,
        up_cam=batch.up_cam * sign,
    )


def recoloured(rgb: UInt8[Tensor, "B 3 H W"], generator: torch.Generator) -> UInt8[Tensor, "B 3 H W"]:
    """Exposure, contrast, white balance, saturation, blur and noise, each picture its own."""
    count = len(rgb)

    def draw(low: float, high: float, *shape: int) -> Float[Tensor, "..."]:
        return torch.rand(count, *shape, generator=generator).mul(high - low).add(low).to(rgb.device)

    x = rgb.float() / 255
    x = x.clamp(1e-4, 1) ** draw(0.7, 1.4, 1, 1, 1)
    x = x * draw(0.8, 1.2, 1, 1, 1) * draw(0.88, 1.12, 3, 1, 1)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * draw(0.4, 1.4, 1, 1, 1)
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = middle + (x - middle) * draw(0.75, 1.25, 1, 1, 1)
    blurred = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    x = torch.lerp(x, blurred, draw(-0.4, 0.9, 1, 1, 1))  # below 0 sharpens
    noise = torch.randn(x.shape, generator=generator).to(x.device)
    x = x + noise * draw(0.0, 0.03, 1, 1, 1)
    return x.clamp(0, 1).mul(255).round().to(torch.uint8)
