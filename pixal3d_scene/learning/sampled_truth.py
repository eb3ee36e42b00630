"""Write a sampled room as a folder that `pixal3d-scene evaluate` knows, to choose constants on models never trained on.

The files are those of `room_truth` without the meshes. Only models count as objects; rugs, pictures and mirrors belong
to the room.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ..asset import Mesh
from ..run_folder import RunFolder
from .model_pack import ModelPack
from .render_rooms import render_rooms
from .room_batch import RoomBatch
from .room_truth import POINTS_PER_OBJECT, image_bytes, json_bytes, npz_bytes, sample_surface
from .sampled_room import SampledRoom, Thing
from .scene_tensors import PackTensors
from .vocabulary import LABELS


def write_sampled_room(pack: ModelPack, room: SampledRoom, folder: RunFolder, size_px: tuple[int, int]) -> int:
    """Render and write; the number of objects. size_px: that the room was sampled for."""
    batch = render_rooms(PackTensors.of(pack, "cpu"), [room], size_px)
    things = [thing for thing in room.things if thing.number and thing.model >= 0]
    ids = batch.instance_ids[0]
    counted = torch.isin(ids, torch.tensor([thing.number for thing in things]))
    label_map = torch.where(counted, ids, 0).numpy().astype(np.uint8)
    millimetres = torch.where(batch.valid[0], 1000 * batch.z_m[0], 0.0).round().numpy().astype(np.uint16)
    T_world_from_cam = np.eye(4)
    T_world_from_cam[:3, :3], T_world_from_cam[:3, 3] = room.R_cam_from_world.T, room.eye_world
    camera = {
        "width": size_px[0], "height": size_px[1], "K": room.K.tolist(), "T_world_from_cam": T_world_from_cam.tolist(),
    }  # fmt: skip
    objects = [_facts(thing, batch) for thing in things]
    points = {f"points_{thing.number}": _points_world(pack, room, thing) for thing in things}
    photo = Image.fromarray(batch.rgb[0].permute(1, 2, 0).numpy())
    folder.write(
        {
            "photo.jpg": image_bytes(photo, "JPEG", quality=91, subsampling=0),
            "depth.png": image_bytes(Image.fromarray(millimetres), "PNG", optimize=True),
            "instances.png": image_bytes(Image.fromarray(label_map), "PNG", optimize=True),
            "camera.json": json_bytes(camera),
            "scene.json": json_bytes({"style": room.style, "seed": room.seed, "objects": objects}),
            "truth.npz": npz_bytes({name: of.astype(np.float32) for name, of in points.items()}),
        }
    )
    return len(things)


def _facts(thing: Thing, batch: RoomBatch) -> dict[str, object]:
    def of_thing(values: Tensor) -> float:
        return float(values[0, thing.number - 1])

    return {
        "id": thing.number,
        "name": LABELS[thing.label].capitalize(),
        "parent": thing.carrier,
        "centre": thing.middle_world.tolist(),
        "size": thing.size_m.tolist(),
        "visible_pixels": int(of_thing(batch.objects.visible_px)),
        "visible_fraction": round(of_thing(batch.objects.visible_fraction), 4),
    }


def _points_world(pack: ModelPack, room: SampledRoom, thing: Thing) -> Float[np.ndarray, "N 3"]:
    vertices = pack.vertices_node(thing.model) @ thing.axes_world.T + thing.place_world
    rng = np.random.default_rng([room.seed & 0xFFFFFFFF, thing.number])
    return sample_surface(Mesh(vertices=vertices, faces=pack.faces_of(thing.model)), POINTS_PER_OBJECT, rng).points
