"""A furniture model made small: an OBJ file with materials in, few triangles with vertex colours out.

The frame is `node` of the piece: y up, origin at the bottom centre of its box, +z = its front, metres.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zipfile import ZipFile

import numpy as np
from jaxtyping import Float, Int, UInt8

from .furniture import Part, bounds
from .furniture_catalogue import CatalogueModel, model_files
from .model_split import geometry_hash
from .shapes import corner_normals

_TEXELS = 64  # a texture is reduced to this before it becomes vertex colours: a vertex stands for its surroundings
_SMALLEST_PART_FACES = 24
_KEPT = 0.03  # of its largest extent: more must not be lost by edge collapse
_GRIDS = (1 / 300, 1 / 150, 1 / 80, 1 / 40, 1 / 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedMesh:
    """Triangles of one model. colours: sRGB. part: which material a vertex belongs to, 0 the largest by area.

    geometry: hash of the shape before any triangle was taken away.
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colours: UInt8[np.ndarray, "V 3"]
    part: UInt8[np.ndarray, "V"]
    geometry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """The triangles of one material."""

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    colours: UInt8[np.ndarray, "V 3"]

    @property
    def area(self) -> float:
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def read_model(archive: ZipFile, model: CatalogueModel, max_faces: int) -> PackedMesh:
    """A model of a library in its true size, with about `max_faces` triangles; ValueError where it has none."""
    import trimesh

    files = model_files(archive, model.member)
    scene = trimesh.load_scene(
        io.BytesIO(archive.read(model.member)), file_type="obj", resolver=trimesh.resolvers.ZipResolver(files)
    )
    pieces = [_piece(g, model.rotation) for g in scene.geometry.values() if len(getattr(g, "faces", ()))]
    if not pieces:
        raise ValueError(f"{model.name} has no triangles")
    return _packed(pieces, max_faces, np.asarray(model.size_m))


def pack_parts(parts: Sequence[Part], max_faces: int) -> PackedMesh:
    """The same of our own parametric furniture: its procedural colours become vertex colours."""
    from ..colour import srgb_from_linear

    pieces = []
    for part in parts:
        mesh = part.mesh_node
        corners = mesh.vertices[mesh.faces].reshape(-1, 3)
        normals = corner_normals(mesh).reshape(-1, 3)
        albedo = np.asarray(part.finish.pattern.albedo(corners, normals)) + np.asarray(part.finish.glow) * 0.3
        total, count = np.zeros((len(mesh.vertices), 3)), np.zeros(len(mesh.vertices))
        np.add.at(total, mesh.faces.ravel(), albedo)
        np.add.at(count, mesh.faces.ravel(), 1)
        coded = srgb_from_linear(np.clip(total / np.maximum(count, 1)[:, None], 0, 1))
        pieces.append(_Piece(vertices=mesh.vertices, faces=mesh.faces, colours=(coded * 255).round().astype(np.uint8)))
    low, high = bounds(parts)
    return _packed(pieces, max_faces, high - low)


def _piece(geometry: Any, rotation: Float[np.ndarray, "3 3"]) -> _Piece:
    vertices = np.asarray(geometry.vertices, dtype=np.float64) @ rotation.T
    return _Piece(
        vertices=vertices, faces=np.asarray(geometry.faces, dtype=np.int64), colours=_vertex_colours(geometry)
    )


def _vertex_colours(geometry: Any) -> UInt8[np.ndarray, "V 3"]:
    """Colour of the material at every vertex: its reduced texture where it has one, else its plain colour."""
    material = getattr(geometry.visual, "material", None)
    count = len(geometry.vertices)
    plain = np.asarray(getattr(material, "diffuse", (180, 180, 180, 255)))[:3].astype(np.uint8)
    image, uv = getattr(material, "image", None), getattr(geometry.visual, "uv", None)
    if image is None or uv is None:
        return np.tile(plain, (count, 1))
    small = np.asarray(image.convert("RGB").resize((_TEXELS, _TEXELS)))
    at = np.nan_to_num(np.asarray(uv)) % 1.0
    column = np.minimum((at[:, 0] * _TEXELS).astype(int), _TEXELS - 1)
    row = np.minimum(((1 - at[:, 1]) * _TEXELS).astype(int), _TEXELS - 1)
    return small[row, column]


def _packed(pieces: Sequence[_Piece], max_faces: int, size_m: Float[np.ndarray, "3"]) -> PackedMesh:
    """All pieces decimated and fitted to `size_m`, the largest first."""
    ordered = sorted((p for p in map(_welded, pieces) if len(p.faces)), key=lambda p: -p.area)
    if not ordered:
        raise ValueError("only triangles without area")
    small = _decimated(ordered, max_faces)
    offsets = np.cumsum([0, *(len(p.vertices) for p in small[:-1])])
    vertices = np.concatenate([p.vertices for p in small])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    foot = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    return PackedMesh(
        vertices=(vertices - foot) * (size_m / np.maximum(high - low, 1e-9)),
        faces=np.concatenate([p.faces + o for p, o in zip(small, offsets, strict=True)]),
        colours=np.concatenate([p.colours for p in small]),
        geometry=geometry_hash(np.concatenate([p.vertices for p in pieces])),
        part=np.concatenate([np.full(len(p.vertices), min(k, 255), dtype=np.uint8) for k, p in enumerate(small)]),
    )


def _decimated(pieces: Iterable[_Piece], max_faces: int) -> list[_Piece]:
    """The triangles are shared out by roots of areas: a chair's thin legs need more than their area says."""
    pieces = list(pieces)
    weights = np.sqrt([max(p.area, 1e-9) * len(p.faces) for p in pieces])
    budget = np.maximum(max_faces * weights / weights.sum(), _SMALLEST_PART_FACES).astype(int)
    return [_fewer(_thinned(piece, 4 * int(n)), int(n)) for piece, n in zip(pieces, budget, strict=True)]


def _fewer(piece: _Piece, faces: int) -> _Piece:
    """Edge collapse down to about `faces` triangles, or vertices merged on a grid where it fails to keep the shape."""
    if len(piece.faces) <= faces:
        return piece
    for aggression in (5.0, 3.0):
        simpler = _collapsed(piece, faces, aggression)
        if simpler is not None and len(simpler.faces) <= 2 * faces:
            return simpler
    for tolerance in _GRIDS:
        simpler = _welded(piece, tolerance)
        if len(simpler.faces) <= 2 * faces:
            break
    return simpler


def _collapsed(piece: _Piece, faces: int, aggression: float) -> _Piece | None:
    """A vertex takes the colour of the nearest old one; None where the extents shrank (thin parts were eaten)."""
    from fast_simplification import simplify
    from scipy.spatial import cKDTree

    vertices, triangles = simplify(
        np.ascontiguousarray(piece.vertices), piece.faces, target_count=faces, agg=aggression
    )
    if len(triangles) == 0:
        return None
    nearest = cKDTree(piece.vertices).query(vertices)[1]
    simpler = _welded(
        _Piece(vertices=vertices.astype(np.float64), faces=triangles.astype(np.int64), colours=piece.colours[nearest])
    )
    before, after = np.ptp(piece.vertices, axis=0), np.ptp(simpler.vertices, axis=0)
    return simpler if bool((np.abs(after - before) <= _KEPT * before.max()).all()) else None


def _thinned(piece: _Piece, faces: int) -> _Piece:
    """Foliage of thousands of separate leaves: leave out small ones, and let the others grow to the same area."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if len(piece.faces) <= faces:
        return piece
    edges = piece.faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), edges.T), shape=(len(piece.vertices),) * 2)
    count, component = connected_components(graph, directed=False)
    if count < faces / 16:
        return piece
    of_face = component[piece.faces[:, 0]]
    kept = np.random.default_rng(0).permutation(count) < max(1, int(count * min(1.0, faces / 8 / count)))
    chosen = kept[of_face]
    if not chosen.any():
        return piece
    share = float(chosen.mean())
    sums, sizes = np.zeros((count, 3)), np.bincount(component, minlength=count)
    np.add.at(sums, component, piece.vertices)
    middle = (sums / sizes[:, None])[component]
    grown = middle + (piece.vertices - middle) * min(share**-0.5, 2.0)
    low, high = piece.vertices.min(axis=0), piece.vertices.max(axis=0)
    return _welded(_Piece(vertices=np.clip(grown, low, high), faces=piece.faces[chosen], colours=piece.colours))


def _welded(piece: _Piece, tolerance: float = 1e-5) -> _Piece:
    """Vertices at one place (a cell of `tolerance` extents) joined; no triangles without area, no unused vertices."""
    extent = max(float(np.ptp(piece.vertices, axis=0).max()), 1e-9)
    keys = np.round(piece.vertices / (extent * tolerance)).astype(np.int64)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    faces = inverse.reshape(-1)[piece.faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    faces = faces[np.unique(np.sort(faces, axis=1), axis=0, return_index=True)[1]]
    used, faces = np.unique(faces, return_inverse=True)
    return _Piece(
        vertices=piece.vertices[first][used],
        faces=faces.reshape(-1, 3).astype(np.int64),
        colours=piece.colours[first][used],
    )
