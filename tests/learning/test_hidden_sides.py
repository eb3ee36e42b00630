"""The network of hidden sides learns from true solids seen as `lift` sees them, and its training lowers the loss."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from lift_cases import box as box_mesh
from lift_cases import joined
from scipy.spatial.transform import Rotation
from training_cases import small_pack

from pipelines.train import train
from pixal3d_scene.asset import Mesh
from pixal3d_scene.errors import InputError
from pixal3d_scene.generator.hidden_cells import CELLS, CHANNELS, as_values
from pixal3d_scene.generator.hidden_network import HiddenNetwork, HiddenSize, read_hidden
from pixal3d_scene.generator.lift_box import Box
from pixal3d_scene.generator.lift_cut import FEATURES
from pixal3d_scene.learning.hidden_samples import HiddenSamples, filled_cells, sample_hidden
from pixal3d_scene.learning.hidden_task import HiddenTask, hidden_files, hidden_rows
from pixal3d_scene.weights.own import HIDDEN_SIDES, own_weights

NOTHING = np.zeros((0, 3, 3))
UNIT = Box(R_world_from_box=Rotation.identity(), low=np.zeros(3), high=np.ones(3))


@cache
def some() -> HiddenSamples:
    return sample_hidden(small_pack(), split="train", seed=0, first=0, rooms=3)


def triangles(mesh: Mesh) -> np.ndarray:
    return mesh.vertices[mesh.faces]


def without(mesh: Mesh, axis: int, at: float) -> np.ndarray:
    """The triangles that do not lie in a plane."""
    corners = triangles(mesh)
    return corners[~(np.abs(corners[:, :, axis] - at) < 1e-9).all(axis=1)]


def test_a_closed_box_is_full_and_stands_where_it_stands() -> None:
    eighth = 1 / CELLS / 8  # no face in a plane between cells
    low, high = (0.25 + eighth, 0.0, 0.5 + eighth), (0.5 - eighth, 0.75 - eighth, 0.875 - eighth)
    filled = filled_cells(triangles(box_mesh(low, high)), NOTHING, UNIT)
    expected = np.zeros((CELLS, CELLS, CELLS), dtype=bool)
    expected[8:16, :24, 16:28] = True
    assert (filled[expected] == 255).all()
    assert not filled[~expected].any()


def test_what_is_open_below_or_slit_is_full_and_what_is_open_in_front_is_not() -> None:
    cube = box_mesh((0.2, 0.0, 0.2), (0.8, 0.6, 0.8))
    assert filled_cells(without(cube, 1, 0.0), NOTHING, UNIT)[16, 8, 16] == 255
    assert filled_cells(without(cube, 2, 0.8), NOTHING, UNIT)[16, 8, 16] == 0
    assert filled_cells(without(cube, 2, 0.2), NOTHING, UNIT)[16, 8, 16] == 0
    back = triangles(box_mesh((0.2, 0.0, 0.2), (0.8, 0.6, 0.2)))  # a seal closes the backs of models
    assert filled_cells(without(cube, 2, 0.2), back, UNIT)[16, 8, 16] == 255
    slit = joined(box_mesh((0.2, 0.0, 0.2), (0.48, 0.6, 0.8)), box_mesh((0.52, 0.0, 0.2), (0.8, 0.6, 0.8)))
    walls = triangles(slit)
    outer = walls[~((walls[:, :, 0] > 0.4) & (walls[:, :, 0] < 0.6)).all(axis=1)]  # without the walls of the slit
    assert filled_cells(outer, NOTHING, UNIT)[11, 8, 16] == 255


def test_a_table_is_empty_beneath_and_a_thin_top_is_there() -> None:
    legs = [box_mesh((x, 0, z), (x + 0.05, 0.5, z + 0.05)) for x in (0.1, 0.85) for z in (0.1, 0.85)]
    table = joined(*legs, box_mesh((0.1, 0.5, 0.1), (0.9, 0.51, 0.9)))
    seals = triangles(box_mesh((0.1, 0.0, 0.1), (0.9, 0.0, 0.9)))  # its bottom, and four sides that are points
    filled = filled_cells(triangles(table), seals, UNIT)
    assert filled[16, 4:15, 16].max() == 0
    assert filled[16, 15:18, 16].max() > 127
    assert filled[4, 8, 4] > 127


def test_what_the_box_cuts_stays_full() -> None:
    filled = filled_cells(triangles(box_mesh((-0.49, 0.0, 0.2), (0.51, 0.51, 0.8))), NOTHING, UNIT)
    assert (filled[:16, :16, 8:24] == 255).all()
    assert not filled[18:].any()


def test_samples_agree_with_what_the_photo_shows() -> None:
    samples = some()
    assert len(samples.solid) >= 8
    assert samples.evidence.shape[1:] == (CHANNELS, CELLS, CELLS, CELLS)
    assert samples.features.shape[1] == FEATURES
    evidence, solid = as_values(samples.evidence), samples.solid / 255
    hull, hidden, _, near, _ = evidence.transpose(1, 0, 2, 3, 4)
    free = hull <= -1
    behind = (hidden == 0) & (hull > 0) & (near > 0) & (near < 0.4)
    assert solid[free].mean() < 0.02
    assert solid[behind].mean() > 0.7  # a mirrored or shifted truth has less
    assert solid[:, ::-1][behind].mean() < solid[behind].mean() - 0.05
    assert solid[..., ::-1][behind].mean() < solid[behind].mean() - 0.05


def test_samples_know_the_sides_of_the_true_solid() -> None:
    """Filled cells end where the sides are, for what the cells hold; a swapped or mirrored axis would not."""
    samples = some()
    gaps = []
    for solid, sides in zip(samples.solid > 127, samples.sides, strict=True):
        for axis in range(3):
            slabs = np.flatnonzero(solid.any(axis=tuple(a for a in range(3) if a != axis)))
            if len(slabs):
                gaps += [slabs[0] / CELLS - max(sides[axis], 0), (slabs[-1] + 1) / CELLS - min(sides[3 + axis], 1)]
    assert np.median(np.abs(gaps)) < 1 / CELLS
    assert np.quantile(np.abs(gaps), 0.8) < 2 / CELLS


def test_mirrored_rows_are_those_of_the_mirrored_room(tmp_path: Path) -> None:
    some().write(tmp_path / "train_0.npz")
    rows = hidden_rows(hidden_files(tmp_path, "train"), [0, 1, 2])
    which = torch.tensor([True, False, True])
    other = rows.mirrored(which)
    back = other.mirrored(which)
    for field in fields(rows):
        torch.testing.assert_close(getattr(back, field.name), getattr(rows, field.name))
    torch.testing.assert_close(other.solid[1], rows.solid[1])
    torch.testing.assert_close(other.solid[0], rows.solid[0].flip(0))
    torch.testing.assert_close(other.evidence[2], rows.evidence[2].flip(1))
    torch.testing.assert_close(other.sides[:, 0], torch.where(which, 1 - rows.sides[:, 3], rows.sides[:, 0]))
    torch.testing.assert_close(
        other.landmarks[:, 13], torch.where(which, 1 - rows.landmarks[:, 14], rows.landmarks[:, 13])
    )


def test_files_keep_everything_and_others_are_refused(tmp_path: Path) -> None:
    some().write(tmp_path / "train_0.npz")
    again = HiddenSamples.read(tmp_path / "train_0.npz")
    for name in ("evidence", "features", "landmarks", "solid", "sides"):
        np.testing.assert_array_equal(getattr(again, name), getattr(some(), name))
    np.savez(tmp_path / "train_1.npz", evidence=np.zeros(3))
    with pytest.raises(InputError, match="sample_hidden"):
        hidden_files(tmp_path, "train")
    with pytest.raises(InputError, match="validation"):
        hidden_files(tmp_path, "validation")


def test_files_that_come_later_are_taken_up(tmp_path: Path) -> None:
    some().write(tmp_path / "train_0.npz")
    files = hidden_files(tmp_path, "train")
    count = len(files)
    some().write(tmp_path / "train_1.npz")
    files.look()
    assert len(files) == 2 * count
    first, second = hidden_rows(files, [0, count - 1]), hidden_rows(files, [count, 2 * count - 1])
    for field in fields(first):
        torch.testing.assert_close(getattr(first, field.name), getattr(second, field.name))


def test_training_lowers_the_loss_and_leaves_a_file_for_lift(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        some().write(tmp_path / f"{split}_0.npz")
    done = train("hidden-sides-smoke", tmp_path, tmp_path / "out", device="cpu")
    assert 0 < done["validation"]["iou"] < 1
    assert Path(done["weights"]).name == HIDDEN_SIDES
    assert read_hidden(Path(done["weights"])).size.widths == (8, 12, 16)
    curve = [row.split(",") for row in (tmp_path / "out" / "curves.csv").read_text().splitlines()]
    losses = [float(row[-1]) for row in curve if "train" in row and "loss" in row]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


def test_the_packages_weights_know_what_is_hidden(tmp_path: Path) -> None:
    """Better than taking all that nothing speaks against, and than what is near to the visible surface alone."""
    some().write(tmp_path / "validation_0.npz")
    network, files = read_hidden(own_weights(HIDDEN_SIDES)), hidden_files(tmp_path, "validation")
    mean, std = network.mean.clone(), network.std.clone()
    task = HiddenTask(network, files, files, batch=8, seed=0)
    network.mean.copy_(mean)  # the task sets those of its own samples
    network.std.copy_(std)
    with torch.no_grad():
        figures = task.validate(network)
    evidence, truth = as_values(some().evidence), some().solid > 127

    def iou(guess: np.ndarray) -> float:
        both, either = ((guess & truth).sum(axis=(1, 2, 3)), (guess | truth).sum(axis=(1, 2, 3)))
        return float(np.mean(both / either))

    possible = evidence[:, 0] > 0
    shown = possible & (evidence[:, 1] == 0) & (evidence[:, 3] < 0.7)
    assert figures["iou"] > max(iou(possible), iou(shown)) + 0.1
    assert figures["iou_box"] > figures["iou_symmetric"] + 0.02


def test_the_network_has_the_size_that_the_settings_name() -> None:
    network = HiddenNetwork(HiddenSize())
    assert read_hidden(own_weights(HIDDEN_SIDES)).size == network.size
