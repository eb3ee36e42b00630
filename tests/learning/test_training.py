"""The training loop and the front-end's own part of it, on rooms of cards: it learns, resumes and says what it did."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from flat_rooms import FLOOR, WALL, flat_rooms, told_same
from PIL import Image

from pixal3d_scene.errors import InputError
from pixal3d_scene.frontend.front_end_decode import find_instances
from pixal3d_scene.frontend.front_end_network import FrontEndConfig, FrontEndNetwork, FrontEndOutput
from pixal3d_scene.learning.augment import augment, shrunk
from pixal3d_scene.learning.front_end_figures import front_end_figures, panoptic_quality
from pixal3d_scene.learning.front_end_loss import front_end_loss
from pixal3d_scene.learning.front_end_targets import NO_LABEL, FrontEndTargets, front_end_targets
from pixal3d_scene.learning.front_end_task import FrontEndTask
from pixal3d_scene.learning.room_batch import RoomBatch
from pixal3d_scene.learning.room_cache import write_batch
from pixal3d_scene.learning.room_files import RoomFiles
from pixal3d_scene.learning.training import TrainingPlan, averaged_weights, train

CPU = torch.device("cpu")
TINY = FrontEndConfig(
    labels=("object", "red", "blue", "green", "yellow"), widths=(8, 12, 16, 24, 32), blocks=(1, 1, 1, 1),
    decoder_width=16, attention_layers=1,
)  # fmt: skip
PLAN = TrainingPlan(steps=8, learning_rate=3e-3, averaging=0.9, log_every=1, validate_every=100)


def task(seed: int = 0) -> FrontEndTask:
    torch.manual_seed(seed)
    return FrontEndTask(
        FrontEndNetwork(TINY), lambda step: flat_rooms(2, seed=step), [flat_rooms(2, seed=10**6)], seed=seed
    )


def perfect(truth: FrontEndTargets) -> FrontEndOutput:
    """What a network without error would say."""
    return FrontEndOutput(
        log_depth=truth.log_depth,
        shell=torch.nn.functional.one_hot(truth.shell, 6).permute(0, 3, 1, 2) * 20.0,
        centre=torch.logit(truth.centre.clamp(1e-6, 1 - 1e-6)),
        offset=truth.offset,
        same=told_same(truth.instance),
        label=torch.nn.functional.one_hot(truth.label.clamp(min=0), 5).permute(0, 3, 1, 2) * 20.0,
        up_cam=truth.up_cam,
        log_focal=truth.log_focal,
    )


def test_the_truth_as_output_costs_nothing_and_scores_full_marks() -> None:
    truth = front_end_targets(flat_rooms(6, seed=1))
    terms = front_end_loss(perfect(truth), truth)
    assert {name: float(v) for name, v in terms.items() if name != "centre" and name != "loss"} == pytest.approx(
        dict.fromkeys(set(terms) - {"centre", "loss"}, 0.0), abs=1e-5
    )
    figures = front_end_figures(perfect(truth), truth)
    assert figures["absrel_metric"] == pytest.approx(0, abs=1e-5)
    assert figures["gravity_deg"] == pytest.approx(0, abs=0.05)
    assert figures["shell"] == 1.0
    # Cards that nearly cover each other may share a middle; all others are told apart.
    assert figures["pq"] > 0.9


def test_half_the_size_shows_the_same_view() -> None:
    batch = flat_rooms(2, seed=4)
    half = shrunk(batch, max(batch.size_px) // 2)
    assert half.size_px == (batch.size_px[0] // 2, batch.size_px[1] // 2)
    rays = batch.rays_cam().unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).mean(dim=(2, 4))  # of every four pixels
    torch.testing.assert_close(half.rays_cam(), rays)
    for name in ("z_m", "instance_ids", "shell_part", "label", "valid"):
        assert torch.equal(getattr(half, name), getattr(batch, name)[:, ::2, ::2]), name
    mean = batch.rgb.float().unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean(dim=(3, 5))
    assert float((half.rgb.float() - mean).abs().max()) <= 0.5


def test_three_quarters_of_the_size_show_the_same_view() -> None:
    batch = flat_rooms(2, seed=5)
    less = shrunk(batch, max(batch.size_px) * 3 // 4)
    assert less.size_px == (batch.size_px[0] * 3 // 4, batch.size_px[1] * 3 // 4)
    for b in range(2):
        small, large = less.rays_cam()[b].flatten(0, 1), batch.rays_cam()[b].flatten(0, 1)
        pixel = 1 / float(batch.K[b, 0, 0])
        apart, nearest = torch.cdist(small, large).min(dim=1)
        assert float(apart.max()) < 0.75 * pixel  # half of a pixel of the larger picture, in x and in y
        torch.testing.assert_close(small.mean(dim=0), large.mean(dim=0), atol=1e-5, rtol=0)
        # A pixel's truth is that of one under it, its colour that of all of them.
        assert (less.instance_ids[b].flatten() == batch.instance_ids[b].flatten()[nearest]).float().mean() > 0.97
    assert float(less.rgb.float().mean()) == pytest.approx(float(batch.rgb.float().mean()), abs=1.0)
    assert shrunk(batch, max(batch.size_px)) is batch


def test_targets_say_what_the_pixels_under_them_show() -> None:
    batch = flat_rooms(3, seed=2)
    truth = front_end_targets(batch)
    longer = 64
    focal = batch.K[:, 0, 0] / longer
    torch.testing.assert_close(truth.log_depth.exp() * focal[:, None, None], batch.z_m[:, ::2, ::2])
    ids = batch.instance_ids[:, ::2, ::2]
    assert (truth.shell[ids > 0] == 0).all()
    assert (truth.label[ids[:, ::2, ::2] == 0] == NO_LABEL).all()
    assert set(truth.shell[ids == 0].tolist()) == {FLOOR, WALL}
    for b in range(3):
        for number in ids[b].unique().tolist()[1:]:
            rows, columns = torch.nonzero(ids[b] == number, as_tuple=True)
            if len(rows) < 20:
                continue
            # From its first pixel, the offset leads to the mean of its pixel centres.
            middle_px = torch.stack([columns.float().mean(), rows.float().mean()]) * 2 + 0.5
            first_px = torch.stack([columns[0], rows[0]]).float() * 2 + 0.5
            led_px = first_px + truth.offset[b, :, rows[0], columns[0]] * longer
            torch.testing.assert_close(led_px, middle_px, atol=1e-3, rtol=0)


def test_a_mirrored_batch_is_the_mirrored_room() -> None:
    batch = flat_rooms(2, seed=3)
    seeds = (torch.Generator().manual_seed(s) for s in range(20))
    mirrored = next(m for m in (augment(batch, g) for g in seeds) if not torch.equal(m.z_m, batch.z_m))
    torch.testing.assert_close(mirrored.z_m, batch.z_m.flip(-1))
    torch.testing.assert_close(mirrored.points_cam().flip(2) * torch.tensor([-1.0, 1.0, 1.0]), batch.points_cam())
    torch.testing.assert_close(mirrored.height_m().flip(2), batch.height_m(), atol=1e-5, rtol=0)


def test_two_halves_are_told_from_one_whole() -> None:
    instance = torch.zeros(40, 40, dtype=torch.int64)
    instance[5:25, 5:25] = 1
    whole, left = instance == 1, (instance == 1) & (torch.arange(40) < 15)
    assert panoptic_quality([whole], instance) == 1.0
    assert panoptic_quality([left, whole & ~left], instance) == 0.0
    assert panoptic_quality([whole, instance == 0], instance) == pytest.approx(1 / 1.5)
    assert panoptic_quality([], instance) == 0.0


def test_it_learns_and_writes_what_it_did(tmp_path: Path) -> None:
    figures = train(task(), PLAN, tmp_path, device=CPU)
    with (tmp_path / "curves.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    loss = [float(r["value"]) for r in rows if (r["set"], r["name"]) == ("train", "loss")]
    assert len(loss) == PLAN.steps
    assert np.mean(loss[-3:]) < 0.7 * np.mean(loss[:2])
    assert set(figures) == {"absrel_metric", "absrel_scaled", "gravity_deg", "focal", "shell", "pq"}
    assert Image.open(tmp_path / "curves.png").size[0] > 100
    FrontEndNetwork(TINY).load_state_dict(averaged_weights(tmp_path))


def test_in_two_sessions_as_in_one(tmp_path: Path) -> None:
    train(task(), PLAN, tmp_path / "once", device=CPU)
    # The first session is cut off: its plan is the whole one, its clock runs out.
    first = task()
    draw, cut = first._draw, 4

    def until(step: int) -> RoomBatch:
        if step == cut:
            raise KeyboardInterrupt
        return draw(step)

    first._draw = until
    with pytest.raises(KeyboardInterrupt):
        train(first, replace(PLAN, checkpoint_every_s=0.0), tmp_path / "twice", device=CPU)
    train(task(), PLAN, tmp_path / "twice", device=CPU)
    for name, value in averaged_weights(tmp_path / "once").items():
        torch.testing.assert_close(averaged_weights(tmp_path / "twice")[name], value, msg=name)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train(task(), replace(PLAN, steps=1), tmp_path, device=CPU)
    other = replace(TINY, decoder_width=8)
    with pytest.raises(InputError, match="another network"):
        train(replace_model(task(), FrontEndNetwork(other)), replace(PLAN, steps=2), tmp_path, device=CPU)


def replace_model(of: FrontEndTask, model: torch.nn.Module) -> FrontEndTask:
    of.model = model
    return of


def test_minutes_end_a_run_as_steps_do(tmp_path: Path) -> None:
    train(task(), replace(PLAN, steps=10_000, minutes=0.02), tmp_path, device=CPU)
    rows = (tmp_path / "curves.csv").read_text().splitlines()
    assert 0 < len([r for r in rows if ",loss," in r]) < 1000


def test_portrait_and_landscape_share_the_weights() -> None:
    network = FrontEndNetwork(TINY).eval()
    for width, height in ((96, 64), (64, 96)):
        output = network(torch.rand(1, 3, height, width))
        assert output.log_depth.shape == (1, height // 2, width // 2)
        assert output.shell.shape == (1, 6, height // 2, width // 2)
        assert torch.allclose(output.up_cam.norm(dim=1), torch.ones(1))
        found = find_instances(output)
        assert all(f.mask.shape == (height // 2, width // 2) for f in found)
        assert int(sum(f.mask.int() for f in found).max() if found else 0) <= 1  # no pixel has two owners


def test_rooms_are_drawn_from_a_folder_that_grows(tmp_path: Path) -> None:
    first, second = flat_rooms(2, seed=4), flat_rooms(2, seed=5)
    write_batch(first, tmp_path / "train_a.npz")
    write_batch(second, tmp_path / "validation_a.npz")
    files = RoomFiles(tmp_path, "train", seed=0)
    assert all(torch.equal(files.draw(step).seeds, first.seeds) for step in range(5))
    write_batch(second, tmp_path / "train_b.npz")
    seen = {int(files.draw(step).seeds[0]) for step in range(50, 80)}
    assert seen == {int(first.seeds[0]), int(second.seeds[0])}
    assert torch.equal(files.draw(60).rgb, RoomFiles(tmp_path, "train", seed=0).draw(60).rgb)


def test_a_folder_without_rooms_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rendered rooms"):
        RoomFiles(tmp_path, "train", seed=0).draw(0)
