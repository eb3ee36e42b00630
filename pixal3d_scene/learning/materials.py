"""What surfaces look like: procedural colours, evaluated where a ray meets them.

A pattern takes points and normals in the frame of the thing that wears it (node for furniture, world for the room
shell; metres) and gives linear RGB reflectances. A `Finish` is a pattern with gloss or its own light.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from ..colour import linear_from_srgb
from .noise import cell_value, fractal_noise, value_noise

Rgb = tuple[float, float, float]


@runtime_checkable
class Pattern(Protocol):
    """Linear RGB reflectance, 0..1, at surface points (m) with unit normals."""

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Reflectance at every point."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """pattern: diffuse reflectance. gloss: mirror reflectance head-on, 0 for cloth, .04 for varnish.
    roughness: 0 a mirror, 1 dull. glow: radiance given off, linear RGB (lamp shades, screens)."""

    pattern: Pattern
    gloss: float = 0.0
    roughness: float = 0.5
    glow: Rgb = (0.0, 0.0, 0.0)


def linear(srgb_hex: str) -> Rgb:
    """Linear RGB of a colour such as "#c08a5a"."""
    coded = np.array([int(srgb_hex[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    value = linear_from_srgb(coded)
    return float(value[0]), float(value[1]), float(value[2])


def mixed(a: Rgb, b: Rgb, share: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n 3"]:
    """From `a` (share 0) to `b` (share 1)."""
    return np.asarray(a) + np.clip(share, 0, 1)[:, None] * (np.asarray(b) - np.asarray(a))


def facing_axes(
    points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Two surface coordinates (m): the axes other than the one that the normal follows most."""
    axis = np.abs(normals).argmax(axis=1)
    u = np.where(axis == 0, points[:, 2], points[:, 0])
    v = np.where(axis == 1, points[:, 2], points[:, 1])
    return u, v


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """One colour with a slight, broad unevenness (`mottle`)."""

    colour: Rgb
    mottle: float = 0.03

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        return np.asarray(self.colour) * (1 + self.mottle * value_noise(points * 9, seed=3))[:, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wood:
    """Growth rings cut along `axis` (0 x, 1 y, 2 z), stretched along the grain."""

    light: Rgb
    dark: Rgb
    axis: int = 0
    ring_m: float = 0.022
    seed: int = 0

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        across = np.ones(3)
        across[self.axis] = 0.08
        p = points * across + 0.37 * self.seed
        wobble = fractal_noise(p * 7, octaves=3, seed=self.seed)
        side = [k for k in range(3) if k != self.axis]
        radius = np.hypot(p[:, side[0]] + 0.11, p[:, side[1]] * 0.7 + 0.23)
        phase = radius / self.ring_m + 2.2 * wobble
        ring = (phase - np.floor(phase)) ** 1.6  # slowly darker, then a sharp edge, as late wood is
        fibre = value_noise(p * np.where(across == 1, 700.0, 150.0), seed=self.seed + 7)
        return mixed(self.light, self.dark, 0.55 * ring + 0.22 + 0.14 * fibre + 0.2 * wobble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """Woven threads of `thread_m` with a soft unevenness; `second` is the colour of the weft."""

    colour: Rgb
    second: Rgb
    thread_m: float = 0.006

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        u, v = facing_axes(points, normals)
        over = np.sin(np.pi * u / self.thread_m) * np.sin(np.pi * v / self.thread_m) > 0
        depth = np.abs(np.sin(np.pi * (u + v) / self.thread_m))
        cloth = mixed(self.colour, self.second, np.where(over, 0.0, 1.0))
        uneven = 0.86 + 0.14 * depth + 0.07 * fractal_noise(points * 30, octaves=2, seed=5)
        return np.asarray(cloth * uneven[:, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripes:
    """Bands of two colours along `axis`; `share` of the period is the second colour."""

    first: Rgb
    second: Rgb
    period_m: float = 0.08
    axis: int = 0
    share: float = 0.5

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        phase = points[:, self.axis] / self.period_m
        band = mixed(self.first, self.second, np.where(phase - np.floor(phase) < self.share, 1.0, 0.0))
        return np.asarray(band * (1 + 0.05 * value_noise(points * 220, seed=2))[:, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Squares of `square_m`, or with `tartan` two crossing sets of translucent bands."""

    first: Rgb
    second: Rgb
    square_m: float = 0.08
    tartan: bool = False

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        u, v = facing_axes(points, normals)
        odd_u = np.mod(np.floor(u / self.square_m), 2)
        odd_v = np.mod(np.floor(v / self.square_m), 2)
        share = (odd_u + odd_v) / 2 if self.tartan else np.abs(odd_u - odd_v)
        return np.asarray(mixed(self.first, self.second, share) * (1 + 0.05 * value_noise(points * 220))[:, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Carpet:
    """Pile: fine dark and light speckles on one colour."""

    colour: Rgb
    speckle: float = 0.18

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        fine = value_noise(points * 260, seed=11) + 0.6 * value_noise(points * 90, seed=12)
        return np.asarray(self.colour) * (1 + self.speckle * fine + 0.06 * value_noise(points * 5, seed=13))[:, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planks:
    """A wooden floor in the plane of x and z: boards along x, each with its own grain and shade."""

    light: Rgb
    dark: Rgb
    width_m: float = 0.14
    length_m: float = 1.3

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        row = np.floor(points[:, 2] / self.width_m)
        zero = np.zeros_like(row)
        shift = cell_value(np.stack([row, zero, zero], axis=-1), seed=4)
        along = points[:, 0] / self.length_m + shift
        own = np.stack([row, np.floor(along), zero], axis=-1)
        tone, offset = cell_value(own, seed=8), 3.0 * cell_value(own, seed=9)
        p = points + offset[:, None]
        grain = fractal_noise(p * np.array([3.0, 30.0, 42.0]), octaves=3, seed=6)
        fibre = value_noise(p * np.array([25.0, 100.0, 420.0]), seed=7)
        colour = mixed(self.light, self.dark, 0.45 + 0.24 * tone + 0.30 * grain + 0.12 * fibre)
        gap_m = np.minimum(
            self.width_m * (0.5 - np.abs(points[:, 2] / self.width_m - row - 0.5)),
            self.length_m * (0.5 - np.abs(along - np.floor(along) - 0.5)),
        )
        return np.asarray(colour * np.where(gap_m < 0.0016, 0.35, 1.0)[:, None])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Square tiles with joints, each tile a little different."""

    colour: Rgb
    joint: Rgb
    square_m: float = 0.3

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        u, v = facing_axes(points, normals)
        cell = np.stack([np.floor(u / self.square_m), np.floor(v / self.square_m), np.zeros_like(u)], axis=-1)
        edge = np.minimum(
            0.5 - np.abs(u / self.square_m - cell[:, 0] - 0.5), 0.5 - np.abs(v / self.square_m - cell[:, 1] - 0.5)
        )
        tile = np.asarray(self.colour) * (1 + 0.06 * cell_value(cell) + 0.05 * fractal_noise(points * 12))[:, None]
        return np.where((edge * self.square_m < 0.002)[:, None], np.asarray(self.joint), tile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallpaper:
    """A painted or papered wall: faint vertical stripes above `dado_m`, a second colour below it."""

    colour: Rgb
    lower: Rgb
    dado_m: float = 0.0
    period_m: float = 0.16
    contrast: float = 0.06

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        u, _ = facing_axes(points, normals)
        phase = u / self.period_m
        stripe = 1 - self.contrast * (phase - np.floor(phase) < 0.5)
        paper = np.asarray(self.colour) * (stripe + 0.015 * value_noise(points * 120, seed=1))[:, None]
        return np.where((points[:, 1] < self.dado_m)[:, None], np.asarray(self.lower), paper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rug:
    """A rug with borders and lozenges lying on another pattern, about `centre_m` (x, z)."""

    under: Pattern
    centre_m: tuple[float, float]
    size_m: tuple[float, float]
    yaw_rad: float
    field: Rgb
    figure: Rgb
    border: Rgb

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        dx, dz = points[:, 0] - self.centre_m[0], points[:, 2] - self.centre_m[1]
        cos, sin = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        u, v = cos * dx - sin * dz, sin * dx + cos * dz
        inset = np.minimum(self.size_m[0] / 2 - np.abs(u), self.size_m[1] / 2 - np.abs(v))  # (n,) m from the edge
        lozenge = np.abs(np.mod(u / 0.3, 1) - 0.5) + np.abs(np.mod(v / 0.42, 1) - 0.5)
        colour = mixed(self.field, self.figure, ((lozenge < 0.13) | (np.abs(lozenge - 0.36) < 0.05)).astype(float))
        colour = np.where(((inset < 0.13) & (inset > 0.03))[:, None], np.asarray(self.border), colour)
        band = ((inset < 0.155) & (inset > 0.13)) | ((inset < 0.085) & (inset > 0.07))
        colour = np.where(band[:, None], np.asarray(self.figure), colour)
        pile = value_noise(points * 300, seed=21) + 0.7 * value_noise(points * 110, seed=22)
        result = np.array(self.under.albedo(points, normals))
        on = inset > 0
        result[on] = (colour * (0.95 + 0.13 * pile)[:, None])[on]
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Painting:
    """An abstract picture on a flat thing: hills and a sun in the plane of x and y, about the node's middle axis."""

    sky: Rgb
    sun: Rgb
    hills: tuple[Rgb, ...]
    centre_m: tuple[float, float]
    size_m: tuple[float, float]
    seed: int = 0

    def albedo(self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        u = (points[:, 0] - self.centre_m[0]) / self.size_m[0]
        v = (points[:, 1] - self.centre_m[1]) / self.size_m[1]
        colour = mixed(self.sky, self.sun, 0.35 - 0.6 * v)
        disc = np.hypot(u - 0.16, (v - 0.14) * self.size_m[1] / self.size_m[0]) < 0.13
        colour = np.where(disc[:, None], np.asarray(self.sun), colour)
        zero = np.zeros_like(u)
        for k, hill in enumerate(self.hills):
            line = 0.08 - 0.17 * k + 0.13 * value_noise(np.stack([u * (2 + k) + 5 * k, zero, zero], -1), self.seed + k)
            colour = np.where((v < line)[:, None], np.asarray(hill), colour)
        return np.asarray(colour)
