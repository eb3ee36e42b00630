"""How good the front-end network is on rendered rooms: outputs and truth in, figures that a person can read out."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ..frontend.front_end_decode import find_instances
from ..frontend.front_end_network import FrontEndOutput
from .front_end_targets import FrontEndTargets

_MATCHED = 0.5
_FEWEST_PX = 100  # of the maps at stride 2, as 400 px of the picture


def front_end_figures(output: FrontEndOutput, truth: FrontEndTargets) -> dict[str, float]:
    """Means over a batch.

    absrel_metric, absrel_scaled: mean |z / z_true - 1|, raw and after the median ratio of a picture. gravity_deg:
    mean angle. focal: mean |log ratio|. shell: share of right pixels. pq: class-agnostic panoptic quality of objects
    that show 400 px (Kirillov et al., CVPR 2019), smaller true ones count neither way.
    """
    metric, scaled, quality = [], [], []
    for k in range(len(output.log_depth)):
        known = truth.depth_known[k]
        ratio = (output.log_depth[k] - truth.log_depth[k] + (output.log_focal[k] - truth.log_focal[k]))[known].exp()
        metric.append((ratio - 1).abs().mean())
        scaled.append((ratio / ratio.median() - 1).abs().mean())
        masks = [found.mask for found in find_instances(output, k)]
        quality.append(panoptic_quality(masks, truth.instance[k]))
    angle = torch.acos((output.up_cam * truth.up_cam).sum(dim=1).clamp(-1, 1))
    right = (output.shell.argmax(dim=1) == truth.shell)[truth.shell_known]
    return {
        "absrel_metric": float(torch.stack(metric).mean()),
        "absrel_scaled": float(torch.stack(scaled).mean()),
        "gravity_deg": float(torch.rad2deg(angle).mean()),
        "focal": float((output.log_focal - truth.log_focal).abs().mean()),
        "shell": float(right.float().mean()),
        "pq": sum(quality) / len(quality),
    }


def panoptic_quality(masks: list[Bool[Tensor, "h w"]], instance: Int64[Tensor, "h w"]) -> float:
    """Sum of the IoU of matched pairs over matched + half of the unmatched; 1 where nothing is there or found."""
    areas = torch.bincount(instance.flatten())
    counted = [v for v in range(1, len(areas)) if areas[v] >= _FEWEST_PX]
    ignored = torch.isin(instance, torch.tensor([v for v in range(1, len(areas)) if 0 < areas[v] < _FEWEST_PX]))
    matched: dict[int, float] = {}
    spare = 0
    for mask in masks:
        best, value = _best(mask, instance, areas, counted)
        if best > _MATCHED:
            matched[value] = float(best)
        elif float((mask & ignored).sum()) < 0.5 * float(mask.sum()):
            spare += 1
    missed = len(counted) - len(matched)
    total = len(matched) + 0.5 * (missed + spare)
    return sum(matched.values()) / total if total else 1.0


def _best(
    mask: Bool[Tensor, "h w"], instance: Int64[Tensor, "h w"], areas: Int64[Tensor, "n"], counted: list[int]
) -> tuple[float, int]:
    """The largest IoU with a counted instance, and which."""
    inside = torch.bincount(instance[mask], minlength=len(areas))
    own = int(mask.sum())
    ious = [(float(inside[v]) / (own + int(areas[v]) - int(inside[v])), v) for v in counted]
    return max(ious, default=(0.0, 0))
