"""A dual-grid mesh made usable: small holes closed, neighbouring triangles wound alike, bodies facing outwards.

The dual grid knows no inside, so its winding is arbitrary, and a single missing voxel leaves a hole. Everything works
on whole arrays: these meshes have millions of triangles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..asset import Mesh

# As the published pipeline: about 30 voxel edges around a hole at a resolution of 1024.
MAX_HOLE_PERIMETER_OBJ = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedSurface:
    """The repaired mesh and what was done. open_edges: sides that still belong to one triangle only."""

    mesh: Mesh
    holes_filled: int
    triangles_flipped: int
    open_edges: int


def repair_surface(mesh_obj: Mesh, *, max_perimeter_obj: float = MAX_HOLE_PERIMETER_OBJ) -> RepairedSurface:
    """Drop unused vertices, close small holes, then wind all triangles consistently and outwards.

    Raises ValueError for a mesh with uv or colours, which new vertices would not have: repair first, then colour.
    """
    if mesh_obj.uv is not None or mesh_obj.colours is not None:
        raise ValueError("repair_surface makes new vertices and cannot invent their uv or colours: repair first.")
    used, faces = np.unique(mesh_obj.faces, return_inverse=True)  # (V',), (F, 3)
    vertices = np.asarray(mesh_obj.vertices)[used]  # (V', 3)
    faces = faces.reshape(-1, 3)
    vertices, faces, holes = _fill_small_holes(vertices, faces, max_perimeter_obj=max_perimeter_obj)
    sides = _Sides(faces)
    flip = _inconsistent_triangles(vertices, faces, sides)  # (F',)
    faces = np.where(flip[:, None], faces[:, ::-1], faces)
    return RepairedSurface(
        mesh=Mesh(vertices=vertices, faces=faces.astype(np.int32)),
        holes_filled=holes,
        triangles_flipped=int(flip.sum()),
        open_edges=int((sides.uses == 1).sum()),
    )


def _fill_small_holes(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], *, max_perimeter_obj: float
) -> tuple[Float[np.ndarray, "W 3"], Int[np.ndarray, "G 3"], int]:
    """Close every simple boundary loop shorter than `max_perimeter_obj` by a fan around the mean of its side midpoints.

    A loop is simple if each of its vertices has exactly two boundary sides. Returns vertices, faces and the count of
    closed holes; old vertices and faces keep their places.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    sides = _Sides(faces)
    rim = sides.directed[sides.first[sides.uses == 1]]  # (B, 2) as their triangle runs through them
    if not len(rim):
        return vertices, faces, 0
    degree = np.bincount(rim.reshape(-1), minlength=len(vertices))  # (V,)
    graph = coo_array((np.ones(len(rim)), (rim[:, 0], rim[:, 1])), shape=(len(vertices), len(vertices)))
    count, loop_of_vertex = connected_components(graph, directed=False)  # (V,)
    loop = loop_of_vertex[rim[:, 0]]  # (B,)
    length = np.linalg.norm(vertices[rim[:, 1]] - vertices[rim[:, 0]], axis=1)  # (B,)
    simple = np.bincount(loop, (degree[rim] != 2).any(axis=1), count) == 0  # (L,)
    closes = simple & (np.bincount(loop, length, count) < max_perimeter_obj) & (np.bincount(loop, minlength=count) > 2)

    new_vertex = np.cumsum(closes) - 1 + len(vertices)  # (L,) number of the fan's centre, where there is one
    rim, loop = rim[closes[loop]], loop[closes[loop]]  # (B', 2), (B',)
    middle = vertices[rim].mean(axis=1)  # (B', 3)
    sums = np.stack([np.bincount(loop, middle[:, k], count) for k in range(3)], axis=1)  # (L, 3)
    centres = sums[closes] / np.bincount(loop, minlength=count)[closes, None]  # (H, 3)
    fans = np.stack([rim[:, 1], rim[:, 0], new_vertex[loop]], axis=1)  # (B', 3) against their neighbour's direction
    return (
        np.concatenate([vertices, centres.astype(vertices.dtype)]),
        np.concatenate([faces, fans.astype(faces.dtype)]),
        int(closes.sum()),
    )


def _inconsistent_triangles(
    vertices: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], sides: _Sides
) -> Bool[np.ndarray, "F"]:
    """Which triangles must be turned so that neighbours agree and every connected body faces outwards.

    Neighbours share a side that belongs to these two only. Each body is judged by itself, by the sign of its volume
    (about its own centre if it is open), so the inner wall of a hollow body faces outwards too. A one-sided surface
    (Moebius strip) is left as it is.

    The two windings of every triangle are the nodes of a graph whose edges join the windings that go together: a
    consistent winding is a connected component of it.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(faces)
    a, b, alike = sides.neighbours()  # (E,), (E,), (E,)
    agree = np.where(alike, n, 0)  # two triangles that run alike through a side must not both keep their winding
    nodes_a = np.concatenate([a, a + n])  # (2E,) node f: triangle f as it is, node f + n: turned
    nodes_b = np.concatenate([b + agree, b + n - agree])  # (2E,)
    double = coo_array((np.ones(2 * len(a)), (nodes_a, nodes_b)), shape=(2 * n, 2 * n))
    _, winding = connected_components(double, directed=False)  # (2F,)
    single = coo_array((np.ones(len(a)), (a, b)), shape=(n, n))
    count, body = connected_components(single, directed=False)  # (F,)
    reference = np.zeros(count, dtype=winding.dtype)  # (K,)
    reference[body[::-1]] = winding[:n][::-1]  # the winding of each body's first triangle
    flip = winding[:n] != reference[body]  # (F,)
    flip ^= (_signed_volumes(vertices, faces, flip, body, count) < 0)[body]
    return flip & (winding[:n] != winding[n:])


def _signed_volumes(
    vertices: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    flip: Bool[np.ndarray, "F"],
    body: Int[np.ndarray, "F"],
    count: int,
) -> Float[np.ndarray, "K"]:
    """Volume that each body encloses with the triangles in `flip` turned; seen from its mean corner."""
    corners = vertices[faces].astype(np.float64)  # (F, 3, 3)
    sums = np.stack([np.bincount(body, corners[:, :, k].mean(axis=1), count) for k in range(3)], axis=1)  # (K, 3)
    corners -= (sums / np.bincount(body, minlength=count)[:, None])[body][:, None]
    volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))  # (F,) six times
    return np.bincount(body, np.where(flip, -volume, volume), count).astype(np.float64)


class _Sides:
    """The sides of triangles: `directed` (3F, 2) as the triangles run, and the undirected ones with their `uses`."""

    def __init__(self, faces: Int[np.ndarray, "F 3"]) -> None:
        self.directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)  # (3F, 2)
        low, high = np.minimum(*self.directed.T), np.maximum(*self.directed.T)  # (3F,)
        keys = low * (int(high.max(initial=0)) + 1) + high  # (3F,)
        self._order = np.argsort(keys, kind="stable")  # (3F,)
        self._starts = np.flatnonzero(np.diff(keys[self._order], prepend=-1))  # (S,)
        self.first = self._order[self._starts]  # (S,) one directed side of each undirected one
        self.uses = np.diff(self._starts, append=len(keys))  # (S,)

    def neighbours(self) -> tuple[Int[np.ndarray, "E"], Int[np.ndarray, "E"], Bool[np.ndarray, "E"]]:
        """Pairs of triangles with a side of their own, and whether both run through it in the same direction."""
        pairs = self._starts[self.uses == 2]  # (E,)
        one, two = self._order[pairs], self._order[pairs + 1]  # (E,), (E,)
        return one // 3, two // 3, self.directed[one, 0] == self.directed[two, 0]
