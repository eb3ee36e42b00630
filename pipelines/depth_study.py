"""How well camera pose, floor, walls and scale are found in bad depth, on rooms with known truth.

    python -m pipelines.depth_study ROOMS [--seeds N] [--json OUT] [--only NAME ...]

ROOMS/roomNN holds truth.glb, scene.json, camera.json, photo.jpg, instances.png and depth.png. Prints one row per
disturbance; `docs/front-end.md` shows them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pixal3d_scene.review.depth_trials import DepthDisturbance, DepthTrial, run_trial
from pixal3d_scene.review.layout_trials import Disturbance, read_true_scene

_BAD = Disturbance(name="noise_5", noise_share=0.05, smooth_share=0.02)
DISTURBANCES = (
    DepthDisturbance(depth=Disturbance(name="perfect")),
    DepthDisturbance(depth=Disturbance(name="smooth_2", smooth_share=0.02)),
    DepthDisturbance(depth=replace(_BAD, name="noise_5 without slow error", smooth_share=0.0)),
    DepthDisturbance(depth=_BAD),
    DepthDisturbance(depth=replace(_BAD, name="noise_5, scale 1.1", scale_bias=1.1)),
    DepthDisturbance(depth=replace(_BAD, name="noise_5, masks eroded 3 px", eroded_px=3)),
    DepthDisturbance(depth=replace(_BAD, name="noise_5, masks merged"), merged=True),
    DepthDisturbance(depth=replace(_BAD, name="noise_5, no masks"), masks=False),
    DepthDisturbance(depth=Disturbance(name="flying pixels"), flying=0.7),
    DepthDisturbance(depth=replace(_BAD, name="noise_5, flying pixels"), flying=0.7),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="Disturbances per room.")
    parser.add_argument("--json", type=Path, help="Every number, for other programs.")
    parser.add_argument("--only", nargs="*", help="Names of disturbances; all without.")
    arguments = parser.parse_args()
    scenes = [read_true_scene(folder) for folder in sorted(arguments.rooms.glob("room*"))]
    trials: list[DepthTrial] = []
    print(HEADER)
    for disturbance in DISTURBANCES:
        if arguments.only and disturbance.name not in arguments.only:
            continue
        seeds = arguments.seeds if disturbance.depth.noise_share or disturbance.depth.smooth_share else 1
        these = [
            run_trial(scene, disturbance, seed=100 * k + seed)
            for k, scene in enumerate(scenes)
            for seed in range(seeds)
        ]
        print(row(disturbance.name, these), flush=True)
        trials += these
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(t) for t in trials], indent=1))


_COLUMNS = (
    "disturbance", "gravity, deg: median, worst", "within 1 deg", "camera height, cm: median, worst",
    "floor, cm: median, worst", "floor within 2 cm", "the same, gravity and floor told", "walls found",
    "wall normal, deg", "wall, cm", "flying found", "true lost", "scale error before, after known size",
)  # fmt: skip
HEADER = "| " + " | ".join(_COLUMNS) + " |\n|" + "---|" * len(_COLUMNS)


def row(name: str, trials: list[DepthTrial]) -> str:
    """One line of the table; walls and scale are medians."""
    gravity = np.array([t.gravity_deg for t in trials])
    height_cm, floor_cm = (100 * np.abs([getattr(t, key) for t in trials]) for key in ("height_m", "floor_m"))
    known_cm = 100 * np.abs([t.floor_known_m for t in trials])
    walls = np.array([error for t in trials for error in t.walls]).reshape(-1, 2)
    flying = [t.flying_found for t in trials if t.flying_found is not None]
    after = [abs(t.known_size) for t in trials if t.known_size is not None]
    cells = (
        name,
        f"{np.median(gravity):.2f}, {gravity.max():.2f}",
        f"{(gravity < 1).sum()} of {len(trials)}",
        f"{np.median(height_cm):.1f}, {height_cm.max():.1f}",
        f"{np.median(floor_cm):.1f}, {floor_cm.max():.1f}",
        f"{(floor_cm < 2).sum()} of {len(trials)}",
        f"{(known_cm < 2).sum()} of {len(trials)}",
        f"{len(walls)} of {sum(t.walls_true for t in trials)}",
        f"{np.median(walls[:, 0]):.2f}" if len(walls) else "",
        f"{100 * np.median(walls[:, 1]):.1f}" if len(walls) else "",
        f"{100 * np.mean(flying):.1f} %" if flying else "",
        f"{100 * np.mean([t.true_lost for t in trials]):.2f} %",
        f"{100 * abs(trials[0].scale):.0f} %, {100 * np.median(after):.1f} %" if after else "",
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
