"""Votes of a network and depth decide together where a mask is cut: exact rooms of boxes, exact votes."""

from __future__ import annotations

import numpy as np
import pytest
from mask_scenes import SOFA, TABLE, VASE, Box, iou, proposal, render
from scipy.ndimage import binary_dilation

from pixal3d_scene.depth import Depth
from pixal3d_scene.frontend.clean_given import clean_given
from pixal3d_scene.frontend.given_masks import instances_from_label_map
from pixal3d_scene.frontend.hygiene import clean_masks
from pixal3d_scene.frontend.mask_cut import HOW_CUT, cut_with_votes, suggest_cuts
from pixal3d_scene.frontend.mask_evidence import gather_evidence
from pixal3d_scene.frontend.mask_seam import log_odds
from pixal3d_scene.frontend.mask_split import cut
from pixal3d_scene.frontend.object_votes import BoxVotes, ObjectVotes, VoteMaps
from pixal3d_scene.instances import Instances

STRIDE = 4
LEAST_PX = 60
# A television as wide as what it stands on, their fronts in one plane: depth cannot tell it from a back.
STAND: tuple[Box, ...] = (((-0.6, 0.0, -2.9), (0.6, 0.5, -2.5)),)
TELEVISION: tuple[Box, ...] = (((-0.6, 0.5, -2.6), (0.6, 1.1, -2.5)),)


class Votes:
    """A network that sees the whole photo at once and takes the pixels of one number for one object."""

    def __init__(self, ids: np.ndarray) -> None:
        small = ids[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        rows, columns = np.mgrid[: small.shape[0], : small.shape[1]]
        offset = np.zeros((2, *small.shape), dtype=np.float32)
        at_middle = np.zeros(small.shape, dtype=np.float32)
        for number in np.unique(small):
            there = small == number
            offset[0][there] = columns[there].mean() - columns[there]
            offset[1][there] = rows[there].mean() - rows[there]
            at_middle[round(rows[there].mean()), round(columns[there].mean())] = 1
        word = np.stack([small == k for k in range(4)]).astype(np.float32)
        self.maps = VoteMaps(offset=offset / max(small.shape), word=word, middle=np.zeros((0, 2)), at_middle=at_middle)
        self.asked = 0

    def of_box(self, box: tuple[slice, slice], shape: tuple[int, int]) -> BoxVotes:
        self.asked += 1
        return self.maps.of_box(box, shape)


def cleaned(mask: np.ndarray, depth: Depth, votes: ObjectVotes | None) -> Instances:
    return clean_masks(
        [proposal(mask)], size_px=mask.shape[::-1], depth=depth, source="test", max_objects=9, min_area_share=0.0005,
        votes=votes,
    )  # fmt: skip


def test_votes_find_what_depth_cannot_and_the_border_is_the_true_one() -> None:
    depth, ids = render(STAND, TELEVISION)
    objects = np.maximum(ids, 0)
    alone, together = (cleaned(ids > 0, depth, votes) for votes in (None, Votes(objects)))
    assert len(alone) == 1
    assert len(together) == 2
    border = binary_dilation(ids == 1) & binary_dilation(ids == 2)
    for number in (1, 2):
        best = max((together.mask(i.mask_value) for i in together.items), key=lambda m: iou(m, ids == number))
        # Without a step the border stays as sharp as the votes are.
        assert not ((best ^ (ids == number)) & ~binary_dilation(border, iterations=2 * STRIDE)).any()
    assert HOW_CUT[False] in alone.notes
    assert HOW_CUT[True] in together.notes


def test_votes_for_one_object_keep_a_mask_whole_that_depth_would_cut() -> None:
    depth, ids = render(TABLE, VASE)
    assert len(cleaned(ids > 0, depth, None)) == 2
    assert len(cleaned(ids > 0, depth, Votes(np.where(ids > 0, 1, 0)))) == 1
    assert len(cleaned(ids > 0, depth, Votes(np.maximum(ids, 0)))) == 2


def test_a_whole_object_stays_whole() -> None:
    depth, ids = render(SOFA, VASE)
    found = cleaned(ids == 1, depth, Votes(np.maximum(ids, 0)))
    assert len(found) == 1
    np.testing.assert_array_equal(found.mask(1), ids == 1)


def test_every_cut_leaves_two_parts_that_are_large_enough_and_the_likelier_one_is_the_true_one() -> None:
    depth, ids = render(STAND, TELEVISION)
    mask = ids > 0
    box = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    evidence = gather_evidence(depth, mask.shape[::-1])
    surface = evidence.surface(mask, box)
    cuts = suggest_cuts(surface, Votes(np.maximum(ids, 0)).of_box(box, mask.shape), least_px=LEAST_PX)
    assert cuts
    for part, _ in cuts:
        assert not (part.mask & ~mask).any()
        assert LEAST_PX <= part.mask.sum() <= mask.sum() - LEAST_PX
    best = max(cuts, key=lambda c: log_odds(c[1]))[0].mask
    assert max(iou(best, ids == 1), iou(best, ids == 2)) > 0.85


def test_without_votes_depth_decides_and_what_is_too_small_is_not_looked_at() -> None:
    depth, ids = render(TABLE, VASE)
    mask = ids > 0
    box = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    surface = gather_evidence(depth, mask.shape[::-1]).surface(mask, box)
    parts = cut_with_votes(surface, box, mask.shape, None, least_px=LEAST_PX)
    plain = cut(surface, least_px=LEAST_PX, alone=True)
    assert len(parts) == 2
    assert [p.reason for p in parts] == [p.reason for p in plain]
    assert all((a.mask == b.mask).all() for a, b in zip(parts, plain, strict=True))
    votes = Votes(np.maximum(ids, 0))
    assert len(cut_with_votes(surface, box, mask.shape, votes, least_px=int(mask.sum() / 2) + 1)) == 1
    assert votes.asked == 0


# A cabinet far behind two posts: between them its foot is hidden, beside them it is seen.
POSTS: tuple[Box, ...] = (
    ((-0.6, 0.0, -2.1), (0.6, 0.9, -2.0)),
    ((-0.6, 0.9, -2.1), (-0.08, 1.6, -2.0)),
    ((0.08, 0.9, -2.1), (0.6, 1.6, -2.0)),
)
BETWEEN: tuple[Box, ...] = (((-0.5, 0.0, -3.6), (0.5, 1.6, -3.2)),)
BESIDE: tuple[Box, ...] = (((0.7, 0.0, -3.6), (1.4, 1.6, -3.2)),)


@pytest.mark.parametrize(
    ("objects", "parts_alone"),
    [
        ((TABLE, (((-0.1, 0.75, -2.6), (0.1, 0.835, -2.4)),)), 1),  # as low as a cushion
        ((TABLE, VASE), 2),
        ((POSTS, BETWEEN), 1),
        ((POSTS, BESIDE), 2),
    ],
)
def test_alone_depth_leaves_what_is_low_or_hangs_in_the_rest(
    objects: tuple[tuple[Box, ...], ...], parts_alone: int
) -> None:
    depth, ids = render(*objects)
    mask = ids > 0
    box = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    surface = gather_evidence(depth, mask.shape[::-1]).surface(mask, box)
    assert len(cut(surface, least_px=LEAST_PX)) == 2
    assert len(cut(surface, least_px=LEAST_PX, alone=True)) == parts_alone


def test_the_users_masks_are_cut_with_votes_too_and_the_notes_say_so() -> None:
    depth, ids = render(STAND, TELEVISION)
    given = instances_from_label_map(np.where(ids > 0, 7, 0).astype(np.uint16), source="given")
    found = clean_given(given, depth, Votes(np.maximum(ids, 0)))
    assert [i.mask_value for i in found.items] == [7, 8]
    assert HOW_CUT[True] in found.notes
    assert any("in the front-end network's eyes" in note for note in found.notes)


@pytest.mark.parametrize("box", [(slice(0, 24), slice(0, 40)), (slice(5, 19), slice(11, 32))])
def test_a_vote_names_the_same_place_from_every_box(box: tuple[slice, slice]) -> None:
    place = np.array([0.3, 0.2])  # in longer sides
    height, width = 12, 20
    rows, columns = np.mgrid[:height, :width]
    here = np.stack([(columns + 0.5) / width, (rows + 0.5) / width])
    maps = VoteMaps(
        offset=(place[:, None, None] - here).astype(np.float32),
        word=np.arange(60, dtype=np.float32).reshape(1, 6, 10),
        middle=np.array([[0.25, 0.5]]),
        at_middle=(100 * rows + columns).astype(np.float32),
    )
    votes = maps.of_box(box, (24, 40))
    start = np.array([box[1].start, box[0].start])
    inner = votes.pointed_px[1:-1, 1:-1] if box[0].start == 0 else votes.pointed_px
    np.testing.assert_allclose(inner, np.broadcast_to(place * 40 - start, inner.shape), atol=1e-3)
    np.testing.assert_allclose(votes.middles_px, [[10, 12] - start])
    # A map's pixel is two of the picture's: their mean is its own value.
    own = votes.at_middle[box[0].start % 2 :, box[1].start % 2 :]
    height, width = (side // 2 * 2 for side in own.shape)
    of_map = own[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    expected = maps.at_middle[(box[0].start + 1) // 2 :, (box[1].start + 1) // 2 :][: height // 2, : width // 2]
    np.testing.assert_allclose(of_map[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-3)
    assert votes.word_cell[0, 0] == (box[0].start // 4) * 10 + box[1].start // 4


def test_votes_keep_neighbours_apart_that_depth_would_join_and_still_join_pieces() -> None:
    left: tuple[Box, ...] = (((-0.6, 0.0, -2.9), (0.0, 0.8, -2.5)),)
    right: tuple[Box, ...] = (((0.0, 0.0, -2.9), (0.6, 0.8, -2.5)),)
    depth, ids = render(left, right)
    two = np.maximum(ids, 0)
    for votes, count in ((None, 1), (Votes(two), 2), (Votes(two > 0), 1)):
        found = clean_masks(
            [proposal(ids == 1), proposal(ids == 2)], size_px=ids.shape[::-1], depth=depth, source="test",
            max_objects=9, min_area_share=0.0005, votes=votes,
        )  # fmt: skip
        assert len(found) == count
        expected = two if count == 2 else (two > 0)
        for number in range(1, count + 1):
            assert any((found.mask(i.mask_value) == (expected == number)).all() for i in found.items)
