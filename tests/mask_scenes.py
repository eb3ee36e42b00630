"""Rooms of axis-aligned boxes with exact depth and masks, for the mask hygiene: no renderer, a slab test per box."""

from __future__ import annotations

import numpy as np

from pixal3d_scene.camera import Camera
from pixal3d_scene.depth import Depth
from pixal3d_scene.frames import world_from_level_camera
from pixal3d_scene.frontend.proposals import MaskProposal

SIZE = (320, 240)
ROOM_M = (-2.0, 2.0, 2.5, -4.0)  # left, right, height, back; the camera is above the origin
FLOOR, WALL = -1, -2
Box = tuple[tuple[float, float, float], tuple[float, float, float]]

TABLE: tuple[Box, ...] = (
    ((-0.6, 0.70, -2.9), (0.6, 0.75, -2.1)),
    *(((x, 0.0, z), (x + 0.06, 0.70, z + 0.06)) for x in (-0.58, 0.52) for z in (-2.88, -2.18)),
)
VASE: tuple[Box, ...] = (((-0.1, 0.75, -2.6), (0.1, 1.05, -2.4)),)
SOFA: tuple[Box, ...] = (((-0.9, 0.0, -3.4), (0.9, 0.42, -2.6)), ((-0.9, 0.42, -3.4), (0.9, 0.85, -3.15)))
LAMP: tuple[Box, ...] = (((-0.06, 0.0, -2.06), (0.06, 1.7, -1.94)),)


def slatted_chair(x: float = 0.0, z: float = -2.4) -> tuple[Box, ...]:
    """Seat, four legs, and a back of three slats with gaps of 7 cm through which the room is seen."""
    legs = tuple(((x + dx, 0.0, z + dz), (x + dx + 0.04, 0.45, z + dz + 0.04)) for dx in (0, 0.41) for dz in (0, 0.41))
    slats = tuple(((x + dx, 0.45, z), (x + dx + 0.05, 0.95, z + 0.04)) for dx in (0.0, 0.2, 0.4))
    rail = (((x, 0.9, z), (x + 0.45, 0.95, z + 0.04)),)
    return (((x, 0.43, z), (x + 0.45, 0.47, z + 0.45)), *legs, *slats, *rail)


def render(*objects: tuple[Box, ...], size_px: tuple[int, int] = SIZE) -> tuple[Depth, np.ndarray]:
    """Depth, and which object (from 1; FLOOR, WALL) every pixel's centre shows."""
    camera = Camera.from_fov(horizontal_fov_deg=65.0, size_px=size_px).at(
        world_from_level_camera(height_m=1.4, pitch_rad=0.25)
    )
    origin = camera.centre_world
    rays = camera.rays_cam() @ camera.T_world_from_cam.rotation.as_matrix().T
    left, right, height, back = ROOM_M
    with np.errstate(divide="ignore"):
        limits = [(1, 0.0, FLOOR), (1, height, WALL), (0, left, WALL), (0, right, WALL), (2, back, WALL)]
        z_m, ids = np.full(rays.shape[:2], np.inf), np.zeros(rays.shape[:2], dtype=int)
        for axis, at, number in limits:
            t = (at - origin[axis]) / rays[..., axis]
            nearer = (t > 1e-6) & (t < z_m)
            z_m[nearer], ids[nearer] = t[nearer], number
        for number, boxes in enumerate(objects, start=1):
            for low, high in boxes:
                t0, t1 = (np.asarray(low) - origin) / rays, (np.asarray(high) - origin) / rays
                enter, leave = np.minimum(t0, t1).max(axis=-1), np.maximum(t0, t1).min(axis=-1)
                nearer = (enter < leave) & (enter > 1e-6) & (enter < z_m)
                z_m[nearer], ids[nearer] = enter[nearer], number
    depth = Depth(z_m=z_m.astype(np.float32), valid=np.ones(z_m.shape, dtype=bool), camera=camera, source="exact")
    return depth, ids


def proposal(mask: np.ndarray, label: str = "", score: float = 0.9) -> MaskProposal:
    return MaskProposal(mask=np.array(mask), label=label, score=score, source="test")


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())
