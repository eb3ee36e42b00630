"""A seed in, a furnished and lit room with a camera out, in a few milliseconds. See `sampled_room` for the frame."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np

from .sample_colours import thing_materials
from .sample_furniture import Arrangement, Shelf
from .sample_groups import STYLE_SHARES, STYLES, furnish
from .sample_shell import SampledShell, random_shell, random_size
from .sampled_room import SampledLight, SampledRoom, Thing
from .vocabulary import LABELS

with suppress(ModuleNotFoundError):  # annotations are not evaluated where nothing checks them
    from jaxtyping import Float

_CAMERAS = 12  # of which the best is taken


def sample_room(shelf: Shelf, seed: int, size_px: tuple[int, int]) -> SampledRoom:
    """The room of a seed. The same for the same pack, split, seed and picture size."""
    rng = np.random.default_rng(seed)
    style = str(rng.choice(STYLES, p=STYLE_SHARES))
    size_m = random_size(rng, style)
    shell = random_shell(rng, size_m, style)
    arrangement = Arrangement(shelf=shelf, rng=rng, size_m=size_m, blocked=shell.blocked)
    furnish(arrangement, style)
    things = [_dressed(thing, rng) for thing in arrangement.things]
    pillars = shell.blocked[shell.blocked[:, 6] - shell.blocked[:, 5] > size_m[2] - 1e-6]
    boxes = np.array(arrangement.boxes).reshape(-1, 7)
    K, R, eye = random_camera(rng, size_m, things, boxes, pillars, size_px, close=style == "table top")
    return SampledRoom(
        seed=seed,
        style=style,
        size_m=size_m,
        things=(*shell.things, *things),
        lights=random_lights(rng, size_m, shell, things),
        ambient=_ambient(rng),
        K=K,
        R_cam_from_world=R,
        eye_world=eye,
    )


def _dressed(thing: Thing, rng: np.random.Generator) -> Thing:
    return replace(thing, materials=thing_materials(rng, LABELS[thing.label], thing.model))


def random_camera(
    rng: np.random.Generator,
    size_m: tuple[float, float, float],
    things: list[Thing],
    boxes: Float[np.ndarray, "n 7"],
    pillars: Float[np.ndarray, "p 7"],
    size_px: tuple[int, int],
    *,
    close: bool,
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """(K, R_cam_from_world, eye) as people hold phones; of some, the one with the most objects well in the picture."""
    width, height = size_px
    portrait = height > width
    fov = np.radians(rng.uniform(40, 62) if portrait else rng.uniform(48, 85))
    focal = width / 2 / np.tan(fov / 2)
    shift = rng.normal(0, 0.01, 2) if rng.random() < 0.3 else np.zeros(2)
    K = np.array([[focal, 0, width * (0.5 + shift[0])], [0, focal, height * (0.5 + shift[1])], [0, 0, 1.0]])
    centres = np.array([t.middle_world for t in things]).reshape(-1, 3)
    area_m2 = np.array([t.size_m[1] * max(t.size_m[0], t.size_m[2]) for t in things])
    roll = np.radians(np.clip(rng.normal(0, 1.6), -5, 5))
    best, best_score = None, -np.inf
    for _ in range(_CAMERAS):
        eye, R = _camera(rng, size_m, things, centres, roll, close=close)
        near = _nearest(eye, boxes)
        seen = (centres - eye) @ R.T
        z = np.maximum(seen[:, 2], 1e-3)
        x, y = focal * seen[:, 0] / z / (width / 2), focal * seen[:, 1] / z / (height / 2)
        weight = (seen[:, 2] > 0.3) * np.clip(1.4 - np.maximum(np.abs(x), np.abs(y)), 0, 1)
        share = np.minimum(area_m2 * (focal / z) ** 2 / (width * height), 0.12)  # of the picture, about
        score = np.sqrt(weight.sum()) + 2.5 * (weight * share).sum() + min(near, 0.7) * 4 + rng.uniform(0, 1.0)
        score += 2 * min(_nearest(eye, pillars), 1.5)  # a pillar right before the camera hides the room
        if score > best_score:
            best, best_score = (R, eye), score
    assert best is not None
    return K, best[0], best[1]


def _camera(
    rng: np.random.Generator,
    size_m: tuple[float, float, float],
    things: list[Thing],
    centres: Float[np.ndarray, "n 3"],
    roll: float,
    *,
    close: bool,
) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]:
    half = np.array(size_m[:2]) / 2 - 0.25
    target = centres[rng.integers(len(centres))] if len(centres) else np.array([0.0, 0.5, 0.0])
    carried = [t.carrier for t in things if t.carrier]
    if close and carried:
        target = centres[int(rng.choice(carried)) - 1]
        angle, reach = rng.uniform(-np.pi, np.pi), rng.uniform(0.7, 1.6)
        eye = np.array([target[0] + reach * np.sin(angle), 0.0, target[2] + reach * np.cos(angle)])
        eye[1] = rng.uniform(1.0, 1.7)
        pitch = np.arctan2(eye[1] - target[1] - 0.35, reach)
    else:
        edge = rng.random() < 0.75  # people step back to the wall
        x, z = rng.uniform(-half[0], half[0]), rng.uniform(-half[1], half[1])
        if edge and rng.random() < 0.5:
            x = np.sign(rng.normal()) * half[0] * rng.uniform(0.85, 1.0)
        elif edge:
            z = np.sign(rng.normal()) * half[1] * rng.uniform(0.85, 1.0)
        eye = np.array([x, rng.uniform(0.9, 1.8) if rng.random() < 0.93 else rng.uniform(0.45, 0.9), z])
        if rng.random() < 0.5:
            target = np.array([rng.normal(0, 0.12) * size_m[0], 0.6, rng.normal(0, 0.12) * size_m[1]])
        pitch = np.radians(np.clip(rng.normal(13, 9), -5, 38))
    eye[[0, 2]] = np.clip(eye[[0, 2]], -half, half)
    yaw = np.arctan2(target[0] - eye[0], target[2] - eye[2]) + rng.normal(0, 0.15)
    forward = np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    right = np.array([-np.cos(yaw), 0.0, np.sin(yaw)])
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return eye, np.stack([c * right + s * down, c * down - s * right, forward])


def _nearest(eye: Float[np.ndarray, "3"], boxes: Float[np.ndarray, "n 7"]) -> float:
    """Distance of the eye to the nearest box, m; 0 within one."""
    if not len(boxes):
        return 1.0
    dx, dz = eye[0] - boxes[:, 0], eye[2] - boxes[:, 1]
    c, s = np.cos(boxes[:, 2]), np.sin(boxes[:, 2])
    out = np.stack(
        [
            np.abs(dx * c - dz * s) - boxes[:, 3],
            np.abs(dx * s + dz * c) - boxes[:, 4],
            np.maximum(boxes[:, 5] - eye[1], eye[1] - boxes[:, 6]),
        ]
    )
    return float(np.linalg.norm(np.maximum(out, 0), axis=0).min())


def random_lights(
    rng: np.random.Generator, size_m: tuple[float, float, float], shell: SampledShell, things: list[Thing]
) -> tuple[SampledLight, ...]:
    """The two strongest cast shadows: windows by day, lamps by night, now and then a flash."""
    lights = []
    day = rng.random() < 0.65
    if day:
        for middle, inward, area in shell.windows:
            power = float(rng.uniform(1.5, 6.0)) * area
            tint = rng.uniform(0.85, 1.0), rng.uniform(0.93, 1.0), rng.uniform(0.95, 1.1)
            aim = middle + inward * 2.0 - np.array([0.0, 0.9, 0.0])
            lights.append(_light(middle, aim, power, tint, float(rng.uniform(0.2, 0.5))))
    if not day or rng.random() < 0.5 or not lights:
        for _ in range(int(rng.integers(1, 3))):
            at = np.array(
                [rng.normal(0, 0.18) * size_m[0], size_m[2] - rng.uniform(0.03, 0.5), rng.normal(0, 0.18) * size_m[1]]
            )
            warm = rng.uniform(0.45, 1.0)
            power = float(rng.uniform(1.0, 6.0))
            lights.append(
                _light(at, at - [0, 1.0, 0], power, (1.0, 0.55 + 0.45 * warm, warm), float(rng.uniform(0.02, 0.3)))
            )
    for thing in things:
        if LABELS[thing.label] == "lamp" and max((m.glow for m in thing.materials), default=0.0) > 0:
            at = thing.place_world + np.array([0, 0.85 * thing.size_m[1], 0])
            lights.append(
                _light(at, at - [0, 1.0, 0.01], float(rng.uniform(0.3, 1.5)), (1.0, 0.78, 0.5), 0.1, shadow=False)
            )
    ranked = sorted(lights, key=lambda light: (not light.casts_shadow, -sum(light.colour)))
    return tuple(replace(light, casts_shadow=k < 2 and light.casts_shadow) for k, light in enumerate(ranked[:4]))


def _light(
    at: Float[np.ndarray, "3"],
    aim: Float[np.ndarray, "3"],
    power: float,
    tint: tuple[float, float, float],
    radius_m: float,
    *,
    shadow: bool = True,
) -> SampledLight:
    return SampledLight(
        place_world=(float(at[0]), float(at[1]), float(at[2])),
        aim_world=(float(aim[0]), float(aim[1]), float(aim[2])),
        colour=(power * float(tint[0]), power * float(tint[1]), power * float(tint[2])),
        radius_m=radius_m,
        casts_shadow=shadow,
    )


def _ambient(rng: np.random.Generator) -> tuple[float, float, float]:
    level, warm = float(rng.uniform(0.12, 0.75)), float(rng.uniform(-0.12, 0.12))
    return level * (1 + warm), level, level * (1 - warm)
