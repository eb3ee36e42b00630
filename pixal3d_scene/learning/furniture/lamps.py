"""Lamps: standing, on a tripod, for a table. A part named "shade" is where the light comes from."""

from __future__ import annotations

import numpy as np

from ...asset import Mesh
from ..materials import Finish, Plain
from ..shapes import lathe, leg, moved, strut
from .part import Part, Size, Style

SHADE = "shade"


def floor_lamp(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A thin pole on a disc or on a tripod, under a conical shade."""
    w, h, _ = size_m
    r, tall = w / 2, min(0.3, 0.2 * h)
    parts = [_shade(r, h - tall, tall, style)]
    hub = h - tall - 0.08
    if rng.random() < 0.6:
        foot = [
            (0, 0),
            (0.7 * r, 0),
            (0.7 * r, 0.012),
            (0.6 * r, 0.02),
            (0.03, 0.03),
            (0.011, 0.06),
            (0.011, hub),
            (0, hub),
        ]
        parts.append(Part(name="pole", mesh_node=lathe(foot, 40), finish=style.steel()))
    else:
        angles = np.radians(30 + 120 * np.arange(3))
        for k, (x, z) in enumerate(np.stack([np.sin(angles), np.cos(angles)], axis=-1)):
            mesh = leg((0.95 * r * x, 0, 0.95 * r * z), (0.03 * x, hub, 0.03 * z), 0.01, 0.013)
            parts.append(Part(name=f"leg{k}", mesh_node=mesh, finish=style.wood(1, seed=k)))
        hub_m = lathe([(0, hub - 0.03), (0.045, hub - 0.03), (0.045, hub + 0.005), (0, hub + 0.005)])
        parts.append(Part(name="hub", mesh_node=hub_m, finish=style.steel()))
    stem = strut((0, hub - 0.02, 0), (0, h - tall + 0.5 * tall, 0), 0.009)
    return [*parts, Part(name="stem", mesh_node=stem, finish=style.steel()), *_spider(r, h - 0.35 * tall, tall, style)]


def table_lamp(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A turned, glazed body under a conical shade."""
    w, h, _ = size_m
    r, tall = w / 2, 0.45 * h
    neck = h - tall - 0.02
    belly, waist = rng.uniform(0.5, 0.68) * r, rng.uniform(0.3, 0.5)
    rise = np.linspace(0.0, 1.0, 15)
    body = [(0.0, 0.0), (0.5 * r, 0.0), (0.5 * r, 0.012)]
    for s in rise:
        swell = np.sin(np.pi * s ** (0.5 + waist)) ** 1.3
        body.append(
            (0.013 + 0.25 * r * (1 - s) ** 3 + (belly - 0.013) * float(swell) * 0.9, 0.014 + (neck - 0.014) * float(s))
        )
    body.append((0.0, neck))
    stem = strut((0, neck - 0.02, 0), (0, h - 0.5 * tall, 0), 0.007)
    return [
        Part(name="body", mesh_node=lathe(body, 40), finish=Finish(pattern=style.accent, gloss=0.06, roughness=0.15)),
        Part(name="stem", mesh_node=stem, finish=style.steel()),
        _shade(r, h - tall, tall, style),
        *_spider(r, h - 0.35 * tall, tall, style),
    ]


def _shade(r: float, low: float, tall: float, style: Style) -> Part:
    """A thin truncated cone, open above and below, that glows."""
    top, wall = 0.68 * r, 0.004
    ring = [(r - wall, low), (r, low), (top, low + tall), (top - wall, low + tall)]
    glow = tuple(1.1 * c for c in style.glow)
    cloth = Plain(colour=(0.8, 0.72, 0.6))
    return Part(name=SHADE, mesh_node=lathe(ring, 48), finish=Finish(pattern=cloth, glow=(glow[0], glow[1], glow[2])))


def _spider(r: float, y: float, tall: float, style: Style) -> list[Part]:
    """Three wires that hold the shade to the stem."""
    reach = 0.775 * r  # into the shade's wall, not through it
    wires: list[Mesh] = []
    for a in np.radians(120 * np.arange(3)):
        wires.append(strut((0, y - 0.15 * tall, 0), (reach * np.sin(a), y, reach * np.cos(a)), 0.0035, sides=6))
    return [Part(name=f"wire{k}", mesh_node=moved(m), finish=style.steel()) for k, m in enumerate(wires)]
