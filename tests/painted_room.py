"""A box room with painted walls, a baseboard line and boxes in it, seen by a camera whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from rendered_scene import RenderedScene, box, render, standing_box
from scipy.spatial.transform import RigidTransform, Rotation

from pixal3d_scene.asset import Mesh
from pixal3d_scene.camera import Camera
from pixal3d_scene.frames import world_from_level_camera

WIDTH_M, DEPTH_M, HEIGHT_M = 5.0, 6.0, 2.7
_PAINT = {"floor": (120, 90, 60), "ceiling": (235, 235, 230), "ahead": (150, 170, 190), "side": (200, 190, 165)}


def camera_in_room(
    *,
    pitch_deg: float = 12.0,
    roll_deg: float = 0.0,
    yaw_deg: float = 0.0,
    height_m: float = 1.5,
    fov_deg: float = 65.0,
    size_px: tuple[int, int] = (320, 240),
) -> Camera:
    """Near the room's front wall, looking at the back wall (-z of world); yaw_deg > 0 turns to the left."""
    pose = world_from_level_camera(
        height_m=height_m, pitch_rad=math.radians(pitch_deg), roll_rad=math.radians(roll_deg)
    )
    turned = RigidTransform.from_components(
        [0.0, 0.0, DEPTH_M / 2 - 0.4], Rotation.from_euler("y", yaw_deg, degrees=True)
    )
    return Camera.from_fov(horizontal_fov_deg=fov_deg, size_px=size_px).at(turned * pose)


def painted_room(camera: Camera, meshes_world: dict[int, Mesh] | None = None) -> RenderedScene:
    """The room with a colour per wall and lines along its axes; objects keep the colours of `rendered_scene`.

    The photo is drawn at twice its size and averaged, as a lens does; masks and depth are exact at pixel centres.
    """
    width, height = camera.size_px
    scene = _render(camera, meshes_world)
    large = _painted(_render(camera.resized((2 * width, 2 * height)), meshes_world))
    rgb = large.reshape(height, 2, width, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    return replace(scene, photo=replace(scene.photo, rgb=rgb))


def _render(camera: Camera, meshes_world: dict[int, Mesh] | None) -> RenderedScene:
    return render(meshes_world or {}, camera, room=box((WIDTH_M, HEIGHT_M, DEPTH_M), (0, HEIGHT_M / 2, 0)))


def _painted(scene: RenderedScene) -> np.ndarray:
    camera, points = scene.depth.camera, scene.depth.points_world()
    low = points < [-WIDTH_M / 2 + 1e-3, 1e-3, -DEPTH_M / 2 + 1e-3]
    high = points > [WIDTH_M / 2 - 1e-3, HEIGHT_M - 1e-3, DEPTH_M / 2 - 1e-3]
    rgb = scene.photo.rgb.astype(float)
    free = scene.instances.label_map == 0
    for name, where in (
        ("side", low[..., 0] | high[..., 0]),
        ("ahead", low[..., 2] | high[..., 2]),
        ("floor", low[..., 1]),
        ("ceiling", high[..., 1]),
    ):
        rgb[free & where] = _PAINT[name]
    on_wall = free & ~low[..., 1] & ~high[..., 1]
    boards = on_wall & (np.abs(points[..., 1] - 0.12) < 0.025)
    planks = free & low[..., 1] & (np.abs(points[..., 0] % 0.6 - 0.3) < 0.015)
    door = on_wall & low[..., 2] & (np.abs(np.abs(points[..., 0] - 1.2) - 0.4) < 0.03) & (points[..., 1] < 2.0)
    rgb[boards | door | planks] = (60, 50, 45)
    light = 1 - 0.04 * np.linalg.norm(points - camera.centre_world, axis=-1, keepdims=True)
    noise = np.random.default_rng(0).normal(0, 3, rgb.shape)
    return np.clip(rgb * light + noise, 0, 255)


def furniture() -> dict[int, Mesh]:
    """A sofa-sized box, a crate with a small box on it, and a picture on the back wall."""
    return {
        1: standing_box((1.8, 0.8, 0.8), -1.0, -2.0),
        2: standing_box((0.6, 0.5, 0.6), 1.0, -0.5),
        3: standing_box((0.2, 0.25, 0.2), 1.0, -0.5, y=0.5),
        4: box((0.8, 0.5, 0.04), (-0.6, 1.75, -DEPTH_M / 2 + 0.02)),
    }
