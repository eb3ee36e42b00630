"""How well objects are placed: the layout solver, parts of it, and four methods of others on rooms with known truth.

    python -m pipelines.layout_study ROOMS [--json OUT] [--only NAME ...] [--others NAME ...] [--seeds N]

ROOMS/roomNN holds truth.glb, scene.json, camera.json, photo.jpg, instances.png and depth.png. The true meshes lose
their distance and size, the depth and the masks are disturbed, and every method has to put them back. Prints one
table per question; `docs/layout.md` shows them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pixal3d_scene.asset import Mesh, ObjectAsset
from pixal3d_scene.crop import CropVolume
from pixal3d_scene.frames import Similarity
from pixal3d_scene.layout.evidence import noise_of, place_alone
from pixal3d_scene.layout.solve import solve_layout
from pixal3d_scene.review.layout_ablations import evidence_alone, with_turn
from pixal3d_scene.review.layout_baselines import BASELINES
from pixal3d_scene.review.layout_physics import LayoutPhysics, measure_physics
from pixal3d_scene.review.layout_trials import Disturbance, LayoutTrial, TrueScene, make_trial, read_true_scene
from pixal3d_scene.review.metrics import box_iou

SNAP_M = 0.15
CALIBRATION_SEEDS = 3  # disturbances per room for the share of errors within one sigma
COUNTED_PX = 400  # objects that show less are placed, but not counted
SOLVER = "layout"
Method = Callable[[ObjectAsset, CropVolume], Similarity | None]
METHODS: Mapping[str, Method] = {"evidence_alone": evidence_alone, "with_turn": with_turn, **BASELINES}

DISTURBANCES = (
    Disturbance(name="perfect"),
    Disturbance(name="eroded", eroded_px=3),
    Disturbance(name="noise_2", noise_share=0.02, smooth_share=0.02, eroded_px=3),
    Disturbance(name="noise_5", noise_share=0.05, smooth_share=0.02, eroded_px=3),
    Disturbance(name="noise_10", noise_share=0.10, smooth_share=0.02, eroded_px=3),
    Disturbance(name="bias_5", scale_bias=1.05),
    Disturbance(name="missing_40", missing_share=0.4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One object by one method. errors: of the middle of the box, and of the size; box_iou in the camera's frame."""

    position_m: float
    scale: float
    box_iou: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomResult:
    """One room under one disturbance. placed: per method and object. support_right, in_sigma: of our solver."""

    room: str
    disturbance: str
    placed: dict[str, list[Placed]]
    physics: LayoutPhysics
    support_right: list[bool]
    in_sigma: list[bool]
    moved_sigmas: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", type=Path)
    parser.add_argument("--json", type=Path, help="Every number, for other programs.")
    parser.add_argument("--only", nargs="*", help="Names of disturbances; all without.")
    parser.add_argument("--others", nargs="*", help="Disturbances in which the others take part; all without.")
    parser.add_argument(
        "--seeds", type=int, default=CALIBRATION_SEEDS, help="Disturbances per room for the share within 1 sigma."
    )
    arguments = parser.parse_args()
    scenes = [read_true_scene(folder) for folder in sorted(arguments.rooms.glob("room*"))]
    by_name = {d.name: d for d in DISTURBANCES}
    chosen = [by_name[name] for name in arguments.only or by_name]
    print(f"The truth itself\n{truth_table(scenes)}", flush=True)
    results: list[RoomResult] = []
    for disturbance in chosen:
        alone = arguments.others is not None and disturbance.name not in arguments.others
        methods = {} if alone else METHODS
        results += [
            study_room(scene, disturbance, seed=k, methods=methods, calibration_seeds=arguments.seeds)
            for k, scene in enumerate(scenes)
        ]
        of_this = [r for r in results if r.disturbance == disturbance.name]
        print(f"\n{disturbance.name}: {disturbance}\n{method_table(of_this)}\n{solver_line(of_this)}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=1))


def study_room(
    scene: TrueScene,
    disturbance: Disturbance,
    *,
    seed: int,
    methods: Mapping[str, Method] = METHODS,
    calibration_seeds: int = CALIBRATION_SEEDS,
) -> RoomResult:
    """The solver and other methods on one room."""
    trial = make_trial(scene, disturbance, seed=seed)
    placements = solve_layout(trial.assets, trial.volumes, trial.room, snap_m=SNAP_M)
    counted = [v for v in trial.volumes if trial.truth[v.name].visible_px >= COUNTED_PX]
    poses = {SOLVER: {p.name: Similarity.from_rigid(p.T_world_from_node) @ p.T_node_from_obj for p in placements}}
    for method, place in methods.items():
        poses[method] = {
            v.name: Similarity.from_rigid(v.depth.camera.T_world_from_cam) @ T_cam_from_obj
            for a, v in zip(trial.assets, trial.volumes, strict=True)
            if v in counted and (T_cam_from_obj := place(a, v)) is not None
        }
    assets = {v.name: a for a, v in zip(trial.assets, trial.volumes, strict=True)}
    meshes_world = {name: assets[name].mesh_obj.transformed(T) for name, T in poses[SOLVER].items()}
    by_name = {p.name: p for p in placements}
    return RoomResult(
        room=scene.name,
        disturbance=disturbance.name,
        placed={
            method: [_compare(trial, v, found[v.name], assets[v.name].mesh_obj) for v in counted if v.name in found]
            for method, found in poses.items()
        },
        physics=measure_physics(meshes_world, {p.name: p.parent for p in placements}),
        support_right=[by_name[v.name].parent == trial.truth[v.name].parent for v in counted],
        in_sigma=_within_one_sigma(scene, disturbance, seed, calibration_seeds),
        moved_sigmas=[by_name[v.name].moved_m / (by_name[v.name].sigma_m or np.inf) for v in counted],
    )


def _compare(trial: LayoutTrial, volume: CropVolume, T_world_from_obj: Similarity, mesh_obj: Mesh) -> Placed:
    true_world = np.array(trial.truth[volume.name].mesh_world.vertices)
    found_world = T_world_from_obj.apply(mesh_obj.vertices)
    true_cam, found_cam = (volume.depth.camera.cam_from_world(p) for p in (true_world, found_world))
    return Placed(
        position_m=float(np.linalg.norm(_middle(found_world) - _middle(true_world))),
        scale=abs(T_world_from_obj.scale / _true_scale(true_world, np.array(mesh_obj.vertices)) - 1),
        box_iou=box_iou(found_cam, true_cam),
    )


def _within_one_sigma(scene: TrueScene, disturbance: Disturbance, seed: int, seeds: int) -> list[bool]:
    """Whether the evidence of each object alone, before contacts, is right within its own standard deviation."""
    within = []
    for k in range(seeds):
        trial = make_trial(scene, disturbance, seed=1000 * k + seed)
        noise = noise_of(trial.volumes)
        for asset, volume in zip(trial.assets, trial.volumes, strict=True):
            true_object = trial.truth[volume.name]
            body = place_alone(asset, volume, noise)
            if true_object.visible_px >= COUNTED_PX and body.fit is not None:
                true_scale = _true_scale(np.array(true_object.mesh_world.vertices), np.array(asset.mesh_obj.vertices))
                within.append(bool(abs(np.log(body.T_world_from_obj.scale / true_scale)) <= body.sigma_log))
    return within


def _true_scale(true_world: np.ndarray, mesh_obj: np.ndarray) -> float:
    """Cube edge in metres: the same vertices in the same order, so any distance between two of them tells."""
    middle_world, middle_obj = true_world.mean(axis=0), mesh_obj.mean(axis=0)
    return float(np.linalg.norm(true_world - middle_world) / np.linalg.norm(mesh_obj - middle_obj))


def _middle(points: np.ndarray) -> np.ndarray:
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2)


def truth_table(scenes: Iterable[TrueScene]) -> str:
    """The physics of the true rooms: no layout of the true meshes can be asked to be better."""
    rows = []
    for scene in scenes:
        names = {value: make_name(scene, value) for value in scene.objects}
        meshes_world = {names[value]: item.mesh_world for value, item in scene.objects.items()}
        rows.append(measure_physics(meshes_world, {names[v]: item.parent for v, item in scene.objects.items()}))
    return physics_line(rows)


def make_name(scene: TrueScene, value: int) -> str:
    """The instance's name of a true object."""
    from pixal3d_scene.instances import Instance

    return Instance(mask_value=value, label=scene.labels[value]).name


def physics_line(rows: list[LayoutPhysics]) -> str:
    """Means and worst values over rooms."""
    return (
        f"penetration {100 * np.mean([r.penetration_share for r in rows]):.4f} % of volume, "
        f"deepest {1000 * max(r.largest_depth_m for r in rows):.1f} mm, "
        f"largest gap to a support {1000 * max(r.floating_gap_m for r in rows):.1f} mm, "
        f"within 5 mm {100 * np.mean([r.in_contact for r in rows]):.1f} %, "
        f"coverage {np.mean([r.coverage for r in rows]):.2f}"
    )


def method_table(results: list[RoomResult]) -> str:
    """One row per method; best of: rooms in which the method has the highest mean IoU-B."""
    methods = list(results[0].placed)
    counts = [len(r.support_right) for r in results]
    per_room = {
        m: [sum(p.box_iou for p in r.placed[m]) / n for r, n in zip(results, counts, strict=True)] for m in methods
    }
    lines = ["| method | position, median m | scale error, median | IoU-B | best in rooms |", "|---|---|---|---|---|"]
    for method in methods:
        placed = [p for r in results for p in r.placed[method]]
        best = sum(per_room[method][k] == max(per_room[m][k] for m in methods) for k in range(len(results)))
        # An object that a method cannot place counts 0.
        iou = sum(p.box_iou for p in placed) / sum(counts)
        lines.append(
            f"| {method} | {np.median([p.position_m for p in placed]):.4f} "
            f"| {100 * np.median([p.scale for p in placed]):.3f} % | {iou:.4f} | {best} of {len(results)} |"
        )
    return "\n".join(lines)


def solver_line(results: list[RoomResult]) -> str:
    """What only our solver reports."""
    right = [ok for r in results for ok in r.support_right]
    within = [ok for r in results for ok in r.in_sigma]
    moved = max(m for r in results for m in r.moved_sigmas)
    return (
        f"support right {sum(right)} of {len(right)}; evidence within 1 sigma {100 * np.mean(within):.0f} %; "
        f"largest move {moved:.2f} sigma; {physics_line([r.physics for r in results])}"
    )


if __name__ == "__main__":
    main()
