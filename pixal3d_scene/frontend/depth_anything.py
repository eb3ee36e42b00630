"""Depth Anything V2, metric for rooms, as a DepthEstimator: a photo in, metric depth with a posed camera out.

Yang et al., "Depth Anything V2", NeurIPS 2024 (section 7.3 for metric depth). The depth does not depend on the focal
length, which the network does not estimate: EXIF, the user or straight lines tell it.
"""

from __future__ import annotations

import hashlib

from ..code_revision import code_revision
from ..depth import Depth
from ..errors import InputError, StageFailed
from ..instances import Instances
from ..photo import Photo
from ..weights.device import choose_device
from ..weights.digest import content_digest
from ..weights.location import find_weights
from .network_depth import Prediction, depth_of_photo
from .protocols import KnownView
from .stand import Assumed

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


class DepthAnythingDepth:
    """The network in a folder or of a fetched hub id; torch is loaded by `estimate`, not before.

    Raises BackendMissing, with the command that fetches, where the weights are not on this machine.
    """

    name = "depth_anything"
    needs_instances = False

    def __init__(self, weights: str, *, revision: str | None, device: str, assumed: Assumed) -> None:
        self._folder = find_weights(weights, revision=revision, files=FILES).path
        self._device, self._assumed = device, assumed
        parts = [code_revision("frontend/*.py"), *(content_digest(self._folder / name) for name in FILES)]
        self.revision = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def estimate(self, photo: Photo, instances: Instances | None, known: KnownView) -> Depth:
        """See `DepthEstimator`. Raises InputError where the folder holds another network."""
        return depth_of_photo(self._predict(photo), photo, instances, known, source=self.name, assumed=self._assumed)

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
