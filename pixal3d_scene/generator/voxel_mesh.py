"""From the cascade's voxels to a mesh in `obj`: holes closed, wound outwards, fewer triangles, a colour per vertex."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from ..asset import Material, Mesh
from ..autoencoder.dual_grid import DualGrid
from ..autoencoder.pbr_voxels import PbrVoxels
from ..autoencoder.surface_repair import repair_surface


@dataclass(frozen=True, slots=True, kw_only=True)
class ColouredMesh:
    """mesh: in `obj`, with vertex colours. material: one metallic and one roughness value for the whole object."""

    mesh: Mesh
    material: Material
    notes: tuple[str, ...]


def mesh_from_voxels(grid: DualGrid, pbr: PbrVoxels, *, max_faces: int) -> ColouredMesh | None:
    """None where no face is left. Colours come from the dense surface, so that fewer triangles do not fade them."""
    repaired = repair_surface(grid.to_mesh())
    dense = repaired.mesh
    if not len(dense.faces):
        return None
    mesh = _with_fewer_faces(dense, max_faces)
    if not len(mesh.faces):
        return None
    attributes = _nearest(pbr.sample(np.asarray(dense.vertices, dtype=np.float64)), dense, mesh)  # (V, 6)
    notes = []
    if repaired.holes_filled:
        notes.append(f"{repaired.holes_filled} small holes were closed.")
    if repaired.open_edges:
        notes.append("The surface is open in places and drawn from both sides.")
    return ColouredMesh(
        mesh=replace(mesh, colours=_opaque(attributes[:, :3])),
        material=Material(
            metallic=float(np.clip(np.median(attributes[:, 3]), 0, 1)),
            roughness=float(np.clip(np.median(attributes[:, 4]), 0, 1)),
            double_sided=bool(repaired.open_edges),
        ),
        notes=tuple(notes),
    )


def _with_fewer_faces(mesh: Mesh, max_faces: int) -> Mesh:
    """Quadric edge collapse down to `max_faces`, without triangles that have no area."""
    vertices, faces = np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64)
    if len(faces) > max_faces:
        from fast_simplification import simplify

        vertices, faces = simplify(vertices, faces, target_count=max_faces)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    solid = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-14  # (F,)
    used, faces = np.unique(faces[solid], return_inverse=True)
    return Mesh(vertices=np.asarray(vertices)[used], faces=faces.reshape(-1, 3).astype(np.int32))


def _nearest(values: Float[np.ndarray, "D C"], dense: Mesh, mesh: Mesh) -> Float[np.ndarray, "V C"]:
    """Values at the vertices of `mesh`, from the nearest vertex of the dense surface, which lies among its voxels."""
    from scipy.spatial import cKDTree

    _, rows = cKDTree(np.asarray(dense.vertices)).query(np.asarray(mesh.vertices))
    return values[rows]


def _opaque(rgb: Float[np.ndarray, "V 3"]) -> UInt8[np.ndarray, "V 4"]:
    """sRGB-coded colours, cut to 8 bits. Alpha is left out: blended vertices show as speckles in most engines."""
    colours = np.full((len(rgb), 4), 255, dtype=np.uint8)
    colours[:, :3] = np.clip(rgb * 255, 0, 255).astype(np.uint8)
    return colours
