"""Protocol P-Room: the figures by which runs are compared with rooms whose truth is known.

In: a `TrueRoom` and a `ReviewedRun`. Out: a `RoomScore`. Everything is measured in metres in the frame of the
photo's camera; the run's camera is its own. Only true objects that show at least 400 pixels count. Masks are
matched at IoU > 0.5; an object that is unmatched or has no mesh counts 0 in IoU-B, F-O, F5 and sil. Surfaces
are 4000 uniform samples an object.

The scene figures F-S and CD-S follow MIDI (Huang et al. 2025): the true scene's longest side becomes 2, at
most 20000 points a scene, tau = 0.1, rigid ICP first. They see neither mirrored objects nor a wrong K; F5
(per object, 5 cm, no alignment) and sil (silhouettes through the run's own K) see both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Int

from ..asset import Mesh
from ..errors import InputError
from ..mesh.raycast import view
from .matching import Matching, match_instances
from .metrics import Gap, Surface, align_rigidly, box_centre, box_iou, box_overlap, gap, stretched_to_unit
from .protocol import Score
from .room_files import ReviewedRun, TrueRoom

POINTS_PER_OBJECT = 4000
POINTS_PER_SCENE = 20_000
SCENE_LONGEST_SIDE = 2.0
UNIT_CUBE_TAU = 0.1  # of the unit cube [-1, 1]
METRIC_TAU_M = 0.05
UNIT_HALF_SIDE = 0.95  # of the cube that single objects are stretched to
ICP: Any = {"steps": 50, "relative_change": 1e-5}
CONTACT_TOLERANCE_M = 0.02
_ON_THE_FLOOR = (None, "floor", "room")


def _figure(key: str, meaning: str) -> Any:
    """A field of `RoomScore` with its public name and what it says."""
    return field(default=None, metadata={"key": key, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomScore:
    """The figures of one room, in the order in which they are reported; None = nothing to measure."""

    true_objects: int
    matched_objects: int
    depth_error: float | None = _figure("absrel_metric", "relative depth error")
    depth_error_scaled: float | None = _figure("absrel_scaled", "the same after one median scale")
    panoptic_quality: float | None = _figure("PQ", "panoptic quality of the instance map")
    scene_chamfer_raw: float | None = _figure("CD-S_raw", "scene Chamfer distance, squared, no alignment")
    scene_f_raw: float | None = _figure("F-S_raw", "scene F-score, tau 0.1, no alignment")
    scene_f_scaled: float | None = _figure("F-S_s", "the same after one median scale about the camera")
    scene_f_5cm: float | None = _figure("F-S_5cm", "scene F-score at 5 cm, no alignment")
    scene_chamfer: float | None = _figure("CD-S", "scene Chamfer distance after ICP")
    scene_f: float | None = _figure("F-S", "scene F-score, tau 0.1, after ICP")
    object_box_iou: float | None = _figure("IoU-B", "mean box IoU, no alignment")
    object_box_iou_scaled: float | None = _figure("IoU-B_s", "the same after one median scale")
    object_f_5cm: float | None = _figure("F5", "mean F-score at 5 cm per object, no alignment")
    object_f: float | None = _figure("F-O", "mean F-score of the shape alone, stretched and aligned")
    object_chamfer: float | None = _figure("CD-O", "mean Chamfer distance of the shape alone")
    silhouette_iou: float | None = _figure("sil", "mean silhouette IoU through the run's own camera")
    watertight_share: float | None = _figure("tight", "share of watertight meshes")
    centre_distance_m: float | None = _figure("place", "median distance of box centres, m")
    contact_share: float | None = _figure("contact", "share of floor objects within 2 cm of the floor")
    box_overlap: float | None = _figure("box_overlap", "mean overlap of the objects' boxes")

    @property
    def figures(self) -> dict[str, float]:
        """Measured values by their public names."""
        return {key: value for key, name in FIGURE_FIELDS.items() if (value := getattr(self, name)) is not None}


FIGURE_FIELDS: dict[str, str] = {
    item.metadata["key"]: name for name, item in RoomScore.__dataclass_fields__.items() if "key" in item.metadata
}
FIGURE_MEANINGS: dict[str, str] = {
    item.metadata["key"]: item.metadata["meaning"]
    for item in RoomScore.__dataclass_fields__.values()
    if "key" in item.metadata
}


def score_room(truth: TrueRoom, run: ReviewedRun) -> RoomScore:
    """All figures of one room; raises InputError where the run's depth shows nothing that the truth does."""
    matching = match_instances(truth.label_map, run.label_map, list(truth.points_cam))
    samples_cam = {
        item.mask_value: np.asarray(trimesh.sample.sample_surface(item.mesh_cam, POINTS_PER_OBJECT, seed=0)[0])
        for item in run.objects
        if len(item.mesh_cam.faces)
    }
    scale, depth_figures = _score_depth(truth, run)
    return RoomScore(
        true_objects=len(truth.points_cam),
        matched_objects=len(matching.matches),
        panoptic_quality=matching.panoptic_quality,
        **depth_figures,
        **_score_scene(truth, samples_cam, scale),
        **_score_objects(truth, _pairs(truth, matching, samples_cam), silhouettes(run, truth), scale),
        **_score_physics(run, samples_cam),
    )


def silhouettes(run: ReviewedRun, truth: TrueRoom) -> Int[np.ndarray, "H W"]:
    """Label map of the run's objects as its own camera sees them, at the truth's size; the nearest one wins."""
    height, width = truth.label_map.shape
    meshes = [
        Mesh(vertices=np.asarray(item.mesh_cam.vertices), faces=np.asarray(item.mesh_cam.faces, dtype=np.int64))
        for item in run.objects
    ]
    seen = view(meshes, run.camera.resized((width, height)))
    values = np.array([item.mask_value for item in run.objects], dtype=np.int64)
    label_map = np.zeros((height, width), dtype=np.int64)
    label_map[seen.hit] = values[seen.mesh_index[seen.hit]]
    return label_map


def _score_depth(truth: TrueRoom, run: ReviewedRun) -> tuple[float, dict[str, float]]:
    """The one scale about the camera that makes the median depth right (1 without depth), and the errors."""
    if run.z_m is None:
        return 1.0, {}
    both = (run.z_m > 0) & (truth.z_m > 0)
    if not both.any():
        raise InputError(f"The depth of {truth.name} is 0 wherever the truth is known; there is nothing to compare.")
    true_m, found_m = truth.z_m[both], run.z_m[both]
    scale = float(np.median(true_m / found_m))
    return scale, {
        "depth_error": float(np.mean(np.abs(found_m - true_m) / true_m)),
        "depth_error_scaled": float(np.mean(np.abs(found_m * scale - true_m) / true_m)),
    }


def _score_scene(truth: TrueRoom, samples_cam: dict[int, Float[np.ndarray, "n 3"]], scale: float) -> dict[str, float]:
    """Figures of all surfaces together, in the unit cube of the true scene."""
    if not samples_cam:
        return {}
    true_cam = np.concatenate(list(truth.points_cam.values()))
    low, high = true_cam.min(axis=0), true_cam.max(axis=0)
    unit_per_m, middle_cam = SCENE_LONGEST_SIDE / float((high - low).max()), (low + high) / 2
    rng = np.random.default_rng(0)
    true_unit = _at_most(POINTS_PER_SCENE, (true_cam - middle_cam) * unit_per_m, rng)
    found_unit = _at_most(POINTS_PER_SCENE, (np.concatenate(list(samples_cam.values())) - middle_cam) * unit_per_m, rng)
    surface = Surface(true_unit)
    raw = gap(found_unit, surface)
    scaled_unit = ((found_unit / unit_per_m + middle_cam) * scale - middle_cam) * unit_per_m
    aligned = gap(align_rigidly(found_unit, surface, **ICP), surface)
    return {
        "scene_chamfer_raw": raw.squared_chamfer,
        "scene_f_raw": raw.f_score(UNIT_CUBE_TAU),
        "scene_f_5cm": raw.f_score(METRIC_TAU_M * unit_per_m),
        "scene_f_scaled": gap(scaled_unit, surface).f_score(UNIT_CUBE_TAU),
        "scene_chamfer": aligned.squared_chamfer,
        "scene_f": aligned.f_score(UNIT_CUBE_TAU),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A true object and the samples of the mesh whose mask matches it."""

    true_value: int
    found_value: int
    true_cam: Float[np.ndarray, "n 3"]
    found_cam: Float[np.ndarray, "m 3"]


def _pairs(truth: TrueRoom, matching: Matching, samples_cam: dict[int, Float[np.ndarray, "n 3"]]) -> tuple[_Pair, ...]:
    """Matched objects that have a mesh, in the order of the truth."""
    found_of = {match.true_value: match.found_value for match in matching.matches}
    return tuple(
        _Pair(true_value=value, found_value=found_of[value], true_cam=true_cam, found_cam=samples_cam[found_of[value]])
        for value, true_cam in truth.points_cam.items()
        if value in found_of and found_of[value] in samples_cam
    )


def _score_objects(
    truth: TrueRoom, pairs: tuple[_Pair, ...], seen: Int[np.ndarray, "H W"], scale: float
) -> dict[str, float | None]:
    """Means over all true objects; one without a matched mesh counts 0, and is left out of distances."""
    if not truth.points_cam:
        return {}
    shapes = [_shape_gap(p.found_cam, p.true_cam) for p in pairs]

    def mean_over_all(values: Sequence[float]) -> float:
        return float(np.mean([*values, *[0.0] * (len(truth.points_cam) - len(values))]))

    distances_m = [float(np.linalg.norm(box_centre(p.found_cam) - box_centre(p.true_cam))) for p in pairs]
    silhouette_ious = [mask_iou(seen == p.found_value, truth.label_map == p.true_value) for p in pairs]
    return {
        "object_box_iou": mean_over_all([box_iou(p.found_cam, p.true_cam) for p in pairs]),
        "object_box_iou_scaled": mean_over_all([box_iou(p.found_cam * scale, p.true_cam) for p in pairs]),
        "object_f_5cm": mean_over_all([gap(p.found_cam, Surface(p.true_cam)).f_score(METRIC_TAU_M) for p in pairs]),
        "object_f": mean_over_all([shape.f_score(UNIT_CUBE_TAU) for shape in shapes]),
        "silhouette_iou": mean_over_all(silhouette_ious),
        "object_chamfer": float(np.mean([shape.squared_chamfer for shape in shapes])) if pairs else None,
        "centre_distance_m": float(np.median(distances_m)) if pairs else None,
    }


def _shape_gap(found_cam: Float[np.ndarray, "n 3"], true_cam: Float[np.ndarray, "m 3"]) -> Gap:
    """What remains between two objects when size, proportions and place are taken away."""
    surface = Surface(stretched_to_unit(true_cam, half_side=UNIT_HALF_SIDE))
    return gap(align_rigidly(stretched_to_unit(found_cam, half_side=UNIT_HALF_SIDE), surface, **ICP), surface)


def mask_iou(a: Bool[np.ndarray, "H W"], b: Bool[np.ndarray, "H W"]) -> float:
    """Intersection over union of two masks of one picture; 0 where both are empty."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def _score_physics(run: ReviewedRun, samples_cam: dict[int, Float[np.ndarray, "n 3"]]) -> dict[str, float | None]:
    """What an engine would mind, in the run's own world: holes, gaps to the floor, objects inside each other."""
    solid = [item for item in run.objects if item.mask_value in samples_cam]
    standing = [item for item in solid if item.parent in _ON_THE_FLOOR and item.relation == "on"]
    lowest_m = [float(run.world_from_cam(np.asarray(item.mesh_cam.vertices))[:, 1].min()) for item in standing]
    samples_world = [run.world_from_cam(points) for points in samples_cam.values()]
    overlaps = [box_overlap(a, b) for a, b in combinations(samples_world, 2)]
    return {
        "watertight_share": float(np.mean([item.mesh_cam.is_watertight for item in run.objects])) if solid else None,
        "contact_share": float(np.mean([abs(y) < CONTACT_TOLERANCE_M for y in lowest_m])) if lowest_m else None,
        "box_overlap": float(np.mean(overlaps)) if overlaps else 0.0,
    }


def _at_most(count: int, points: Float[np.ndarray, "n 3"], rng: np.random.Generator) -> Float[np.ndarray, "m 3"]:
    return np.asarray(points[rng.choice(len(points), min(count, len(points)), replace=False)])


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomProtocol:
    """P-Room with its constants, which are fixed: they define the figures' names."""

    name: ClassVar[str] = "P-Room"
    meanings: ClassVar[Mapping[str, str]] = FIGURE_MEANINGS

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "points_per_object": POINTS_PER_OBJECT,
            "points_per_scene": POINTS_PER_SCENE,
            "scene_longest_side": SCENE_LONGEST_SIDE,
            "tau": UNIT_CUBE_TAU,
            "tau_m": METRIC_TAU_M,
            "object_half_side": UNIT_HALF_SIDE,
            "icp_steps": ICP["steps"],
            "icp_relative_change": ICP["relative_change"],
            "contact_m": CONTACT_TOLERANCE_M,
            "chamfer": "squared, both directions summed",
            "alignment": "none; F-S, CD-S, F-O and CD-O after rigid point-to-point ICP, no scale",
            "frame": "photo's camera",
            "pairing": "masks at IoU > 0.5",
        }

    def score(self, truth: TrueRoom, run: ReviewedRun) -> Score:
        """See `EvaluationProtocol.score`."""
        score = score_room(truth, run)
        return Score(true_objects=score.true_objects, matched_objects=score.matched_objects, figures=score.figures)
