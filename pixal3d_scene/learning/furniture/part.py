"""Parts of a piece of furniture, and what is done with all of them: fit to a size, unite to one solid.

Everything is in the frame `node` of the piece: y up, origin at the bottom centre of its box, +z = its front, metres.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ...asset import Mesh
from ..materials import Fabric, Finish, Pattern, Plain, Rgb, Wood, linear

Size = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One closed solid (or several that do not touch) of one finish. mesh_node: in node, m."""

    name: str
    mesh_node: Mesh
    finish: Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The colours that one piece is made in. cloth and accent: patterns of covers; metal: of poles and handles."""

    wood_light: Rgb
    wood_dark: Rgb
    cloth: Pattern
    accent: Pattern
    metal: Rgb = (0.05, 0.05, 0.055)
    glow: Rgb = (1.0, 0.78, 0.52)

    def wood(self, axis: int = 0, seed: int = 0) -> Finish:
        """Varnished wood with its grain along an axis (0 x, 1 y, 2 z)."""
        pattern = Wood(light=self.wood_light, dark=self.wood_dark, axis=axis, seed=seed)
        return Finish(pattern=pattern, gloss=0.035, roughness=0.45)

    def fabric(self) -> Finish:
        return Finish(pattern=self.cloth)

    def trim(self) -> Finish:
        return Finish(pattern=self.accent)

    def steel(self) -> Finish:
        return Finish(pattern=Plain(colour=self.metal), gloss=0.25, roughness=0.3)


_WOODS = (("#c89f6c", "#8a5c34"), ("#a5744a", "#5e3a20"), ("#6b4630", "#38231a"), ("#dcc49c", "#b08e60"))
_PAINTS = ("#e9e4da", "#3f5a5c", "#a8483a", "#c99a3c", "#45576f", "#7d8b6a", "#2e2f33", "#b98b7a", "#8e6f9e", "#d9b9a0")


def random_style(rng: np.random.Generator) -> Style:
    """Colours that go together somehow: one wood (or paint), one cloth, one accent."""
    light, dark = _WOODS[rng.integers(len(_WOODS))]
    if rng.random() < 0.2:  # painted wood
        light = dark = _PAINTS[rng.integers(len(_PAINTS))]
    first, second, third = (linear(_PAINTS[k]) for k in rng.choice(len(_PAINTS), 3, replace=False))
    lighter = tuple(min(1.0, 1.35 * c + 0.02) for c in first)
    cloth: Pattern = Fabric(colour=first, second=(lighter[0], lighter[1], lighter[2]))
    accent: Pattern = Fabric(colour=second, second=third) if rng.random() < 0.5 else Plain(colour=second)
    metal = linear(("#2b2b2e", "#b9b4aa", "#a98243")[rng.integers(3)])
    return Style(wood_light=linear(light), wood_dark=linear(dark), cloth=cloth, accent=accent, metal=metal)


def joined(meshes: Iterable[Mesh]) -> Mesh:
    """Several meshes as one."""
    items = tuple(meshes)
    offsets = np.cumsum([0, *(len(m.vertices) for m in items[:-1])])
    return Mesh(
        vertices=np.concatenate([m.vertices for m in items]),
        faces=np.concatenate([m.faces + o for m, o in zip(items, offsets, strict=True)]),
    )


def bounds(parts: Sequence[Part]) -> Float[np.ndarray, "2 3"]:
    """Lowest and highest corner of the box of all parts, m."""
    corners = np.stack([p.mesh_node.bounds for p in parts])
    return np.stack([corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)])


def fitted(parts: Sequence[Part], size_m: Size) -> tuple[Part, ...]:
    """The parts stretched per axis to exactly `size_m`, with the origin at the bottom centre of their box."""
    low, high = bounds(parts)
    scale = np.asarray(size_m) / (high - low)
    origin = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    return tuple(
        replace(p, mesh_node=replace(p.mesh_node, vertices=(p.mesh_node.vertices - origin) * scale)) for p in parts
    )


def united(parts: Sequence[Part]) -> Mesh:
    """All parts as one watertight solid without anything hidden inside it (a Boolean union), in node."""
    import manifold3d

    solids = [
        manifold3d.Manifold(
            manifold3d.Mesh64(
                vert_properties=np.array(p.mesh_node.vertices, dtype=np.float64),
                tri_verts=np.array(p.mesh_node.faces, dtype=np.uint64),
            )
        )
        for p in parts
    ]
    for part, solid in zip(parts, solids, strict=True):
        if solid.status() != manifold3d.Error.NoError:
            raise ValueError(f"The part {part.name!r} is not a closed solid: {solid.status()}.")
    whole = manifold3d.Manifold.batch_boolean(solids, manifold3d.OpType.Add).to_mesh64()
    return Mesh(
        vertices=np.array(whole.vert_properties[:, :3], dtype=np.float64),
        faces=np.array(whole.tri_verts, dtype=np.int64),
    )
