"""What an engine would mind in a layout: objects inside each other, objects in the air.

In: meshes in world (y up, floor at 0, m) and what each stands on. Out: plain numbers; nobody's protocol is
standard here, so each is defined below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..asset import Mesh
from ..layout.overlap import Solid, box_pairs, penetration, shared_volume_m3, volume_m3
from ..layout.patch import Column, rest_on, rest_on_floor

_REACH_M = 0.3
CONTACT_M = 0.005
_CELLS = 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutPhysics:
    """penetration_share: volume that pairs share over the volume of all objects. largest_depth_m: of a penetration.

    floating_gap_m: largest distance of an object from its support, either way. in_contact: share of the objects
    within 5 mm of their support. coverage: mean area of the patch in which they touch over that of their foot.
    """

    penetration_share: float
    largest_depth_m: float
    floating_gap_m: float
    in_contact: float
    coverage: float


def measure_physics(meshes_world: Mapping[str, Mesh], parents: Mapping[str, str]) -> LayoutPhysics:
    """parents: "floor" or a name for every object; walls and ceilings are not counted as supports."""
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
        in_contact=float(np.mean([gap <= CONTACT_M for gap in gaps_m])) if gaps_m else 1.0,
        coverage=float(np.mean(coverage)) if coverage else 1.0,
    )


def _support(column: Column, carrier: Column | None) -> tuple[float, float]:
    """Gap to the support (m, negative inside) and the share of the foot that touches."""
    whole = rest_on_floor(column)
    patch = whole if carrier is None else rest_on(column, carrier, reach_m=_REACH_M)
    if patch is None:
        # A basin under the foot: what counts is the rim around it.
        return float(column.bounds[0, 1] - carrier.bounds[1, 1]) if carrier is not None else 0.0, 0.0
    return patch.gap_m, min(patch.area_m2 / whole.area_m2, 1.0) if whole.area_m2 > 0 else 1.0
