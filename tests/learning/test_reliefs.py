"""The network of reliefs learns from true depth beside the blocks of outlines, and its training lowers the loss."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from training_cases import small_batch

from pipelines.train import train
from pixal3d_scene.camera import Camera
from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.front_end_weights import read_front_end
from pixal3d_scene.frontend.relief_network import ReliefNetwork, ReliefSize, read_reliefs
from pixal3d_scene.frontend.relief_picture import CHANNELS, SIDE_PX
from pixal3d_scene.frontend.view import pose_from_up
from pixal3d_scene.learning.relief_samples import ReliefSamples, _true_box, sample_reliefs
from pixal3d_scene.learning.relief_task import ReliefTask, relief_files
from pixal3d_scene.weights.own import FRONT_END, RELIEFS, own_weights


@cache
def some() -> ReliefSamples:
    return sample_reliefs(small_batch(3, (256, 192)), read_front_end(own_weights(FRONT_END)))


def test_samples_are_of_objects_and_blocks_are_near_the_truth() -> None:
    samples = some()
    assert len(samples.picture) >= 8
    assert samples.picture.shape[1:] == (CHANNELS, SIDE_PX, SIDE_PX)
    covered = samples.covered > 127
    assert 0.15 < covered.mean() < 0.9
    assert np.abs(samples.farther[~(samples.covered > 0)]).max() == 0
    # The true depth of most objects is near their block's, the more so its shape.
    shapes = []
    for farther, known in zip(samples.farther.astype(float), covered, strict=True):
        if known.any():
            shapes.append(np.abs(farther[known] - np.median(farther[known])).mean())
    assert np.median(shapes) < 0.06


def test_the_box_of_a_rendered_room_has_its_walls_where_they_are_seen() -> None:
    batch = small_batch(3, (256, 192))
    for k in range(len(batch)):
        camera = Camera(K=batch.K[k].numpy().astype(np.float64), size_px=batch.size_px)
        up = batch.up_cam[k].numpy().astype(np.float64)
        camera = camera.at(pose_from_up(up, height_m=float(batch.camera_height_m[k])))
        z_m, valid = batch.z_m[k].numpy().astype(np.float64), batch.valid[k].numpy()
        box = _true_box(camera, z_m, valid, batch.normals_cam[k].numpy(), batch.shell_part[k].numpy())
        assert box is not None
        wall_or_floor = np.isin(batch.shell_part[k].numpy(), (1, 2)) & valid
        ratio = box.shell(camera)[0][wall_or_floor] / z_m[wall_or_floor]
        assert np.median(np.abs(ratio - 1)) < 0.02


def test_files_keep_everything_and_others_are_refused(tmp_path: Path) -> None:
    some().write(tmp_path / "train_0.npz")
    again = ReliefSamples.read(tmp_path / "train_0.npz")
    for name in ("picture", "farther", "covered"):
        np.testing.assert_array_equal(getattr(again, name), getattr(some(), name))
    np.savez(tmp_path / "train_1.npz", picture=np.zeros(3))
    with pytest.raises(InputError, match="sample_reliefs"):
        relief_files(tmp_path, "train")
    with pytest.raises(InputError, match="validation"):
        relief_files(tmp_path, "validation")


def test_training_lowers_the_loss_and_leaves_a_file_for_the_front_end(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        some().write(tmp_path / f"{split}_0.npz")
    done = train("reliefs-smoke", tmp_path, tmp_path / "out", device="cpu")
    assert Path(done["weights"]).name == RELIEFS
    assert read_reliefs(Path(done["weights"])).size.widths == (8, 12, 16)
    curve = [row.split(",") for row in (tmp_path / "out" / "curves.csv").read_text().splitlines()]
    losses = [float(row[-1]) for row in curve if "train" in row and "loss" in row]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    slow = tmp_path / "slow.toml"
    slow.write_text(
        'kind = "reliefs"\n[plan]\nsteps = 1\nlearning_rate = 1e-9\naveraging = 0.001\n'
        "[reliefs]\nwidths = [8, 12, 16]\nblocks = [1, 1, 1]\nbatch = 8\n"
    )
    on = train(str(slow), tmp_path, tmp_path / "on", device="cpu", earlier=Path(done["weights"]))
    before, after = (read_reliefs(Path(run["weights"])).enter.weight for run in (done, on))
    assert torch.allclose(before, after, atol=1e-3)
    with pytest.raises(InputError, match="another size"):
        train("reliefs", tmp_path, tmp_path / "other", device="cpu", earlier=Path(done["weights"]))


def test_the_packages_weights_know_shapes_better_than_blocks_and_the_front_end_do(tmp_path: Path) -> None:
    some().write(tmp_path / "validation_0.npz")
    files = relief_files(tmp_path, "validation")
    with torch.no_grad():
        figures = ReliefTask(read_reliefs(own_weights(RELIEFS)), files, files, batch=8, seed=0).validate(
            read_reliefs(own_weights(RELIEFS))
        )
    assert figures["shape"] < 0.8 * min(figures["shape_block"], figures["shape_front_end"])
    assert figures["distance"] < min(figures["distance_block"], figures["distance_front_end"])


def test_the_network_has_the_size_that_the_settings_name() -> None:
    assert read_reliefs(own_weights(RELIEFS)).size == ReliefNetwork(ReliefSize()).size
