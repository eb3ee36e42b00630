"""What the front-end network should answer: rendered rooms in, its outputs' targets at stride 2 out.

One of the four pixels under each output pixel is the truth, chosen at random for the whole batch, so that masks
are off by half a pixel in no direction on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ..frontend.front_end_network import STRIDE
from .room_batch import RoomBatch

_FEWEST_PX = 20  # of the dense outputs: smaller instances have no centre to find
_CENTRE_SIGMA = 0.015  # of a centre's peak, in longer sides
NO_LABEL = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEndTargets:
    """Shapes and units as in `FrontEndOutput`; (h, w) = (H / 2, W / 2).

    depth_known, shell_known, on_instance: where the loss counts. label: NO_LABEL where none is known.
    instance: 0 or the index of an instance of the picture. weight: of the offsets, equal in sum for every instance.
    """

    log_depth: Float[Tensor, "B h w"]
    depth_known: Bool[Tensor, "B h w"]
    shell: Int64[Tensor, "B h w"]
    shell_known: Bool[Tensor, "B h w"]
    centre: Float[Tensor, "B h w"]
    offset: Float[Tensor, "B 2 h w"]
    weight: Float[Tensor, "B h w"]
    label: Int64[Tensor, "B h/2 w/2"]
    instance: Int64[Tensor, "B h w"]
    up_cam: Float[Tensor, "B 3"]
    log_focal: Float[Tensor, "B"]


def front_end_targets(batch: RoomBatch, generator: torch.Generator | None = None) -> FrontEndTargets:
    """generator: chooses the pixels (on the CPU); without one the upper left ones are taken."""
    row, column = 0, 0
    if generator is not None:
        row, column = torch.randint(STRIDE, (2,), generator=generator).tolist()

    def small(values: Tensor) -> Tensor:
        return values[:, row::STRIDE, column::STRIDE]

    height, width = batch.z_m.shape[1:]
    longer = max(height, width)
    focal = batch.K[:, 0, 0] / longer
    z_m, instance = small(batch.z_m), small(batch.instance_ids).long()
    known = small(batch.valid) & (z_m > 0)
    log_depth = torch.where(known, z_m, 1.0).log() - focal.log()[:, None, None]
    shell = small(batch.shell_part).long()
    here = torch.stack(
        torch.meshgrid(
            (torch.arange(z_m.shape[2], device=z_m.device) * STRIDE + column + 0.5) / longer,
            (torch.arange(z_m.shape[1], device=z_m.device) * STRIDE + row + 0.5) / longer,
            indexing="xy",
        )
    )  # (2, h, w)
    middle, area = _middles(instance, here)
    large = area >= _FEWEST_PX
    large[:, 0] = False
    of_pixel = instance.flatten(1)
    on_large = large.gather(1, of_pixel).reshape(instance.shape)
    middle_of_pixel = middle.gather(1, of_pixel[..., None].expand(-1, -1, 2)).reshape(*instance.shape, 2)
    weight = (1 / area.clamp(min=1)).gather(1, of_pixel).reshape(instance.shape) * on_large
    return FrontEndTargets(
        log_depth=log_depth,
        depth_known=known,
        shell=torch.where(instance > 0, 0, shell),
        shell_known=(instance > 0) | (shell > 0),
        centre=_peaks(middle, large, here),
        offset=(middle_of_pixel - here.permute(1, 2, 0)).permute(0, 3, 1, 2),
        weight=weight,
        label=torch.where(instance > 0, small(batch.label).long(), NO_LABEL)[:, ::2, ::2],
        instance=instance,
        up_cam=batch.up_cam,
        log_focal=focal.log(),
    )


def _middles(
    instance: Int64[Tensor, "B h w"], here: Float[Tensor, "2 h w"]
) -> tuple[Float[Tensor, "B n 2"], Float[Tensor, "B n"]]:
    """Mean place and number of pixels of every instance number."""
    n, batch = int(instance.max()) + 1, len(instance)
    flat = instance.flatten(1)
    area = torch.zeros(batch, n, device=here.device).scatter_add_(1, flat, torch.ones_like(flat, dtype=here.dtype))
    sums = torch.stack(
        [
            torch.zeros(batch, n, device=here.device).scatter_add_(1, flat, axis.flatten().expand(batch, -1))
            for axis in here
        ],
        dim=-1,
    )
    return sums / area.clamp(min=1)[..., None], area


def _peaks(
    middle: Float[Tensor, "B n 2"], large: Bool[Tensor, "B n"], here: Float[Tensor, "2 h w"]
) -> Float[Tensor, "B h w"]:
    """A Gaussian of height 1 at the pixel nearest to each middle; the highest counts."""
    step = float(here[0, 0, 1] - here[0, 0, 0])
    at = ((middle - here[:, 0, 0]) / step).round() * step + here[:, 0, 0]
    row, column = (  # a Gaussian is the product of its axes
        torch.exp(-(axis - at[..., k, None]).square() / (2 * _CENTRE_SIGMA**2))  # (B, n, h), (B, n, w)
        for k, axis in ((1, here[1, :, 0]), (0, here[0, 0]))
    )
    row = row * large[..., None]
    result = torch.zeros(len(middle), *here.shape[1:], device=here.device)
    for k in range(middle.shape[1]):
        torch.maximum(result, row[:, k, :, None] * column[:, k, None, :], out=result)
    return result
