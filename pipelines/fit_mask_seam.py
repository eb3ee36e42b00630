"""Fits the weights of `frontend.mask_seam` on rendered rooms: files of `pipelines.render_rooms` in, weights printed.

    python -m pipelines.fit_mask_seam FILE ...

True masks and planted merges (what stands on something with it, and neighbours that touch) are asked for cuts. Two of
three rooms have noisy depth, the third has the true one. Besides the weights it prints, for thresholds of the log-odds,
how many merges are cut rightly and how many true masks are cut, each room judged by weights from other rooms.
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
_FOUND_IOU, _UNCHANGED_IOU = 0.5, 0.95
_RIDGE = 1.0
_FOLDS = 5
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
    """Bias and weights of a conditional logit (McFadden 1974): one of a mask's suggested cuts is right, or none is.

    So the weights are fitted to what is decided, the likeliest cut of a mask. Merges without a right cut teach nothing.
    A little ridge on standardised figures.
    """
    from scipy.optimize import minimize

    teaching = [m for m in asked if len(m.seams) and (not m.merged or (m.iou > _FOUND_IOU).any())]
    x = np.concatenate([m.seams for m in teaching])
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-9
    x = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    first = np.cumsum([0, *(len(m.seams) for m in teaching[:-1])])
    owner = np.repeat(np.arange(len(teaching)), [len(m.seams) for m in teaching])
    right = np.concatenate([m.merged & (m.iou > _FOUND_IOU) for m in teaching]).astype(np.float64)
    merged = np.array([m.merged for m in teaching])
    ridge = _RIDGE * np.array([0.0, *np.ones(len(mean))])

    def loss(b: Float[np.ndarray, "F+1"]) -> tuple[float, Float[np.ndarray, "F+1"]]:
        odds = x @ b
        largest = np.maximum(np.maximum.reduceat(odds, first), 0)  # of a mask; subtracted, so that nothing overflows
        cut, none = np.exp(odds - largest[owner]), np.exp(-largest)
        of_right = np.add.reduceat(cut * right, first)
        every, true = np.add.reduceat(cut, first) + none, np.where(merged, of_right, none)
        said = cut / every[owner]
        wanted = right * cut / np.maximum(of_right, 1e-300)[owner]
        total = float(np.log(every / np.maximum(true, 1e-300)).sum() + 0.5 * ridge @ b**2)
        return total, x.T @ (said - wanted) + ridge * b

    b = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    return np.array([b[0] - (b[1:] * mean / spread).sum(), *(b[1:] / spread)])


def print_table(asked: list[AskedMask]) -> None:
    """Merges cut rightly and true masks cut by the likeliest cut of each mask, by the least log-odds of a cut."""
    merges = sum(m.merged for m in asked)
    weights = [fit([m for m in asked if m.room % _FOLDS != fold]) for fold in range(_FOLDS)]
    print(f"Merges cut rightly of {merges}, true masks cut of {len(asked) - merges}; by depth alone {_by_depth(asked)}")
    likeliest = _likeliest(asked, weights)
    for least in np.arange(-1.0, 3.01, 0.1):
        print(f"| {least:.1f} | {_counts([cut for cut in likeliest if cut[0] >= least])} |")


def _likeliest(asked: list[AskedMask], weights: list[Float[np.ndarray, "F+1"]]) -> list[_Cut]:
    """The likeliest cut of each mask, each room judged by weights from other rooms."""
    cuts = []
    for mask in asked:
        if len(mask.seams):
            fitted = weights[mask.room % _FOLDS]
            odds = fitted[0] + mask.seams @ fitted[1:]
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
