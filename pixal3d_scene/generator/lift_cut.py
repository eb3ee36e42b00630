"""Where an object's outline is not its own: cut off by the photo's border, or by something nearer.

One object's mask, depth and visible box in; numbers that say on which sides of its box more of it may follow. The box
is looked at in a turn of its own frame, `facing`, whose +z side faces the camera, so that left is left in the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from ..crop import CropVolume
from ..frames import WORLD_UP
from .lift_box import Box
from .lift_view import JUMP
from .lift_visible import points_at

# left, right, bottom, top, back, front: the sides -x, +x, -y, +y, -z, +z of the facing box.
SIDES = 6
# A piece of outline belongs to a side of the box when it is as near to it, as a share of the box.
_NEAR_SIDE = 0.12
CELLS = 4  # along an edge of the coarse picture of the visible points
_CLOSED, _AT_BORDER, _COVERED = 0, 1, 2
FEATURES = 6 + 2 * SIDES + 4 + 2 + CELLS**3
_YAW, _SHARES, _AT_SIDES = 4, slice(6, 6 + 2 * SIDES), slice(6 + 2 * SIDES, 10 + 2 * SIDES)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutBox:
    """box: the visible one, facing the camera. features: what the network reads.

    open_share: of the outline that is not the object's own. border_share, border_sides: of the outline, and of that
    near each side, what the photo's border cuts.
    """

    box: Box
    open_share: float
    border_share: float
    border_sides: Float[np.ndarray, "6"]
    features: Float[np.ndarray, "F"]


def facing_box(box: Box, eye_world: Float[np.ndarray, "3"]) -> Box:
    """The same box with its axes turned by quarters, so that the camera is most nearly before its +z side."""
    towards = box.box_from_world(eye_world[None])[0] - box.middle
    quarters = round(float(np.arctan2(towards[0], towards[2])) / (np.pi / 2))
    turn = Rotation.from_rotvec(quarters * np.pi / 2 * WORLD_UP)
    corners = turn.inv().apply(np.stack([box.low, box.high]))
    return Box(R_world_from_box=box.R_world_from_box * turn, low=corners.min(axis=0), high=corners.max(axis=0))


def look_at_cut(
    volume: CropVolume, seen: Bool[np.ndarray, "H W"], seen_world: Float[np.ndarray, "n 3"], box: Box
) -> CutBox:
    """seen: pixels of the mask whose depth can be believed, seen_world: their points; box: around these."""
    camera = volume.depth.camera
    eye_world = camera.centre_world
    facing = facing_box(box, eye_world)
    kind, side_px, rows, columns = _outline(volume, seen)
    outline = _in_unit_box(facing, points_at(volume, rows, columns))  # (n, 3), 0 to 1
    shares = []
    for axis in range(3):
        for near in (outline[:, axis] < _NEAR_SIDE, outline[:, axis] > 1 - _NEAR_SIDE):
            count = near.sum() + 5
            shares += [(near & (kind == _AT_BORDER)).sum() / count, (near & (kind == _COVERED)).sum() / count]
    count = max(len(kind), 1)
    at_sides = [((kind == _AT_BORDER) & (side_px == k)).sum() / count for k in range(4)]
    whole = [(kind == _AT_BORDER).sum() / count, (kind == _COVERED).sum() / count]
    towards = facing.box_from_world(eye_world[None])[0] - facing.middle
    distance_m = float(np.linalg.norm(towards))
    size = facing.size_m
    place = [
        *np.log(np.maximum(size, 0.01)),
        float(facing.low[1]),
        float(np.arctan2(towards[0], max(towards[2], 1e-6))),
        float(towards[1]) / max(distance_m, 1e-6),
    ]
    cells = np.clip((_in_unit_box(facing, seen_world) * CELLS).astype(int), 0, CELLS - 1)
    filled = np.bincount(cells @ [CELLS**2, CELLS, 1], minlength=CELLS**3)
    features = np.array([*place, *shares, *at_sides, *whole, *np.sqrt(filled / max(len(cells), 1))])
    return CutBox(
        box=facing,
        open_share=float(np.mean(kind != _CLOSED)),
        border_share=float(np.mean(kind == _AT_BORDER)),
        border_sides=np.array(shares).reshape(SIDES, 2)[:, 0],
        features=features,
    )


def mirrored_features(features: Float[np.ndarray, "*n F"]) -> Float[np.ndarray, "*n F"]:
    """Left and right exchanged."""
    other = features.copy()
    other[..., _YAW] *= -1
    shares = features[..., _SHARES].reshape(*features.shape[:-1], SIDES, 2)[..., [1, 0, 2, 3, 4, 5], :]
    other[..., _SHARES] = shares.reshape(*features.shape[:-1], 2 * SIDES)
    other[..., _AT_SIDES] = features[..., _AT_SIDES][..., [1, 0, 2, 3]]
    cells = features[..., -(CELLS**3) :].reshape(*features.shape[:-1], CELLS, CELLS, CELLS)
    other[..., -(CELLS**3) :] = np.flip(cells, axis=-3).reshape(*features.shape[:-1], CELLS**3)
    return other


def _in_unit_box(box: Box, points_world: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return np.asarray((box.box_from_world(points_world) - box.low) / np.maximum(box.size_m, 1e-6))


def _outline(
    volume: CropVolume, seen: Bool[np.ndarray, "H W"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Per step from a believed pixel out of the mask: its kind, its direction (left, right, up, down), its pixel."""
    mask, depth = volume.mask, volume.depth
    height, width = mask.shape
    z_m = np.where(depth.valid, depth.z_m, np.inf)
    found = []
    for direction, (dy, dx) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
        rows, columns = np.nonzero(seen)
        beyond_y, beyond_x = rows + dy, columns + dx
        inside = (beyond_y >= 0) & (beyond_y < height) & (beyond_x >= 0) & (beyond_x < width)
        y, x = np.clip(beyond_y, 0, height - 1), np.clip(beyond_x, 0, width - 1)
        out = ~inside | ~mask[y, x]
        # One pixel further: the pixel at the border mixes two surfaces.
        y2, x2 = np.clip(beyond_y + dy, 0, height - 1), np.clip(beyond_x + dx, 0, width - 1)
        nearer = np.minimum(z_m[y, x], np.where(mask[y2, x2], np.inf, z_m[y2, x2])) < z_m[rows, columns] * (1 - JUMP)
        kind = np.where(~inside, _AT_BORDER, np.where(nearer, _COVERED, _CLOSED))
        found.append(np.stack([kind, np.full(len(rows), direction), rows, columns], axis=-1)[out])
    kind, side_px, rows, columns = np.concatenate(found).T
    return kind, side_px, rows, columns
