"""What an engine would mind in a layout: objects inside each other, objects in the air.

In: meshes in world (y up, floor at 0, m) and what each stands on. Out: plain numbers; nobody's protocol is
standard here, so each is defined below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..asset import Mesh
from ..layout.overlap import Solid, box_pairs, penetration, shared_volume_m3, volume_m3
from ..layout.patch import Column, Patch, rest_on, rest_on_floor

# The nearest upper side of the support counts, not a shelf above the object.
_REACHES_M = (0.02, 0.1, 0.3)
CONTACT_M = 0.005
_CELLS = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutPhysics:
    """penetration_share: volume that pairs share over the volume of all objects. largest_depth_m: of a penetration.

    floating_gap_m: largest distance of an object from its support, either way. in_contact: share of the objects
    within 5 mm of their support. coverage: mean area of the patch in which they touch over that of their foot.
    open_meshes: names of objects that are not watertight; their volumes are those that most rays call inside.
    unsupported: names that have no mesh or floor as parent, so that the last three figures leave them out.
    """

    penetration_share: float
    largest_depth_m: float
    floating_gap_m: float
    in_contact: float
    coverage: float
    open_meshes: tuple[str, ...]
    unsupported: tuple[str, ...]


def measure_physics(
    meshes_world: Mapping[str, Mesh], parents: Mapping[str, str], *, contact_m: float = CONTACT_M
) -> LayoutPhysics:
    """parents: "floor" or a name for every object; walls and ceilings are not counted as supports.

    Volumes are exact (manifold3d) for watertight meshes and counted on a grid for others.
    """
    solids = {name: Solid(mesh) for name, mesh in meshes_world.items()}
    names = list(solids)
    pairs = [(names[i], names[j]) for i, j in box_pairs([s.bounds for s in solids.values()]).tolist()]
    shared_m3 = sum(shared_volume_m3(solids[a], solids[b], cells=_CELLS) for a, b in pairs)
    whole_m3 = sum(volume_m3(solid, cells=_CELLS) for solid in solids.values())
    depths_m = [found.depth_m for a, b in pairs if (found := penetration(solids[a], solids[b]))]
    columns = {name: Column(mesh) for name, mesh in meshes_world.items()}
    standing = {n: p for n, p in parents.items() if p == "floor" or p in columns}
    gaps_m, coverage = [], []
    for name, parent in standing.items():
        gap_m, covered = _support(columns[name], None if parent == "floor" else columns[parent])
        gaps_m.append(abs(gap_m))
        coverage.append(covered)
    return LayoutPhysics(
        penetration_share=float(shared_m3 / max(whole_m3, 1e-12)),
        largest_depth_m=max(depths_m, default=0.0),
        floating_gap_m=max(gaps_m, default=0.0),
        in_contact=float(np.mean([gap <= contact_m for gap in gaps_m])) if gaps_m else 1.0,
        coverage=float(np.mean(coverage)) if coverage else 1.0,
        open_meshes=tuple(name for name, solid in solids.items() if solid.manifold is None),
        unsupported=tuple(name for name in meshes_world if name not in standing),
    )


def voxel_collision(meshes: Sequence[Mesh], *, cells_a_side: int) -> float:
    """Voxels that more than one surface passes through over those that any does (SceneGen's collision ratio).

    The grid is a cube over the box of all meshes; surfaces are split until no edge is longer than half a voxel.
    """
    from trimesh.remesh import subdivide_to_size

    low = np.min([mesh.bounds[0] for mesh in meshes], axis=0)
    side = float((np.max([mesh.bounds[1] for mesh in meshes], axis=0) - low).max()) / cells_a_side
    occupied = []
    for mesh in meshes:
        points, _ = subdivide_to_size(mesh.vertices, mesh.faces, max_edge=side / 2, max_iter=30)
        # The far border belongs to the last voxel.
        cells = np.clip(((points - low) / side).astype(np.int64), 0, cells_a_side - 1)
        occupied.append(np.unique(np.ravel_multi_index(tuple(cells.T), (cells_a_side,) * 3)))
    _, owners = np.unique(np.concatenate(occupied), return_counts=True)
    return float((owners > 1).mean())


def _support(column: Column, carrier: Column | None) -> tuple[float, float]:
    """Gap to the support (m, negative inside) and the share of the foot that touches."""
    whole = rest_on_floor(column)
    patch: Patch | None = whole
    if carrier is not None:
        patches = (rest_on(column, carrier, reach_m=reach_m) for reach_m in _REACHES_M)
        patch = next((found for found in patches if found is not None), None)
    if patch is None:
        # A basin under the foot: what counts is the rim around it.
        return float(column.bounds[0, 1] - carrier.bounds[1, 1]) if carrier is not None else 0.0, 0.0
    return patch.gap_m, min(patch.area_m2 / whole.area_m2, 1.0) if whole.area_m2 > 0 else 1.0
