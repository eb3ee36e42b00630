"""How much of what is truly hidden the holes hold, on composed rooms with ground truth (docs/front-end.md).

`pytest tests/frontend/test_occluders_on_rooms.py -s` prints the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixal3d_scene.camera import Camera
from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.given_camera import read_camera
from pixal3d_scene.frontend.occluders import find_occlusion

FEWEST_PX = 400
# An object is partly hidden where this share of its surface lies in the picture behind other objects.
HIDDEN_SHARE = 0.02


@dataclass(frozen=True, kw_only=True)
class Measured:
    """hidden: share of the object's surface behind others. held: share of that in the hole. hole: over the mask."""

    hidden: float
    held: float
    hole: float


def measure(folder: Path, noise: float) -> list[Measured]:
    label_map = np.array(Image.open(folder / "instances.png")).astype(np.uint16)
    z_m = np.array(Image.open(folder / "depth.png")).astype(np.float32) / 1000
    camera = read_camera(folder / "camera.json", (label_map.shape[1], label_map.shape[0])).camera
    noisy = z_m * (1 + noise * np.random.default_rng(0).standard_normal(z_m.shape))
    depth = Depth(z_m=noisy.astype(np.float32), valid=z_m > 0, camera=camera, source="truth")
    found = []
    with np.load(folder / "truth.npz") as truth:
        for value in np.unique(label_map[label_map > 0]):
            area_px = int((label_map == value).sum())
            if area_px >= FEWEST_PX:
                rows, columns, share = behind_others(truth[f"points_{value}"], int(value), label_map, z_m, camera)
                region = find_occlusion(int(value), label_map, depth).region
                held = float(region[rows, columns].mean()) if len(rows) else 1.0
                found.append(Measured(hidden=share, held=held, hole=float(region.sum() / area_px)))
    return found


def behind_others(
    points_world: np.ndarray, value: int, label_map: np.ndarray, z_m: np.ndarray, camera: Camera
) -> tuple[np.ndarray, np.ndarray, float]:
    """Pixels of the samples of a surface that another object hides, and their share of those in the picture."""
    points_cam = camera.cam_from_world(points_world.astype(np.float64))
    points_cam = points_cam[points_cam[:, 2] > 0.05]
    px = camera.project(points_cam)
    inside = ((px >= 0) & (px < np.array(camera.size_px))).all(axis=1)
    columns, rows = np.floor(px[inside]).astype(int).T
    shown, nearest_m = label_map[rows, columns], z_m[rows, columns]
    hidden = (shown != value) & (shown != 0) & (nearest_m > 0) & (nearest_m < points_cam[inside, 2] - 0.02)
    return rows[hidden], columns[hidden], float(hidden.mean())


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_holes_hold_what_is_hidden(rooms_dir: Path, noise: float) -> None:
    folders = sorted(folder for folder in rooms_dir.iterdir() if (folder / "truth.npz").is_file())
    objects = [m for folder in folders for m in measure(folder, noise)]
    hidden = [m for m in objects if m.hidden >= HIDDEN_SHARE]
    held = np.array([m.held for m in hidden])
    needless = [m for m in objects if m.hidden < HIDDEN_SHARE and m.hole >= HIDDEN_SHARE]
    print(
        f"\ndepth noise {noise:.0%}: {len(objects)} objects, {len(hidden)} partly hidden; of what is hidden the holes "
        f"hold {held.mean():.1%} (median {np.median(held):.1%}, {(held < 0.9).sum()} objects below 90 %); "
        f"{len(needless)} holes for others"
    )
    assert len(hidden) >= 20
    assert np.median(held) > 0.99
    assert held.mean() > 0.85
    # More than is possible to hide in a box that grows by half to each side is not held.
    assert (held[[m.hidden < 0.5 for m in hidden]] > 0.75).mean() > 0.95
    assert len(needless) <= 0.2 * (len(objects) - len(hidden))
