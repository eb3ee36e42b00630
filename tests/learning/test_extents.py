"""The network of extents: its samples are true, mirroring is mirroring, and training lowers its loss."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from training_cases import small_pack

from pipelines.train import train
from pixal3d_scene.errors import InputError
from pixal3d_scene.generator.lift_cut import FEATURES, SIDES, mirrored_features
from pixal3d_scene.learning.extent_samples import ExtentSamples, sample_extents
from pixal3d_scene.learning.extent_task import ExtentNetwork, ExtentTask, grown_iou
from pixal3d_scene.weights.own import EXTENTS, own_weights


@cache
def some() -> ExtentSamples:
    return sample_extents(small_pack(), split="train", seed=0, rooms=6)


def made_up(count: int, seed: int) -> ExtentSamples:
    """Objects whose right side goes on as far as the first feature says."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, FEATURES))
    beyond = np.zeros((count, SIDES))
    beyond[:, 4] = np.abs(features[:, 0])  # a side that mirroring leaves alone
    return ExtentSamples(
        features=features, beyond=beyond, size_m=rng.uniform(0.5, 1, (count, 3)), open_share=rng.uniform(0.1, 1, count)
    )


def test_samples_are_cut_objects_and_their_truth() -> None:
    samples = some()
    assert len(samples.features) >= 5
    assert samples.features.shape[1] == FEATURES
    assert np.isfinite(samples.features).all()
    assert (samples.beyond >= 0).all()
    assert (samples.open_share >= 0.02).all()
    # Parts that are seen lie inside the object: a side that is not cut is hardly ever far from the true one.
    assert np.median(samples.beyond) < 0.05
    assert samples.beyond.max() > 0.1


def test_mirroring_twice_is_nothing_and_once_is_something() -> None:
    features = some().features
    other = mirrored_features(features)
    np.testing.assert_array_equal(mirrored_features(other), features)
    assert np.abs(other - features).max() > 0.05
    np.testing.assert_array_equal(mirrored_features(features[0]), other[0])


def test_boxes_overlap_as_boxes_do() -> None:
    size, nothing = torch.tensor([[1.0, 2.0, 1.0]]), torch.zeros(1, SIDES)
    right, left = torch.zeros(1, SIDES), torch.zeros(1, SIDES)
    right[0, 1], left[0, 0] = 0.5, 0.5  # of the longest side: 1 m on the right, 1 m on the left
    assert float(grown_iou(size, nothing, nothing)) == 1
    assert float(grown_iou(size, nothing, right)) == pytest.approx(1 / 2)
    assert float(grown_iou(size, left, right)) == pytest.approx(1 / 3)


def test_files_keep_everything_and_others_are_refused(tmp_path: Path) -> None:
    some().write(tmp_path / "train.npz")
    again = ExtentSamples.read(tmp_path / "train.npz")
    for name in ("features", "beyond", "size_m", "open_share"):
        np.testing.assert_array_equal(getattr(again, name), getattr(some(), name))
    np.savez(tmp_path / "other.npz", features=np.zeros(3))
    with pytest.raises(InputError, match="sample_extents"):
        ExtentSamples.read(tmp_path / "other.npz")


def test_training_lowers_the_error_and_leaves_a_file_for_lift(tmp_path: Path) -> None:
    made_up(400, 0).write(tmp_path / "train.npz")
    made_up(100, 1).write(tmp_path / "validation.npz")
    done = train("extents-smoke", tmp_path, tmp_path / "out", device="cpu")
    assert done["validation"]["iou_boxes"] > done["validation"]["iou_visible"] + 0.05
    assert Path(done["weights"]).name == EXTENTS
    with pytest.raises(InputError):
        train("extents-smoke", tmp_path / "out", tmp_path / "again", device="cpu")


def test_the_packages_weights_are_of_this_network() -> None:
    from safetensors.torch import load_file

    network = ExtentNetwork(width=128, dropout=0.15)
    network.load_state_dict(load_file(own_weights(EXTENTS)), strict=True)
    figures = ExtentTask(network, made_up(8, 0), some(), seed=0)
    network.load_state_dict(load_file(own_weights(EXTENTS)), strict=True)  # the task sets the mean of its own samples
    with torch.no_grad():
        measured = figures.validate(network)
    assert measured["iou_boxes"] > measured["iou_visible"]
