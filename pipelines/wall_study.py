"""How well things on walls, from the ceiling and leaning are placed: the layout solver on rooms of our own.

    python -m pipelines.wall_study [--rooms 8] [--only NAME ...]

The true meshes lose their distance and size, depth and masks are disturbed as in `layout_study`, and the solver has
to put them back with the right relation. Prints one table; `docs/layout.md` shows it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pixal3d_scene.asset import Mesh
from pixal3d_scene.frames import Similarity
from pixal3d_scene.layout.solve import solve_layout
from pixal3d_scene.review.layout_trials import Disturbance, LayoutTrial, TrueObject, TrueScene, make_trial
from pixal3d_scene.review.wall_trials import compose_wall_scene, wall_distance_m
from pixal3d_scene.room import Room
from pixal3d_scene.scene_graph import Placement

from .layout_study import DISTURBANCES, SNAP_M

KINDS = ("against", "hangs", "leans", "on")
DEFAULT = ("perfect", "noise_2", "noise_5")
# Normals this near are those of one wall; the name is the photo's, the truth has its own.
_AWAY_M = 0.15
_SAME_NORMAL, _SAME_PLANE_M = 0.9, 0.4
_NORMALS = {"wall_back": (0.0, 0.0, 1.0), "wall_left": (1.0, 0.0, 0.0), "wall_right": (-1.0, 0.0, 0.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedThing:
    """kind: "against", "hangs", "leans" or "on". right: parent, relation, the wall where it leans, and none that
    is more than 15 cm away.

    position_m: error of the middle of the box. gap_m: to the true wall or ceiling, of what touches one; shown_m: to
    that of the scene, which is what a person sees.
    """

    room: str
    name: str
    kind: str
    right: bool
    found: str
    position_m: float
    gap_m: float
    shown_m: float
    sigmas: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--only", nargs="*", default=DEFAULT, help="Names of disturbances.")
    parser.add_argument("-v", "--verbose", action="store_true", help="Name every wrong relation.")
    arguments = parser.parse_args()
    scenes = [compose_wall_scene(seed) for seed in range(arguments.rooms)]
    print(_HEADER)
    for disturbance in (d for d in DISTURBANCES if d.name in arguments.only):
        placed = [item for k, scene in enumerate(scenes) for item in study_scene(scene, disturbance, seed=k)]
        print(table_rows(disturbance.name, placed), flush=True)
        if arguments.verbose:
            for item in placed:
                if not item.right:
                    print(f"  {item.room} {item.name} ({item.kind}): {item.found}")


def study_scene(scene: TrueScene, disturbance: Disturbance, *, seed: int) -> list[PlacedThing]:
    """The solver on one room."""
    trial = make_trial(scene, disturbance, seed=seed)
    placements = solve_layout(trial.assets, trial.volumes, trial.room, snap_m=SNAP_M)
    return [_compare(scene, trial, k, placement) for k, placement in enumerate(placements)]


def _compare(scene: TrueScene, trial: LayoutTrial, index: int, placement: Placement) -> PlacedThing:
    truth = trial.truth[placement.name]
    T_world_from_obj = Similarity.from_rigid(placement.T_world_from_node) @ placement.T_node_from_obj
    mesh_world = trial.assets[index].mesh_obj.transformed(T_world_from_obj)
    parent = true_wall(placement.parent, trial.room, scene)
    touched = {true_wall(c.other, trial.room, scene) for c in placement.contacts}
    right = parent == truth.parent and placement.relation == truth.relation
    right &= truth.leans_on is None or truth.leans_on in touched
    right &= not any(_far(wall, truth, scene) for wall in touched)
    holds = truth.leans_on or truth.parent
    in_room = scene.size_m is not None and holds.startswith(("wall", "ceiling"))
    return PlacedThing(
        room=scene.name,
        name=placement.name,
        kind=kind_of(truth),
        right=right,
        found=f"{placement.relation} {parent}, touches {', '.join(sorted(touched)) or 'nothing'}",
        position_m=float(np.linalg.norm(mesh_world.bounds.mean(axis=0) - truth.mesh_world.bounds.mean(axis=0))),
        gap_m=abs(wall_distance_m(holds, mesh_world, scene.size_m)) if in_room and scene.size_m else 0.0,
        shown_m=_shown_m(holds, mesh_world, trial.room, scene),
        sigmas=placement.moved_m / (placement.sigma_m or np.inf),
    )


def _far(wall: str, truth: TrueObject, scene: TrueScene) -> bool:
    """Whether an object is said to touch a wall that it is well away from."""
    return wall in _NORMALS and wall_distance_m(wall, truth.mesh_world, scene.size_m or (0, 0, 0)) > _AWAY_M


def _shown_m(holds: str, mesh_world: Mesh, room: Room, scene: TrueScene) -> float:
    """Distance to the plane of the scene that is the true wall or ceiling; 0 for whatever stands."""
    if not holds.startswith(("wall", "ceiling")):
        return 0.0
    planes = [p for p in room.planes if true_wall(p.name, room, scene) == holds]
    return min((abs(float(np.percentile(p.distance_m(mesh_world.vertices), 2))) for p in planes), default=0.0)


def kind_of(truth: TrueObject) -> str:
    return "leans" if truth.leans_on is not None else truth.relation


def true_wall(name: str, room: Room, scene: TrueScene) -> str:
    """The true wall that a wall of the fitted room is; every other name as it is."""
    if not name.startswith("wall") or scene.size_m is None:
        return name
    plane = next(p for p in room.walls if p.name == name)
    middle = plane.corners_world.mean(axis=0)
    width, depth, _ = scene.size_m
    offsets = {"wall_back": middle[2] + depth, "wall_left": middle[0], "wall_right": width - middle[0]}
    for wall, normal in _NORMALS.items():
        if plane.normal_world @ np.array(normal) > _SAME_NORMAL and abs(offsets[wall]) < _SAME_PLANE_M:
            return wall
    return name


_HEADER = (
    "| disturbance | kind | objects | relation right | position, median m | worst m | to the true wall or ceiling, m "
    "| to the scene's, m | worst m | largest move |\n|---|---|---|---|---|---|---|---|---|---|"
)


def table_rows(disturbance: str, placed: Sequence[PlacedThing]) -> str:
    """One row per kind."""
    rows = []
    for kind in KINDS:
        items = [p for p in placed if p.kind == kind]
        if not items:
            continue
        error = [p.position_m for p in items]
        shown = [p.shown_m for p in items]
        gap = " | | "
        if kind != "on":
            gap = f"{np.median([p.gap_m for p in items]):.4f} | {np.median(shown):.4f} | {max(shown):.3f}"
        rows.append(
            f"| {disturbance} | {kind} | {len(items)} | {sum(p.right for p in items)} | {np.median(error):.4f} "
            f"| {max(error):.3f} | {gap} | {max(p.sigmas for p in items):.2f} sigma |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
