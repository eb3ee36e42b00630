"""Rooms whose masks, depth and camera are known exactly, from three sources: what the front-end is examined on.

In: a folder with photo.jpg, instances.png, depth.png, camera.json and scene.json; or the seed of a composed room; or a
file of rendered rooms (`learning.room_cache`). Out: `TrueMasks`, everything at the photo's size.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16
from PIL import Image
from scipy.spatial.transform import RigidTransform, Rotation

from ..camera import Camera
from ..depth import Depth
from ..frontend.given_depth import read_depth
from ..photo import Photo, read_photo
from .layout_trials import Disturbance, disturbed

SMALLEST_PX = 400  # of 800 x 600: objects that show less are neither harmed nor counted, as in protocol P-Room
Mask = Bool[np.ndarray, "H W"]
NOISY_DEPTH = Disturbance(name="noisy", noise_share=0.05, smooth_share=0.02, scale_bias=1.1, flying_share=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueMasks:
    """One room. label_map: 0 = room shell. labels, parents (0 = none): by mask value. photo: None if not rendered."""

    name: str
    label_map: UInt16[np.ndarray, "H W"]
    depth: Depth
    labels: dict[int, str]
    parents: dict[int, int]
    photo: Photo | None = None

    def mask(self, value: int) -> Mask:
        return np.asarray(self.label_map == value)

    @property
    def counted(self) -> list[int]:
        """Values of the objects that show enough."""
        values, areas = np.unique(self.label_map[self.label_map > 0], return_counts=True)
        return [int(v) for v, a in zip(values, areas, strict=True) if a >= self.pixels(SMALLEST_PX)]

    def pixels(self, at_800x600: int) -> int:
        """An area that is so many pixels in a picture of 800 x 600."""
        return round(at_800x600 * self.label_map.size / 480_000)


def read_true_masks(folder: Path) -> TrueMasks:
    """The masks, depth and camera of one room with ground truth."""
    facts = json.loads((folder / "camera.json").read_text())
    camera = Camera(
        K=np.array(facts["K"], dtype=np.float64),
        size_px=(facts["width"], facts["height"]),
        T_world_from_cam=RigidTransform.from_matrix(np.array(facts["T_world_from_cam"])),
    )
    objects = json.loads((folder / "scene.json").read_text())["objects"]
    return TrueMasks(
        name=folder.name,
        label_map=np.asarray(Image.open(folder / "instances.png")).astype(np.uint16),
        depth=read_depth(folder / "depth.png", camera),
        labels={o["id"]: str(o["name"]).lower() for o in objects},
        parents={o["id"]: int(o["parent"]) for o in objects},
        photo=read_photo(folder / "photo.jpg"),
    )


def compose_true_masks(seed: int) -> TrueMasks:
    """The pixel truth of a composed room; nothing is rendered."""
    from ..learning.compose import compose_room
    from ..learning.render import pixel_truth

    room = compose_room(seed)
    truth = pixel_truth(room)
    return TrueMasks(
        name=f"composed {seed}",
        label_map=truth.mask_values.astype(np.uint16),
        depth=Depth(
            z_m=np.where(truth.valid, truth.z_m, 1.0).astype(np.float32),
            valid=truth.valid,
            camera=room.camera,
            source="truth",
        ),
        labels={item.mask_value: item.kind for item in room.objects},
        parents={item.mask_value: item.parent for item in room.objects},
    )


def read_rendered(file: Path) -> Iterator[TrueMasks]:
    """The rooms of one file of `pipelines.render_rooms`: real models, textures, phone colours."""
    from ..learning.room_cache import read_batch
    from ..learning.vocabulary import LABELS

    batch = read_batch(file)
    for b in range(len(batch)):
        ids = batch.instance_ids[b].numpy().astype(np.uint16)
        camera = Camera(
            K=batch.K[b].numpy().astype(np.float64),
            size_px=batch.size_px,
            T_world_from_cam=_pose(batch.up_cam[b].numpy(), float(batch.camera_height_m[b])),
        )
        valid = batch.valid[b].numpy()
        labels, carriers = batch.objects.label[b].tolist(), batch.objects.carrier[b].tolist()
        yield TrueMasks(
            name=f"{file.stem} {b}",
            label_map=ids,
            depth=Depth(
                z_m=np.where(valid, batch.z_m[b].numpy(), 1.0).astype(np.float32),
                valid=valid,
                camera=camera,
                source="truth",
            ),
            labels={n: LABELS[label] for n, label in enumerate(labels, start=1)},
            parents=dict(enumerate(carriers, start=1)),
            photo=_photo(batch.rgb[b].permute(1, 2, 0).numpy(), name=f"{file.stem} {b}"),
        )


def _photo(rgb: UInt8[np.ndarray, "H W 3"], *, name: str) -> Photo:
    rgb = np.ascontiguousarray(rgb)
    return Photo(rgb=rgb, file_name=name, sha256=hashlib.sha256(rgb.tobytes()).hexdigest())


def _pose(up_cam: Float[np.ndarray, "3"], height_m: float) -> RigidTransform:
    """The camera above the world's origin, looking along -z there."""
    up = up_cam.astype(np.float64) / np.linalg.norm(up_cam)
    back = -np.array([0.0, 0.0, 1.0]) + up[2] * up
    back /= np.linalg.norm(back)
    R_world_from_cam = np.stack([np.cross(up, back), up, back])
    return RigidTransform.from_components(np.array([0.0, height_m, 0.0]), Rotation.from_matrix(R_world_from_cam))


def noisy_depth(room: TrueMasks, seed: int) -> Depth:
    """5 % independent noise, 2 % smooth error, flying pixels, all 10 % too far, and the camera 10 % too high."""
    depth = disturbed(room.depth, NOISY_DEPTH, np.random.default_rng([seed, 1]))
    pose = room.depth.camera.T_world_from_cam
    wrong = RigidTransform.from_components(pose.translation * NOISY_DEPTH.scale_bias, pose.rotation)
    return replace(depth, camera=room.depth.camera.at(wrong))
