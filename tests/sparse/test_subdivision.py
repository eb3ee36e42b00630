from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from sparse_cases import random_sparse

from pixal3d_scene.errors import ShapeError
from pixal3d_scene.sparse.subdivision import Subdivision, ancestry, octree_order
from pixal3d_scene.sparse.tensor import SparseTensor, Voxels


def test_x_is_the_least_significant_bit_of_the_child_number() -> None:
    parents = Voxels(torch.tensor([[0, 3, 5, 7]]))
    active = torch.zeros(1, 8, dtype=torch.bool)
    active[0, [1, 2, 4]] = True
    children = Subdivision(parents, active).children
    assert children.coords.tolist() == [[0, 7, 10, 14], [0, 6, 11, 14], [0, 6, 10, 15]]


def test_group_c_of_the_channels_belongs_to_child_c_and_empty_parents_vanish() -> None:
    parents = Voxels(torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]))
    active = torch.zeros(3, 8, dtype=torch.bool)
    active[0, [0, 7]] = True
    active[2, 3] = True
    step = Subdivision(parents, active)
    split = step.split(torch.arange(48.0).reshape(3, 16))
    assert split.feats.tolist() == [[0, 1], [14, 15], [38, 39]]
    assert split.coords.tolist() == [[0, 0, 0, 0], [0, 1, 1, 1], [1, 1, 1, 0]]
    assert split.voxels is step.children


def test_nobody_active_leaves_an_empty_level_of_the_same_batch() -> None:
    parents = Voxels(torch.tensor([[0, 0, 0, 0], [1, 1, 0, 0]]))
    split = Subdivision(parents, torch.zeros(2, 8, dtype=torch.bool)).split(torch.zeros(2, 24))
    assert split.feats.shape == (0, 3)
    assert split.voxels.batch_size == 2
    assert [len(feats) for feats, _ in split.items()] == [0, 0]


def test_merge_takes_back_what_split_gave() -> None:
    x = random_sparse([(4, 3, 5), (2, 2, 2)], 16)
    active = torch.rand(len(x.voxels), 8, generator=torch.Generator().manual_seed(3)) < 0.4
    step = Subdivision(x.voxels, active)
    back = step.merge(step.split(x.feats).feats).feats.reshape(-1, 8, 2)
    torch.testing.assert_close(back, x.feats.reshape(-1, 8, 2) * active[:, :, None], atol=0, rtol=0)


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_ancestry_leads_to_the_voxels_in_octree_order(levels: int) -> None:
    voxels = random_sparse([(9, 14, 11), (0, 0, 0), (33, 5, 6)], 1, fill=0.1).voxels
    ordered = Voxels(voxels.coords[octree_order(voxels.coords, levels)], batch_size=3)
    chain = ancestry(ordered, levels)
    assert torch.equal(chain[-1].children.coords, ordered.coords)
    assert all(lower.parents is upper.children for upper, lower in pairwise(chain))
    coarse = chain[0].parents.coords
    expected = voxels.coords.clone()
    expected[:, 1:] >>= levels
    assert torch.equal(coarse, expected.unique(dim=0))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="active"):
        Subdivision(Voxels(torch.zeros(1, 4)), torch.ones(2, 8, dtype=torch.bool))
    with pytest.raises(ShapeError, match="coords"):
        Voxels(torch.zeros(5, 3))
    with pytest.raises(ShapeError, match="feats"):
        SparseTensor(torch.zeros(2, 3), Voxels(torch.zeros(1, 4)))


def test_items_come_one_after_the_other_and_may_be_empty() -> None:
    voxels = Voxels(torch.tensor([[0, 1, 2, 3], [2, 4, 5, 6], [2, 7, 8, 9]]), batch_size=4)
    assert voxels.item_rows() == [slice(0, 1), slice(1, 1), slice(1, 3), slice(3, 3)]
    with pytest.raises(ValueError, match="contiguous"):
        Voxels(torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]])).item_rows()
