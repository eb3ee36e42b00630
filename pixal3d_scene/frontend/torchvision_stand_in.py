"""segment-anything without torchvision: the four functions of it that the package imports, for the time of the import.

torchvision has no build beside a CPU torch of the package index. Where it is installed it is used. The stand-ins leave
`sys.modules` afterwards: transformers would else believe that torchvision is there.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import BackendMissing
from .detections import suppress

if TYPE_CHECKING:
    import torch


def import_segment_anything() -> Any:
    """The package segment_anything; raises BackendMissing where it is not installed."""
    if find_spec("segment_anything") is None:
        raise BackendMissing("The segmenter sam needs the package segment-anything: pip install segment-anything==1.0.")
    if find_spec("torchvision") is not None:
        try:
            return import_module("segment_anything")
        except (ImportError, RuntimeError) as error:
            raise BackendMissing(
                f"torchvision is installed and cannot be loaded ({error}); install the one that belongs to this torch, "
                "or remove it (pip uninstall torchvision): segment-anything does without it here."
            ) from error
    stand_ins = _stand_ins()
    sys.modules.update(stand_ins)
    try:
        return import_module("segment_anything")
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """As torchvision.transforms.functional.resize of a Pillow picture; size: (height, width)."""
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def to_pil_image(picture: np.ndarray) -> Image.Image:
    """As torchvision.transforms.functional.to_pil_image of an (H, W, 3) uint8 array."""
    return Image.fromarray(picture)


def box_area(boxes: torch.Tensor) -> torch.Tensor:
    """As torchvision.ops.boxes.box_area: (n,) of (n, 4) corners."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, idxs: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """As torchvision.ops.boxes.batched_nms: indices of the boxes that stay, within each category, best first."""
    import torch

    # Moved far apart, boxes of different categories never overlap.
    apart = idxs.to(boxes)[:, None] * (boxes.max() + 1 if len(boxes) else 0)
    moved, score = ((boxes + apart).double().cpu().numpy(), scores.double().cpu().numpy())
    return torch.from_numpy(suppress(moved, score, iou=iou_threshold)).to(boxes.device)


def _stand_ins() -> dict[str, ModuleType]:
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional",
             "torchvision.ops", "torchvision.ops.boxes")  # fmt: skip
    modules = {}
    for name in names:
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, is_package=not name.endswith(("functional", "boxes")))
        modules[name] = module
    functional: Any = modules["torchvision.transforms.functional"]
    functional.resize, functional.to_pil_image = resize, to_pil_image
    boxes: Any = modules["torchvision.ops.boxes"]
    boxes.batched_nms, boxes.box_area = batched_nms, box_area
    return modules
