"""Objects come back from their files, and batches are drawn across files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from object_cases import small_objects
from training_cases import small_pack

from pipelines.render_objects import render_objects
from pixal3d_scene.errors import InputError
from pixal3d_scene.learning.model_pack import write_pack
from pixal3d_scene.learning.object_batch import OBJECT
from pixal3d_scene.learning.object_files import ObjectFiles, read_objects, write_objects
from pixal3d_scene.learning.object_stream import ObjectFormat, joined


def test_objects_come_back(tmp_path: Path) -> None:
    batch = small_objects()
    file = tmp_path / "train_0.npz"
    write_objects(batch, file, cube_over_crop=1.25)
    assert file.stat().st_size < 250_000 * len(batch)
    back = read_objects(file)
    for name in ("picture", "region", "fov_rad", "camera_distance_obj", "scale_m", "model", "label", "seeds", "number"):
        assert torch.equal(getattr(back, name), getattr(batch, name)), name
        assert getattr(back, name).dtype == getattr(batch, name).dtype, name
    torch.testing.assert_close(back.z_m, batch.z_m, rtol=6e-4, atol=0)
    for grid, expected in zip(back.grids, batch.grids, strict=True):
        assert torch.equal(grid.coords, expected.coords)
        assert torch.equal(grid.edge_flags, expected.edge_flags)
        assert grid.resolution == expected.resolution
        torch.testing.assert_close(grid.offset_vox, expected.offset_vox, rtol=0, atol=0.5 / 255 + 1e-6)
        torch.testing.assert_close(grid.attributes, expected.attributes, rtol=0, atol=0.5 / 255 + 1e-6)


def test_batches_are_drawn_across_files(tmp_path: Path) -> None:
    batch = small_objects()
    picked = [joined([batch], 4), joined([batch])]
    for number, part in enumerate(picked):
        write_objects(part, tmp_path / f"train_{number}.npz", cube_over_crop=1.25)
    (tmp_path / "train_9.npz.part.npz").write_bytes(b"half a file")
    files = ObjectFiles(tmp_path, "train", seed=1)
    assert (files.cube_over_crop, files.picture_px, files.resolution) == (1.25, 128, 64)
    drawn = files.draw(7, 40)
    assert len(drawn) == 40
    assert len(set(drawn.seeds.tolist())) > 1
    again = ObjectFiles(tmp_path, "train", seed=1).draw(7, 40)
    assert torch.equal(again.picture, drawn.picture)
    assert not torch.equal(files.draw(8, 40).picture, drawn.picture)
    assert torch.equal(drawn.z_m > 0, drawn.region == OBJECT)
    assert ((files.draw(7, 40, edges=True).z_m > 0) & (drawn.region != OBJECT)).any()
    tight = ObjectFiles(tmp_path, "train", seed=1, cache_bytes=1)
    assert torch.equal(tight.draw(7, 40).picture, drawn.picture)


def test_wrong_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rendered objects"):
        ObjectFiles(tmp_path, "train", seed=0).draw(0, 1)
    np.savez(tmp_path / "train_0.npz", rgb=np.zeros(3))
    with pytest.raises(InputError, match="no file of objects"):
        ObjectFiles(tmp_path, "train", seed=0).draw(0, 1)
    write_objects(small_objects(), tmp_path / "train_0.npz", cube_over_crop=1.25)
    write_objects(small_objects(), tmp_path / "train_1.npz", cube_over_crop=1.5)
    with pytest.raises(InputError, match="another picture size"):
        ObjectFiles(tmp_path, "train", seed=0).draw(0, 32)


def test_objects_with_metal_are_not_stored_without_it(tmp_path: Path) -> None:
    batch = joined([small_objects()], 1)
    [grid] = batch.grids
    metal = replace(batch, grids=(replace(grid, attributes=torch.ones_like(grid.attributes)),))
    with pytest.raises(ValueError, match="metallic"):
        write_objects(metal, tmp_path / "train_0.npz", cube_over_crop=1.25)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_rendered_and_what_is_there_is_kept(tmp_path: Path) -> None:
    pack = tmp_path / "pack.npz"
    write_pack(small_pack(), pack)
    wanted = ObjectFormat(picture_px=32, resolution=16, cube_over_crop=1.4)
    ask = {"split": "train", "objects": 2, "seed": 2, "wanted": wanted}
    assert render_objects(pack, tmp_path / "out", files=1, **ask) == 1
    kept = (tmp_path / "out" / "train_2_000000.npz").read_bytes()
    assert render_objects(pack, tmp_path / "out", files=2, **ask) == 1
    assert (tmp_path / "out" / "train_2_000000.npz").read_bytes() == kept
    files = ObjectFiles(tmp_path / "out", "train", seed=0)
    assert files.cube_over_crop == pytest.approx(1.4)
    assert len(files.draw(0, 5)) == 5
