"""Changed copies of objects: mirrored exactly, and otherwise with their shape left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from object_cases import drawn_grid, grid_mesh, small_objects

from pixal3d_scene.learning.object_augment import augment_objects, mirrored, mirrored_grid
from pixal3d_scene.learning.object_batch import HIDDEN, OBJECT, ObjectGrid


def quads(grid: ObjectGrid, sign: float = 1.0) -> set[tuple[tuple[int, ...], ...]]:
    """The corners of every quad of the grid's mesh, in millionths, x times `sign`; which diagonal splits it is left."""
    mesh = grid_mesh(grid)
    points = np.round(mesh.vertices.astype(np.float64) * [sign, 1, 1] * 1e5).astype(int)
    return {tuple(sorted({tuple(points[v].tolist()) for v in pair.ravel()})) for pair in mesh.faces.reshape(-1, 2, 3)}


def coarse(grid: ObjectGrid) -> ObjectGrid:
    """With vertices at eighths of a voxel: mirroring is exact there."""
    return replace(grid, offset_vox=(grid.offset_vox * 8).round() / 8)


def test_the_mesh_of_the_mirrored_grid_is_the_mirrored_mesh() -> None:
    for grid in map(coarse, small_objects().grids):
        turned = mirrored_grid(grid)
        assert quads(turned) == quads(grid, sign=-1.0)
        assert quads(turned) != quads(grid)
        key = (turned.coords.long() * torch.tensor([64 * 64, 64, 1])).sum(dim=1)
        assert (key.diff() > 0).all()


def test_edges_that_stay_with_their_voxel_would_be_noticed() -> None:
    grid = coarse(small_objects().grids[0])
    turned = mirrored_grid(grid)
    naive = replace(turned, edge_flags=mirrored_grid(replace(grid, edge_flags=_flags_at_own_voxel(grid))).edge_flags)
    assert quads(naive) != quads(grid, sign=-1.0)


def _flags_at_own_voxel(grid: ObjectGrid) -> torch.Tensor:
    """Flags that `mirrored_grid` moves to where they are now, mirrored: as if edges kept their voxels."""
    table = torch.zeros(65, 64, 64, 3, dtype=torch.bool)
    x, y, z = grid.coords.long().T
    table[x, y, z] = grid.edge_flags
    return torch.cat([grid.edge_flags[:, :1], table[x + 1, y, z, 1:]], dim=1)


def test_mirroring_twice_gives_the_object_back() -> None:
    batch = small_objects()
    which = torch.arange(len(batch)) % 2 == 0
    once = mirrored(batch, which)
    twice = mirrored(once, which)
    for index, (grid, back, turned) in enumerate(zip(batch.grids, twice.grids, once.grids, strict=True)):
        assert torch.equal(grid.coords, back.coords)
        assert torch.equal(grid.edge_flags, back.edge_flags)
        assert torch.equal(grid.attributes, back.attributes)
        torch.testing.assert_close(grid.offset_vox, back.offset_vox, rtol=0, atol=1e-6)
        assert torch.equal(turned.coords, grid.coords) != which[index]
        assert torch.equal(once.picture[index], batch.picture[index]) != which[index]
    assert torch.equal(twice.picture, batch.picture)
    assert torch.equal(twice.z_m, batch.z_m)


def test_mirrored_objects_agree_with_their_pictures() -> None:
    plain = small_objects()
    turned = mirrored(plain, torch.ones(len(plain), dtype=torch.bool))
    for index in range(len(plain)):
        shares = []
        for batch in (plain, turned):
            mask, z_m = drawn_grid(batch, index, batch.grids[index])
            own = batch.region[index] == OBJECT
            shares.append(float(((mask != own) & (batch.region[index] != HIDDEN)).sum() / own.sum()))
            both = mask & own
            assert (z_m - batch.z_m[index])[both].median().abs() < 0.2 / 64 * batch.scale_m[index]
        assert shares[1] == pytest.approx(shares[0], abs=0.01)  # quads are split by the other diagonal


def test_augmented_objects_keep_their_shape_and_their_invariants() -> None:
    batch = small_objects()
    shares, dropped, larger, smaller = [], 0, 0, 0
    for seed in range(12):
        changed = augment_objects(batch, torch.Generator().manual_seed(seed))
        own = changed.region == OBJECT
        assert (changed.z_m[~own] == 0).all()
        assert (changed.picture.amax(dim=1)[~own] == 0).all()
        assert torch.equal(changed.scale_m, batch.scale_m)
        for index in range(len(batch)):
            before = batch.region[index] == OBJECT
            flipped = not torch.equal(changed.grids[index].coords, batch.grids[index].coords)
            z_m = batch.z_m[index].flip(-1) if flipped else batch.z_m[index]
            known = (changed.z_m[index] > 0) & (z_m > 0)
            dropped += not known.any()
            relative = changed.z_m[index][known] / z_m[known] - 1
            if known.any():
                assert abs(float(relative.mean())) < 0.04
                shares.append(float(relative.std()))
            count = int(own[index].sum())
            larger, smaller = larger + (count > before.sum()), smaller + (count < before.sum())
            assert 0.65 * before.sum() < count < 2.2 * before.sum()
    assert 9 < dropped < 35  # of 96, a fifth
    assert 9 < larger < 35
    assert 3 < smaller < 35
    assert max(shares) > 0.03
    assert float(np.median(shares)) < 0.03


def test_the_same_generator_gives_the_same_changes() -> None:
    one, other = (augment_objects(small_objects(), torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one.picture, other.picture)
    assert torch.equal(one.z_m, other.z_m)
    different = augment_objects(small_objects(), torch.Generator().manual_seed(5))
    assert not torch.equal(one.picture, different.picture)


def test_without_edges_masks_do_not_grow() -> None:
    strict = small_objects().without_edges()
    for seed in range(5):
        changed = augment_objects(strict, torch.Generator().manual_seed(seed))
        counts = (changed.region == OBJECT).sum(dim=(1, 2)), (strict.region == OBJECT).sum(dim=(1, 2))
        assert (counts[0] <= counts[1]).all()
