"""Protocol P-MIDI: scene and object figures of MIDI (Huang et al. 2025, `compute_metrics` of its public system).

In: a `TrueRoom` and a `ReviewedRun` made with the true masks. Out: a `Score`. Frame: the room's own world (gravity
up), scaled to a cube in which the longest side of the true scene is 2; the run is put there by its camera, which is
the truth's, so that its errors of place and size count.

20,480 surface points per found object against the data set's own samples of the truth. Scene: all points together,
moved by point-to-point ICP (at most 50 steps, 1e-5, from where they are, no scale); Chamfer distance = mean *squared*
nearest distance, both ways summed; F-score at 0.1 of *unsquared* distances. IoU-B: axis-aligned boxes of each pair
*before* any alignment. Objects: each stretched per axis to [-0.95, 0.95], ICP again, the same two figures.

Assumed, since it is not published: the 1e-5 is the relative change of the mean squared distance; the cube is that of
the true scene (MIDI itself predicts in the cube); an object without a mesh counts 0 in IoU-B and F-O and is left out
of CD-O (there, every mask has a mesh); objects that show less than 400 pixels do not count. MIDI leaves a failing
scene out of its means without a trace; here it is left out and counted as failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from .mask_pairs import found_by_mask
from .metrics import Gap, Surface, align_rigidly, box_iou, gap, stretched_to_unit, surface_points
from .protocol import Score
from .room_files import ReviewedRun, TrueRoom


@dataclass(frozen=True, slots=True, kw_only=True)
class MidiProtocol:
    """The published numbers are the defaults; fewer points are for tests."""

    points_per_object: int = 20_480
    tau: float = 0.1
    scene_longest_side: float = 2.0
    object_half_side: float = 0.95
    icp_steps: int = 50
    icp_relative_change: float = 1e-5

    name: ClassVar[str] = "P-MIDI"
    meanings: ClassVar[Mapping[str, str]] = {
        "CD-S": "scene Chamfer distance after ICP, squared, both ways summed",
        "F-S": "scene F-score after ICP, tau 0.1",
        "CD-O": "the same per object, stretched and aligned, mean over objects",
        "F-O": "F-score per object, stretched and aligned, mean over objects",
        "IoU-B": "box IoU before alignment, mean over objects",
    }

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "chamfer": "squared, both directions summed",
            "alignment": "rigid point-to-point ICP, no scale; boxes before it",
            "frame": "room's world, cube of the true scene",
            "pairing": "mask index",
        }

    def score(self, truth: TrueRoom, run: ReviewedRun) -> Score:
        """See `EvaluationProtocol.score`."""
        found = found_by_mask(truth, run, protocol=self.name)
        true_world = {v: truth.world_from_cam(points_cam) for v, points_cam in truth.points_cam.items()}
        found_world = {
            v: truth.world_from_cam(surface_points(mesh, self.points_per_object))
            for v, mesh in found.meshes_cam.items()
        }
        scene = self._scene_gap(np.concatenate([*true_world.values()]), np.concatenate([*found_world.values()]))
        shapes = [self._shape_gap(true_world[v], found_world[v]) for v in found.paired]
        missing = [0.0] * (len(true_world) - len(found.paired))
        figures = {"CD-S": scene.squared_chamfer, "F-S": scene.f_score(self.tau)}
        if shapes:
            figures["CD-O"] = float(np.mean([shape.squared_chamfer for shape in shapes]))
        if true_world:
            figures["F-O"] = float(np.mean([*(shape.f_score(self.tau) for shape in shapes), *missing]))
            boxes = [box_iou(found_world[v], true_world[v]) for v in found.paired]
            figures["IoU-B"] = float(np.mean([*boxes, *missing]))
        return Score(
            true_objects=len(true_world),
            matched_objects=len(found.paired),
            figures=figures,
            weights={"CD-O": len(found.paired), "F-O": len(true_world), "IoU-B": len(true_world)},
        )

    def _scene_gap(self, true_world: Float[np.ndarray, "n 3"], found_world: Float[np.ndarray, "m 3"]) -> Gap:
        low, high = true_world.min(axis=0), true_world.max(axis=0)
        unit_per_m, middle = self.scene_longest_side / float((high - low).max()), (low + high) / 2
        surface = Surface((true_world - middle) * unit_per_m)
        return self._aligned_gap((found_world - middle) * unit_per_m, surface)

    def _shape_gap(self, true_world: Float[np.ndarray, "n 3"], found_world: Float[np.ndarray, "m 3"]) -> Gap:
        true_unit, found_unit = (
            stretched_to_unit(points, half_side=self.object_half_side) for points in (true_world, found_world)
        )
        return self._aligned_gap(found_unit, Surface(true_unit))

    def _aligned_gap(self, found: Float[np.ndarray, "m 3"], surface: Surface) -> Gap:
        moved = align_rigidly(found, surface, steps=self.icp_steps, relative_change=self.icp_relative_change)
        return gap(moved, surface)
