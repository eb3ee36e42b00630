"""Rugs are told by their word, from maps that are drawn: a table stands on a rug and both have one middle."""

from __future__ import annotations

import numpy as np
import torch
from flat_rooms import told_same
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional as F

from pixal3d_scene.frontend.front_end_decode import FoundInstance, find_instances
from pixal3d_scene.frontend.front_end_network import FrontEndOutput

HEIGHT, WIDTH = 96, 128
TABLE, RUG = 1, 2  # words


def box(top: int, left: int, bottom: int, right: int) -> Bool[Tensor, "h w"]:
    mask = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def maps(table: Bool[Tensor, "h w"], rug: Bool[Tensor, "h w"], *, sure: float = 0.9) -> FrontEndOutput:
    """All object pixels point to the middle of the picture. sure: how probable the rug's word is on its pixels."""
    both = table | rug
    shell = torch.full((1, 6, HEIGHT, WIDTH), -4.0)
    shell[0, 0][both], shell[0, 1][~both] = 4.0, 4.0
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    offset = torch.stack([64 - columns, 48 - rows])[None] / WIDTH
    centre = torch.full((1, HEIGHT, WIDTH), -6.0)
    centre[0, 48, 64] = 3.0
    word = torch.full((3, HEIGHT, WIDTH), 0.05)
    word[TABLE][table], word[RUG][rug] = 0.9, sure
    word[0] = 1 - word[1:].sum(dim=0)
    told = told_same((table.long() + 2 * (rug & ~table).long())[None])
    return FrontEndOutput(
        log_depth=torch.zeros(1, HEIGHT, WIDTH), shell=shell, centre=centre, offset=offset, same=told,
        label=F.avg_pool2d(word[None], 2).log(), up_cam=torch.tensor([[0.0, -1.0, 0.0]]), log_focal=torch.zeros(1),
    )  # fmt: skip


def iou(found: FoundInstance, mask: Bool[Tensor, "h w"]) -> float:
    return float((found.mask & mask).sum() / (found.mask | mask).sum())


TABLE_TOP = box(30, 44, 56, 84)
LEGS = box(56, 44, 68, 47) | box(56, 81, 68, 84)
ON_RUG = box(58, 20, 88, 110) & ~LEGS


def test_a_table_and_the_rug_under_it_are_two_objects() -> None:
    table, found_rug = sorted(find_instances(maps(TABLE_TOP | LEGS, ON_RUG), rug=RUG), key=lambda f: f.label or 0)
    assert (table.label, found_rug.label) == (TABLE, RUG)
    assert iou(table, TABLE_TOP | LEGS) > 0.9
    assert iou(found_rug, ON_RUG) > 0.95
    assert not (table.mask & found_rug.mask).any()
    owner = torch.stack([table.share, found_rug.share]).argmax(dim=0)
    assert float((owner[TABLE_TOP | LEGS] == 0).float().mean()) > 0.9
    assert float((owner[ON_RUG] == 1).float().mean()) > 0.98


def test_without_the_word_they_stay_one() -> None:
    (both,) = find_instances(maps(TABLE_TOP | LEGS, ON_RUG))
    assert iou(both, TABLE_TOP | LEGS | ON_RUG) > 0.99


def test_a_rug_that_a_leg_cuts_in_two_is_one() -> None:
    leg = box(56, 60, 88, 62)
    found = find_instances(maps(TABLE_TOP | leg, ON_RUG & ~leg), rug=RUG)
    assert [iou(f, ON_RUG & ~leg) > 0.9 for f in found if f.label == RUG] == [True]


def test_a_rug_goes_on_where_its_word_is_less_sure_and_is_none_where_it_is_nowhere_sure() -> None:
    output = maps(TABLE_TOP | LEGS, ON_RUG)
    fainter = maps(TABLE_TOP | LEGS, ON_RUG, sure=0.3)
    output.label[..., 50:] = fainter.label[..., 50:]
    (found_rug,) = (f for f in find_instances(output, rug=RUG) if f.label == RUG)
    assert iou(found_rug, ON_RUG) > 0.95
    assert not [f for f in find_instances(fainter, rug=RUG) if f.label == RUG]


def test_a_speck_of_rug_stays_with_its_object() -> None:
    speck = box(56, 60, 62, 66)
    (found,) = find_instances(maps(TABLE_TOP, speck), rug=RUG)
    assert iou(found, TABLE_TOP | speck) > 0.99
    assert np.isfinite(found.score)
