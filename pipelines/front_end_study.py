"""How well the mask hygiene does on rooms with known masks that were harmed in known ways.

    python -m pipelines.front_end_study ROOMS               all harms, with noisy, true and no depth
    python -m pipelines.front_end_study --composed 2000-2020        rooms that the project composes instead
    python -m pipelines.front_end_study --rendered FILE ...         rooms of `pipelines.render_rooms` instead
    python -m pipelines.front_end_study ROOMS --votes               the hygiene hears the package's own network too

Prints the tables of docs/front-end.md, for the even and the odd rooms and for all. A harm is undone where the object
comes out with an IoU of .5 (merges: both objects), .8 (fragments), or the extra mask does not come out at all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt16

from pixal3d_scene.depth import Depth
from pixal3d_scene.errors import InputError, StageFailed
from pixal3d_scene.frontend.hygiene import clean_masks
from pixal3d_scene.frontend.object_votes import ObjectVotes
from pixal3d_scene.frontend.own_network import OwnNetwork
from pixal3d_scene.review.front_end_trials import HARMS, MaskTrial
from pixal3d_scene.review.true_masks import (
    TrueMasks,
    compose_true_masks,
    noisy_depth,
    read_rendered,
    read_true_masks,
)

DEPTHS = ("noisy", "true", "none")
_MAX_OBJECTS = 200
_MIN_AREA_SHARE = 0.0004
_FOUND_IOU, _WHOLE_IOU, _UNCHANGED_IOU = 0.5, 0.8, 0.95


@dataclass(kw_only=True)
class Tally:
    """Counts over rooms. before and after: IoU of every counted object, and panoptic quality of every room."""

    changed: list[bool] = field(default_factory=list)
    merges: list[bool] = field(default_factory=list)
    rejoined: list[bool] = field(default_factory=list)
    removed: list[bool] = field(default_factory=list)
    iou_before: list[float] = field(default_factory=list)
    iou_after: list[float] = field(default_factory=list)
    pq_before: list[float] = field(default_factory=list)
    pq_after: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", type=Path, nargs="?")
    parser.add_argument("--composed", help="Seeds FIRST-LAST of composed rooms instead.")
    parser.add_argument("--rendered", type=Path, nargs="*", default=[], help="Files of rendered rooms instead.")
    parser.add_argument("--only", nargs="*", choices=list(HARMS), help="Harms; all without.")
    parser.add_argument("--depth", nargs="*", choices=DEPTHS, default=list(DEPTHS))
    parser.add_argument("--votes", action="store_true", help="With the votes of the package's own network.")
    parser.add_argument("--verbose", action="store_true", help="What was not undone.")
    arguments = parser.parse_args()
    rooms = list(_rooms(arguments.rooms, arguments.composed, arguments.rendered))
    votes = [_votes(room) for room in rooms] if arguments.votes else [None] * len(rooms)
    for kind in arguments.depth:
        print(f"\nDepth: {kind}\n{_HEADER}", flush=True)
        for harm in arguments.only or HARMS:
            tallies = [
                study(room, harm, kind, seed=k, votes=votes[k], verbose=arguments.verbose)
                for k, room in enumerate(rooms)
            ]
            for name, chosen in (("even", tallies[::2]), ("odd", tallies[1::2]), ("all", tallies)):
                print(_row(f"{harm}, {name}", sum(chosen, Tally())), flush=True)


def _rooms(folder: Path | None, seeds: str | None, files: list[Path]) -> Iterator[TrueMasks]:
    for file in files:
        yield from read_rendered(file)
    if seeds:
        first, last = (int(s) for s in seeds.split("-"))
        yield from (compose_true_masks(s) for s in range(first, last))
    elif folder is not None:
        yield from (read_true_masks(f) for f in sorted(folder.glob("room*")))


def _votes(room: TrueMasks) -> ObjectVotes:
    if room.photo is None:
        raise InputError(f"{room.name} is not rendered: there is nothing for a network to see.")
    return _network().votes(room.photo)


@cache
def _network() -> OwnNetwork:
    return OwnNetwork(None)


def study(
    room: TrueMasks,
    harm: str,
    depth_kind: str,
    *,
    seed: int,
    votes: ObjectVotes | None = None,
    verbose: bool = False,
) -> Tally:
    """One room, one harm."""
    trial = HARMS[harm](room, np.random.default_rng([seed, list(HARMS).index(harm)]))
    depth: Depth | None = None
    if depth_kind != "none":
        depth = noisy_depth(room, seed) if depth_kind == "noisy" else room.depth
    size_px = room.depth.camera.size_px
    started = time.perf_counter()
    try:
        label_map = clean_masks(
            trial.proposals, size_px=size_px, depth=depth, source="trial", max_objects=_MAX_OBJECTS,
            min_area_share=_MIN_AREA_SHARE, votes=votes,
        ).label_map  # fmt: skip
    except StageFailed:
        label_map = np.zeros_like(room.label_map)
    seconds = time.perf_counter() - started
    return judge(room, trial, label_map, seconds=seconds, told=f"{room.name} {harm}" if verbose else "")


def judge(
    room: TrueMasks, trial: MaskTrial, label_map: UInt16[np.ndarray, "H W"], *, seconds: float, told: str
) -> Tally:
    """What came out, held against the truth."""
    before = _paint_all(trial, room.label_map.shape)
    after_iou, before_iou = (_best_iou(room, m) for m in (label_map, before))
    counted = room.counted
    tally = Tally(
        changed=[after_iou[v] < _UNCHANGED_IOU for v in counted if v in trial.untouched],
        merges=[min(after_iou[a], after_iou[b]) > _FOUND_IOU for a, b in trial.merges],
        removed=_removed(trial, room, label_map),
        iou_before=[before_iou[v] for v in counted],
        iou_after=[after_iou[v] for v in counted],
        pq_before=[panoptic_quality(room, before)],
        pq_after=[panoptic_quality(room, label_map)],
        seconds=[seconds],
    )
    tally.rejoined = [after_iou[v] > _WHOLE_IOU for v in counted if v in trial.fragmented]
    if told:
        for a, b in trial.merges:
            if min(after_iou[a], after_iou[b]) <= _FOUND_IOU:
                pair = f"{room.labels[a]} {a} + {room.labels[b]} {b}"
                print(f"  {told}: merge {pair}: {after_iou[a]:.2f} {after_iou[b]:.2f}")
        for v in counted:
            if v in trial.untouched and after_iou[v] < _UNCHANGED_IOU:
                print(f"  {told}: changed {room.labels[v]} {v}: {after_iou[v]:.2f}")
            if v in trial.fragmented and after_iou[v] <= _WHOLE_IOU:
                print(f"  {told}: in pieces {room.labels[v]} {v}: {after_iou[v]:.2f}")
        print(f"  {told}: {sum(tally.removed)} of {len(tally.removed)} removed, {seconds:.1f} s")
    return tally


def _paint_all(trial: MaskTrial, shape: tuple[int, ...]) -> UInt16[np.ndarray, "H W"]:
    """What one has without hygiene: the proposals over each other, the smaller in front."""
    label_map = np.zeros(shape, dtype=np.uint16)
    order = sorted(trial.proposals, key=lambda p: -int(p.mask.sum()))
    for value, proposal in enumerate(order, start=1):
        label_map[proposal.mask] = value
    return label_map


def _best_iou(room: TrueMasks, label_map: UInt16[np.ndarray, "H W"]) -> dict[int, float]:
    """Of every counted object with the mask that fits best."""
    best = {}
    areas = np.bincount(label_map.ravel())
    for value in room.counted:
        mask = room.mask(value)
        inside = np.bincount(label_map[mask], minlength=len(areas))
        iou = inside / (areas + mask.sum() - inside)
        iou[0] = 0
        best[value] = float(iou.max())
    return best


def _removed(trial: MaskTrial, room: TrueMasks, label_map: UInt16[np.ndarray, "H W"]) -> list[bool]:
    """Of every extra mask, whether it is gone: nothing is left inside its object beside the object itself."""
    if not trial.extra_of:
        return [not _comes_out(extra, room, label_map) for extra in trial.extra]
    areas = np.bincount(label_map.ravel())
    removed = []
    for value in sorted(set(trial.extra_of)):
        inside = np.bincount(label_map[room.mask(value)], minlength=len(areas))
        mostly = (inside > 0.5 * areas) & (inside > 0)
        mostly[0] = False
        surplus = max(int(mostly.sum()) - 1, 0)
        count = trial.extra_of.count(value)
        removed += [k >= surplus for k in range(count)]
    return removed


def _comes_out(extra: Bool[np.ndarray, "H W"], room: TrueMasks, label_map: UInt16[np.ndarray, "H W"]) -> bool:
    """Whether a mask is like an extra one and not more like an object."""
    areas = np.bincount(label_map.ravel())
    inside = np.bincount(label_map[extra], minlength=len(areas))
    iou = inside / (areas + extra.sum() - inside)
    iou[0] = 0
    value = int(iou.argmax())
    if iou[value] < _FOUND_IOU:
        return False
    found = label_map == value
    objects = [(found & room.mask(v)).sum() / (found | room.mask(v)).sum() for v in np.unique(room.label_map) if v]
    return bool(max(objects, default=0.0) < max(float(iou[value]), _FOUND_IOU))


def panoptic_quality(room: TrueMasks, label_map: UInt16[np.ndarray, "H W"]) -> float:
    """Kirillov et al. 2019, one class; true objects that are not counted and what fits them are left out."""
    values = [int(v) for v in np.unique(room.label_map) if v]
    found = [int(v) for v in np.unique(label_map) if v]
    matched, ignored = [], set()
    total = len(room.counted)
    for v in values:
        mask = room.mask(v)
        for f in found:
            at = label_map == f
            shared = int((at & mask).sum())
            if not shared:
                continue
            iou = shared / int((at | mask).sum())
            if iou > _FOUND_IOU:
                if v in room.counted:
                    matched.append(iou)
                else:
                    ignored.add(f)
    false = len(found) - len(matched) - len(ignored)
    return sum(matched) / max(len(matched) + 0.5 * false + 0.5 * (total - len(matched)), 1e-9)


_HEADER = (
    "| harm, rooms | merges found | whole again | extra removed | clean changed | mean IoU before, after "
    "| PQ before, after | s |\n|---|---|---|---|---|---|---|---|"
)


def _row(name: str, tally: Tally) -> str:
    def count(values: list[bool]) -> str:
        return f"{sum(values)} of {len(values)}" if values else ""

    return (
        f"| {name} | {count(tally.merges)} | {count(tally.rejoined)} | {count(tally.removed)} | {count(tally.changed)} "
        f"| {np.mean(tally.iou_before):.3f}, {np.mean(tally.iou_after):.3f} "
        f"| {np.mean(tally.pq_before):.3f}, {np.mean(tally.pq_after):.3f} | {np.mean(tally.seconds):.1f} |"
    )


if __name__ == "__main__":
    main()
