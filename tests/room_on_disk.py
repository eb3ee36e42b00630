"""A small analytic room as files, as a user would give them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rendered_scene import RenderedScene, camera_at, render, standing_box

from pixal3d_scene.asset import Mesh


@dataclass(frozen=True, kw_only=True)
class RoomOnDisk:
    folder: Path
    scene: RenderedScene

    @property
    def photo(self) -> Path:
        return self.folder / "room.png"

    @property
    def masks(self) -> Path:
        return self.folder / "masks.png"

    @property
    def depth(self) -> Path:
        return self.folder / "depth.npz"

    @property
    def camera(self) -> Path:
        return self.folder / "camera.json"

    @property
    def given(self) -> list[str]:
        """The command line's options for masks, depth and camera."""
        return ["--masks", str(self.masks), "--depth", str(self.depth), "--camera", str(self.camera)]


def write_room_on_disk(
    folder: Path, meshes: dict[int, Mesh] | None = None, *, size_px: tuple[int, int] = (160, 120)
) -> RoomOnDisk:
    """Two crates, one of them with a small box on top (or `meshes` by mask value)."""
    meshes = meshes or {
        3: standing_box((0.9, 0.6, 0.7), -0.7, -0.6),
        7: standing_box((0.3, 0.3, 0.3), -0.7, -0.5, y=0.6),
        9: standing_box((0.5, 0.9, 0.5), 0.8, -0.3),
    }
    camera = camera_at(size_px=size_px)
    scene = render(meshes, camera)
    room = RoomOnDisk(folder=folder, scene=scene)
    Image.fromarray(np.asarray(scene.photo.rgb)).save(room.photo)
    Image.fromarray(scene.instances.label_map.astype(np.uint8)).save(room.masks)
    np.savez(room.depth, depth=scene.depth.z_m)
    write_camera(room.camera, camera.size_px, camera.K.tolist(), camera.T_world_from_cam.as_matrix().tolist())
    return room


def write_camera(path: Path, size_px: tuple[int, int], K: object, T_world_from_cam: object) -> None:
    facts = {"width": size_px[0], "height": size_px[1], "K": K, "T_world_from_cam": T_world_from_cam}
    path.write_text(json.dumps(facts))
