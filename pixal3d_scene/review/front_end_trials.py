"""Rooms with known masks as exams for the mask hygiene: true masks, harmed in known ways, as a network might give them.

In: `TrueMasks`. Out: a `MaskTrial`, that is proposals and what was done to which object. Everything at the photo's
size; the same seed gives the same trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..frontend.proposals import MaskProposal
from .true_masks import SMALLEST_PX, Mask, TrueMasks

_FRAGMENT_PX = 2000  # of 800 x 600: smaller objects are not cut into fragments
_CLOSE_PX = 2  # masks as near as this touch


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskTrial:
    """Proposals and what is true of them.

    untouched: values whose mask was proposed as it is and nothing else of it. harmed: values that the trial harmed.
    fragmented: values proposed in pieces. merges: pairs of values proposed as one mask. extra: proposals that are no
    objects (copies, parts, the room itself); extra_of: the object that each belongs to, none for the room.
    """

    proposals: tuple[MaskProposal, ...]
    untouched: frozenset[int]
    harmed: frozenset[int]
    fragmented: frozenset[int] = frozenset()
    merges: tuple[tuple[int, int], ...] = ()
    extra: tuple[Mask, ...] = ()
    extra_of: tuple[int, ...] = ()


def pristine(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """The true masks."""
    del rng
    values = _values(room)
    return _trial([(room.mask(v), 0.9) for v in values], untouched=values)


def rough(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """Every mask eroded or dilated by 1 to 3 px, its outline noisy, with specks and pinholes."""
    masks = [(_speckled(_noisy_outline(_grown(room.mask(v), rng), rng), rng), 0.9) for v in _values(room)]
    return _trial([m for m in masks if m[0].any()], harmed=room.counted)


def fragmented(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """Half of the larger objects in 2 or 3 fragments, with gaps of 0 to 2 px."""
    masks: list[tuple[Mask, float]] = []
    harmed = []
    for value in _values(room):
        mask = room.mask(value)
        if mask.sum() < room.pixels(_FRAGMENT_PX) or rng.random() < 0.5:
            masks.append((mask, 0.9))
            continue
        harmed.append(value)
        masks += [(m, float(rng.uniform(0.7, 0.95))) for m in _cut(mask, int(rng.integers(2, 4)), rng)]
    trial = _trial(masks, untouched=set(_values(room)) - set(harmed), harmed=harmed)
    return replace(trial, fragmented=frozenset(harmed))


def merged(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """Carriers together with what stands on them, and neighbours that touch, as one mask and nothing else of them."""
    pairs = _pairs(room, rng)
    used = {v for pair in pairs for v in pair}
    masks = [(room.mask(v), 0.9) for v in _values(room) if v not in used]
    masks += [(room.mask(a) | room.mask(b), 0.9) for a, b in pairs]
    return replace(_trial(masks, untouched=set(_values(room)) - used, harmed=used), merges=tuple(pairs))


def merged_beside(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """The same merged masks besides the right ones, as networks that propose at several scales give them."""
    pairs = _pairs(room, rng)
    masks = [(room.mask(v), float(rng.uniform(0.7, 0.95))) for v in _values(room)]
    masks += [(room.mask(a) | room.mask(b), float(rng.uniform(0.7, 0.95))) for a, b in pairs]
    used = {v for pair in pairs for v in pair}
    return replace(_trial(masks, untouched=set(_values(room)) - used, harmed=used), merges=tuple(pairs))


def duplicated(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """One to three near copies of every object, IoU .8 to .95, some with the better score."""
    masks, extra, owners = [], [], []
    for value in _values(room):
        mask = room.mask(value)
        masks.append((mask, float(rng.uniform(0.75, 0.95))))
        for _ in range(int(rng.integers(1, 4))):
            copy = _near_copy(mask, rng)
            if copy is not None:
                masks.append((copy, float(rng.uniform(0.7, 0.9))))
                extra.append(copy)
                owners.append(value)
    return replace(_trial(masks, harmed=room.counted), extra=tuple(extra), extra_of=tuple(owners))


def with_parts(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """One or two regions of every object's own surface proposed beside it."""
    masks, extra, owners = [], [], []
    for value in _values(room):
        mask = room.mask(value)
        masks.append((mask, 0.9))
        if mask.sum() < room.pixels(SMALLEST_PX):
            continue
        for _ in range(int(rng.integers(1, 3))):
            part = _part(mask, rng)
            if part is not None:
                masks.append((part, float(rng.uniform(0.7, 0.95))))
                extra.append(part)
                owners.append(value)
    return replace(_trial(masks, harmed=room.counted), extra=tuple(extra), extra_of=tuple(owners))


def with_structure(room: TrueMasks, rng: np.random.Generator) -> MaskTrial:
    """Floor and walls proposed beside the objects, each mask too wide or too narrow by up to 12 px."""
    from scipy.ndimage import binary_dilation, binary_erosion

    masks = [(room.mask(v), 0.9) for v in _values(room)]
    height_m = room.depth.points_world()[..., 1]
    shell = (room.label_map == 0) & room.depth.valid
    extra = []
    for mask in (shell & (height_m < 0.03), shell & (height_m >= 0.03)):
        by = int(rng.integers(3, 13))
        wider = rng.random() < 0.5
        harmed = (binary_dilation if wider else binary_erosion)(mask, iterations=by)
        if harmed.any():
            masks.append((np.asarray(harmed), float(rng.uniform(0.8, 0.95))))
            extra.append(np.asarray(harmed))
    return replace(_trial(masks, untouched=_values(room)), extra=tuple(extra))


HARMS: dict[str, Callable[[TrueMasks, np.random.Generator], MaskTrial]] = {
    "pristine": pristine,
    "rough": rough,
    "fragmented": fragmented,
    "merged": merged,
    "merged beside": merged_beside,
    "duplicated": duplicated,
    "parts": with_parts,
    "structure": with_structure,
}


def _values(room: TrueMasks) -> list[int]:
    return [int(v) for v in np.unique(room.label_map) if v]


def _trial(masks: list[tuple[Mask, float]], *, untouched: Iterable[int] = (), harmed: Iterable[int] = ()) -> MaskTrial:
    return MaskTrial(
        proposals=tuple(MaskProposal(mask=m, label="", score=s, source="trial") for m, s in masks),
        untouched=frozenset(untouched),
        harmed=frozenset(harmed),
    )


def touching_pairs(room: TrueMasks) -> list[tuple[int, int]]:
    """All pairs of objects that a network may take for one: what stands on something, then neighbours that touch."""
    return [*_resting(room), *_touching(room)]


def _resting(room: TrueMasks) -> list[tuple[int, int]]:
    counted = room.counted
    return [(room.parents[v], v) for v in counted if room.parents.get(v, 0) in counted]


def _touching(room: TrueMasks) -> list[tuple[int, int]]:
    from scipy.ndimage import binary_dilation

    counted, resting = room.counted, _resting(room)
    wide = {v: binary_dilation(room.mask(v), iterations=_CLOSE_PX) for v in counted}
    return [
        (a, b)
        for i, a in enumerate(counted)
        for b in counted[i + 1 :]
        if (a, b) not in resting and (b, a) not in resting and (wide[a] & room.mask(b)).sum() >= 8
    ]


def _pairs(room: TrueMasks, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs to merge, each object in one at most: first what stands on something, then neighbours that touch."""
    resting, touching = _resting(room), _touching(room)
    pairs: list[tuple[int, int]] = []
    for kind in (resting, touching):
        for k in rng.permutation(len(kind)):
            if not {v for pair in pairs for v in pair} & set(kind[int(k)]):
                pairs.append(kind[int(k)])
    return pairs


def _grown(mask: Mask, rng: np.random.Generator) -> Mask:
    from scipy.ndimage import binary_dilation, binary_erosion

    by = int(rng.integers(1, 4))
    grown = (binary_dilation if rng.random() < 0.5 else binary_erosion)(mask, iterations=by)
    return np.asarray(grown if grown.sum() > 0.5 * mask.sum() else mask)


def _noisy_outline(mask: Mask, rng: np.random.Generator) -> Mask:
    """Within three pixels of the outline; farther off noise would be specks."""
    from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter

    noise = gaussian_filter(rng.standard_normal(mask.shape), 1.5)
    noisy = gaussian_filter(mask.astype(np.float64), 1.0) + 0.15 * noise / noise.std() > 0.5
    outline = binary_dilation(mask, iterations=3) & ~binary_erosion(mask, iterations=3)
    return np.asarray(np.where(outline, noisy, mask))


def _speckled(mask: Mask, rng: np.random.Generator) -> Mask:
    """One speck or pinhole of 1 to 3 px across for every 400 px of the mask's box."""
    rows, columns = np.nonzero(mask)
    speckled = mask.copy()
    if not len(rows):
        return speckled
    low, high = (rows.min(), columns.min()), (rows.max() + 1, columns.max() + 1)
    for _ in range(int((high[0] - low[0]) * (high[1] - low[1]) / 400)):
        row, column = (int(rng.integers(a, b)) for a, b in zip(low, high, strict=True))
        side = int(rng.integers(1, 4))
        at = np.s_[row : row + side, column : column + side]
        speckled[at] = ~speckled[at]
    return speckled


def _cut(mask: Mask, count: int, rng: np.random.Generator) -> list[Mask]:
    """Fragments by straight cuts through the middle of what is left, each at least an eighth of the mask."""
    pieces = [mask]
    for _ in range(count - 1):
        largest = pieces.pop(int(np.argmax([p.sum() for p in pieces])))
        rows, columns = np.nonzero(largest)
        angle = rng.uniform(0, np.pi)
        along = np.cos(angle) * columns + np.sin(angle) * rows
        at = np.quantile(along, rng.uniform(0.35, 0.65))
        gap = float(rng.integers(0, 3)) / 2
        for side in (along < at - gap, along >= at + gap):
            piece = np.zeros_like(mask)
            piece[rows[side], columns[side]] = True
            pieces.append(piece)
    return [p for p in pieces if p.any()]


def _near_copy(mask: Mask, rng: np.random.Generator) -> Mask | None:
    """Moved, grown or shrunk until the IoU is .8 to .95; None for a mask too thin for that."""
    for _ in range(30):
        copy = np.roll(mask, (int(rng.integers(-3, 4)), int(rng.integers(-3, 4))), axis=(0, 1))
        if rng.random() < 0.5:
            copy = _grown(copy, rng)
        iou = float((copy & mask).sum() / max(int((copy | mask).sum()), 1))
        if 0.8 <= iou <= 0.95:
            return copy
    return None


def _part(mask: Mask, rng: np.random.Generator) -> Mask | None:
    """A connected region of a mask, 8 % to 60 % of it: what lies nearest to a random pixel of it."""
    from scipy.ndimage import label

    rows, columns = np.nonzero(mask)
    k = int(rng.integers(len(rows)))
    stretch = float(rng.uniform(0.5, 2.0))
    distance = np.hypot(rows - rows[k], stretch * (columns - columns[k]))
    near = distance <= np.quantile(distance, rng.uniform(0.08, 0.6))
    part = np.zeros_like(mask)
    part[rows[near], columns[near]] = True
    pieces, _ = label(part)
    part = pieces == pieces[rows[k], columns[k]]
    return np.asarray(part) if part.sum() >= 0.08 * mask.sum() else None
