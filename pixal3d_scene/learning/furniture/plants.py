"""A potted plant and a vase. Sizes are (width, height, depth) in m."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ...asset import Mesh
from ..materials import Carpet, Finish, Plain, linear
from ..shapes import lathe, leaf, moved, strut
from .part import Part, Size, Style, joined

_GREENS = ("#3f6b35", "#56803f", "#2f5a3a", "#6d9148")


def plant(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A pot with earth, a bundle of stems and leaves all around, larger below."""
    w, h, _ = size_m
    pot_h, pot_r = 0.26 * h, min(0.36 * w, 0.2 * h)
    wall = 0.012
    pot = [
        (0, 0),
        (0.72 * pot_r, 0),
        (0.97 * pot_r, 0.86 * pot_h),
        (pot_r + 0.008, 0.87 * pot_h),
        (pot_r + 0.008, pot_h),
    ]
    pot += [(pot_r - wall, pot_h), (0.93 * pot_r - wall, 0.8 * pot_h), (0, 0.8 * pot_h)]
    earth = lathe(
        [(0, 0.75 * pot_h), (0.92 * pot_r - wall, 0.75 * pot_h), (0.92 * pot_r - wall, 0.86 * pot_h), (0, 0.9 * pot_h)]
    )
    parts = [
        Part(name="pot", mesh_node=lathe(pot, 40), finish=Finish(pattern=style.accent, gloss=0.04, roughness=0.4)),
        Part(name="earth", mesh_node=earth, finish=Finish(pattern=Carpet(colour=linear("#3a2a20"), speckle=0.4))),
    ]
    greens = [linear(_GREENS[k]) for k in rng.permutation(len(_GREENS))[:2]]
    leaves = round(rng.uniform(15, 21))
    for k in range(leaves):
        share = k / (leaves - 1)
        yaw = Rotation.from_euler("y", 137.5 * k + rng.uniform(-15, 15), degrees=True)
        lean = (0.09 + 0.2 * share) * w * yaw.apply([0.0, 0.0, 1.0])
        tip = np.array([lean[0], 0.0, lean[2]]) * (1.3 - share)
        tip[1] = pot_h + (0.12 + 0.62 * share**0.8) * (h - pot_h)
        stem = strut((0.1 * tip[0], 0.8 * pot_h, 0.1 * tip[2]), tip, 0.006, 0.004, sides=8)
        pitch = Rotation.from_euler("x", -(20 + 38 * share + rng.uniform(-10, 10)), degrees=True)
        blade = leaf(0.46 * w * (1.05 - 0.35 * share), 0.2 * w * (1.05 - 0.3 * share), rng.uniform(0.8, 1.4))
        blade = moved(blade, to_m=tip - 0.004 * yaw.apply([0.0, 0.0, 1.0]), turn=yaw * pitch)
        green = Finish(pattern=Plain(colour=greens[k % 2], mottle=0.12), gloss=0.035, roughness=0.4)
        parts.append(Part(name=f"stem{k}", mesh_node=stem, finish=green))
        parts.append(Part(name=f"leaf{k}", mesh_node=blade, finish=green))
    return parts


def vase(rng: np.random.Generator, size_m: Size, style: Style) -> list[Part]:
    """A turned, hollow body with a random outline, and sometimes a few dry twigs in it."""
    w, h, _ = size_m
    twigs = rng.random() < 0.5
    body_h = 0.55 * h if twigs else h
    r, wall = (0.3 * w if twigs else 0.5 * w), 0.006
    rise = np.linspace(0, 1, 21)
    peak, neck = rng.uniform(0.55, 1.4), rng.uniform(0.35, 0.6)
    outline = neck + (1 - neck) * np.sin(np.pi * rise**peak) ** 1.2
    outer = [(float(r * o), float(body_h * s)) for o, s in zip(outline, rise, strict=True)]
    inner = [(max(x - wall, 0.004), max(y, wall)) for x, y in reversed(outer)]
    hollow = lathe([(0.0, 0.0), *outer, *inner, (0.0, wall)], 44)
    parts = [Part(name="body", mesh_node=hollow, finish=Finish(pattern=style.accent, gloss=0.06, roughness=0.15))]
    if twigs:
        parts += _twigs(rng, w, h, body_h, neck * r)
    return parts


def _twigs(rng: np.random.Generator, w: float, h: float, body_h: float, mouth: float) -> list[Part]:
    """Thin branches with berries, standing on the bottom of a vase."""
    parts = []
    straw = Finish(pattern=Plain(colour=linear("#a98a5b")))
    berry = Finish(pattern=Plain(colour=linear("#b4552f")), gloss=0.04, roughness=0.3)
    for k in range(6):
        a = 2 * np.pi * (k + rng.uniform(-0.2, 0.2)) / 6
        out = np.array([np.sin(a), 0.0, np.cos(a)])
        foot, tip = 0.2 * mouth * out, 0.42 * w * out * rng.uniform(0.6, 1.0)
        foot[1], tip[1] = 0.006, h * rng.uniform(0.85, 1.0)
        parts.append(Part(name=f"twig{k}", mesh_node=strut(foot, tip, 0.003, 0.002, sides=6), finish=straw))
        balls: list[Mesh] = []
        for s in np.linspace(0.72, 1.0, 4):
            bud = lathe([(0, -0.009), (0.007, -0.006), (0.009, 0), (0.007, 0.006), (0, 0.009)], 10)
            balls.append(moved(bud, to_m=foot + s * (tip - foot) + rng.uniform(-0.004, 0.004, 3)))
        parts.append(Part(name=f"buds{k}", mesh_node=joined(balls), finish=berry))
    return parts
