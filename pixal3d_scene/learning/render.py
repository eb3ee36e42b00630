"""Render a composed room: the photo, and the depth and object ids of its pixel centres.

A `ComposedRoom` enters; a `Rendering` leaves, at the size of the room's camera. Depth is along +z of `cam` in metres.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from ..camera import Camera
from ..colour import srgb_from_linear
from .composed_room import ComposedRoom
from .denoise import Guides, smoothed
from .light_transport import Sky, bounced_light, direct_light, mirrored_light, sky_of
from .surfaces import Stage

_ROWS = 64  # rows rendered at a time, to bound memory


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderQuality:
    """supersampling: rays per pixel and axis. shadow_rays: per light and ray. levels: of noise removal, 0 for none."""

    supersampling: int = 2
    shadow_rays: int = 1
    levels: int = 6


FAST = RenderQuality(supersampling=1, levels=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelTruth:
    """What the centre of every pixel shows: depth along +z of cam (m) and mask value (0 = shell).

    valid: False where the ray leaves the room through a window.
    """

    z_m: Float[np.ndarray, "H W"]
    valid: Bool[np.ndarray, "H W"]
    mask_values: UInt8[np.ndarray, "H W"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """A picture in layers: light (irradiance, mirrored, glow), texture (albedo), and what guides the noise filter.

    labels: mask values, -1 outside. points_world: m.
    """

    irradiance: Float32[np.ndarray, "H W 3"]
    mirrored: Float32[np.ndarray, "H W 3"]
    glow: Float32[np.ndarray, "H W 3"]
    albedo: Float32[np.ndarray, "H W 3"]
    normals: Float32[np.ndarray, "H W 3"]
    points_world: Float32[np.ndarray, "H W 3"]
    labels: Int[np.ndarray, "H W"]

    @staticmethod
    def stacked(bands: Iterable[Layers]) -> Layers:
        """Bands of rows, from top to bottom, as one picture."""
        items = tuple(bands)
        names = [f.name for f in fields(Layers)]
        return Layers(**{name: np.concatenate([getattr(item, name) for item in items]) for name in names})


def pixel_truth(room: ComposedRoom, stage: Stage | None = None) -> PixelTruth:
    """Cast one exact ray through every pixel's centre."""
    stage = Stage(room) if stage is None else stage
    camera = room.camera
    directions = _rays_world(camera, camera.pixel_centres().reshape(-1, 2))
    hits = stage.raycaster.cast(np.broadcast_to(camera.centre_world, directions.shape), directions)
    values = np.where(hits.hit, stage.mask_values[hits.mesh_index], 0).astype(np.uint8)
    shape = camera.shape_hw
    return PixelTruth(z_m=hits.t.reshape(shape), valid=hits.hit.reshape(shape), mask_values=values.reshape(shape))


def render_photo(
    room: ComposedRoom, quality: RenderQuality | None = None, stage: Stage | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    """The picture that the room's camera takes, sRGB; the same for the same room and quality."""
    quality = RenderQuality() if quality is None else quality
    stage = Stage(room) if stage is None else stage
    rng = np.random.default_rng(np.random.SeedSequence(room.seed, spawn_key=(1,)))
    sky = sky_of(stage, room, rng)
    fine = room.camera.resized(
        (room.camera.size_px[0] * quality.supersampling, room.camera.size_px[1] * quality.supersampling)
    )
    height = fine.shape_hw[0]
    layers = Layers.stacked(
        _trace(room, stage, sky, fine, range(y, min(y + _ROWS, height)), quality, rng) for y in range(0, height, _ROWS)
    )
    guides = Guides(normals=layers.normals, points_m=layers.points_world, labels=layers.labels)
    diffuse = smoothed(layers.irradiance, guides, levels=quality.levels, light_sigma=1.6)
    mirror = smoothed(layers.mirrored, guides, levels=min(quality.levels, 4), light_sigma=1.2)
    radiance = layers.albedo * diffuse / np.pi + mirror + layers.glow
    # Tone before averaging: a bright lamp's rim then stays smooth.
    toned = tone_mapped(radiance, exposure=_exposure(radiance))
    s = quality.supersampling
    h, w = room.camera.shape_hw
    averaged = toned.reshape(h, s, w, s, 3).mean(axis=(1, 3))
    return np.round(255 * srgb_from_linear(averaged)).astype(np.uint8)


def _trace(
    room: ComposedRoom,
    stage: Stage,
    sky: Sky,
    camera: Camera,
    rows: range,
    quality: RenderQuality,
    rng: np.random.Generator,
) -> Layers:
    """One band of rows."""
    pixels = camera.pixel_centres()[rows.start : rows.stop].reshape(-1, 2)
    directions = _rays_world(camera, pixels)
    seen = stage.meet(np.tile(camera.centre_world, (len(directions), 1)), directions)
    irradiance = direct_light(stage, room.lights, seen, rng, quality.shadow_rays)
    irradiance += bounced_light(stage, room.lights, sky, seen, rng)
    mirrored = mirrored_light(stage, room.lights, sky, seen, directions, rng)
    shape = (len(rows), camera.size_px[0])

    def picture(values: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "H W 3"]:
        return values.astype(np.float32).reshape(*shape, 3)

    return Layers(
        irradiance=picture(irradiance),
        mirrored=picture(mirrored),
        glow=picture(np.where(seen.hit[:, None], seen.glow, np.asarray(room.sky))),
        albedo=picture(seen.albedo),
        normals=picture(seen.normals_world),
        points_world=picture(seen.points_world),
        labels=np.where(seen.hit, seen.mask_value, -1).reshape(shape),
    )


def _rays_world(camera: Camera, pixels: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 3"]:
    """Directions in world with a depth of 1 along the camera's z."""
    return np.asarray(camera.T_world_from_cam.rotation.apply(camera.rays_through(pixels)))


def _exposure(radiance: Float[np.ndarray, "H W 3"]) -> float:
    """Brings the picture's log-average luminance to middle grey (Reinhard et al., SIGGRAPH 2002)."""
    luminance = radiance @ np.array([0.2126, 0.7152, 0.0722])
    return float(0.19 / np.exp(np.log(luminance + 1e-3).mean()))


def tone_mapped(radiance: Float[np.ndarray, "*n 3"], *, exposure: float) -> Float[np.ndarray, "*n 3"]:
    """Film-like curve from radiance to 0..1, linear light (Narkowicz, "ACES filmic tone mapping curve", 2015)."""
    x = 0.8 * exposure * radiance
    return np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
