"""The truth about the objects of sampled rooms: boxes, visible and hidden pixels. Frames as in `room_batch`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from .rasterise import covered
from .room_batch import ObjectTruth
from .sampled_room import SampledRoom, Thing
from .scene_tensors import SceneTriangles

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Bool, Float32, Int64


def object_truth(
    rooms: Sequence[SampledRoom],
    triangles: SceneTriangles,
    corners_cam: Float32[Tensor, "F 3 3"],
    number: Int64[Tensor, "B H W"],
    K: Float32[Tensor, "B 3 3"],
    R: Float32[Tensor, "B 3 3"],
    eye: Float32[Tensor, "B 3"],
) -> ObjectTruth:
    """`number`: the instance ids that the pictures show."""
    device = K.device
    objects = [[t for t in room.things if t.number] for room in rooms]
    most = max(1, max(len(of_room) for of_room in objects))
    table = _table(objects, most, device)
    group = triangles.thing_number[triangles.thing] - 1
    height, width = number.shape[1:]
    alone = covered(corners_cam, triangles.scene, group, K, (width, height), most)
    shown = torch.zeros((len(rooms), most + 1), dtype=torch.int64, device=device)
    shown.scatter_add_(1, number.flatten(1), torch.ones_like(number).flatten(1))
    visible = shown[:, 1:]
    total = alone.flatten(2).sum(dim=2)
    centre_cam = torch.einsum("bij,bnj->bni", R, table["centre_world"] - eye[:, None])
    axes_cam = torch.einsum("bij,bnjk->bnik", R, table["axes"])
    projected = torch.einsum("bij,bnj->bni", K, centre_cam)
    present = table["present"]
    return ObjectTruth(
        present=present,
        label=table["label"],
        support=table["support"],
        carrier=table["carrier"],
        model=table["model"],
        centre_cam=centre_cam * present[..., None],
        size_m=table["size"],
        R_cam_from_node=axes_cam,
        centre_px=projected[..., :2] / projected[..., 2:].clamp_min(1e-3) * present[..., None],
        box_px=_boxes(alone),
        visible_px=visible,
        visible_fraction=visible / total.clamp_min(1),
        cut=present & _cut(centre_cam, axes_cam, table["size"], K, (width, height)),
    )


def _table(objects: Sequence[Sequence[Thing]], most: int, device: torch.device) -> dict[str, Tensor]:
    """What is known without a camera, padded with zeros."""
    shape = (len(objects), most)
    whole = {name: np.zeros(shape, dtype=np.int64) for name in ("label", "support", "carrier", "model")}
    size, centre = np.zeros((*shape, 3), dtype=np.float32), np.zeros((*shape, 3), dtype=np.float32)
    axes, present = np.zeros((*shape, 3, 3), dtype=np.float32), np.zeros(shape, dtype=bool)
    for b, of_room in enumerate(objects):
        for thing in of_room:
            n = thing.number - 1
            whole["label"][b, n], whole["support"][b, n] = thing.label, thing.support
            whole["carrier"][b, n], whole["model"][b, n] = thing.carrier, max(thing.model, -1)
            size[b, n] = thing.size_m
            centre[b, n] = thing.place_world + [0.0, thing.size_m[1] / 2, 0.0]
            axes[b, n] = thing.axes_world / np.linalg.norm(thing.axes_world, axis=0)
            present[b, n] = True
    arrays = {**whole, "size": size, "centre_world": centre, "axes": axes, "present": present}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def _boxes(alone: Bool[Tensor, "B N H W"]) -> Int64[Tensor, "B N 4"]:
    """(left, top, right, bottom) of the true pixels, right and bottom one past the last; zeros where there are none."""
    columns, rows = alone.any(dim=2), alone.any(dim=3)
    any_pixel = columns.any(dim=2)

    def ends(line: Tensor) -> tuple[Tensor, Tensor]:
        whole = line.to(torch.int64)
        return whole.argmax(dim=2), line.shape[2] - whole.flip(2).argmax(dim=2)

    (left, right), (top, bottom) = ends(columns), ends(rows)
    return torch.stack([left, top, right, bottom], dim=2) * any_pixel[..., None]


def _cut(
    centre_cam: Float32[Tensor, "B N 3"],
    axes_cam: Float32[Tensor, "B N 3 3"],
    size_m: Float32[Tensor, "B N 3"],
    K: Float32[Tensor, "B 3 3"],
    size_px: tuple[int, int],
) -> Bool[Tensor, "B N"]:
    """Whether a corner of the box lies outside the picture or behind the camera."""
    signs = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], device=K.device) / 2
    corners = centre_cam[:, :, None] + torch.einsum("bnij,bnkj->bnki", axes_cam, signs * size_m[:, :, None])
    at = torch.einsum("bij,bnkj->bnki", K, corners)
    behind = at[..., 2] < 0.02
    x, y = at[..., 0] / at[..., 2].clamp_min(0.02), at[..., 1] / at[..., 2].clamp_min(0.02)
    return (behind | (x < 0) | (y < 0) | (x > size_px[0]) | (y > size_px[1])).any(dim=2)
