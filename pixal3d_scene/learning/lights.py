"""Lights of a composed room: window panes, the sun, lamps. World frame, metres, linear RGB.

Every light answers one question: towards which point does a surface look for it, and how much irradiance arrives from
there if nothing is in between. Area lights are sampled at a random point, so that shadows become soft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from .materials import Rgb

_FAR_M = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Light at n surface points if it is not shadowed. targets_world: where it comes from, m."""

    targets_world: Float[np.ndarray, "n 3"]
    irradiance: Float[np.ndarray, "n 3"]


@runtime_checkable
class Light(Protocol):
    """Anything that can be sampled from a surface point."""

    def arrive(
        self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], dice: Float[np.ndarray, "n 2"]
    ) -> Arrival:
        """One sample per point; `dice` are uniform in 0..1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RectLight:
    """A window: a parallelogram that shines along edge_u x edge_v. radiance: W/m^2/sr in arbitrary units."""

    corner_world: tuple[float, float, float]
    edge_u: tuple[float, float, float]
    edge_v: tuple[float, float, float]
    radiance: Rgb

    def arrive(
        self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], dice: Float[np.ndarray, "n 2"]
    ) -> Arrival:
        u, v = np.asarray(self.edge_u), np.asarray(self.edge_v)
        across = np.cross(u, v)
        area = float(np.linalg.norm(across))
        targets = np.asarray(self.corner_world) + dice[:, :1] * u + dice[:, 1:] * v
        way = targets - points
        distance = np.linalg.norm(way, axis=1)
        way = way / distance[:, None]
        cos_surface = np.maximum(np.einsum("ij,ij->i", way, normals), 0)
        cos_light = np.maximum(-(way @ across) / area, 0)
        strength = cos_surface * cos_light * area / np.maximum(distance, 0.05) ** 2
        return Arrival(targets_world=targets, irradiance=strength[:, None] * np.asarray(self.radiance))


@dataclass(frozen=True, slots=True, kw_only=True)
class SunLight:
    """Nearly parallel light from `towards_sun` (unit vector), spread over a disc of `radius_rad`."""

    towards_sun: tuple[float, float, float]
    irradiance: Rgb
    radius_rad: float = 0.015

    def arrive(
        self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], dice: Float[np.ndarray, "n 2"]
    ) -> Arrival:
        axis = np.asarray(self.towards_sun) / np.linalg.norm(self.towards_sun)
        side = np.cross(axis, [0.31, 0.95, 0.05])
        side /= np.linalg.norm(side)
        radius, angle = self.radius_rad * np.sqrt(dice[:, 0]), 2 * np.pi * dice[:, 1]
        way = axis + (radius * np.cos(angle))[:, None] * side + (radius * np.sin(angle))[:, None] * np.cross(axis, side)
        strength = np.maximum(np.einsum("ij,ij->i", way, normals), 0)
        return Arrival(targets_world=points + _FAR_M * way, irradiance=strength[:, None] * np.asarray(self.irradiance))


@dataclass(frozen=True, slots=True, kw_only=True)
class BulbLight:
    """A small sphere that shines evenly. intensity: power per solid angle. radius_m: softens its shadows.

    outside: samples lie on the sphere itself, on the side of the lit point; so a shade of that size that glows does
    not shadow its own light. Without it they lie inside the sphere.
    """

    centre_world: tuple[float, float, float]
    intensity: Rgb
    radius_m: float = 0.04
    outside: bool = False

    def arrive(
        self, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"], dice: Float[np.ndarray, "n 2"]
    ) -> Arrival:
        z, angle = 2 * dice[:, 0] - 1, 2 * np.pi * dice[:, 1]
        ring = np.sqrt(np.maximum(1 - z * z, 0))
        ball = np.stack([ring * np.cos(angle), z, ring * np.sin(angle)], axis=-1)
        centre = np.asarray(self.centre_world)
        if self.outside:
            to_points = points - centre
            ball = np.where(np.einsum("ij,ij->i", ball, to_points)[:, None] < 0, -ball, ball)
        targets = centre + self.radius_m * ball
        way = targets - points
        distance = np.linalg.norm(way, axis=1)
        cos_surface = np.maximum(np.einsum("ij,ij->i", way, normals) / distance, 0)
        strength = cos_surface / np.maximum(distance, 0.15) ** 2
        return Arrival(targets_world=targets, irradiance=strength[:, None] * np.asarray(self.intensity))
