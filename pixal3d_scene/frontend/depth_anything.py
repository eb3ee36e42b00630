"""Depth Anything V2, metric for rooms, as a DepthEstimator: a photo in, metric depth with a posed camera out.

Yang et al., "Depth Anything V2", NeurIPS 2024 (section 7.3 for metric depth). The depth does not depend on the focal
length, which the network does not estimate: EXIF, the user or straight lines tell it.
"""

from __future__ import annotations

from ..errors import InputError, StageFailed
from ..photo import Photo
from ..weights.device import choose_device
from .network_depth import Prediction, StoredDepthNetwork

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


class DepthAnythingDepth(StoredDepthNetwork):
    """See `StoredDepthNetwork`. Depth in metres whatever the focal length."""

    name = "depth_anything"

    def _predict(self, photo: Photo) -> Prediction:
        import numpy as np
        import torch
        from transformers import DPTImageProcessorPil

        from ..weights.transformers_folder import load_transformers, quiet_transformers

        network = load_transformers("DepthAnythingForDepthEstimation", self._folder, what="The depth network")
        if network.config.depth_estimation_type != "metric":
            raise InputError(
                f"The depth network in {self._folder} gives relative depth, which has no metres; give weights of Depth "
                "Anything V2 Metric Indoor."
            )
        device = choose_device(self._device)
        with quiet_transformers():
            processor = DPTImageProcessorPil.from_pretrained(self._folder, local_files_only=True)
        pixels = processor(images=photo.image, return_tensors="pt")["pixel_values"].to(device)
        with torch.inference_mode():
            depth = network.to(device)(pixel_values=pixels).predicted_depth[0]
        depth_m = depth.float().cpu().numpy()
        if not np.isfinite(depth_m).any():
            raise StageFailed("depth", "the network gave no finite depth; try --device cpu")
        return Prediction(depth=depth_m, per_focal_width=False)
