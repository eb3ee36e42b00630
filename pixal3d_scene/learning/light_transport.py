"""How much light reaches a surface and leaves it: direct light with soft shadows, one bounce, one mirror ray.

Surfaces in world enter, radiances (linear RGB) leave. Monte Carlo with one sample per light and ray; light that
bounces more often is a constant, estimated once per room (`sky_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .composed_room import ComposedRoom
from .lights import Light
from .materials import Rgb
from .surfaces import Stage, Surfaces

_BRIGHTEST = 5.0  # times the mean; bounced samples are cut here: rare bright ones would stay visible as dots


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """outside: radiance through windows. ambient: irradiance of light that has bounced at least twice.
    brightest: radiance at which a bounced sample is cut."""

    outside: Rgb
    ambient: Rgb
    brightest: float


def direct_light(
    stage: Stage, lights: Sequence[Light], seen: Surfaces, rng: np.random.Generator, samples: int = 1
) -> Float[np.ndarray, "n 3"]:
    """Irradiance from all lights; `samples` shadow rays to each."""
    total = np.zeros_like(seen.points_world)
    for light in lights:
        for k in range(samples):
            dice = rng.random((len(total), 2))
            dice[:, 0] = (k + dice[:, 0]) / samples  # one stratum per sample
            arrival = light.arrive(seen.points_world, seen.normals_world, dice)
            lit = np.flatnonzero(seen.hit & (arrival.irradiance.max(axis=1) > 1e-4))
            open_way = stage.open_way(seen.starts_world[lit], arrival.targets_world[lit])
            total[lit] += arrival.irradiance[lit] * open_way[:, None] / samples
    return total


def incoming(
    stage: Stage,
    lights: Sequence[Light],
    sky: Sky,
    starts: Float[np.ndarray, "n 3"],
    directions: Float[np.ndarray, "n 3"],
    rng: np.random.Generator,
    *,
    with_lights: bool,
) -> Float[np.ndarray, "n 3"]:
    """Radiance that arrives along rays, from surfaces lit directly.

    with_lights: also what windows and shades give off themselves; off for bounces, since `direct_light` has it.
    """
    met = stage.meet(starts, directions)
    irradiance = direct_light(stage, lights, met, rng) + np.asarray(sky.ambient)
    radiance = met.albedo * irradiance / np.pi
    if with_lights:
        seen = np.where(met.hit[:, None], radiance + met.glow, np.asarray(sky.outside))
        return np.minimum(seen, 2 * sky.brightest)
    return np.where(met.hit[:, None], np.minimum(radiance, sky.brightest), 0.0)


def bounced_light(
    stage: Stage, lights: Sequence[Light], sky: Sky, seen: Surfaces, rng: np.random.Generator
) -> Float[np.ndarray, "n 3"]:
    """Irradiance from one cosine-weighted ray per surface point."""
    directions = _cosine_directions(seen.normals_world, rng)
    below = np.einsum("ij,ij->i", directions, seen.flat_world) <= 0  # the shading normal leans over the true one
    directions = np.where(below[:, None], seen.flat_world, directions)
    result = np.zeros_like(seen.points_world)
    here = np.flatnonzero(seen.hit)
    result[here] = np.pi * incoming(
        stage, lights, sky, seen.starts_world[here], directions[here], rng, with_lights=False
    )
    return result


def mirrored_light(
    stage: Stage,
    lights: Sequence[Light],
    sky: Sky,
    seen: Surfaces,
    directions: Float[np.ndarray, "n 3"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "n 3"]:
    """Radiance reflected by glossy surfaces towards the viewer (Fresnel after Schlick 1994, damped by roughness)."""
    result = np.zeros_like(seen.points_world)
    shiny = np.flatnonzero(seen.hit & (seen.gloss > 0))
    if not len(shiny):
        return result
    view, normals = directions[shiny], seen.normals_world[shiny]
    view = view / np.linalg.norm(view, axis=1, keepdims=True)
    cos = np.einsum("ij,ij->i", view, normals)
    mirrored = view - 2 * cos[:, None] * normals
    rough, gloss = seen.roughness[shiny], seen.gloss[shiny]
    mirrored = mirrored + 0.45 * (rough**2)[:, None] * rng.normal(size=mirrored.shape)
    inside = np.einsum("ij,ij->i", mirrored, seen.flat_world[shiny])
    mirrored = mirrored - 1.05 * np.minimum(inside, 0)[:, None] * seen.flat_world[shiny]
    fresnel = gloss + (1 - rough) * (1 - gloss) * (1 - np.clip(-cos, 0, 1)) ** 5
    radiance = incoming(stage, lights, sky, seen.starts_world[shiny], mirrored, rng, with_lights=True)
    result[shiny] = fresnel[:, None] * radiance
    return result


def sky_of(stage: Stage, room: ComposedRoom, rng: np.random.Generator, rays: int = 4000) -> Sky:
    """What the room's light amounts to, from some rays out of the camera in all directions.

    Light after two and more bounces is taken as even in the whole room: E r^2 / (1 - r) for mean reflectance r.
    """
    directions = rng.normal(size=(rays, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    seen = stage.meet(np.tile(room.camera.centre_world, (rays, 1)), directions)
    direct = direct_light(stage, room.lights, seen, rng)[seen.hit]
    leaves = (direct * seen.albedo[seen.hit]).mean(axis=0)  # radiosity after the first meeting
    r = np.minimum(seen.albedo[seen.hit].mean(axis=0), 0.8)
    again = leaves * r / (1 - r)
    return Sky(
        outside=room.sky,
        ambient=(float(again[0]), float(again[1]), float(again[2])),
        brightest=_BRIGHTEST * float((leaves + again).mean()) / np.pi,
    )


def _cosine_directions(normals: Float[np.ndarray, "n 3"], rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
    """Normal plus a point of the unit sphere is cosine-distributed about the normal."""
    ball = rng.normal(size=normals.shape)
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    directions = normals + 0.9999 * ball
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)
