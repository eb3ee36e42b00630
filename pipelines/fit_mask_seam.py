"""Fits the weights of `frontend.mask_seam` on rendered rooms: files of `pipelines.render_rooms` in, weights printed.

    python -m pipelines.fit_mask_seam FILE ...

True masks and planted merges (what stands on something with it, and neighbours that touch) are asked for cuts. Two of
three rooms have noisy depth, the third has the true one. Besides the weights it prints, for thresholds of the log-odds,
how many merges are cut rightly and how many true masks are cut, each room judged by weights from other rooms. That is
done for several weights of `by_depth`: the fit hears every suggested cut, of which few are by depth, while only the
likeliest cut of a mask is judged.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from pixal3d_scene.frontend.hygiene import least_cut_px
from pixal3d_scene.frontend.mask_cut import suggest_cuts
from pixal3d_scene.frontend.mask_evidence import DepthEvidence, gather_evidence
from pixal3d_scene.frontend.mask_region import Region
from pixal3d_scene.frontend.mask_seam import Seam
from pixal3d_scene.frontend.object_votes import ObjectVotes
from pixal3d_scene.frontend.own_network import OwnNetwork
from pixal3d_scene.review.front_end_trials import touching_pairs
from pixal3d_scene.review.true_masks import TrueMasks, noisy_depth, read_rendered

_MOST_MERGES, _MOST_TRUE = 8, 10  # of one room
_FOUND_IOU, _RIGHT_IOU, _WRONG_IOU, _UNCHANGED_IOU = 0.5, 0.6, 0.45, 0.95
_WRONG_CUT_OF_MERGE = 0.1  # weight: the mask was wrong before
_RIDGE = 1.0
_FOLDS = 5
_RAISES = (0.0, 1.0, 1.5, 2.0, 3.0)  # of the fitted weight of `by_depth`
Mask = Bool[np.ndarray, "H W"]
_Cut = tuple[float, bool, float]  # log-odds, of a merge, IoU


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMask:
    """Seams of the cuts suggested for one mask, and the IoU that the worse found of its true objects would have."""

    room: int
    merged: bool
    seams: Float[np.ndarray, "n F"]
    iou: Float[np.ndarray, "n"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    files = parser.parse_args().files
    network = OwnNetwork(None)
    asked: list[AskedMask] = []
    for number, room in enumerate(r for file in files for r in read_rendered(file)):
        assert room.photo is not None  # rendered rooms have one
        asked += ask(room, network.votes(room.photo), number)
        print(f"{room.name}: {len(asked)} masks", flush=True)
    weights = fit(asked)
    print(f"bias {weights[0]:.2f}")
    for field, weight in zip(fields(Seam), weights[1:], strict=True):
        print(f"{field.name} {weight:.2f}")
    print_table(asked)


def ask(room: TrueMasks, votes: ObjectVotes, number: int) -> Iterator[AskedMask]:
    """Every mask of a room, true ones and merges, and what cuts are suggested for it."""
    rng = np.random.default_rng(number)
    height, width = room.label_map.shape
    depth = room.depth if number % 3 == 2 else noisy_depth(room, number)
    evidence = gather_evidence(depth, (width, height))
    pairs = touching_pairs(room)
    chosen = [pairs[int(k)] for k in rng.permutation(len(pairs))[:_MOST_MERGES]]
    for values in (*chosen, *((v,) for v in room.counted[:_MOST_TRUE])):
        yield _ask_mask([room.mask(v) for v in values], evidence, votes, number)


def _ask_mask(true: list[Mask], evidence: DepthEvidence, votes: ObjectVotes, number: int) -> AskedMask:
    mask = np.logical_or.reduce(true)
    region = Region(pixels=mask, top=0, left=0, label="", score=1.0).with_pixels(mask, (slice(0, None), slice(0, None)))
    cuts = suggest_cuts(
        evidence.surface(region.pixels, region.box),
        votes.of_box(region.box, mask.shape),
        least_px=least_cut_px(mask.shape),
    )
    inside = [m[region.box] for m in true]
    iou = [min(max(_iou(m, side) for side in (p.mask, region.pixels & ~p.mask)) for m in inside) for p, _ in cuts]
    return AskedMask(
        room=number,
        merged=len(true) > 1,
        seams=np.array([astuple(seam) for _, seam in cuts]).reshape(len(cuts), len(fields(Seam))),
        iou=np.array(iou),
    )


def _iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


def fit(asked: list[AskedMask]) -> Float[np.ndarray, "F+1"]:
    """Bias and weights of a logistic with a little ridge on standardised figures; cuts nearly right are left out."""
    rows, truth, weight = [], [], []
    for mask in asked:
        for seam, iou in zip(mask.seams, mask.iou, strict=True):
            if mask.merged and _WRONG_IOU < iou < _RIGHT_IOU:
                continue
            right = mask.merged and iou >= _RIGHT_IOU
            rows.append(seam)
            truth.append(float(right))
            weight.append(_WRONG_CUT_OF_MERGE if mask.merged and not right else 1.0)
    x, y, w = np.array(rows), np.array(truth), np.array(weight)
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    x = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    b = np.zeros(x.shape[1])
    ridge = _RIDGE * np.diag([0.0, *np.ones(len(b) - 1)])
    for _ in range(50):  # Newton's method; the loss is convex
        p = 1 / (1 + np.exp(-np.clip(x @ b, -30, 30)))
        step = np.linalg.solve((x * (w * p * (1 - p))[:, None]).T @ x + ridge, x.T @ (w * (p - y)) + ridge @ b)
        b = b - step
        if np.abs(step).max() < 1e-8:
            break
    return np.array([b[0] - (b[1:] * mean / spread).sum(), *(b[1:] / spread)])


def print_table(asked: list[AskedMask]) -> None:
    """Merges cut rightly and true masks cut by the likeliest cut of each mask, by the least log-odds of a cut."""
    merges = sum(m.merged for m in asked)
    weights = [fit([m for m in asked if m.room % _FOLDS != fold]) for fold in range(_FOLDS)]
    print(f"Merges cut rightly of {merges}, true masks cut of {len(asked) - merges}; by depth alone {_by_depth(asked)}")
    print("| log-odds |" + "".join(f" by_depth +{more:g} |" for more in _RAISES))
    print("|---|" + "---|" * len(_RAISES))
    likeliest = [_likeliest(asked, weights, more) for more in _RAISES]
    for least in np.arange(0.5, 2.51, 0.1):
        counts = [_counts([cut for cut in cuts if cut[0] >= least]) for cuts in likeliest]
        print(f"| {least:.2f} |" + "".join(f" {count} |" for count in counts))


def _likeliest(asked: list[AskedMask], weights: list[Float[np.ndarray, "F+1"]], more: float) -> list[_Cut]:
    """The likeliest cut of each mask with a weight of `by_depth` that is so much larger, each room by other rooms."""
    cuts = []
    raised = np.array([more * (f.name == "by_depth") for f in fields(Seam)])
    for mask in asked:
        if len(mask.seams):
            fitted = weights[mask.room % _FOLDS]
            odds = fitted[0] + mask.seams @ (fitted[1:] + raised)
            best = int(odds.argmax())
            cuts.append((float(odds[best]), mask.merged, float(mask.iou[best])))
    return cuts


def _by_depth(asked: list[AskedMask]) -> str:
    """As the table, for what the depth rules cut: the best cut of a merge, the worst of a true mask."""
    column = [f.name for f in fields(Seam)].index("by_depth")
    cuts = []
    for mask in asked:
        iou = mask.iou[mask.seams[:, column] == 1]
        if len(iou):
            cuts.append((0.0, mask.merged, float(iou.max() if mask.merged else iou.min())))
    return _counts(cuts)


def _counts(cuts: list[_Cut]) -> str:
    found = sum(merged and iou > _FOUND_IOU for _, merged, iou in cuts)
    wrong = sum(not merged and iou < _UNCHANGED_IOU for _, merged, iou in cuts)
    return f"{found}, {wrong}"


if __name__ == "__main__":
    main()
