"""Depth Pro as a DepthEstimator: a photo in, metric depth and the focal length with a posed camera out.

Bochkovskii et al., "Depth Pro: Sharp Monocular Metric Depth in Less Than a Second", ICLR 2025 (section 3.1: canonical
inverse depth C, depth = focal length / (width * C); section 3.4: focal length). A known focal length therefore changes
the depth with it. The published weights are for research only, so no preset uses them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import UInt8

from ..camera import Camera
from ..errors import StageFailed
from ..photo import Photo
from ..weights.device import choose_device
from .network_depth import Prediction, StoredDepthNetwork
from .view import EstimatedCamera

if TYPE_CHECKING:
    import numpy as np
    import torch

FILES = ("config.json", "model.safetensors")
# The published processor: values in [0, 1], minus 1/2, over 1/2, then bilinear to the square without antialiasing.
_MEAN, _STD = 0.5, 0.5
_SMALLEST_INVERSE, _LARGEST_INVERSE = 1e-4, 1e4
_PLAUSIBLE_FOV_DEG = (5.0, 150.0)


class DepthProDepth(StoredDepthNetwork):
    """See `StoredDepthNetwork`. Depth per focal length, and the focal length."""

    name = "depth_pro"

    def _predict(self, photo: Photo) -> Prediction:
        import torch

        from ..weights.transformers_folder import load_transformers

        network = load_transformers("DepthProForDepthEstimation", self._folder, what="The depth network")
        device = choose_device(self._device)
        pixels = as_network_picture(photo.rgb, side_px=_side_px(network.config)).to(device)
        with torch.inference_mode():
            output = network.to(device)(pixel_values=pixels)
        canonical_inverse = output.predicted_depth[0].float().cpu()
        if not torch.isfinite(canonical_inverse).any():
            raise StageFailed("depth", "the network gave no finite depth; try --device cpu")
        depth = (1 / canonical_inverse.clamp(_SMALLEST_INVERSE, _LARGEST_INVERSE)).numpy()
        return Prediction(depth=depth, per_focal_width=True, estimated=_estimated(output.field_of_view, photo))


def as_network_picture(rgb: UInt8[np.ndarray, "H W 3"], *, side_px: int) -> torch.Tensor:
    """The photo as the network wants it, (1, 3, side, side): a stretched square, normalised before it is resampled."""
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    unit = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float() / 255
    return interpolate((unit - _MEAN) / _STD, size=(side_px, side_px), mode="bilinear", align_corners=False)


def _side_px(config: object) -> int:
    """1536 for the published network: its patches, at the smallest of its scales, cover the picture once."""
    patch_px, ratios = config.patch_size, config.scaled_images_ratios  # type: ignore[attr-defined]
    return round(patch_px / min(ratios))


def _estimated(field_of_view: torch.Tensor | None, photo: Photo) -> EstimatedCamera | None:
    """The horizontal field of view in degrees as a camera; None without one, or where it makes no sense."""
    if field_of_view is None:
        return None
    fov_deg = float(field_of_view.reshape(-1)[0])
    low, high = _PLAUSIBLE_FOV_DEG
    if not math.isfinite(fov_deg) or not low < fov_deg < high:
        return None
    camera = Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=photo.size_px)
    return EstimatedCamera(camera=camera, source="the depth network")
