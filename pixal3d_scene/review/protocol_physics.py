"""Protocol P-Physics: what an engine would mind in a run, whatever the photo shows.

In: a `ReviewedRun`; of the `TrueRoom` only how many objects there are. Out: a `Score`. Frame: the run's own world (y
up, its floor at 0), metres. There is no standard; every figure is defined in `layout_physics`. Meshes that are not
watertight are counted (`open`) and named in a note: their inside, for the penetration, is what most rays call inside.

`voxel_collision` is SceneGen's figure and another thing: the share of the occupied voxels of a 64^3 grid over the
scene that more than one object occupies. Objects that only touch share voxels too. Assumed: a voxel is occupied
where a surface passes through it, and the grid is a cube over the box of all objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from ..asset import Mesh
from ..errors import InputError
from .layout_physics import measure_physics, voxel_collision
from .protocol import Score
from .room_files import ReviewedRun, TrueRoom

FLOOR_NAMES = (None, "floor", "room")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsProtocol:
    """Physical plausibility; no truth enters."""

    contact_m: float = 0.005
    voxels_a_side: int = 64

    name: ClassVar[str] = "P-Physics"
    meanings: ClassVar[Mapping[str, str]] = {
        "penetration": "volume that pairs of objects share over the volume of all objects",
        "depth_m": "largest depth of a penetration, m",
        "gap_m": "largest distance of an object from its support, above or below, m",
        "contact_5mm": "share of the supported objects within 5 mm of their support",
        "coverage": "mean share of an object's foot that its support carries",
        "voxel_collision": "SceneGen's voxel collision ratio, 64^3",
        "open": "objects whose mesh is not watertight",
    }

    @property
    def parameters(self) -> dict[str, Any]:
        return {**asdict(self), "alignment": "none", "frame": "run's own world in metres", "pairing": "none"}

    def score(self, truth: TrueRoom, run: ReviewedRun) -> Score:
        """See `EvaluationProtocol.score`."""
        meshes_world = {
            item.name: Mesh(
                vertices=run.world_from_cam(np.array(item.mesh_cam.vertices)),
                faces=np.array(item.mesh_cam.faces, dtype=np.int64),
            )
            for item in run.objects
            if len(item.mesh_cam.faces)
        }
        if not meshes_world:
            raise InputError(f"The run of {truth.name} has no object with a mesh; nothing can be measured.")
        parents = {
            item.name: "floor" if item.parent in FLOOR_NAMES else str(item.parent)
            for item in run.objects
            if item.name in meshes_world and item.relation == "on"
        }
        physics = measure_physics(meshes_world, parents, contact_m=self.contact_m)
        notes = tuple(
            f"{what}: {', '.join(names)}"
            for what, names in (
                ("not watertight", physics.open_meshes),
                ("without a support that can be measured", physics.unsupported),
            )
            if names
        )
        return Score(
            true_objects=len(truth.points_cam),
            matched_objects=None,
            figures={
                "penetration": physics.penetration_share,
                "depth_m": physics.largest_depth_m,
                "gap_m": physics.floating_gap_m,
                "contact_5mm": physics.in_contact,
                "coverage": physics.coverage,
                "voxel_collision": voxel_collision(list(meshes_world.values()), cells_a_side=self.voxels_a_side),
                "open": float(len(physics.open_meshes)),
            },
            notes=notes,
        )
