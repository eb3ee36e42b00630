"""Protocol P-SceneGen: scene and object figures of SceneGen (its public evaluation).

In: a `TrueRoom` with truth.glb and a `ReviewedRun` made with the true masks. Out: a `Score`. Frame: the room's own
world (gravity up); the true scene and the found scene are each brought to a cube of side 2 by their *own* box, so
that this protocol, unlike P-MIDI, does not see a wrong size or place of the whole scene.

10,240 surface points per object of both scenes. Scene: moved by rigid FilterReg, point to point (at most 200 steps,
tolerance 1e-4, no scale); Chamfer distance = mean *squared* nearest distance, both ways summed; F-score at 0.1 of
unsquared distances. IoU-B: axis-aligned boxes of each pair *after* that alignment, unlike P-MIDI. Objects: each
stretched per axis to [-0.95, 0.95], FilterReg again, the same two figures.

Assumed, since it is not published: that the truth is brought to its cube as the prediction is; that FilterReg
re-estimates its variance from the mean squared distance of all pairs down to 1e-4; that the tolerance is on the mean
distance in standard deviations; that object figures are means over objects. An object without a mesh counts 0 in
IoU-B and F-O and is left out of CD-O. The figures of rendered pictures (PSNR, LPIPS, CLIP, ...) need Blender and
networks and are not part of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from .filterreg import align_by_filterreg
from .mask_pairs import found_by_mask
from .metrics import Gap, Surface, box_iou, gap, stretched_to_unit, surface_points
from .protocol import Score
from .room_files import ReviewedRun, TrueRoom

_TRUTH_SEED = 1  # other samples than the run's, or a perfect run would have no sampling error at all


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneGenProtocol:
    """The published numbers are the defaults; fewer points are for tests."""

    points_per_object: int = 10_240
    tau: float = 0.1
    scene_longest_side: float = 2.0
    object_half_side: float = 0.95
    filterreg_steps: int = 200
    filterreg_tolerance: float = 1e-4
    filterreg_least_variance: float = 1e-4

    name: ClassVar[str] = "P-SceneGen"
    meanings: ClassVar[Mapping[str, str]] = {
        "CD-S": "scene Chamfer distance after FilterReg, squared, both ways summed",
        "F-S": "scene F-score after FilterReg, tau 0.1",
        "CD-O": "the same per object, stretched and aligned, mean over objects",
        "F-O": "F-score per object, stretched and aligned, mean over objects",
        "IoU-B": "box IoU after the scene's alignment, mean over objects",
    }

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "chamfer": "squared, both directions summed",
            "alignment": "rigid FilterReg pt2pt, no scale; boxes after it",
            "frame": "room's world, each scene in the cube of its own box",
            "pairing": "mask index",
        }

    def score(self, truth: TrueRoom, run: ReviewedRun) -> Score:
        """See `EvaluationProtocol.score`."""
        found = found_by_mask(truth, run, protocol=self.name)
        true_meshes_cam = truth.meshes_needed_by(self.name)
        true_unit = self._in_own_cube(
            {
                v: truth.world_from_cam(surface_points(true_meshes_cam[v], self.points_per_object, seed=_TRUTH_SEED))
                for v in truth.points_cam
            }
        )
        found_unit = self._in_own_cube(
            {
                v: truth.world_from_cam(surface_points(mesh, self.points_per_object))
                for v, mesh in found.meshes_cam.items()
            }
        )
        surface = np.concatenate(list(true_unit.values()))
        moved = self._aligned(np.concatenate(list(found_unit.values())), surface)
        scene = gap(moved, Surface(surface))
        moved_by_value = dict(zip(found_unit, np.split(moved, len(found_unit)), strict=True))
        shapes = [self._shape_gap(true_unit[v], found_unit[v]) for v in found.paired]
        missing = [0.0] * (len(true_unit) - len(found.paired))
        figures = {"CD-S": scene.squared_chamfer, "F-S": scene.f_score(self.tau)}
        if shapes:
            figures["CD-O"] = float(np.mean([shape.squared_chamfer for shape in shapes]))
        if true_unit:
            figures["F-O"] = float(np.mean([*(shape.f_score(self.tau) for shape in shapes), *missing]))
            boxes = [box_iou(moved_by_value[v], true_unit[v]) for v in found.paired]
            figures["IoU-B"] = float(np.mean([*boxes, *missing]))
        return Score(
            true_objects=len(true_unit),
            matched_objects=len(found.paired),
            figures=figures,
            weights={"CD-O": len(found.paired), "F-O": len(true_unit), "IoU-B": len(true_unit)},
        )

    def _in_own_cube(self, points_world: dict[int, Float[np.ndarray, "_ 3"]]) -> dict[int, Float[np.ndarray, "_ 3"]]:
        everything = np.concatenate(list(points_world.values()))
        low, high = everything.min(axis=0), everything.max(axis=0)
        unit_per_m, middle = self.scene_longest_side / float((high - low).max()), (low + high) / 2
        return {value: (points - middle) * unit_per_m for value, points in points_world.items()}

    def _shape_gap(self, true_unit: Float[np.ndarray, "n 3"], found_unit: Float[np.ndarray, "m 3"]) -> Gap:
        true_shape, found_shape = (
            stretched_to_unit(points, half_side=self.object_half_side) for points in (true_unit, found_unit)
        )
        return gap(self._aligned(found_shape, true_shape), Surface(true_shape))

    def _aligned(self, found: Float[np.ndarray, "m 3"], true: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "m 3"]:
        return align_by_filterreg(
            found,
            true,
            steps=self.filterreg_steps,
            tolerance=self.filterreg_tolerance,
            least_variance=self.filterreg_least_variance,
        )
