"""Pieces of one object are joined, those of two are not, by what is said of pairs of pixels."""

from __future__ import annotations

import pytest
import torch
from flat_rooms import told_same
from jaxtyping import Int64
from torch import Tensor

from pixal3d_scene.frontend.front_end_joins import NO_PIECE, joined_pieces

HEIGHT, WIDTH = 48, 64


def boxes(*sides: tuple[int, int, int, int]) -> Int64[Tensor, "h w"]:
    """Numbered from 1 in the order given, 0 elsewhere; (top, left, bottom, right)."""
    result = torch.zeros(HEIGHT, WIDTH, dtype=torch.int64)
    for number, (top, left, bottom, right) in enumerate(sides, start=1):
        result[top:bottom, left:right] = number
    return result


def groups(
    piece: Int64[Tensor, "h w"], instance: Int64[Tensor, "h w"], *, sure: float = 0.5, fewest: float = 0.05
) -> list[int]:
    """Of pieces that are numbered from 1, by what the true instances say; each group by its first piece."""
    found = joined_pieces(
        torch.where(piece > 0, piece - 1, NO_PIECE),
        told_same(instance[None])[0],
        int(piece.max()),
        sure=sure,
        fewest=fewest,
    ).tolist()
    return [found.index(number) for number in found]


SOFA = boxes((10, 4, 40, 60))
HALVES = boxes((10, 4, 40, 33), (10, 33, 40, 60))


def test_halves_of_one_object_are_joined_and_two_objects_are_not() -> None:
    assert groups(HALVES, SOFA) == [0, 0]
    assert groups(HALVES, HALVES) == [0, 1]


def test_upright_and_level_seams_are_alike() -> None:
    assert groups(HALVES.T.contiguous(), SOFA.T.contiguous()) == [0, 0]
    assert groups(HALVES.T.contiguous(), HALVES.T.contiguous()) == [0, 1]


def test_an_object_goes_on_behind_a_thin_one() -> None:
    """A lamp's pole before a sofa: the pieces at its sides do not touch, but pixels six apart are told to be of one."""
    pole = boxes((2, 31, 46, 33))
    pieces, truth = torch.where(pole > 0, 3, HALVES), torch.where(pole > 0, 2, SOFA)
    pieces[:, 33:] = torch.where(SOFA[:, 33:] > 0, 2, 0)
    assert groups(pieces, truth) == [0, 0, 2]


def test_three_pieces_are_joined_one_after_the_other() -> None:
    thirds = boxes((10, 4, 40, 22), (10, 22, 40, 42), (10, 42, 40, 60))
    assert groups(thirds, SOFA) == [0, 0, 0]
    two = torch.where(thirds == 3, 2, (thirds > 0).long())
    assert groups(thirds, two) == [0, 0, 2]


def test_a_corner_that_touches_is_no_seam() -> None:
    """A few pixels between two pieces say little, whatever is said of them."""
    corner = boxes((4, 4, 24, 32), (23, 31, 44, 60))
    assert groups(corner, (corner > 0).long(), fewest=0.2) == [0, 1]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_join(count: int) -> None:
    piece = torch.full((HEIGHT, WIDTH), NO_PIECE)
    same = told_same(torch.zeros(1, HEIGHT, WIDTH, dtype=torch.int64))[0]
    assert joined_pieces(piece, same, count, sure=0.5, fewest=0.05).tolist() == list(range(count))
