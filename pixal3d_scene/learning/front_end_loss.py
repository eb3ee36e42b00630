"""How wrong the front-end network is: outputs and targets in, one figure per head out."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from ..frontend.front_end_network import NEIGHBOURS, FrontEndOutput, neighbour_px
from .front_end_targets import NO_LABEL, FrontEndTargets

WEIGHTS = {
    "depth": 1.0, "depth_shape": 1.0, "depth_steps": 1.0, "shell": 1.0, "centre": 1.0, "offset": 20.0,
    "same": 1.0, "label": 0.3, "up": 10.0, "focal": 0.5,
}  # fmt: skip
_SCALES = 3


def front_end_loss(output: FrontEndOutput, truth: FrontEndTargets) -> dict[str, Float[Tensor, ""]]:
    """Unweighted terms by the names of WEIGHTS, and their weighted sum as "loss"."""
    error = output.log_depth - truth.log_depth
    known = truth.depth_known
    shift = _mean(error, known, dim=(1, 2))
    terms = {
        "depth": _mean(error.abs(), known),
        "depth_shape": _mean((error - shift[:, None, None]).abs(), known),
        "depth_steps": _steps(error, known),
        "shell": _mean(F.cross_entropy(output.shell, truth.shell, reduction="none"), truth.shell_known),
        "centre": _centre_loss(output.centre, truth.centre),
        "offset": ((output.offset - truth.offset).abs().sum(dim=1) * truth.weight).sum()
        / truth.weight.sum().clamp(min=1e-6),
        "same": _same_loss(output.same, truth.instance),
        "label": _mean(
            F.cross_entropy(output.label, truth.label.clamp(min=0), reduction="none"),
            truth.label != NO_LABEL,
        ),
        "up": (1 - F.cosine_similarity(output.up_cam, truth.up_cam)).mean(),
        "focal": (output.log_focal - truth.log_focal).abs().mean(),
    }
    terms["loss"] = torch.stack([terms[name] * weight for name, weight in WEIGHTS.items()]).sum()
    return terms


def _mean(values: Tensor, where: Tensor, dim: tuple[int, ...] | None = None) -> Tensor:
    weight = where.to(values.dtype)
    if dim is None:
        return (values * weight).sum() / weight.sum().clamp(min=1)
    return (values * weight).sum(dim=dim) / weight.sum(dim=dim).clamp(min=1)


def _steps(error: Float[Tensor, "B h w"], known: Bool[Tensor, "B h w"]) -> Float[Tensor, ""]:
    """Differences of neighbours at several scales: edges where they are, flat where it is flat.

    The gradient matching term of Li and Snavely, "MegaDepth", CVPR 2018, section 3.3.
    """
    total = error.new_zeros(())
    for scale in range(_SCALES):
        e, k = error[:, :: 2**scale, :: 2**scale], known[:, :: 2**scale, :: 2**scale]
        total = total + _mean((e[:, :, 1:] - e[:, :, :-1]).abs(), k[:, :, 1:] & k[:, :, :-1])
        total = total + _mean((e[:, 1:] - e[:, :-1]).abs(), k[:, 1:] & k[:, :-1])
    return total / _SCALES


def _centre_loss(logits: Float[Tensor, "B h w"], peaks: Float[Tensor, "B h w"]) -> Float[Tensor, ""]:
    """The penalty-reduced focal loss of Zhou et al., "Objects as Points", 2019, equation 1."""
    probability = logits.sigmoid().clamp(1e-4, 1 - 1e-4)
    at_peak = peaks > 0.999
    hit = -((1 - probability) ** 2) * probability.log() * at_peak
    miss = -((1 - peaks) ** 4) * probability**2 * (1 - probability).log() * ~at_peak
    return (hit.sum() + miss.sum()) / at_peak.sum().clamp(min=1)


def _same_loss(logits: Float[Tensor, "B n h w"], instance: Int64[Tensor, "B h w"]) -> Float[Tensor, ""]:
    """Pairs of one object, of two, and of an object and the room weigh alike, however many there are."""
    total = logits.new_zeros(())
    for k, share in enumerate(NEIGHBOURS):
        apart = neighbour_px(share, instance.shape[1:])
        pairs = (
            (logits[:, 2 * k, :, :-apart], instance[:, :, :-apart], instance[:, :, apart:]),
            (logits[:, 2 * k + 1, :-apart], instance[:, :-apart], instance[:, apart:]),
        )
        for said, one, other in pairs:
            one_object = (one == other) & (one > 0)
            two_objects = (one != other) & (one > 0) & (other > 0)
            with_room = (one != other) & ((one == 0) | (other == 0))
            loss = F.binary_cross_entropy_with_logits(said, one_object.to(said.dtype), reduction="none")
            total = (
                total + 0.5 * _mean(loss, one_object) + 0.3 * _mean(loss, two_objects) + 0.2 * _mean(loss, with_room)
            )
    return total / (2 * len(NEIGHBOURS))
