"""Closed solids that furniture is made of: rounded boxes, cushions, turned bodies, struts, leaves.

Sizes enter in metres, a `Mesh` leaves in the frame of the piece of furniture (x right, y up, z to the front).
Every solid is watertight with outward faces, so that solids can be united and have a volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from ..asset import Mesh

Vector = Sequence[float | int] | Float[np.ndarray, "3"]


def moved(mesh: Mesh, *, to_m: Vector = (0.0, 0.0, 0.0), turn: Rotation | None = None) -> Mesh:
    """`mesh` turned about its origin and then shifted by `to_m`."""
    vertices = np.array(mesh.vertices) if turn is None else turn.apply(np.array(mesh.vertices))
    return replace(mesh, vertices=vertices + np.asarray(to_m, dtype=np.float64))


def rounded_box(size_m: Vector, radius_m: float = 0.01, steps: int = 3) -> Mesh:
    """A box about the origin with edges rounded by quarter circles of `radius_m` in `steps` points."""
    half = np.asarray(size_m, dtype=np.float64) / 2
    radius = min(radius_m, 0.999 * float(half.min()))
    arc = np.tan(np.linspace(0.0, np.pi / 4, steps))  # tangents: even angles on the cube-sphere
    line = np.concatenate([-arc[::-1], arc])
    side = np.concatenate([np.full(steps, -1.0), np.full(steps, 1.0)])
    cube, signs, faces = _cube_grid(line, side)
    directions = cube / np.linalg.norm(cube, axis=1, keepdims=True)
    return _merged(signs * (half - radius) + radius * directions, faces)


def box(size_m: Vector) -> Mesh:
    """A sharp-edged box about the origin."""
    cube, _, faces = _cube_grid(np.array([-1.0, 1.0]), np.array([-1.0, 1.0]))
    return _merged(cube * np.asarray(size_m, dtype=np.float64) / 2, faces)


def cushion(size_m: Vector, power: float = 4.0, steps: int = 13) -> Mesh:
    """A stuffed box about the origin: the superellipsoid |x|^p + |y|^p + |z|^p = 1 stretched to `size_m`.

    power: 2 is an ellipsoid, 4 a pillow, 10 nearly a box. steps: odd, so that the extents are exact.
    """
    line = np.sin(np.linspace(-np.pi / 2, np.pi / 2, steps))  # denser at the edges, where it bends
    cube, _, faces = _cube_grid(line, np.sign(line))
    reach = (np.abs(cube) ** power).sum(axis=1, keepdims=True) ** (1 / power)
    return _merged(cube / reach * np.asarray(size_m, dtype=np.float64) / 2, faces)


def lathe(profile_m: Sequence[tuple[float | int, float | int]], segments: int = 32) -> Mesh:
    """A turned body: (radius, height) points revolved about y.

    The profile runs so that the solid lies on its left (bottom, outside, top), from axis to axis. A profile that
    does not touch the axis is taken as a closed ring (a lamp shade, a pot's rim).
    """
    profile = np.asarray(profile_m, dtype=np.float64)
    on_axis = profile[:, 0] < 1e-9
    ring = not (on_axis[0] and on_axis[-1])
    angles = np.arange(segments) * 2 * np.pi / segments
    circle = np.stack([np.sin(angles), np.cos(angles)], axis=-1)  # (x, z): from the front to the right
    vertices = np.stack(
        [
            profile[:, None, 0] * circle[None, :, 0],
            np.repeat(profile[:, None, 1], segments, axis=1),
            profile[:, None, 0] * circle[None, :, 1],
        ],
        axis=-1,
    )
    rows = len(profile) if ring else len(profile) - 1
    i, j = np.meshgrid(np.arange(rows), np.arange(segments), indexing="ij")
    up, right = (i + 1) % len(profile), (j + 1) % segments
    quads = np.stack([i * segments + j, i * segments + right, up * segments + right, up * segments + j], axis=-1)
    return _merged(vertices.reshape(-1, 3), _triangles(quads.reshape(-1, 4)))


def strut(start_m: Vector, end_m: Vector, radius_m: float, end_radius_m: float | None = None, sides: int = 14) -> Mesh:
    """A round rod from `start_m` to `end_m`, tapering to `end_radius_m`."""
    start, end = np.asarray(start_m, dtype=np.float64), np.asarray(end_m, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    tip = radius_m if end_radius_m is None else end_radius_m
    rod = lathe([(0.0, 0.0), (radius_m, 0.0), (tip, length), (0.0, length)], segments=sides)
    turn, _ = Rotation.align_vectors([(end - start) / length], [[0.0, 1.0, 0.0]])
    return moved(rod, to_m=start, turn=turn)


def leg(foot_m: Vector, top_m: Vector, foot_radius_m: float, top_radius_m: float, sides: int = 14) -> Mesh:
    """A tapered leg that may lean, with its foot cut flat on the floor."""
    foot, top = np.asarray(foot_m, dtype=np.float64), np.asarray(top_m, dtype=np.float64)
    height = float(top[1] - foot[1])
    upright = lathe([(0.0, 0.0), (foot_radius_m, 0.0), (top_radius_m, height), (0.0, height)], segments=sides)
    vertices = np.array(upright.vertices)
    lean = (top - foot)[[0, 2]] / height
    vertices[:, [0, 2]] += vertices[:, 1:2] * lean
    return moved(replace(upright, vertices=vertices), to_m=foot)


def leaf(length_m: float, width_m: float, droop_rad: float = 0.9, thickness_m: float = 0.003) -> Mesh:
    """A leaf that starts at the origin towards +z and bends down along an arc of `droop_rad`."""
    blade = cushion((width_m, thickness_m, length_m), power=2.0, steps=11)
    x, y, z = np.array(blade.vertices).T
    along = z / length_m + 0.5  # 0 at the stem, 1 at the tip
    x = x * (1.15 - 0.6 * along)  # widest before the middle
    y = y + 0.25 * np.abs(x) ** 1.5 / max(width_m, 1e-6) ** 0.5  # folded along the middle rib
    bend = length_m / max(droop_rad, 1e-3)
    angle = along * droop_rad
    bent = np.stack([x, y * np.cos(angle) - bend * (1 - np.cos(angle)), y * np.sin(angle) + bend * np.sin(angle)], -1)
    return replace(blade, vertices=bent)


def corner_normals(mesh: Mesh, crease_deg: float = 38.0) -> Float[np.ndarray, "F 3 3"]:
    """Unit shading normal at every corner: smooth across edges flatter than `crease_deg`, sharp across others."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    area_normals = np.cross(b - a, c - a)  # (F, 3), length is twice the area
    unit = area_normals / np.maximum(np.linalg.norm(area_normals, axis=1, keepdims=True), 1e-18)
    corner_vertex = mesh.faces.reshape(-1)
    order = np.argsort(corner_vertex, kind="stable")
    counts = np.bincount(corner_vertex, minlength=len(mesh.vertices))
    starts = np.concatenate([[0], np.cumsum(counts)])
    pairs_per_corner = counts[corner_vertex]
    corner = np.repeat(np.arange(len(corner_vertex)), pairs_per_corner)  # (P,)
    within = np.arange(len(corner)) - np.repeat(np.cumsum(pairs_per_corner) - pairs_per_corner, pairs_per_corner)
    neighbour_face = order[starts[corner_vertex[corner]] + within] // 3
    smooth = np.einsum("ij,ij->i", unit[corner // 3], unit[neighbour_face]) > np.cos(np.radians(crease_deg))
    contribution = area_normals[neighbour_face] * smooth[:, None]
    total = np.stack(
        [np.bincount(corner, weights=contribution[:, k], minlength=len(corner_vertex)) for k in range(3)], axis=-1
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    normals = np.where(length > 1e-18, total / np.maximum(length, 1e-18), np.repeat(unit, 3, axis=0))
    return normals.reshape(-1, 3, 3)


def _cube_grid(
    line: Float[np.ndarray, "n"], side: Float[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"]]:
    """Six n x n grids on the cube [-1, 1]^3: points, the values of `side` that go with them, outward triangles."""
    n = len(line)
    u, v = (g.reshape(-1) for g in np.meshgrid(line, line, indexing="ij"))
    su, sv = (g.reshape(-1) for g in np.meshgrid(side, side, indexing="ij"))
    i, j = (g.reshape(-1) for g in np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij"))
    quads = np.stack([i * n + j, (i + 1) * n + j, (i + 1) * n + j + 1, i * n + j + 1], axis=-1)
    points, signs, faces = [], [], []
    for axis in range(3):
        for end in (-1.0, 1.0):
            order = [axis, (axis + 1) % 3, (axis + 2) % 3]
            place = np.argsort(order)
            points.append(np.stack([np.full(n * n, end), u, v], axis=-1)[:, place])
            signs.append(np.stack([np.full(n * n, end), su, sv], axis=-1)[:, place])
            outward = quads if end > 0 else quads[:, ::-1]
            faces.append(_triangles(outward) + (len(points) - 1) * n * n)
    return np.concatenate(points), np.concatenate(signs), np.concatenate(faces)


def _triangles(quads: Int[np.ndarray, "Q 4"]) -> Int[np.ndarray, "F 3"]:
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _merged(vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Mesh:
    """One vertex per place, and no triangle without area."""
    _, first, index = np.unique(
        np.round(vertices / 1e-7).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    faces = index.reshape(-1)[faces]
    keep = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return Mesh(vertices=vertices[first], faces=faces[keep])
