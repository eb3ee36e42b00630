"""Random colours and materials as rooms have them: much white, grey and wood, some muted colours, few loud ones."""

from __future__ import annotations

import colorsys

import numpy as np

from .sampled_room import DISC, Material

Rgb = tuple[float, float, float]


def random_colour(rng: np.random.Generator, *, pale: float = 0.0) -> Rgb:
    """Linear reflectance; `pale`: how often it is a light neutral colour."""
    kind = rng.random()
    if rng.random() < pale:
        hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.0, 0.12), rng.uniform(0.65, 0.95)
    elif kind < 0.34:
        hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.0, 0.1), rng.uniform(0.08, 0.95)
    elif kind < 0.64:
        hue, saturation, value = rng.uniform(0.03, 0.12), rng.uniform(0.2, 0.7), rng.uniform(0.2, 0.85)
    elif kind < 0.87:
        hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.12, 0.45), rng.uniform(0.2, 0.85)
    else:
        hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.45, 0.95), rng.uniform(0.3, 0.9)
    return linear(colorsys.hsv_to_rgb(float(hue), float(saturation), float(value)))


def linear(coded: tuple[float, ...]) -> Rgb:
    """Of sRGB values, 0 to 1."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in coded)
    return r, g, b


def shade(colour: Rgb, factor: float) -> Rgb:
    """Lighter or darker."""
    r, g, b = (min(c * factor, 0.95) for c in colour)
    return r, g, b


def wood(rng: np.random.Generator) -> Rgb:
    """From ebony to birch, and greyed oak."""
    return linear(
        colorsys.hsv_to_rgb(
            float(rng.uniform(0.04, 0.11)), float(rng.uniform(0.12, 0.65)), float(rng.uniform(0.22, 0.85))
        )
    )


def floor_material(rng: np.random.Generator, style: str) -> Material:
    """Planks most often; tiles in kitchens and baths."""
    choice = rng.random()
    if style in ("kitchen", "bathroom"):
        choice = 0.55 + 0.45 * choice
    turn = float(rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)], p=[0.4, 0.4, 0.2]))
    if choice < 0.55:
        first = wood(rng)
        second = shade(first, float(rng.uniform(0.45, 0.95)))
        gloss = float(rng.uniform(0.0, 0.08))
        return Material(
            pattern="planks",
            first=first,
            second=second,
            scale_m=float(rng.uniform(0.06, 0.24)),
            turn_rad=turn,
            gloss=gloss,
        )
    if choice < 0.75:
        first = random_colour(rng, pale=0.5)
        second = shade(first, float(rng.uniform(0.4, 1.3)))
        gloss = float(rng.uniform(0.0, 0.1))
        return Material(
            pattern="tiles",
            first=first,
            second=second,
            scale_m=float(rng.uniform(0.12, 0.7)),
            turn_rad=turn,
            gloss=gloss,
        )
    first = random_colour(rng, pale=0.2)
    second = shade(first, float(rng.uniform(0.5, 1.4)))
    pattern = "carpet" if choice < 0.93 else "plain"
    return Material(
        pattern=pattern, first=first, second=second, scale_m=float(rng.uniform(0.01, 0.2)), turn_rad=turn, gloss=0.0
    )


def wall_materials(rng: np.random.Generator, style: str) -> tuple[Material, ...]:
    """Of the four walls: one paint for all, often one wall of its own."""
    main = _wall(rng, style)
    accent = _wall(rng, style) if rng.random() < 0.3 else main
    walls = [main] * 4
    walls[int(rng.integers(4))] = accent
    return tuple(walls)


def _wall(rng: np.random.Generator, style: str) -> Material:
    first = random_colour(rng, pale=0.62)
    choice = rng.random() * (0.9 if style not in ("bathroom", "kitchen") else 1.6)
    if choice < 0.6:
        return Material(
            pattern="plain", first=first, second=shade(first, 0.9), scale_m=float(rng.uniform(0.3, 2.0)), gloss=0.01
        )
    if choice < 0.72:
        second = shade(first, float(rng.uniform(0.7, 1.2)))
        return Material(
            pattern="stripes", first=first, second=second, scale_m=float(rng.uniform(0.03, 0.4)), gloss=0.01
        )
    if choice < 0.82:
        second = random_colour(rng, pale=0.3) if rng.random() < 0.3 else shade(first, float(rng.uniform(0.7, 1.2)))
        return Material(
            pattern="ornament", first=first, second=second, scale_m=float(rng.uniform(0.08, 0.6)), gloss=0.01
        )
    if choice < 0.9:
        return Material(pattern="planks", first=first, second=shade(first, 0.6), scale_m=float(rng.uniform(0.08, 0.3)),
                        turn_rad=float(rng.choice([0.0, np.pi / 2])), gloss=0.02)  # fmt: skip
    second = shade(first, float(rng.uniform(0.5, 1.2)))
    return Material(pattern="tiles", first=first, second=second, scale_m=float(rng.uniform(0.06, 0.35)), gloss=0.06)


def trim_material(rng: np.random.Generator) -> Material:
    """Of skirting, door and window frames."""
    first = random_colour(rng, pale=0.75) if rng.random() < 0.7 else wood(rng)
    return Material(pattern="plain", first=first, second=shade(first, 0.85), gloss=0.03)


def pane_material(rng: np.random.Generator) -> Material:
    """What is seen through a window: day, dusk or night; the sky is second."""
    bright = float(
        rng.choice([rng.uniform(1.2, 5.0), rng.uniform(0.2, 1.0), rng.uniform(0.0, 0.04)], p=[0.7, 0.18, 0.12])
    )
    green = linear(
        colorsys.hsv_to_rgb(float(rng.uniform(0.1, 0.45)), float(rng.uniform(0.05, 0.6)), float(rng.uniform(0.2, 0.7)))
    )
    sky = linear(colorsys.hsv_to_rgb(float(rng.uniform(0.52, 0.65)), float(rng.uniform(0.0, 0.35)), 0.95))
    return Material(
        pattern="view", first=green, second=sky, scale_m=float(rng.uniform(0.2, 0.9)), gloss=0.05, glow=bright
    )


def curtain_material(rng: np.random.Generator) -> Material:
    first = random_colour(rng, pale=0.45)
    pattern = str(rng.choice(["plain", "stripes", "ornament"], p=[0.7, 0.15, 0.15]))
    second = random_colour(rng) if rng.random() < 0.3 else shade(first, 0.8)
    return Material(pattern=pattern, first=first, second=second, scale_m=float(rng.uniform(0.05, 0.3)), gloss=0.0)


def thing_materials(rng: np.random.Generator, label: str, model: int) -> tuple[Material, ...]:
    """Of an object's up to four parts: its own colours, or others that go together somehow."""
    if label in ("picture", "mirror"):
        return (_picture(rng) if label == "picture" else _mirror(rng),)
    if model < 0:
        return (_rug(rng, is_round=model == DISC),)
    glow = float(rng.uniform(0.3, 3.0)) if label == "lamp" and rng.random() < 0.4 else 0.0
    mode = rng.random()
    if label in ("plant", "person", "pet"):
        mode *= 0.5
    gloss = float(rng.choice([0.0, 0.02, 0.06, 0.15], p=[0.4, 0.35, 0.2, 0.05]))
    if mode < 0.42:  # as its maker meant it, lighter or darker
        gain = float(rng.uniform(0.75, 1.25))
        same = Material(pattern="mesh", first=(gain, gain, gain), own=1.0, gloss=gloss, glow=glow)
        return (same, same, same, same)
    parts = []
    for _ in range(4):
        first = random_colour(rng) if rng.random() < 0.75 else wood(rng)
        own = float(rng.choice([0.0, 0.35, 0.75]))
        pattern = str(rng.choice(["plain", "planks", "stripes", "ornament", "carpet", "tiles"],
                                 p=[0.62, 0.12, 0.06, 0.06, 0.1, 0.04]))  # fmt: skip
        second = random_colour(rng) if rng.random() < 0.25 else shade(first, float(rng.uniform(0.5, 1.3)))
        scale = float(rng.uniform(0.02, 0.25))
        parts.append(
            Material(
                pattern=pattern,
                first=first,
                second=second,
                own=own,
                scale_m=scale,
                gloss=gloss,
                turn_rad=float(rng.choice([0.0, np.pi / 2])),
                glow=glow,
            )
        )
        glow = 0.0 if rng.random() < 0.7 else glow
    if rng.random() < 0.35:
        parts = [parts[0]] * 4
    return tuple(parts)


def _rug(rng: np.random.Generator, *, is_round: bool) -> Material:
    (weave,) = rng.spawn(1)  # draws of its own, as `sample_groups._rug`
    first, second = random_colour(rng, pale=0.2), random_colour(rng, pale=0.3)
    if weave.random() < 0.3:  # of one colour
        second = shade(first, float(weave.uniform(0.6, 1.3)))
    shares = {"ornament": 0.25, "carpet": 0.27, "stripes": 0.12, "plain": 0.08, "border": 0.28}
    if is_round:
        shares = {"ornament": 0.1, "carpet": 0.3, "plain": 0.1, "rings": 0.5}
    pattern = str(rng.choice(list(shares), p=list(shares.values())))
    turn = float(weave.choice([0.0, np.pi / 2])) if pattern != "border" else 0.0
    scale = float(rng.uniform(0.05, 0.7))
    return Material(pattern=pattern, first=first, second=second, scale_m=scale, turn_rad=turn, gloss=0.0)


def _picture(rng: np.random.Generator) -> Material:
    first, second = random_colour(rng), random_colour(rng, pale=0.4)
    return Material(pattern="picture", first=first, second=second, scale_m=float(rng.uniform(0.05, 0.4)),
                    turn_rad=float(rng.uniform(0, 100)), gloss=float(rng.choice([0.0, 0.08])))  # fmt: skip


def _mirror(rng: np.random.Generator) -> Material:
    """Not a true mirror: a pale, glossy pane."""
    grey = float(rng.uniform(0.15, 0.6))
    return Material(pattern="picture", first=(grey, grey, grey), second=(grey * 0.6, grey * 0.62, grey * 0.65),
                    scale_m=float(rng.uniform(0.4, 1.2)), gloss=0.3)  # fmt: skip
